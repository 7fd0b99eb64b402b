"""The spectral baseline: there and back again, shapes, weights of errors, what is refused."""

from __future__ import annotations

import math

import pytest
import torch

from wavecore.errors import UsageError
from wavecore.models.spectral.config import VARIANTS, SpectralConfig
from wavecore.models.spectral.model import SpectralNetwork, loss, reconstruct, to_audio, to_images

N = 64_000


def make_config(variant="magnitude", **sizes):
    return SpectralConfig(variant, **{"base_channels": 2, "latent_channels": 12, "pitch_channels": 3, **sizes})


@pytest.fixture(scope="module")
def notes():
    t = torch.arange(N) / 16_000
    return torch.stack([0.3 * torch.sin(2 * math.pi * f * t) * torch.exp(-t) for f in (220.0, 523.25)])


@pytest.mark.parametrize("variant", VARIANTS)
def test_images_have_their_range_whatever_the_level(variant, notes):
    config = make_config(variant)
    images = to_images(notes, config)
    assert images.shape == (2, config.image_channels, 512, 256) and images.dtype == torch.float32
    assert images[:, 0].min() >= 0 and images[:, 0].amax(dim=(1, 2)).tolist() == [1, 1]
    assert images.abs().max() <= 1 + 1e-6
    loud = images[:, 0] > 0.4  # below that lies the rounding of float32
    torch.testing.assert_close(to_images(0.01 * notes, config)[:, 0][loud], images[:, 0][loud], atol=2e-3, rtol=0)


@pytest.mark.parametrize("variant", ["phase", "instantaneous"])
def test_with_a_phase_the_sound_comes_back(variant, notes):
    config = make_config(variant)
    back = to_audio(to_images(notes, config), config, 60_000)
    expected = notes[:, :60_000] / notes[:, :60_000].abs().amax(dim=1, keepdim=True)
    assert (back - expected).abs().max() < 2e-3


@pytest.mark.slow
def test_griffin_lim_finds_a_sound_of_those_magnitudes_and_is_repeatable(notes):
    config = make_config()
    images = to_images(notes, config)
    one, again, other = (to_audio(images, config, N, iterations=40, seed=seed) for seed in (3, 3, 4))
    assert one.shape == (2, N) and one.abs().amax(dim=1).tolist() == pytest.approx([1, 1])
    assert torch.equal(again, one) and not torch.equal(other, one)
    peaks = torch.fft.rfft(one[:, 8000:24_000]).abs().argmax(dim=1)
    assert peaks.tolist() == pytest.approx([220, 523.25], abs=1.5)


def test_shorter_notes_end_in_silence(notes):
    config = make_config()
    short = to_images(notes[:, :32_000], config)
    padded = to_images(torch.nn.functional.pad(notes[:, :32_000], (0, 33_536)), config)
    assert torch.equal(short, padded) and short[0, 0, :, 140:].max() == 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_note_becomes_a_vector_and_a_note_again(variant, notes):
    config = make_config(variant)
    network, pitches = SpectralNetwork(config).eval(), torch.tensor([57, 72])
    latent = network.encode(to_images(notes, config))
    assert latent.shape == (2, 12)
    images = network.decode(latent, pitches)
    assert images.shape == (2, config.image_channels, 512, 256)
    assert images[:, 0].min() >= 0 and images.abs().max() <= 1
    other = network.decode(latent, torch.tensor([57, 60]))
    assert torch.equal(other[0], images[0]) and not torch.equal(other[1], images[1])
    if variant != "magnitude":
        with torch.inference_mode():
            expected = to_audio(images, config, N)
        torch.testing.assert_close(reconstruct(network, notes, pitches), expected)


def test_pitches_are_for_networks_with_pitch_channels():
    embedded, plain = SpectralNetwork(make_config()), SpectralNetwork(make_config(pitch_channels=0))
    assert plain.eval().decode(torch.zeros(2, 12)).shape == (2, 1, 512, 256)
    for network, pitches in ((embedded, None), (plain, torch.tensor([1, 2]))):
        with pytest.raises(UsageError, match="pitch"):
            network.decode(torch.zeros(2, 12), pitches)


def test_low_errors_weigh_ten_times_as_much():
    target, errors = torch.zeros(1, 1, 512, 256), []
    for row in (0, 128, 256, 400):
        images = target.clone()
        images[:, :, row] = 0.5
        errors.append(float(loss(images, target, make_config())))
    assert errors[0] / errors[3] == pytest.approx(10) and errors[1] / errors[3] == pytest.approx(5.5)
    assert errors[2] == pytest.approx(errors[3]) == pytest.approx(0.25 / 512)


def test_phases_count_where_there_is_sound_and_turn_around():
    target = torch.zeros(1, 2, 512, 256)
    target[:, 0, 300] = 1

    def error(row, phase):
        images = target.clone()
        images[:, 1, row] = phase
        return float(loss(images, target, make_config("phase")))

    assert error(10, 0.7) == 0, "there is no sound"
    assert error(300, 1) > 0 and error(300, -1) == pytest.approx(error(300, 1)), "the same angle"


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
def test_sizes_that_make_no_sense_are_refused(sizes):
    with pytest.raises(UsageError):
        SpectralConfig(**sizes)


def test_notes_that_do_not_fit_are_refused():
    for shape in ((1, 70_000), (100,)):
        with pytest.raises(UsageError, match="65536"):
            to_images(torch.zeros(shape), make_config())
    for n in (0, 65_537):
        with pytest.raises(UsageError, match=str(n)):
            to_audio(torch.zeros(1, 1, 512, 256), make_config(), n)


def test_the_card_names_the_representation():
    card = SpectralNetwork(make_config("instantaneous")).card()
    assert card["codec"].startswith("log magnitudes") and card["variant"] == "instantaneous"
    assert card["pitch_conditioned"] is True and card["sample_rate"] == 16_000
