"""Levels: the values of the recommendation, silence without NaN, gains that never clip."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio import loudness
from wavecore.errors import InputError, UsageError


def tone(frequency_hz=997.0, rate=48000, seconds=3.0, amplitude=1.0):
    t = np.arange(int(rate * seconds)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)


def test_peak_and_rms():
    assert loudness.peak_db(np.array([0.1, -0.5], np.float32)) == pytest.approx(20 * math.log10(0.5))
    assert loudness.rms_db(np.array([1.0, -1.0])) == 0.0
    assert loudness.rms_db(tone()) == pytest.approx(-3.0103, abs=1e-3)
    assert loudness.peak_db(torch.full((2, 3), 0.5)) == pytest.approx(-6.0206, abs=1e-4)


@pytest.mark.parametrize("n_samples", [1, 1000, 48000])
def test_silence_is_minus_infinity(n_samples):
    silence = np.zeros(n_samples, np.float32)
    assert loudness.peak_db(silence) == loudness.rms_db(silence) == -math.inf
    assert loudness.integrated_lufs(silence, sample_rate=16000) == -math.inf
    assert not loudness.frame_rms(silence).any()


def test_filters_are_the_recommendations_at_48_khz():
    numerator, denominator = loudness._shelf(48000)
    assert np.allclose(numerator, [1.53512485958697, -2.69169618940638, 1.19839281085285], atol=1e-10)
    assert np.allclose(denominator, [1.0, -1.69065929318241, 0.73248077421585], atol=1e-10)
    numerator, denominator = loudness._highpass(48000)
    assert numerator == [1.0, -2.0, 1.0]
    assert np.allclose(denominator, [1.0, -1.99004745483398, 0.99007225036621], atol=1e-10)


@pytest.mark.parametrize(("rate", "tolerance"), [(48000, 0.005), (44100, 0.01), (16000, 0.05), (8000, 0.05)])
@pytest.mark.parametrize("level_db", [0.0, -20.0, -40.0])
def test_a_sine_has_the_recommendations_loudness(rate, tolerance, level_db):
    x = tone(rate=rate, amplitude=10 ** (level_db / 20))
    assert loudness.integrated_lufs(x, sample_rate=rate) == pytest.approx(-3.01 + level_db, abs=tolerance)


def test_loud_treble_is_not_clipped():
    quiet, loud = (loudness.integrated_lufs(tone(5000.0, amplitude=a), sample_rate=48000) for a in (0.1, 1.0))
    assert loud - quiet == pytest.approx(20.0, abs=1e-3)


def test_pauses_do_not_count():
    x = tone(amplitude=0.1)
    alone = loudness.integrated_lufs(x, sample_rate=48000)
    for rest in (0.0, 0.01):  # below the absolute gate, below the relative one
        x_and_rest = np.concatenate([x, rest * tone(seconds=20.0)])
        assert loudness.integrated_lufs(x_and_rest, sample_rate=48000) == pytest.approx(alone, abs=0.4)


def test_below_the_gate_is_minus_infinity():
    assert loudness.integrated_lufs(tone(amplitude=1e-4), sample_rate=48000) == -math.inf


def test_short_sounds_are_measured_as_if_silence_followed():
    short = tone(seconds=0.1)
    padded = np.pad(short, (0, round(0.3 * 48000)))
    measured = loudness.integrated_lufs(short, sample_rate=48000)
    assert measured == loudness.integrated_lufs(padded, sample_rate=48000) == pytest.approx(-9.0, abs=0.2)
    assert loudness.integrated_lufs(np.ones(1, np.float32), sample_rate=1) < 0


@pytest.mark.parametrize(("frame_length", "hop_length"), [(1024, 256), (7, 3), (1, 1), (100, 1000)])
@pytest.mark.parametrize("n_samples", [1, 99, 1000])
def test_frame_rms_is_the_root_of_the_mean_square(frame_length, hop_length, n_samples):
    x = np.random.default_rng(0).standard_normal(n_samples).astype(np.float32)
    padded = np.pad(x.astype(np.float64), frame_length)
    expected = []
    for centre in range(0, n_samples, hop_length):
        start = centre - frame_length // 2 + frame_length
        expected.append(np.sqrt(np.mean(padded[start : start + frame_length] ** 2)))
    got = loudness.frame_rms(x, frame_length=frame_length, hop_length=hop_length)
    assert got.dtype == np.float32 and got.shape == (1 + (n_samples - 1) // hop_length,)
    assert np.allclose(got, expected, atol=1e-6)


def test_frame_rms_after_a_bang_is_silent_again():
    x = np.zeros(10000, np.float32)
    x[:100] = 1e4
    assert not loudness.frame_rms(x)[10:].any()


@settings(deadline=None, max_examples=20)
@given(st.floats(0.001, 1.0), st.floats(0.001, 1.0), st.sampled_from([0.1, 0.5, 1.0]))
def test_matching_reaches_the_loudness_or_the_peak(amplitude, wanted, max_peak):
    x, reference = tone(amplitude=amplitude, seconds=1.0), tone(300.0, amplitude=wanted, seconds=1.0)
    y = loudness.match_loudness(x, reference, sample_rate=48000, max_peak=max_peak)
    assert y.dtype == np.float32 and np.abs(y).max() <= max_peak
    got = loudness.integrated_lufs(y, sample_rate=48000)
    target = loudness.integrated_lufs(reference, sample_rate=48000)
    if np.abs(y).max() < 0.999 * max_peak:
        assert got == pytest.approx(target, abs=0.01)
    else:
        assert got <= target + 0.01
    gain = loudness.loudness_gain(x, reference, sample_rate=48000, max_peak=max_peak)
    assert np.allclose(y, gain * x, atol=1e-6)


def test_matching_with_silence_changes_nothing():
    silence, x = np.zeros(48000, np.float32), tone(amplitude=0.5, seconds=1.0)
    assert np.array_equal(loudness.match_loudness(x, silence, sample_rate=48000), x)
    assert np.array_equal(loudness.match_loudness(silence, x, sample_rate=48000), silence)
    assert np.abs(loudness.match_loudness(2 * x, silence, sample_rate=48000, max_peak=0.25)).max() == 0.25


@pytest.mark.parametrize(
    "use",
    [
        loudness.peak_db,
        loudness.rms_db,
        loudness.frame_rms,
        lambda x: loudness.integrated_lufs(x, sample_rate=16000),
        lambda x: loudness.match_loudness(x, np.ones(9), sample_rate=16000),
        lambda x: loudness.match_loudness(np.ones(9), x, sample_rate=16000),
    ],
)
def test_bad_signals(use):
    with pytest.raises(InputError, match="empty"):
        use(np.zeros(0, np.float32))
    with pytest.raises(InputError, match="int16"):
        use(np.zeros(9, np.int16))
    with pytest.raises(InputError, match="index 2"):
        use(np.array([0, 0, np.nan]))


def test_bad_parameters():
    x = np.ones(9, np.float32)
    with pytest.raises(UsageError, match="hop_length 0"):
        loudness.frame_rms(x, hop_length=0)
    with pytest.raises(UsageError, match="frame_length is 0"):
        loudness.frame_rms(x, frame_length=0)
    with pytest.raises(UsageError, match="sample_rate is"):
        loudness.integrated_lufs(x, sample_rate=0)
    for max_peak in (0.0, -1.0, math.nan):
        with pytest.raises(UsageError, match="max_peak"):
            loudness.match_loudness(x, x, sample_rate=16000, max_peak=max_peak)
