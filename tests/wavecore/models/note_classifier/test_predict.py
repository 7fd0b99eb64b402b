"""What is heard in sounds: posteriors of the classifier, one pitch or two."""

import json

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.errors import InputError, UsageError
from wavecore.models.note_classifier.config import NoteClassifierConfig
from wavecore.models.note_classifier.model import NoteClassifier
from wavecore.models.note_classifier.predict import listen

RATE = 16_000
N = 12_000


@pytest.fixture(scope="module")
def ear(tmp_path_factory):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = NoteClassifier(
            NoteClassifierConfig(
                ("flute", "organ", "reed"), ("acoustic", "synthetic"), ("bright", "dark"), n_samples=N, channels=8
            )
        )
        torch.nn.init.normal_(network.heads.weight)
    folder = tmp_path_factory.mktemp("models") / "ear"
    checkpoint.save(network, folder)
    return checkpoint.load(folder, kind="note-classifier")


def _tone(f0_hz, n=N, seed=0):
    t = np.arange(n) / RATE
    return sum(0.2 / k * np.sin(2 * np.pi * k * f0_hz * t + seed * k) for k in range(1, 8)).astype(np.float32)


def test_probabilities_are_the_classifier_s(ear):
    sound = _tone(330)
    found = listen(ear, [sound], RATE)[0]
    with torch.inference_mode():
        logits = ear.network(torch.from_numpy(sound)[None])
    assert found.pitch == int(logits.pitch.argmax())
    assert found.pitch_probability == pytest.approx(float(torch.softmax(logits.pitch, 1).max()), rel=1e-4)
    wanted = torch.softmax(logits.family[0], 0).tolist()
    assert found.families == pytest.approx(dict(zip(ear.network.config.families, wanted, strict=True)), rel=1e-4)
    assert list(found.families.values()) == sorted(found.families.values(), reverse=True)
    assert sum(found.sources.values()) == pytest.approx(1)
    assert found.qualities == tuple(
        name for name, value in zip(("bright", "dark"), logits.quality[0], strict=True) if value > 0
    )
    json.dumps(found.to_dict())


def test_a_mix_of_two_pitches_is_heard_as_two(ear):
    one, two = listen(ear, [_tone(330), _tone(330) + 0.8 * _tone(440, seed=1)], RATE)
    assert one.series.share > 0.97 and one.series.second_share < 0.03
    assert two.series.share < 0.8 and two.series.second_share > 0.2


def test_a_sound_is_heard_the_same_beside_others_and_only_its_beginning_is_judged(ear):
    sound = _tone(200)
    alone = listen(ear, [sound], RATE)[0]
    beside = listen(ear, [_tone(500), sound], RATE)[1]
    assert beside == alone
    longer = listen(ear, [np.concatenate([sound, _tone(900)])], RATE)[0]
    assert (longer.pitch, longer.families) == (alone.pitch, alone.families) and longer.series != alone.series
    short, padded = listen(ear, [sound[:9000], np.pad(sound[:9000], (0, N - 9000))], RATE)
    assert short.families == padded.families


def test_what_cannot_be_heard_is_refused(ear):
    with pytest.raises(UsageError, match="at 16000 Hz, not 8000"):
        listen(ear, [_tone(300)], 8000)
    with pytest.raises(InputError, match="silent"):
        listen(ear, [np.zeros(N, np.float32)], RATE)
    with pytest.raises(InputError, match="sound 2"):
        listen(ear, [_tone(300), np.full(N, np.nan, np.float32)], RATE)
    with pytest.raises(InputError, match="too few"):
        listen(ear, [_tone(300)[:2000]], RATE)
