"""Resampling: lengths exact, tones kept, streams equal the whole, both libraries agree."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio.resample import Resampler, resample, resampled_length
from wavecore.errors import InputError, UsageError

RATES = [(44100, 16000), (16000, 44100), (48000, 16000), (22050, 16000), (16000, 48000), (8000, 44100)]


def noise(*shape, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def tones(n_samples, rate, top_hz, seed=0):
    """Eight sines of any phase up to `top_hz`; a function of time, so known at every rate."""
    rng = np.random.default_rng(seed)
    frequencies, phases = np.append(rng.uniform(50, top_hz, 7), top_hz), rng.uniform(0, 6, 8)
    t = np.arange(n_samples) / rate
    return sum(0.1 * np.sin(2 * np.pi * f * t + p) for f, p in zip(frequencies, phases)).astype(np.float32)


@given(st.integers(0, 10**9), st.integers(1, 200000), st.integers(1, 200000))
def test_the_length_is_the_ceiling(n_samples, from_rate, to_rate):
    expected = math.ceil(Fraction(n_samples) * to_rate / from_rate)
    assert resampled_length(n_samples, from_rate=from_rate, to_rate=to_rate) == expected


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.sampled_from([*RATES, (44101, 16000), (1, 3), (7, 1), (16000, 16000)]))
def test_arrays_have_the_promised_length(n_samples, rates):
    y = resample(noise(n_samples), from_rate=rates[0], to_rate=rates[1])
    assert y.shape == (resampled_length(n_samples, from_rate=rates[0], to_rate=rates[1]),)
    assert y.dtype == np.float32 and np.isfinite(y).all()


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("n_samples", [1, 2, 441, 1000])
def test_tensors_have_the_promised_length(rates, n_samples):
    y = resample(torch.from_numpy(noise(2, n_samples)), from_rate=rates[0], to_rate=rates[1])
    assert y.shape == (2, resampled_length(n_samples, from_rate=rates[0], to_rate=rates[1]))


@pytest.mark.parametrize("rates", RATES)
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_tones_are_kept(rates, kind):
    from_rate, to_rate = rates
    top_hz = 0.9 * min(rates) / 2
    y = np.asarray(resample(kind(tones(20011, from_rate, top_hz)), from_rate=from_rate, to_rate=to_rate))
    expected = tones(len(y), to_rate, top_hz)
    assert np.abs(y - expected)[600:-600].max() < 1e-3


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_what_lies_above_the_new_limit_is_removed(kind):
    x = np.sin(2 * np.pi * 9000 * np.arange(44100) / 44100).astype(np.float32)
    y = np.asarray(resample(kind(x), from_rate=44100, to_rate=16000))
    assert np.abs(y)[600:-600].max() < 1e-3


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_leading_axes_are_independent(kind):
    x = noise(2, 3, 1001)
    y = resample(kind(x), from_rate=44100, to_rate=16000)
    assert y.shape == (2, 3, 364)
    one = resample(kind(x[1, 2]), from_rate=44100, to_rate=16000)
    assert np.allclose(y[1, 2], one, atol=1e-6)


def test_equal_rates_change_nothing():
    x = noise(2, 50)
    assert np.array_equal(resample(x, from_rate=7, to_rate=7), x)
    assert np.array_equal(resample(x.astype(np.float64), from_rate=7, to_rate=7), x)
    assert torch.equal(resample(torch.from_numpy(x), from_rate=7, to_rate=7), torch.from_numpy(x))


def test_tensors_keep_their_gradient():
    x = torch.from_numpy(noise(500)).requires_grad_()
    resample(x, from_rate=16000, to_rate=22050).square().sum().backward()
    assert torch.isfinite(x.grad).all() and x.grad.abs().sum() > 0


def test_a_filter_too_large_for_tensors_is_refused():
    with pytest.raises(UsageError, match="44101:16000"):
        resample(torch.zeros(10), from_rate=44101, to_rate=16000)


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_bad_arrays(kind):
    with pytest.raises(InputError, match="holds no samples"):
        resample(kind(np.zeros((3, 0), np.float32)), from_rate=2, to_rate=1)
    with pytest.raises(InputError, match="holds no samples"):
        resample(kind(np.float32(1.0)), from_rate=2, to_rate=1)
    with pytest.raises(InputError, match="floating-point"):
        resample(kind(np.zeros(9, np.int16)), from_rate=2, to_rate=1)
    with pytest.raises(InputError, match="index 2"):
        resample(kind(np.array([0, 0, np.nan])), from_rate=2, to_rate=1)


@pytest.mark.parametrize("rates", [(0, 1), (1, 0), (-1, 1), (1.5, 1), (1, None)])
def test_bad_rates(rates):
    for use in (
        lambda: resample(np.zeros(9, np.float32), from_rate=rates[0], to_rate=rates[1]),
        lambda: Resampler(*rates),
        lambda: resampled_length(9, from_rate=rates[0], to_rate=rates[1]),
    ):
        with pytest.raises(UsageError, match="_rate is"):
            use()


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.integers(0, 700), min_size=0, max_size=12),
    st.sampled_from([*RATES, (44101, 16000), (16000, 16000), (3, 1)]),
    st.sampled_from([1, 2]),
)
def test_streams_equal_the_whole(lengths, rates, channels):
    x = noise(sum(lengths), channels) if channels > 1 else noise(sum(lengths))
    stream = Resampler(*rates, channels=channels)
    parts = [stream.push(block) for block in np.split(x, np.cumsum(lengths))] + [stream.finish()]
    y = np.concatenate(parts)
    assert y.dtype == np.float32
    assert len(y) == resampled_length(len(x), from_rate=rates[0], to_rate=rates[1])
    if len(x):
        whole = resample(x.T, from_rate=rates[0], to_rate=rates[1]).T
        assert np.abs(y - whole).max() <= 1e-6


def test_a_stream_yields_as_it_goes():
    stream = Resampler(44100, 16000)
    n_in = n_out = 0
    for _ in range(50):
        n_in += 1000
        n_out += len(stream.push(noise(1000)))
        assert n_in * 16000 / 44100 - n_out < 1500  # the filter's delay and no more


def test_a_stream_refuses_bad_blocks():
    stream = Resampler(44100, 16000, channels=2)
    stream.push(noise(10, 2))
    for block in (noise(5), noise(5, 3), noise(2, 5)):
        with pytest.raises(InputError, match=r"wanted \(\d, 2\)"):
            stream.push(block)
    with pytest.raises(InputError, match="int16"):
        stream.push(np.zeros((5, 2), np.int16))
    with pytest.raises(InputError, match=r"\(13, 1\)"):
        stream.push(np.array([[0, 0], [0, 0], [0, 0], [0, np.nan]]))
    with pytest.raises(UsageError, match="channels is 0"):
        Resampler(2, 1, channels=0)


def test_a_finished_stream_is_finished():
    stream = Resampler(44100, 16000)
    stream.push(noise(10))
    stream.finish()
    with pytest.raises(UsageError, match="finished"):
        stream.push(noise(10))
    with pytest.raises(UsageError, match="finished"):
        stream.finish()
