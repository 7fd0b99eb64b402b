"""The listener: sizes, what it hears, and what it must not hear."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.audio import dc, spectra
from wavecore.errors import InputError, ModelError, UsageError
from wavecore.models.note_classifier.config import NoteClassifierConfig
from wavecore.models.note_classifier.model import N_PITCHES, NoteClassifier

NAMES = (("flute", "organ"), ("acoustic", "electronic", "synthetic"), ("bright", "dark", "percussive", "reverb"))
CONFIG = NoteClassifierConfig(*NAMES, n_samples=4_000, n_fft=256, hop_length=128, channels=8)
HEADS = {"pitch": N_PITCHES, "quality": 4, "family": 2, "source": 3}


def _network(**changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NoteClassifier(replace(CONFIG, **changes))
        torch.nn.init.normal_(network.heads.weight, std=0.3)
    return network.eval()


def _audio(batch=2, n_samples=4_000):
    t = torch.arange(n_samples) / 16_000
    f0_hz = torch.tensor([440.0, 700.0, 1200.0])[:batch, None]
    noise = torch.randn(batch, n_samples, generator=torch.Generator().manual_seed(0))
    return torch.exp(-3 * t) * torch.sin(2 * torch.pi * f0_hz * t) * 0.5 + 0.01 * noise


def _joined(logits):
    return torch.cat([getattr(logits, name) for name in HEADS], dim=1)


def test_the_configuration_survives_json():
    assert NoteClassifierConfig.from_dict(json.loads(json.dumps(CONFIG.to_dict()))) == CONFIG


def test_a_model_of_before_the_filter_hears_everything():
    old = CONFIG.to_dict()
    assert old.pop("filtered") is True
    assert NoteClassifierConfig.from_dict(old) == replace(CONFIG, filtered=False)


def test_nobody_hears_below_20_hz():
    network, audio = _network(), _audio(n_samples=16_000)
    drifting = audio + 0.5 * torch.sin(torch.arange(16_000) / 16_000)
    found = network.spectrum(drifting)
    torch.testing.assert_close(found[:, 1:], network.spectrum(audio)[:, 1:], atol=0.05, rtol=0)
    assert float(found[:, 0, 4:].max()) < 0.5  # the first frames have the drift begin
    everything = replace(CONFIG, filtered=False)
    assert float(NoteClassifier(everything).spectrum(drifting)[:, 0, -9:].min()) > 0.9


def test_the_usual_sizes_ship_in_less_than_a_megabyte_of_half_precision(tmp_path):
    names = [tuple(f"{word}{i}" for i in range(n)) for word, n in (("family", 11), ("source", 3), ("quality", 10))]
    config = NoteClassifierConfig(*names)
    network = NoteClassifier(config)
    assert (config.n_fft, config.hop_length, config.n_samples, config.sample_rate) == (1024, 256, 64_000, 16_000)
    assert sum(parameter.numel() for parameter in network.parameters()) < 400_000
    checkpoint.save(network, tmp_path, dtype=torch.float16)
    assert (tmp_path / "model.safetensors").stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"families": ()}, r"families must be distinct names, at least one, not \(\)"),
        ({"sources": ("a", "a")}, "sources must be distinct"),
        ({"qualities": ["bright"]}, "qualities must be distinct"),
        *(
            ({name: value}, f"{name} must be a whole number.*not {value!r}")
            for name in ("n_samples", "sample_rate", "n_fft", "hop_length", "channels")
            for value in (0, -1, 2.0, True, "8")
        ),
        ({"n_fft": 255}, "n_fft must be even.*not 255"),
        ({"n_samples": 254}, r"at most n_samples \(254\), not 256"),
        ({"dropout": 1.0}, "dropout.*1.0"),
        ({"dropout": -0.1}, "dropout.*-0.1"),
        ({"dropout": float("nan")}, "dropout.*nan"),
        ({"filtered": 1}, "filtered must be true or false, not 1"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        replace(CONFIG, **changes)


def test_every_head_answers_for_every_note():
    logits = _network()(_audio())
    for name, size in HEADS.items():
        found = getattr(logits, name)
        assert found.shape == (2, size) and found.dtype == torch.float32
    assert _joined(logits).std() > 0.01


def test_a_new_network_is_undecided():
    assert not _joined(NoteClassifier(CONFIG).eval()(_audio())).any()


def test_the_spectrum_is_that_of_the_house_scaled_to_one():
    audio = _audio()
    found = _network().spectrum(audio)
    assert found.shape == (2, 128, 1 + 4_000 // 128)
    heard = dc.highpass(audio, 16_000)
    level_db = spectra.log_magnitude(spectra.stft_magnitude(heard, n_fft=256, hop_length=128), range_db=80.0)
    torch.testing.assert_close(found, 1 + level_db[:, :128] / 80)
    assert float(found.min()) >= 0 and float(found.amax(dim=(1, 2)).min()) == 1
    assert found[0].amax(dim=1).argmax() == round(440 * 256 / 16_000)


def test_the_level_does_not_matter():
    network, audio = _network(), _audio()
    torch.testing.assert_close(_joined(network(0.01 * audio)), _joined(network(audio)), rtol=1e-3, atol=1e-3)


def test_silence_has_an_answer():
    assert torch.isfinite(_joined(_network()(torch.zeros(1, 4_000)))).all()


def test_a_note_is_judged_alone():
    network, audio = _network(), _audio(3)
    together = _joined(network(audio))
    for row in range(3):
        torch.testing.assert_close(_joined(network(audio[row : row + 1]))[0], together[row], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_samples", [1, 255, 3_999, 9_000])
def test_other_lengths_are_heard_too(n_samples):
    assert _network()(_audio(1, n_samples)).pitch.shape == (1, 128)


def test_dropout_is_for_training_alone():
    network, audio = _network(dropout=0.5), _audio()
    assert torch.equal(_joined(network(audio)), _joined(network(audio)))
    network.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert not torch.equal(_joined(network(audio)), _joined(network(audio)))


def test_gradients_reach_every_weight():
    network = _network()
    _joined(network(_audio())).square().sum().backward()
    assert all(parameter.grad.any() for parameter in network.parameters())


@pytest.mark.parametrize("shape", [(4_000,), (1, 1, 4_000)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(UsageError, match="audio must have shape"):
        _network()(torch.zeros(shape))


def test_audio_that_is_none_is_refused():
    for audio in (torch.zeros(1, 0), torch.full((1, 4_000), float("nan")), torch.zeros(1, 4_000, dtype=torch.int16)):
        with pytest.raises(InputError):
            _network()(audio)


def test_a_model_folder_holds_the_network(tmp_path):
    network = _network()
    digest = checkpoint.save(network, tmp_path / "ear", training={"steps": 3})
    loaded = checkpoint.load(tmp_path / "ear", kind="note-classifier")
    assert (loaded.sha256, loaded.network.config, loaded.card["kind"]) == (digest, CONFIG, "note-classifier")
    assert loaded.card["families"] == ["flute", "organ"] and loaded.card["sample_rate"] == 16_000
    assert torch.equal(_joined(loaded.network(_audio())), _joined(network(_audio())))
    with pytest.raises(ModelError, match="kind 'note-classifier', not 'nsynth'"):
        checkpoint.load(tmp_path / "ear", kind="nsynth")


def test_half_precision_hears_the_same(tmp_path):
    network = _network()
    network.norms[0].num_batches_tracked.fill_(70_001)  # more than half precision can count
    checkpoint.save(network, tmp_path, dtype=torch.float16)
    loaded = checkpoint.load(tmp_path, kind="note-classifier").network
    assert loaded.norms[0].num_batches_tracked == 70_001 and loaded.heads.weight.dtype == torch.float32
    found = loaded(_audio())
    np.testing.assert_allclose(_joined(found).detach(), _joined(network(_audio())).detach(), atol=0.02)
