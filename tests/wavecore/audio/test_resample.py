"""Resampling: exact lengths, tones preserved, streams equal the whole."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio.resample import Resampler, resample, resampled_length
from wavecore.errors import InputError, UsageError

NAN = np.array([np.nan])
RATES = [(44100, 16000), (16000, 44100), (48000, 16000), (22050, 16000), (16000, 48000), (8000, 44100)]


def noise(*shape, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def tones(n_samples, rate, top_hz, seed=0):
    """Sum eight sines of any phase up to `top_hz`: a function of time, so known at every rate."""
    rng = np.random.default_rng(seed)
    frequencies, phases = np.append(rng.uniform(50, top_hz, 7), top_hz), rng.uniform(0, 6, 8)
    angles = 2 * np.pi * frequencies[:, None] * np.arange(n_samples) / rate + phases[:, None]
    return (0.1 * np.sin(angles).sum(axis=0)).astype(np.float32)


@given(st.integers(0, 10**9), st.integers(1, 200000), st.integers(1, 200000))
def test_the_length_is_the_ceiling(n_samples, from_rate, to_rate):
    expected = math.ceil(Fraction(n_samples) * to_rate / from_rate)
    assert resampled_length(n_samples, from_rate=from_rate, to_rate=to_rate) == expected


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.sampled_from([*RATES, (44101, 16000), (1, 3), (7, 1), (16000, 16000)]))
def test_arrays_have_that_length(n_samples, rates):
    y = resample(noise(n_samples), from_rate=rates[0], to_rate=rates[1])
    assert y.shape == (resampled_length(n_samples, from_rate=rates[0], to_rate=rates[1]),)
    assert y.dtype == np.float32 and np.isfinite(y).all()


@pytest.mark.parametrize("rates", RATES)
def test_tones_are_preserved(rates):
    from_rate, to_rate = rates
    top_hz = 0.9 * min(rates) / 2
    y = resample(tones(20011, from_rate, top_hz), from_rate=from_rate, to_rate=to_rate)
    assert np.abs(y - tones(len(y), to_rate, top_hz))[600:-600].max() < 1e-3


def test_frequencies_above_the_new_limit_are_removed():
    x = np.sin(2 * np.pi * 9000 * np.arange(44100) / 44100).astype(np.float32)
    assert np.abs(resample(x, from_rate=44100, to_rate=16000))[600:-600].max() < 1e-3


def test_leading_axes_are_independent_and_equal_rates_change_nothing():
    x = noise(2, 3, 1001)
    y = resample(x, from_rate=44100, to_rate=16000)
    assert y.shape == (2, 3, 364)
    assert np.allclose(y[1, 2], resample(x[1, 2], from_rate=44100, to_rate=16000), atol=1e-6)
    assert np.array_equal(resample(x.astype(np.float64), from_rate=7, to_rate=7), x)


@pytest.mark.parametrize(
    ("x", "value"), [(np.zeros((3, 0)), r"\(3, 0\)"), (np.float32(1), r"\(\)"), (np.ones(9, int), "int"), (NAN, "NaN")]
)
def test_bad_arrays(x, value):
    with pytest.raises(InputError, match=value):
        resample(x, from_rate=2, to_rate=1)


@pytest.mark.parametrize("rates", [(0, 1), (1, 0), (-1, 1), (1.5, 1), (1, None)])
def test_bad_rates(rates):
    for use in (
        lambda: resample(np.zeros(9, np.float32), from_rate=rates[0], to_rate=rates[1]),
        lambda: Resampler(*rates),
        lambda: resampled_length(9, from_rate=rates[0], to_rate=rates[1]),
    ):
        with pytest.raises(UsageError, match="_rate is"):
            use()


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 700), min_size=0, max_size=12),
    st.sampled_from([*RATES, (44101, 16000), (16000, 16000), (3, 1)]),
    st.sampled_from([1, 2]),
)
def test_streams_equal_the_whole(lengths, rates, channels):
    x = noise(sum(lengths), channels) if channels > 1 else noise(sum(lengths))
    stream = Resampler(*rates, channels=channels)
    blocks = [stream.push(block) for block in np.split(x, np.cumsum(lengths))] + [stream.finish()]
    y = np.concatenate(blocks)
    assert y.dtype == np.float32
    assert len(y) == resampled_length(len(x), from_rate=rates[0], to_rate=rates[1])
    if len(x):
        whole = resample(x.T, from_rate=rates[0], to_rate=rates[1]).T
        assert np.abs(y - whole).max() <= 1e-6


def test_the_delay_of_a_stream_is_bounded():
    stream = Resampler(44100, 16000)
    n_in = n_out = 0
    for _ in range(50):
        n_in += 1000
        n_out += len(stream.push(noise(1000)))
        assert n_in * 16000 / 44100 - n_out < 1500


def test_a_stream_refuses_bad_blocks_and_those_after_its_end():
    stream = Resampler(44100, 16000, channels=2)
    stream.push(noise(10, 2))
    bad = np.array([[0, 0], [0, 0], [0, 0], [0, np.nan]])
    for block, value in ((noise(5), r"\(5,\)"), (noise(5, 3), r"\(5, 3\)"), (bad, r"\(13, 1\)"), (bad > 0, "bool")):
        with pytest.raises(InputError, match=value):
            stream.push(block)
    stream.finish()
    for use in (stream.finish, lambda: stream.push(noise(10, 2))):
        with pytest.raises(UsageError, match="finished"):
            use()
    with pytest.raises(UsageError, match="channels is 0"):
        Resampler(2, 1, channels=0)
