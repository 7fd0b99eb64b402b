"""The classifier: sizes, its spectrum, and what must have no effect."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.audio import dc, spectra
from wavecore.errors import InputError, UsageError
from wavecore.models.note_classifier.config import NoteClassifierConfig
from wavecore.models.note_classifier.model import N_PITCHES, NoteClassifier

NAMES = (("flute", "organ"), ("acoustic", "electronic", "synthetic"), ("bright", "dark", "percussive", "reverb"))
CONFIG = NoteClassifierConfig(*NAMES, n_samples=4_000, n_fft=256, hop_length=128, channels=8)
HEADS = {"pitch": N_PITCHES, "quality": 4, "family": 2, "source": 3}


def build(**changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NoteClassifier(replace(CONFIG, **changes))
        torch.nn.init.normal_(network.heads.weight, std=0.3)
    return network.eval()


def make_audio(batch=2, n_samples=4_000):
    t = torch.arange(n_samples) / 16_000
    f0_hz = torch.tensor([440.0, 700.0, 1200.0])[:batch, None]
    noise = torch.randn(batch, n_samples, generator=torch.Generator().manual_seed(0))
    return torch.exp(-3 * t) * torch.sin(2 * torch.pi * f0_hz * t) * 0.5 + 0.01 * noise


def joined(logits):
    return torch.cat([getattr(logits, name) for name in HEADS], dim=1)


def test_models_from_before_the_filter_are_not_filtered():
    old = CONFIG.to_dict()
    assert old.pop("filtered") is True
    assert NoteClassifierConfig.from_dict(old) == replace(CONFIG, filtered=False)


def test_frequencies_below_20_hz_are_removed():
    network, audio = build(), make_audio(n_samples=16_000)
    drifting = audio + 0.5 * torch.sin(torch.arange(16_000) / 16_000)
    spectrum = network.spectrum(drifting)
    torch.testing.assert_close(spectrum[:, 1:], network.spectrum(audio)[:, 1:], atol=0.05, rtol=0)
    assert float(spectrum[:, 0, 4:].max()) < 0.5  # the drift begins in the first frames
    assert float(build(filtered=False).spectrum(drifting)[:, 0, -9:].min()) > 0.9


def test_the_default_sizes_take_less_than_a_megabyte_in_half_precision(tmp_path):
    network = NoteClassifier(NoteClassifierConfig())
    checkpoint.save(network, tmp_path, dtype=torch.float16)
    assert (tmp_path / "model.safetensors").stat().st_size < 1_000_000


@pytest.mark.parametrize(
    "changes",
    [
        {"families": ()},
        {"sources": ("a", "a")},
        *(
            {name: value}
            for name in ("n_samples", "sample_rate", "n_fft", "hop_length", "channels")
            for value in (0, 2.0)
        ),
        {"n_fft": 255},
        {"n_samples": 254},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"dropout": float("nan")},
        {"filtered": 1},
    ],
)
def test_sizes_that_make_no_sense_are_refused(changes):
    (name,) = changes
    with pytest.raises(UsageError, match=name):
        replace(CONFIG, **changes)


def test_every_head_has_logits_for_every_note():
    logits = build()(make_audio())
    for name, size in HEADS.items():
        assert getattr(logits, name).shape == (2, size) and getattr(logits, name).dtype == torch.float32
    assert joined(logits).std() > 0.01
    assert not joined(NoteClassifier(CONFIG).eval()(make_audio())).any(), "a new network finds all equally probable"


def test_the_spectrum_is_scaled_to_one():
    audio = make_audio()
    spectrum = build().spectrum(audio)
    assert spectrum.shape == (2, 128, 1 + 4_000 // 128)
    magnitude = spectra.stft_magnitude(dc.highpass(audio, 16_000), n_fft=256, hop_length=128)
    level_db = spectra.log_magnitude(magnitude, range_db=80.0)
    torch.testing.assert_close(spectrum, 1 + level_db[:, :128] / 80)
    assert float(spectrum.min()) >= 0 and float(spectrum.amax(dim=(1, 2)).min()) == 1
    assert spectrum[0].amax(dim=1).argmax() == round(440 * 256 / 16_000)


def test_level_and_neighbours_have_no_effect():
    network, audio = build(), make_audio(3)
    together = joined(network(audio))
    torch.testing.assert_close(joined(network(0.01 * audio)), together, rtol=1e-3, atol=1e-3)
    for row in range(3):
        torch.testing.assert_close(joined(network(audio[row : row + 1]))[0], together[row], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n_samples", [1, 255, 3_999, 9_000])
def test_other_lengths_and_silence_have_logits_too(n_samples):
    assert build()(make_audio(1, n_samples)).pitch.shape == (1, 128)
    assert torch.isfinite(joined(build()(torch.zeros(1, n_samples)))).all()


def test_dropout_is_for_training_alone():
    network, audio = build(dropout=0.5), make_audio()
    assert torch.equal(joined(network(audio)), joined(network(audio)))
    network.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert not torch.equal(joined(network(audio)), joined(network(audio)))


def test_gradients_reach_every_weight():
    network = build()
    joined(network(make_audio())).square().sum().backward()
    assert all(parameter.grad.any() for parameter in network.parameters())


def test_audio_that_is_none_is_refused():
    for shape in ((4_000,), (1, 1, 4_000)):
        with pytest.raises(UsageError, match="shape"):
            build()(torch.zeros(shape))
    for audio in (torch.zeros(1, 0), torch.full((1, 4_000), float("nan")), torch.zeros(1, 4_000, dtype=torch.int16)):
        with pytest.raises(InputError):
            build()(audio)


def test_half_precision_gives_nearly_the_same_logits(tmp_path):
    network = build()
    network.norms[0].num_batches_tracked.fill_(70_001)  # more than half precision can count
    checkpoint.save(network, tmp_path, dtype=torch.float16)
    loaded = checkpoint.load(tmp_path, kind="note-classifier")
    assert loaded.card["families"] == ["flute", "organ"] and loaded.card["sample_rate"] == 16_000
    assert loaded.network.norms[0].num_batches_tracked == 70_001
    assert loaded.network.heads.weight.dtype == torch.float32
    logits = [joined(each(make_audio())).detach() for each in (loaded.network, network)]
    np.testing.assert_allclose(*logits, atol=0.02)
