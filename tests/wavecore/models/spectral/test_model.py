"""The spectral baseline: there and back again, shapes, weights of errors, what is refused."""

from __future__ import annotations

import math

import pytest
import torch

from wavecore import checkpoint
from wavecore.errors import ModelError, UsageError
from wavecore.models.spectral.config import VARIANTS, SpectralConfig
from wavecore.models.spectral.model import SpectralNetwork, loss, to_audio, to_images

N = 64_000


def _config(variant="magnitude", **sizes):
    return SpectralConfig(variant, **{"base_channels": 2, "latent_channels": 12, "pitch_channels": 3, **sizes})


@pytest.fixture(scope="module")
def notes():
    t = torch.arange(N) / 16_000
    return torch.stack([0.3 * torch.sin(2 * math.pi * f * t) * torch.exp(-t) for f in (220.0, 523.25)])


@pytest.mark.parametrize("variant", VARIANTS)
def test_images_have_their_range(variant, notes):
    images = to_images(notes, _config(variant))
    assert images.shape == (2, 1 if variant == "magnitude" else 2, 512, 256) and images.dtype == torch.float32
    assert (
        images[:, 0].min() >= 0 and images[:, 0].amax(dim=(1, 2)).tolist() == [1, 1] and images.abs().max() <= 1 + 1e-6
    )
    quieter = to_images(0.01 * notes, _config(variant))
    heard = images[:, 0] > 0.4  # below that lies the rounding of float32
    torch.testing.assert_close(quieter[:, 0][heard], images[:, 0][heard], atol=2e-3, rtol=0)


@pytest.mark.parametrize("variant", ["phase", "instantaneous"])
def test_with_a_phase_the_sound_comes_back(variant, notes):
    config = _config(variant)
    back = to_audio(to_images(notes, config), config, 60_000)
    wanted = notes[:, :60_000] / notes[:, :60_000].abs().amax(dim=1, keepdim=True)
    assert (back - wanted).abs().max() < 2e-3


def test_griffin_lim_finds_a_sound_of_those_magnitudes_and_is_repeatable(notes):
    config = _config()
    images = to_images(notes, config)
    found = to_audio(images, config, N, iterations=60, seed=3)
    assert found.shape == (2, N) and found.abs().amax(dim=1).tolist() == pytest.approx([1, 1])
    torch.testing.assert_close(to_audio(images, config, N, iterations=60, seed=3), found, atol=0, rtol=0)
    assert not torch.equal(to_audio(images, config, N, iterations=60, seed=4), found)
    peaks = torch.fft.rfft(found[:, 8000:24_000]).abs().argmax(dim=1)
    assert peaks.tolist() == pytest.approx([220, 523.25], abs=1.5)


def test_shorter_notes_end_in_silence(notes):
    config = _config()
    short = to_images(notes[:, :32_000], config)
    padded = to_images(torch.nn.functional.pad(notes[:, :32_000], (0, 33_536)), config)
    torch.testing.assert_close(short, padded, atol=0, rtol=0)
    assert short[0, 0, :, 140:].max() == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_note_becomes_a_vector_and_a_note_again(variant, notes):
    config = _config(variant)
    network = SpectralNetwork(config).eval()
    latent = network.encode(to_images(notes, config))
    assert latent.shape == (2, 12)
    said = network.decode(latent, torch.tensor([57, 72]))
    assert said.shape == (2, config.image_channels, 512, 256)
    assert said[:, 0].min() >= 0 and said.abs().max() <= 1
    other = network.decode(latent, torch.tensor([57, 60]))
    assert torch.equal(other[0], said[0]) and not torch.equal(other[1], said[1])


def test_pitches_are_for_networks_that_are_told_them():
    told, plain = SpectralNetwork(_config()), SpectralNetwork(_config(pitch_channels=0))
    assert plain.eval().decode(torch.zeros(2, 12)).shape == (2, 1, 512, 256)
    with pytest.raises(UsageError, match="is told the pitch"):
        told.decode(torch.zeros(2, 12))
    with pytest.raises(UsageError, match="no use for pitches"):
        plain.decode(torch.zeros(2, 12), torch.tensor([1, 2]))


def test_low_errors_weigh_ten_times_as_much():
    config = _config()
    wanted = torch.zeros(1, 1, 512, 256)
    errors = []
    for row in (0, 128, 256, 400):
        said = wanted.clone()
        said[:, :, row] = 0.5
        errors.append(float(loss(said, wanted, config)))
    assert errors[0] / errors[3] == pytest.approx(10) and errors[1] / errors[3] == pytest.approx(5.5)
    assert errors[2] == pytest.approx(errors[3]) == pytest.approx(0.25 / 512)


def test_phases_count_where_there_is_sound_and_turn_around():
    config = _config("phase")
    wanted = torch.zeros(1, 2, 512, 256)
    wanted[:, 0, 300] = 1
    said = wanted.clone()
    said[:, 1, 10] = 0.7  # silent there
    assert float(loss(said, wanted, config)) == 0
    said = wanted.clone()
    said[:, 1, 300] = 1
    there = float(loss(said, wanted, config))
    said[:, 1, 300] = -1  # the same angle
    assert there > 0 and float(loss(said, wanted, config)) == pytest.approx(there)


def test_a_network_learns_a_note(notes):
    config = _config(base_channels=4)
    torch.manual_seed(0)
    network = SpectralNetwork(config)
    images, pitches = to_images(notes, config), torch.tensor([57, 72])
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(40):
        found = loss(network.decode(network.encode(images), pitches), images, config)
        optimizer.zero_grad()
        found.backward()
        optimizer.step()
        losses.append(float(found.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_models_are_kept(tmp_path):
    network = SpectralNetwork(_config("instantaneous"))
    checkpoint.save(network, tmp_path / "m")
    loaded = checkpoint.load(tmp_path / "m", kind="spectral")
    assert loaded.network.config == network.config and loaded.card["codec"].startswith("log magnitudes")
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor), name
    with pytest.raises(ModelError, match="kind 'spectral', not 'nsynth'"):
        checkpoint.load(tmp_path / "m", kind="nsynth")


@pytest.mark.parametrize(
    "sizes",
    [
        {"variant": "mel"},
        {"base_channels": 0},
        {"latent_channels": 0},
        {"pitch_channels": -1},
        {"n_fft": 2048},
        {"n_frames": 128},
    ],
)
def test_bad_sizes(sizes):
    with pytest.raises(UsageError):
        SpectralConfig(**sizes)


def test_bad_notes():
    with pytest.raises(UsageError, match="at most 65536"):
        to_images(torch.zeros(1, 70_000), _config())
    with pytest.raises(UsageError, match="shape"):
        to_images(torch.zeros(100), _config())
    for n in (0, 65_537):
        with pytest.raises(UsageError, match=f"{n} samples"):
            to_audio(torch.zeros(1, 1, 512, 256), _config(), n)
