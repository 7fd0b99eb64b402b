"""Encoding, mixing and decoding: exact laws of mixes, and sounds that do not depend on what is decoded beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wavecore.errors import InputError, UsageError
from wavecore.models.nsynth import sample
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.nn.config import EncoderConfig, WaveNetConfig

RATE, HOP, C = 16_000, 64, 5
LATENTS = arrays.arrays(np.float32, (3, 4, C), elements=st.floats(-8, 8, width=32))
WEIGHTS = arrays.arrays(np.float64, 3, elements=st.floats(0.01, 1))


def build(*, pitch_channels=0, harmonics=0):
    encoder = EncoderConfig(latent_channels=C, hop_length=HOP, channels=8, n_bins=40, bins_per_octave=12, fmin_hz=220.0)
    channels = C + pitch_channels + bool(harmonics) + 2 * harmonics
    decoder = WaveNetConfig(1, 3, 2, 8, 8, 8, 8, latent_channels=channels, hop_length=1 if harmonics else HOP)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = NSynthNetwork(NSynthConfig(encoder, decoder, pitch_channels, harmonics=harmonics)).eval()
        torch.nn.init.normal_(network.decoder.output.weight, std=0.3)
    return network


@pytest.fixture(scope="module")
def network():
    return build()


@pytest.fixture(scope="module")
def driven():
    """A network whose latent ends in the pitch."""
    return build(harmonics=3)


@pytest.fixture(scope="module")
def sounds():
    t = np.arange(3000) / RATE
    return [
        (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32),
        (0.2 * np.sin(2 * np.pi * 660 * t[:2000])).astype(np.float32),
    ]


def test_shorter_sounds_end_in_silence(network, sounds):
    latents = sample.encode(network, sounds)
    assert latents.shape == (2, 47, C) and latents.dtype == np.float32
    padded = np.stack([sounds[0], np.pad(sounds[1], (0, 1000))])
    with torch.inference_mode():
        np.testing.assert_array_equal(latents, network.encoder.encode(torch.from_numpy(padded)).numpy())


@pytest.mark.parametrize(
    ("sounds", "error"),
    [
        ([], UsageError),
        ([np.zeros(int(121 * RATE), np.float32)], UsageError),
        ([np.full(100, np.nan, np.float32)], InputError),
        ([np.zeros((2, 50), np.float32)], InputError),
    ],
)
def test_sounds_that_cannot_be_encoded(network, sounds, error):
    with pytest.raises(error):
        sample.encode(network, sounds)


@pytest.mark.slow
def test_the_pitch_of_a_sound_is_the_last_channel(driven, sounds):
    latents = sample.encode(driven, sounds)
    assert latents.shape == (2, 47, C + 1) and latents.dtype == np.float32
    midi = 60 + 12 * latents[..., -1]
    assert midi[0] == pytest.approx(np.full(47, 69.0), abs=0.1)
    assert midi[1] == pytest.approx(np.full(47, 69 + 12 * np.log2(1.5)), abs=0.1)  # held after its end
    t = np.arange(8000) / RATE
    (detuned,) = sample.encode(driven, [np.sin(2 * np.pi * 440 * 2 ** (0.37 / 12) * t).astype(np.float32) / 3])
    assert 60 + 12 * detuned[4:-4, -1] == pytest.approx(np.full(len(detuned) - 8, 69.37), abs=0.02)
    with pytest.raises(InputError, match="silent"):
        sample.encode(driven, [sounds[0], np.zeros(3000, np.float32)])


@pytest.mark.slow
@given(latents=LATENTS, weights=WEIGHTS)
def test_linear_mixes_are_weighted_means(network, latents, weights):
    want = np.tensordot(weights / weights.sum(), latents.astype(np.float64), axes=1)
    np.testing.assert_allclose(sample.mix(network, latents, weights), want, atol=1e-5)
    np.testing.assert_allclose(sample.mix(network, latents, 7 * weights), want, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", sample.METHODS)
@given(latents=LATENTS)
def test_the_ends_of_a_mix_are_the_sounds(network, method, latents):
    for i in range(3):
        mixed = sample.mix(network, latents, np.eye(3)[i], method=method)
        np.testing.assert_allclose(mixed, latents[i], atol=1e-5)


@pytest.mark.slow
@given(latents=arrays.arrays(np.float64, (2, 4, C), elements=st.floats(0.1, 8)), share=st.floats(0, 1))
def test_great_circles_change_lengths_and_angles_evenly(network, latents, share):
    a, b = latents
    mixed = sample.mix(network, latents, [1 - share, share], method="slerp").astype(np.float64)
    lengths = [np.linalg.norm(x, axis=-1) for x in (a, mixed, b)]
    np.testing.assert_allclose(lengths[1], (1 - share) * lengths[0] + share * lengths[2], rtol=1e-4)

    def angle(x, y):
        cosine = (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
        return np.arccos(np.clip(cosine, -1, 1))

    np.testing.assert_allclose(angle(a, mixed), share * angle(a, b), atol=2e-3)


def test_opposite_and_zero_latents_are_mixed_on_a_line(network):
    a = np.array([[[1.0, 0], [0, 0]], [[-1.0, 0], [2, 0]]])
    np.testing.assert_allclose(sample.mix(network, a, [0.25, 0.75], method="slerp"), [[-0.5, 0], [1.5, 0]])


@pytest.mark.slow
@given(latents=LATENTS, weights=WEIGHTS)
def test_a_pitch_is_mixed_linearly_by_every_method(network, driven, latents, weights):
    mixed = sample.mix(driven, latents, weights, method="slerp")
    assert mixed.shape == (4, C) and mixed.dtype == np.float32
    np.testing.assert_array_equal(mixed[:, -1], sample.mix(driven, latents, weights)[:, -1])
    timbre = sample.mix(network, latents[..., :-1], weights, method="slerp")
    np.testing.assert_allclose(mixed[:, :-1], timbre, atol=1e-6)


def test_weights_may_change_over_time(network):
    latents = np.stack([np.zeros((5, C)), np.ones((5, C))])
    weights = np.stack([np.linspace(1, 0, 5), np.linspace(0, 1, 5)], axis=1)
    for method in sample.METHODS:
        mixed = sample.mix(network, latents, weights, method=method)
        np.testing.assert_allclose(mixed[:, 0], [0, 0.25, 0.5, 0.75, 1], atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "options"),
    [([1], {}), ([[1, 1]], {}), ([-1, 2], {}), ([np.nan, 1], {}), ([0, 0], {}), ([1, 1], {"method": "cubic"})],
)
def test_mixes_that_make_no_sense_are_refused(network, weights, options):
    with pytest.raises(UsageError):
        sample.mix(network, np.zeros((2, 3, C)), weights, **options)
    with pytest.raises(UsageError):
        sample.mix(network, np.zeros((2, 3)), [1, 1])


def test_weights_are_interpolated_between_points_in_time():
    weights = sample.weights_over_time({1.0: (1, 0), 2.0: (0, 3)}, 8, 0.5)
    np.testing.assert_allclose(weights[:, 0], [1, 1, 0.75, 0.25, 0, 0, 0, 0])
    np.testing.assert_allclose(weights[:, 1], [0, 0, 0.75, 2.25, 3, 3, 3, 3])
    np.testing.assert_array_equal(sample.weights_over_time({0.0: (1, 2, 3)}, 2, 1.0), [[1, 2, 3]] * 2)


@pytest.mark.parametrize("points", [{}, {float("nan"): (1, 0)}, {0: (1, 0), 1: (0, 1, 0)}])
def test_points_that_make_no_sense_are_refused(points):
    with pytest.raises(UsageError):
        sample.weights_over_time(points, 4, 0.1)


@given(n_frames=st.integers(1, 40))
def test_stretching_keeps_a_straight_track_straight(n_frames):
    latent = np.stack([np.linspace(0, 1, 9), np.full(9, 3.0)], axis=1)
    stretched = sample.stretch(latent, n_frames)
    assert stretched.shape == (n_frames, 2)
    np.testing.assert_allclose(stretched[:, 0], np.linspace(0, 1, n_frames) if n_frames > 1 else [0], atol=1e-6)
    np.testing.assert_array_equal(stretched[:, 1], np.float32(3))


def test_signals_are_added_with_weights_that_may_change(sounds):
    mixed = sample.mix_signals(sounds, [1, 3])
    np.testing.assert_allclose(mixed[:2000], 0.25 * sounds[0][:2000] + 0.75 * sounds[1], atol=1e-7)
    np.testing.assert_allclose(mixed[2000:], 0.25 * sounds[0][2000:], atol=1e-7)
    with pytest.raises(UsageError):
        sample.mix_signals(sounds, [1])
    a, b = np.ones(100, np.float32), np.full(80, 3.0, np.float32)
    mixed = sample.mix_signals([a, b], [[1, 0], [0.5, 0.5], [0, 1]])
    assert mixed[0] == 1 and mixed[50] == pytest.approx(2, abs=0.05) and mixed[79] == pytest.approx(2.7, abs=0.4)
    assert mixed[99] == pytest.approx(0, abs=1e-6), "the second sound has ended"
    np.testing.assert_array_equal(sample.mix_signals([a, b], [[1, 1]] * 7), sample.mix_signals([a, b], [1, 1]))


def test_a_sound_does_not_depend_on_its_neighbours(network, sounds):
    latents, reports = sample.encode(network, sounds), []
    both = sample.decode(network, latents, seed=4, on_progress=lambda *done: reports.append(done))
    assert both.shape == (2, 47 * HOP) and np.abs(both).max() <= 1 and reports[-1] == (47 * HOP, 47 * HOP)
    np.testing.assert_array_equal(sample.decode(network, latents[:1], seed=4), both[:1])
    assert not np.array_equal(sample.decode(network, latents[:1], seed=5), both[:1])


@pytest.mark.slow
def test_blocks_and_neighbours_change_no_sample_of_a_driven_model(driven, sounds, monkeypatch):
    latents, reports = sample.encode(driven, sounds), []
    whole = sample.decode(driven, latents, seed=4, on_progress=lambda *done: reports.append(done))
    assert whole.shape == (2, 47 * HOP) and len(np.unique(whole)) > 50
    assert reports[-1] == (47 * HOP, 47 * HOP) and reports == sorted(reports)
    monkeypatch.setattr(sample, "CONDITION_BYTES", 1)  # a frame at a time
    np.testing.assert_array_equal(sample.decode(driven, latents, seed=4), whole)
    np.testing.assert_array_equal(sample.decode(driven, latents[1:], seed=4, streams=[1]), whole[1:])


def test_pitches_are_for_models_with_an_embedding(network, sounds):
    embedded = build(pitch_channels=3)
    latents = sample.encode(embedded, sounds)
    assert sample.decode(embedded, latents, seed=0, pitches=[60, 64]).shape == (2, 47 * HOP)
    for model, pitches in ((embedded, None), (embedded, [60]), (network, [60, 64])):
        with pytest.raises(UsageError, match="pitch"):
            sample.decode(model, latents, seed=0, pitches=pitches)


@pytest.mark.parametrize("shape", [(2, 3), (1, 3, C + 1), (0, 3, C), (1, 0, C)])
def test_latents_of_another_shape_are_refused(network, shape):
    with pytest.raises(UsageError, match="shape"):
        sample.decode(network, np.zeros(shape), seed=0)


def test_latents_that_are_not_finite_are_refused(network):
    with pytest.raises(InputError):
        sample.decode(network, np.full((1, 3, C), np.nan), seed=0)


def test_the_offset_to_which_a_decoder_drifts_is_removed(sounds):
    lifted = build()
    with torch.no_grad():
        lifted.decoder.output.bias[230:] += 50.0  # codes of 0.4 and more
    generated = sample.decode(lifted, sample.encode(lifted, sounds), seed=0)
    assert generated.mean() > 0.3
    filtered = sample.without_offset(generated, RATE)
    assert filtered.shape == generated.shape and np.abs(filtered).max() <= 1
    assert filtered[:, :50].mean() > 0.3, "the beginning is not changed"
    assert np.abs(filtered[:, 1600:].mean(axis=1)).max() < 0.05
    np.testing.assert_array_equal(sample.without_offset(generated[:1], RATE), filtered[:1])


def test_fades_change_the_ends_alone():
    faded = sample.fade(np.ones(1000, np.float32), RATE)
    assert faded[0] == 0 and faded[-1] == 0 and (faded[80:-80] == 1).all() and (np.diff(faded[:80]) > 0).all()
    assert sample.fade(np.ones(1), RATE).shape == (1,) and sample.fade(np.ones(0), RATE).shape == (0,)
