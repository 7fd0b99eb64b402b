"""Mixes of latents: exact laws; and that what is decoded does not depend on what stands beside it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wavecore import checkpoint
from wavecore.errors import InputError, UsageError
from wavecore.models.nsynth import interpolate
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.nn.encoders import EncoderConfig
from wavecore.nn.wavenet import WaveNetConfig

RATE, HOP, C = 16_000, 64, 5


def _model(folder, *, pitch_channels=0, harmonics=0):
    torch.manual_seed(3)
    encoder = EncoderConfig(latent_channels=C, hop_length=HOP, channels=8, n_bins=40, bins_per_octave=12, fmin_hz=220.0)
    told = C + pitch_channels + bool(harmonics) + 2 * harmonics
    decoder = WaveNetConfig(1, 3, 2, 8, 8, 8, 8, latent_channels=told, hop_length=1 if harmonics else HOP)
    network = NSynthNetwork(NSynthConfig(encoder, decoder, pitch_channels, harmonics=harmonics))
    torch.nn.init.normal_(network.decoder.output.weight, std=0.3)
    checkpoint.save(network, folder)
    return checkpoint.load(folder, kind="nsynth")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return _model(tmp_path_factory.mktemp("nsynth") / "m")


@pytest.fixture(scope="module")
def sounds():
    t = np.arange(3000) / RATE
    return [
        (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32),
        (0.2 * np.sin(2 * np.pi * 660 * t[:2000])).astype(np.float32),
    ]


def test_shorter_sounds_end_in_silence(model, sounds):
    found = interpolate.encode(model, sounds)
    assert found.shape == (2, 47, C) and found.dtype == np.float32
    padded = np.concatenate([sounds[1], np.zeros(1000, np.float32)])
    with torch.inference_mode():
        alone = model.network.encoder.encode(torch.from_numpy(np.stack([sounds[0], padded]))).numpy()
    np.testing.assert_array_equal(found, alone)


def test_a_row_does_not_depend_on_its_neighbours(model, sounds):
    latents = interpolate.encode(model, sounds)
    both = interpolate.decode(model, latents, seed=4)
    assert both.shape == (2, 47 * HOP) and np.abs(both).max() <= 1
    np.testing.assert_array_equal(interpolate.decode(model, latents[:1], seed=4), both[:1])
    assert not np.array_equal(interpolate.decode(model, latents[:1], seed=5), both[:1])


def test_an_offset_on_which_the_decoder_stands_is_taken_away(tmp_path, sounds):
    lifted = _model(tmp_path / "m")
    with torch.no_grad():
        lifted.network.decoder.output.bias[230:] += 50.0  # codes of 0.4 and more
    said = interpolate.decode(lifted, interpolate.encode(lifted, sounds), seed=0)
    assert said.mean() > 0.3
    told = interpolate.without_offset(said, RATE)
    assert told.shape == said.shape and np.abs(told).max() <= 1 and told[:, :50].mean() > 0.3, "as it begins"
    assert np.abs(told[:, 1600:].mean(axis=1)).max() < 0.05
    np.testing.assert_array_equal(interpolate.without_offset(said[:1], RATE), told[:1])


def test_progress_ends_with_everything(model, sounds):
    told = []
    interpolate.decode(model, interpolate.encode(model, sounds), seed=0, on_progress=lambda *done: told.append(done))
    assert told[-1] == (47 * HOP, 47 * HOP)


def test_pitches_are_for_models_that_are_told_them(model, sounds, tmp_path):
    told = _model(tmp_path / "m", pitch_channels=3)
    latents = interpolate.encode(told, sounds)
    assert interpolate.decode(told, latents, seed=0, pitches=[60, 64]).shape == (2, 47 * HOP)
    with pytest.raises(UsageError, match="told the pitch"):
        interpolate.decode(told, latents, seed=0)
    with pytest.raises(UsageError, match="1 pitches for 2 latents"):
        interpolate.decode(told, latents, seed=0, pitches=[60])
    with pytest.raises(UsageError, match="leave the pitch out"):
        interpolate.decode(model, latents, seed=0, pitches=[60, 64])


@given(n_frames=st.integers(1, 40))
def test_stretching_keeps_a_straight_track_straight(n_frames):
    latent = np.stack([np.linspace(0, 1, 9), np.full(9, 3.0)], axis=1)
    found = interpolate.stretch(latent, n_frames)
    assert found.shape == (n_frames, 2)
    np.testing.assert_allclose(found[:, 0], np.linspace(0, 1, n_frames) if n_frames > 1 else [0], atol=1e-6)
    np.testing.assert_array_equal(found[:, 1], np.float32(3))


@pytest.mark.parametrize(("shape", "n"), [((3,), 2), ((0, 2), 2), ((3, 2), 0)])
def test_bad_stretches(shape, n):
    with pytest.raises(UsageError):
        interpolate.stretch(np.zeros(shape), n)


def test_steps_go_from_one_end_to_the_other():
    np.testing.assert_array_equal(interpolate.steps(3), [[1, 0], [0.5, 0.5], [0, 1]])
    with pytest.raises(UsageError, match="1 steps"):
        interpolate.steps(1)


def test_the_plain_mix_adds(sounds):
    found = interpolate.plain_mix(sounds, [1, 3])
    np.testing.assert_allclose(found[:2000], 0.25 * sounds[0][:2000] + 0.75 * sounds[1], atol=1e-7)
    np.testing.assert_allclose(found[2000:], 0.25 * sounds[0][2000:], atol=1e-7)
    with pytest.raises(UsageError, match="weights"):
        interpolate.plain_mix(sounds, [1])


def test_a_model_says_how_loud_its_notes_were(model, tmp_path):
    assert interpolate.model_level(model, -13.0) == -13.0
    checkpoint.save(model.network, tmp_path / "m", training={"data": {"level_db": -20}})
    assert interpolate.model_level(checkpoint.load(tmp_path / "m", kind="nsynth"), -13.0) == -20.0


def test_a_model_says_at_which_temperature_it_is_best_heard(model, tmp_path):
    assert interpolate.model_temperature(model) == 1
    checkpoint.save(model.network, tmp_path / "m", training={"temperature": 0.5})
    assert interpolate.model_temperature(checkpoint.load(tmp_path / "m", kind="nsynth")) == 0.5


def test_fades_take_the_ends_alone():
    x = np.ones(1000, np.float32)
    found = interpolate.fade(x, RATE)
    assert found[0] == 0 and found[-1] == 0 and (found[80:-80] == 1).all() and (np.diff(found[:80]) > 0).all()
    assert interpolate.fade(np.ones(1), RATE).shape == (1,) and interpolate.fade(np.ones(0), RATE).shape == (0,)


@pytest.mark.parametrize(
    ("sounds", "error", "message"),
    [
        ([], UsageError, "no sounds"),
        ([np.zeros(int(121 * RATE), np.float32)], UsageError, "too long"),
        ([np.full(100, np.nan, np.float32)], InputError, "sound 1"),
        ([np.zeros((2, 50), np.float32)], InputError, "sound 1"),
    ],
)
def test_sounds_that_cannot_be_encoded(model, sounds, error, message):
    with pytest.raises(error, match=message):
        interpolate.encode(model, sounds)


@pytest.mark.parametrize("shape", [(2, 3), (1, 3, C + 1), (0, 3, C), (1, 0, C)])
def test_latents_of_another_shape_are_refused(model, shape):
    with pytest.raises(UsageError, match="latents have shape"):
        interpolate.decode(model, np.zeros(shape), seed=0)


def test_latents_that_are_not_finite_are_refused(model):
    with pytest.raises(InputError, match="not finite"):
        interpolate.decode(model, np.full((1, 3, C), np.nan), seed=0)


def test_weights_change_linearly_from_point_to_point():
    found = interpolate.weights_over_time([(1.0, (1, 0)), (2.0, (0, 3))], 8, 0.5)
    np.testing.assert_allclose(found[:, 0], [1, 1, 0.75, 0.25, 0, 0, 0, 0])
    np.testing.assert_allclose(found[:, 1], [0, 0, 0.75, 2.25, 3, 3, 3, 3])
    np.testing.assert_array_equal(interpolate.weights_over_time([(0.0, (1, 2, 3))], 2, 1.0), [[1, 2, 3]] * 2)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([], "one at least"), ([(0, (1, 0)), (0, (0, 1))], "must ascend"), ([(float("nan"), (1, 0))], "must ascend"),
        ([(0, (1, 0)), (1, (0, 1, 0))], "2 weights at one time and 3 at another"),
    ],
)  # fmt: skip
def test_points_that_make_no_way_are_refused(points, message):
    with pytest.raises(UsageError, match=message):
        interpolate.weights_over_time(points, 4, 0.1)


def test_a_plain_mix_may_change_on_the_way():
    a, b = np.ones(100, np.float32), np.full(80, 3.0, np.float32)
    found = interpolate.plain_mix([a, b], [[1, 0], [0.5, 0.5], [0, 1]])
    assert found[0] == 1 and found[50] == pytest.approx(2, abs=0.05) and found[79] == pytest.approx(2.7, abs=0.4)
    assert found[99] == pytest.approx(0, abs=1e-6), "the second sound has ended"
    np.testing.assert_array_equal(interpolate.plain_mix([a, b], [[1, 1]] * 7), interpolate.plain_mix([a, b], [1, 1]))


# A model that is told the pitch by an oscillator


@pytest.fixture(scope="module")
def driven(tmp_path_factory):
    return _model(tmp_path_factory.mktemp("driven") / "m", harmonics=3)


def test_the_pitch_of_a_sound_is_the_latent_s_last_channel(model, driven, sounds):
    found = interpolate.encode(driven, sounds)
    assert found.shape == (2, 47, C + 1) and found.dtype == np.float32
    midi = 60 + 12 * found[..., -1]
    assert midi[0] == pytest.approx(np.full(47, 69.0), abs=0.1)
    assert midi[1] == pytest.approx(np.full(47, 69 + 12 * np.log2(1.5)), abs=0.1)  # held after its end
    with torch.inference_mode():
        alone = driven.network.encode(torch.from_numpy(sounds[0][None]), torch.from_numpy(midi[:1])).numpy()
    np.testing.assert_allclose(found[:1], alone, atol=1e-4)


def test_a_sound_out_of_tune_stays_so(driven):
    t = np.arange(8000) / RATE
    (latent,) = interpolate.encode(driven, [(0.3 * np.sin(2 * np.pi * 440 * 2 ** (0.37 / 12) * t)).astype(np.float32)])
    assert 60 + 12 * latent[4:-4, -1] == pytest.approx(np.full(len(latent) - 8, 69.37), abs=0.02)


def test_silence_has_no_pitch(driven, sounds):
    with pytest.raises(InputError, match="silent"):
        interpolate.encode(driven, [sounds[0], np.zeros(3000, np.float32)])


def test_blocks_and_neighbours_change_no_sample(driven, sounds, monkeypatch):
    latents = interpolate.encode(driven, sounds)
    seen = []
    whole = interpolate.decode(driven, latents, seed=4, on_progress=lambda *done: seen.append(done))
    assert whole.shape == (2, 47 * HOP) and len(np.unique(whole)) > 50
    assert seen[-1] == (47 * HOP, 47 * HOP) and seen == sorted(seen)
    monkeypatch.setattr(interpolate, "CONDITION_BYTES", 1)  # a frame at a time
    np.testing.assert_array_equal(interpolate.decode(driven, latents, seed=4), whole)
    np.testing.assert_array_equal(interpolate.decode(driven, latents[1:], seed=4, streams=[1]), whole[1:])


@pytest.mark.parametrize("method", ["linear", "slerp"])
def test_between_two_pitches_lies_a_pitch(driven, model, sounds, method):
    latents = interpolate.encode(driven, sounds)
    middle = interpolate.mix_for(driven, latents, [1, 1], method=method)
    np.testing.assert_allclose(middle[:, -1], latents[..., -1].mean(axis=0), atol=1e-6)
    plain = interpolate.encode(model, sounds)
    found = interpolate.mix_for(model, plain, [1, 1], method=method)
    np.testing.assert_array_equal(found, interpolate.mix(plain, [1, 1], method=method))


def test_a_latent_without_its_pitch_is_refused(driven, sounds):
    latents = interpolate.encode(driven, sounds)
    with pytest.raises(UsageError, match=rf"\(n, F, {C + 1}\) is needed"):
        interpolate.decode(driven, latents[..., :-1], seed=0)
