"""The high-pass removes offsets, passes music, and does not depend on blocks."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio.dc import CUTOFF_HZ, OffsetFilter, highpass
from wavecore.errors import InputError, UsageError

RATE = 16_000


def tone(hz, seconds=1.0):
    return np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)


@pytest.mark.parametrize(
    ("hz", "gain_db"), [(41.2, -0.24), (110.0, -0.01), (1000.0, 0.0), (7000.0, 0.0), (CUTOFF_HZ, -3.01)]
)
def test_gain(hz, gain_db):
    out = OffsetFilter(1, RATE).push(0.5 * tone(hz)[None])[0]
    gain = np.std(out[RATE // 2 :]) / np.std(0.5 * tone(hz)[RATE // 2 :])
    assert 20 * np.log10(gain) == pytest.approx(gain_db, abs=0.03)
    assert out.dtype == np.float32


def test_an_offset_is_removed_and_signals_are_independent():
    drifting = 0.1 * tone(440) + np.where(np.arange(RATE) < 8000, 0.2, -0.3)
    out = OffsetFilter(2, RATE).push(np.stack([drifting, 0 * drifting]))
    for begin in (2400, 8000 + 2400):
        assert abs(out[0, begin : begin + 4000].mean()) < 1e-3
    assert not out[1].any()


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 99), cuts=st.lists(st.integers(0, 3000), max_size=6))
def test_blocks_equal_the_whole(seed, cuts):
    x = np.random.default_rng(seed).uniform(-1, 1, (3, 3000)).astype(np.float32)
    whole = OffsetFilter(3, RATE).push(x)
    by_blocks = OffsetFilter(3, RATE)
    blocks = [by_blocks.push(x[:, begin:end]) for begin, end in itertools.pairwise([0, *sorted(cuts), 3000])]
    np.testing.assert_allclose(np.concatenate(blocks, axis=1), whole, atol=1e-7)


@pytest.mark.parametrize(("n", "rate", "value"), [(0, RATE, "n_signals is 0"), (1, 40, "40 Hz"), (1, 0, "0")])
def test_bad_filters_and_blocks_are_refused(n, rate, value):
    with pytest.raises(UsageError, match=value):
        OffsetFilter(n, rate)
    for shape in ((3,), (3, 10), (2, 10, 1)):
        with pytest.raises(InputError, match=r"\(2, n\)"):
            OffsetFilter(2, RATE).push(np.zeros(shape))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 99), shape=st.lists(st.integers(1, 3), max_size=2), n=st.integers(1, 3000))
def test_tensors_are_filtered_alike(seed, shape, n):
    x = np.random.default_rng(seed).uniform(-1.0, 3.0, (*shape, n)).astype(np.float32)
    filtered = highpass(torch.from_numpy(x), RATE)
    assert filtered.shape == x.shape and filtered.dtype == torch.float32
    expected = OffsetFilter(int(np.prod(shape)), RATE).push(x.reshape(-1, n)).reshape(x.shape)
    np.testing.assert_allclose(filtered.numpy(), expected, atol=1e-6)


def test_the_gradient_passes():
    x = torch.from_numpy(tone(300, 0.1)).requires_grad_()
    highpass(x, RATE).square().sum().backward()
    assert x.grad.abs().max() > 0.5


def test_bad_tensors_are_refused():
    for x in (torch.zeros(0), torch.tensor(1.0), torch.zeros(9, dtype=torch.int16)):
        with pytest.raises(InputError):
            highpass(x, RATE)
    with pytest.raises(UsageError):
        highpass(torch.zeros(9), 40)
