"""One pitch or two: tones of known partials."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.errors import InputError
from wavecore.metrics.harmonics import harmonic_series

RATE = 16_000


def _tone(f0_hz, *, partials=10, level=0.2, seconds=1.0, seed=0):
    """Sum partials that fall with 1 / k, in random phases, below half the rate."""
    t = np.arange(int(seconds * RATE)) / RATE
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, partials)
    audible = range(1, min(partials, int(RATE / 2 / f0_hz)) + 1)
    return sum(level / k * np.sin(2 * np.pi * k * f0_hz * t + phases[k - 1]) for k in audible)


def _cents(found_hz, true_hz):
    return abs(1200 * np.log2(found_hz / true_hz))


@pytest.mark.slow
@settings(deadline=None, max_examples=15)
@given(st.floats(36, 95), st.integers(1, 20), st.integers(0, 100))
def test_a_tone_is_one_series(midi, partials, seed):
    f0_hz = 440 * 2 ** ((midi - 69) / 12)
    found = harmonic_series(_tone(f0_hz, partials=partials, seed=seed), RATE)
    assert found.share > 0.97 and found.second_share < 0.03
    if partials > 2:
        assert _cents(found.f0_hz, f0_hz) < 60


@pytest.mark.slow
@pytest.mark.parametrize(
    ("low_hz", "semitones"), [(110, 4), (220, 3), (220, 6), (261.6, 4), (440, 3), (440, 8), (523.3, 1)]
)
@pytest.mark.parametrize("balance", [1.0, 0.6])
def test_two_tones_are_two_series(low_hz, semitones, balance):
    high_hz = low_hz * 2 ** (semitones / 12)
    mixed = _tone(low_hz) + balance * _tone(high_hz, seed=1)
    found = harmonic_series(mixed, RATE)
    assert 0.4 < found.share < 0.85 and found.second_share > 0.15
    assert found.share + found.second_share > 0.95
    # An octave below explains as much where the other tone's partials fall between.
    assert min(_cents(k * found.f0_hz, f0_hz) for f0_hz in (low_hz, high_hz) for k in (1, 2)) < 40


def test_noise_has_no_pitch_and_a_sound_without_its_fundamental_has_one():
    assert harmonic_series(np.random.default_rng(0).normal(0, 0.1, RATE), RATE).share < 0.45
    sound = sum(0.2 / k * np.sin(2 * np.pi * k * 110 * np.arange(RATE) / RATE) for k in range(2, 12))
    assert _cents(harmonic_series(sound, RATE).f0_hz, 110) < 40


def test_the_loud_part_counts_whatever_its_level_and_the_silence_around_it():
    sound = _tone(330)
    alone = harmonic_series(sound, RATE)
    padded = np.concatenate([np.zeros(RATE), 0.01 * sound, np.zeros(2 * RATE)])
    found = harmonic_series(padded, RATE)
    assert _cents(found.f0_hz, alone.f0_hz) < 20 and found.share == pytest.approx(alone.share, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("n", [2048, 8191])
def test_short_sounds(n):
    one, two = _tone(440)[:n], (_tone(440) + _tone(622, seed=1))[:n]
    assert harmonic_series(one, RATE).share > 0.97 and _cents(harmonic_series(one, RATE).f0_hz, 440) < 60
    assert harmonic_series(two, RATE).share < 0.85


@pytest.mark.parametrize(
    ("sound", "value"), [(np.zeros(2047), "2047"), (np.zeros(9000), "silent"), (np.full(9000, np.nan), "9000 NaN")]
)
def test_sounds_without_harmonics_are_refused(sound, value):
    with pytest.raises(InputError, match=value):
        harmonic_series(sound, RATE)
