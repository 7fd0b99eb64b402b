"""Sounds are classified: probabilities of the network, one pitch or two."""

import json

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.errors import InputError
from wavecore.models import base
from wavecore.models.note_classifier.config import NoteClassifierConfig
from wavecore.models.note_classifier.model import NoteClassifier

RATE, N = 16_000, 12_000
NAMES = (("flute", "organ", "reed"), ("acoustic", "synthetic"), ("bright", "dark"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = NoteClassifier(NoteClassifierConfig(*NAMES, n_samples=N, channels=8))
        torch.nn.init.normal_(network.heads.weight)
    folder = tmp_path_factory.mktemp("models") / "ear"
    checkpoint.save(network, folder)
    return base.load(folder)


def tone(f0_hz, n=N, seed=0):
    t = np.arange(n) / RATE
    return sum(0.2 / k * np.sin(2 * np.pi * k * f0_hz * t + seed * k) for k in range(1, 8)).astype(np.float32)


def test_probabilities_are_the_network_s(model):
    sound = tone(330)
    note = model.classify(sound, RATE)
    with torch.inference_mode():
        logits = model.network(torch.from_numpy(sound)[None])
    assert note.pitch == int(logits.pitch.argmax())
    assert note.pitch_probability == pytest.approx(float(torch.softmax(logits.pitch, 1).max()), rel=1e-4)
    expected = dict(zip(NAMES[0], torch.softmax(logits.family[0], 0).tolist(), strict=True))
    assert note.families == pytest.approx(expected, rel=1e-4)
    assert list(note.families.values()) == sorted(note.families.values(), reverse=True)
    assert sum(note.sources.values()) == pytest.approx(1)
    assert note.qualities == tuple(name for name, logit in zip(NAMES[2], logits.quality[0], strict=True) if logit > 0)
    assert json.loads(json.dumps(note.to_dict()))["families"] == note.families
    assert "3 families" in repr(model)


def test_a_mix_of_two_pitches_has_two_series(model):
    one, two = (model.classify(x, RATE).series for x in (tone(330), tone(330) + 0.8 * tone(440, seed=1)))
    assert one.share > 0.97 and one.second_share < 0.03
    assert two.share < 0.8 and two.second_share > 0.2


@pytest.mark.slow
def test_of_longer_sounds_the_beginning_is_classified_and_shorter_ones_end_in_silence(model):
    sound = tone(200)
    alone, longer = model.classify(sound, RATE), model.classify(np.concatenate([sound, tone(900)]), RATE)
    assert (longer.pitch, longer.families) == (alone.pitch, alone.families) and longer.series != alone.series
    short, padded = (model.classify(x, RATE) for x in (sound[:9000], np.pad(sound[:9000], (0, N - 9000))))
    assert short.families == padded.families


def test_other_rates_are_resampled(model):
    t = np.arange(2 * N) / (2 * RATE)
    fast = sum(0.2 / k * np.sin(2 * np.pi * k * 330 * t) for k in range(1, 8)).astype(np.float32)
    assert model.classify(fast, 2 * RATE).series.f0_hz == pytest.approx(330, rel=0.01)


@pytest.mark.parametrize("sound", [np.zeros(N, np.float32), np.full(N, np.nan, np.float32), tone(300)[:2000]])
def test_sounds_that_cannot_be_classified_are_refused(model, sound):
    with pytest.raises(InputError):
        model.classify(sound, RATE)
