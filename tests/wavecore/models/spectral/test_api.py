"""The model as ``wavecore.load`` returns it: notes to vectors and back."""

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.audio import note_level
from wavecore.errors import UsageError
from wavecore.models import base
from wavecore.models.spectral.config import SpectralConfig
from wavecore.models.spectral.model import SpectralNetwork

RATE = 16_000
TONE = (0.02 * np.sin(2 * np.pi * 440 * np.arange(3000) / RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "baseline"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SpectralNetwork(SpectralConfig("phase", base_channels=1, latent_channels=4, pitch_channels=2))
    checkpoint.save(network, folder)
    return base.load(folder)


def test_a_note_is_encoded_and_decoded(model):
    latent = model.encode(TONE, RATE)
    assert latent.shape == (4,) and latent.dtype == np.float32
    twice = np.repeat(TONE, 2)  # an octave lower at twice the rate: the same tone, roughly
    assert model.encode(twice, 2 * RATE).shape == (4,)
    sound = model.decode(latent, pitch=69, seconds=0.1, seed=5)
    samples, rate = sound
    assert samples.shape == (1600,) and rate == RATE and np.abs(samples).max() == pytest.approx(1)
    assert sound.info == {"model": "baseline", "model_sha256": model.sha256, "seed": 5}


def test_a_reconstruction_has_length_and_level_of_the_note(model):
    sound = model.reconstruct(TONE, RATE, pitch=69, seed=5)
    assert len(sound.samples) == 3000
    assert note_level.loud_db(sound.samples) == pytest.approx(note_level.loud_db(TONE), abs=0.1)
    direct = model.decode(model.encode(TONE, RATE), pitch=69, seconds=3000 / RATE, seed=5).samples
    np.testing.assert_allclose(sound.samples / np.abs(sound.samples).max(), direct, atol=1e-5)
    assert "seed" in model.reconstruct(TONE, RATE, pitch=69).info
    assert "phase" in repr(model)


def test_what_makes_no_sense_is_refused(model):
    with pytest.raises(UsageError, match="pitch"):
        model.reconstruct(TONE, RATE)
    with pytest.raises(UsageError, match="shape"):
        model.decode(np.zeros(3), pitch=60)
    with pytest.raises(UsageError, match="65536"):
        model.decode(np.zeros(4), pitch=60, seconds=5.0)
    with pytest.raises(UsageError, match="65536"):
        model.encode(np.zeros(70_000, np.float32), RATE)
