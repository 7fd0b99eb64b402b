"""Augmentation: what changes, by how much, and what must not."""

import numpy as np
import pytest

from wavecore.audio import mulaw
from wavecore.training import augmentation
from wavecore.training.augmentation import corrupt_context
from wavecore.training.config import WaveNetTrainingConfig

RATE = 16_000


def _tone(frequency_hz=440.0, seconds=1.0):
    return (0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def _frequency_hz(x):
    spectrum = np.abs(np.fft.rfft(x * np.hanning(len(x)), 1 << 18))
    return spectrum.argmax() * RATE / (1 << 18)


@pytest.mark.parametrize("seed", range(5))
def test_one_segment_is_detuned_by_half_a_semitone_at_most(seed):
    x = _tone()
    y = augmentation.detune_segment(x, sample_rate=RATE, rng=np.random.default_rng(seed))
    changed = np.flatnonzero(np.abs(y - x) > 1e-4)
    length = changed[-1] - changed[0] + 1
    assert 0.2 * RATE < length <= 0.5 * RATE
    cents = 1200 * np.log2(_frequency_hz(y[changed[0] : changed[-1]]) / 440)
    assert 1 < abs(cents) < 55
    assert y.dtype == np.float32 and y.shape == x.shape


def test_the_input_is_left_alone_and_draws_repeat():
    x = _tone()
    kept = x.copy()
    twice = [augmentation.detune_segment(x, sample_rate=RATE, rng=np.random.default_rng(3)) for _ in range(2)]
    assert np.array_equal(x, kept) and np.array_equal(*twice)


def test_sounds_shorter_than_a_segment_are_detuned_as_a_whole():
    x = _tone(seconds=0.1)
    y = augmentation.detune_segment(x, sample_rate=RATE, rng=np.random.default_rng(0))
    assert y.shape == x.shape and np.isfinite(y).all()


def test_level_and_noise_stay_within_their_ranges():
    x = _tone()
    for seed in range(20):
        y = augmentation.add_noise_and_gain(x, rng=np.random.default_rng(seed))
        gain = float(x @ y) / float(x @ x)
        assert -9.2 < 20 * np.log10(gain) < 3.2
        noise_db = 10 * np.log10(np.mean((y - gain * x) ** 2))
        assert -71 < noise_db < -34
        assert np.abs(y).max() <= 1


def test_history_noise_has_a_level_within_its_range():
    x = np.zeros(RATE, np.float32)
    for seed in range(10):
        y = augmentation.add_context_noise(x, rng=np.random.default_rng(seed))
        assert -61 < 10 * np.log10(np.mean(y.astype(np.float64) ** 2)) < -11
        assert y.dtype == np.float32


@pytest.mark.parametrize("loudest_db", [-50.0, -30.0, 0.0])
def test_noise_in_the_past_is_no_louder_than_asked(loudest_db):
    x = np.zeros(4000, np.float32)
    levels = [
        20 * np.log10(augmentation.add_context_noise(x, rng=np.random.default_rng(seed), loudest_db=loudest_db).std())
        for seed in range(60)
    ]
    # Half a decibel for what few samples vary by, and clipping of the loudest.
    assert min(levels) > -60.5 and loudest_db - 8 < max(levels) < loudest_db + 0.5


def test_dropout_silences_one_stretch_and_may_reach_the_start():
    x = np.ones(RATE, np.float32)
    firsts = []
    for seed in range(60):
        y = augmentation.drop_context(x, sample_rate=RATE, rng=np.random.default_rng(seed))
        silent = np.flatnonzero(y == 0)
        assert 0 < len(silent) <= 0.3 * RATE and silent[-1] - silent[0] + 1 == len(silent)
        assert set(np.unique(y)) == {0.0, 1.0}
        firsts.append(silent[0])
    assert min(firsts) == 0 < max(firsts)
    short = augmentation.drop_context(x[:50], sample_rate=RATE, rng=np.random.default_rng(0))
    assert short.shape == (50,) and np.array_equal(x, np.ones(RATE))


def test_cubic_interpolation_is_exact_on_cubics_and_on_the_grid():
    t = np.arange(20, dtype=np.float32)
    x = (1e-4 * (t - 3) * (t - 9) * 2).astype(np.float32)
    positions = np.array([1.0, 4.25, 9.5, 17.0])
    expected = 1e-4 * (positions - 3) * (positions - 9) * 2
    np.testing.assert_allclose(augmentation.read_at(x, positions), expected, atol=1e-7)


@pytest.mark.parametrize("cents", [-300, -50, 0, 37, 300])
def test_a_transposed_sound_is_higher_by_the_ratio_and_as_long_as_asked(cents):
    positions = augmentation.tape_positions(9_001, semitones=(cents / 100, cents / 100))
    x = _tone(seconds=2.0)
    y = augmentation.read_at(x, positions)
    assert y.shape == (9_001,) and y.dtype == np.float32
    assert 1200 * np.log2(_frequency_hz(y) / 440) == pytest.approx(cents, abs=2)
    if cents == 0:
        np.testing.assert_allclose(y, x[:9_001], atol=1e-6)


def test_a_glide_goes_from_one_pitch_to_the_other():
    y = augmentation.read_at(_tone(seconds=3.0), augmentation.tape_positions(32_000, semitones=(-1.0, 2.0)))
    ends = [1200 * np.log2(_frequency_hz(part) / 440) for part in (y[:1600], y[-1600:])]
    assert ends == pytest.approx([-92, 192], abs=6)  # the mean over a twentieth of the way


def test_positions_begin_at_zero_and_ascend():
    positions = augmentation.tape_positions(1000, semitones=(3.0, -3.0))
    assert positions[0] == 0 and (np.diff(positions) > 0).all()
    assert positions[-1] == pytest.approx(1000, rel=0.02)


def test_a_foreign_tone_has_a_level_and_a_pitch_within_their_ranges():
    levels_db, lowest_hz = [], []
    for seed in range(40):
        found = augmentation.add_context_tone(
            np.zeros(RATE, np.float32), sample_rate=RATE, rng=np.random.default_rng(seed), loudest_db=-20.0
        )
        assert found.shape == (RATE,) and found.dtype == np.float32
        magnitudes = np.abs(np.fft.rfft(found * np.hanning(RATE)))
        peaks = np.flatnonzero(magnitudes > 0.1 * magnitudes.max())
        lowest_hz.append(peaks[0])
        levels_db.append(20 * np.log10(4 / RATE * magnitudes[: peaks[0] + 4].max() / np.sqrt(2)))
    assert -60.5 < min(levels_db) < -50 and -30 < max(levels_db) < -19.5
    assert 55 < min(lowest_hz) < 200 and 2000 < max(lowest_hz) < 5005


def test_a_foreign_tone_lies_over_what_was_there_and_is_the_generator_s():
    x = (0.3 * np.sin(np.arange(2000) / 9)).astype(np.float32)
    alone, over, again, other = (
        augmentation.add_context_tone(sound, sample_rate=RATE, rng=np.random.default_rng(seed))
        for sound, seed in ((np.zeros_like(x), 3), (x, 3), (x, 3), (x, 4))
    )
    np.testing.assert_allclose(over - x, alone, atol=1e-6)
    assert np.array_equal(over, again) and not np.array_equal(over, other)
    loud = augmentation.add_context_tone(
        np.ones(2000, np.float32), sample_rate=RATE, rng=np.random.default_rng(0), loudest_db=0.0
    )
    assert np.abs(loud).max() <= 1


def test_a_past_is_lifted_along_a_straight_line():
    x = (0.3 * np.sin(np.arange(2000) / 9)).astype(np.float32)
    ends = []
    for seed in range(30):
        found = augmentation.add_context_offset(x, rng=np.random.default_rng(seed))
        assert found.shape == x.shape and found.dtype == np.float32 and np.abs(found).max() <= 1
        added = (found - x).astype(np.float64)
        np.testing.assert_allclose(added, np.linspace(added[0], added[-1], 2000), atol=1e-6)
        ends += [added[0], added[-1]]
    assert max(np.abs(ends)) <= augmentation.CONTEXT_OFFSET and max(ends) > 0.25 and min(ends) < -0.25
    assert np.array_equal(*(augmentation.add_context_offset(x, rng=np.random.default_rng(1)) for _ in range(2)))
    assert augmentation.add_context_offset(np.ones(50, np.float32), rng=np.random.default_rng(0)).max() <= 1


CLEAN = {f"context_{kind}_probability": 0.0 for kind in ("noise", "tone", "offset", "dropout")}


def codes() -> np.ndarray:
    t = np.arange(3_000) / RATE
    return mulaw.encode((0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32))


def corrupt(seed: int = 0, **settings) -> np.ndarray:
    training = WaveNetTrainingConfig(**(CLEAN | settings))
    return corrupt_context(codes(), training, sample_rate=RATE, rng=np.random.default_rng(seed))


def test_without_any_of_it_the_past_is_as_it_was():
    assert np.array_equal(corrupt(), codes())


@pytest.mark.parametrize("kind", ["noise", "tone", "offset", "dropout"])
def test_each_kind_changes_it_and_not_its_shape(kind):
    found = corrupt(**{f"context_{kind}_probability": 1.0})
    assert found.shape == codes().shape and found.dtype == np.uint8
    assert not np.array_equal(found, codes())


def test_a_stretch_is_silent():
    found = corrupt(context_dropout_probability=1.0)
    changed = found != codes()
    assert set(found[changed].tolist()) == {128}


def test_a_tone_is_no_noise():
    """What a tone adds is found in a few bins of its spectrum."""
    added = mulaw.decode(corrupt(3, context_tone_probability=1.0)) - mulaw.decode(codes())
    power = np.abs(np.fft.rfft(added * np.hanning(len(added)))) ** 2
    assert np.sort(power)[-40:].sum() > 0.8 * power.sum()


@pytest.mark.parametrize("kind", ["noise", "tone"])
def test_neither_is_louder_than_the_settings_say(kind):
    for seed in range(8):
        found = corrupt(seed, context_noise_db=-30.0, **{f"context_{kind}_probability": 1.0})
        added = mulaw.decode(found) - mulaw.decode(codes())
        # Rounding to codes adds a little of its own; a tone of six partials has 1.22 times the level of its first.
        assert np.sqrt(np.mean(added**2)) < 1.5 * 10 ** (-30 / 20) + 0.006


def test_an_offset_is_a_straight_line():
    for seed in range(8):
        added = mulaw.decode(corrupt(seed, context_offset_probability=1.0)) - mulaw.decode(codes())
        line = np.polynomial.Polynomial.fit(np.arange(len(added)), added, 1)
        assert np.std(added - line(np.arange(len(added)))) < 0.02, "what is left is rounding to codes"
        assert 0.001 < np.abs(added).max() < 0.45


def test_the_share_is_the_one_asked_for():
    changed = [not np.array_equal(corrupt(seed, context_noise_probability=0.5), codes()) for seed in range(200)]
    assert 75 <= sum(changed) <= 125
