"""The counter-based generator against its published vectors; the laws of the draw."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.errors import UsageError
from wavecore.kernels.sampling import check_temperature, philox4x32, philox_uniform, sample

ONES = 0xFFFFFFFF

# Known-answer vectors published with Salmon et al. 2011 (Random123, kat_vectors, philox 4x32 10).
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES, ONES, ONES, ONES), (ONES, ONES), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def test_philox_known_answers():
    counters, keys = (np.array([entry[i] for entry in KNOWN], dtype=np.uint64) for i in (0, 1))
    words = np.stack(philox4x32(counters.T, keys.T), axis=-1)
    assert words.dtype == np.uint32
    np.testing.assert_array_equal(words, [words for _, _, words in KNOWN])


def test_uniform_is_the_top_of_the_first_word():
    seed, stream, t = 0x299F31D0_A4093822, 0x03707344_13198A2E, 0x85A308D3_243F6A88
    u = philox_uniform(seed, stream, t)
    assert u.dtype == np.float32 and u.shape == ()
    assert float(u) == (0xD16CFE09 >> 8) / 2**24


def test_uniform_broadcasts_and_depends_on_each_argument():
    grid = philox_uniform(7, np.arange(5)[:, None], np.arange(300)[None])
    assert grid.shape == (5, 300)
    for stream in range(5):
        for t in (0, 1, 299):
            assert grid[stream, t] == philox_uniform(7, stream, t)
    assert len(np.unique(grid)) > 1490  # 1500 draws of 24 bits
    assert not np.array_equal(grid, philox_uniform(8, np.arange(5)[:, None], np.arange(300)[None]))
    assert philox_uniform(7, 0, 2**32) != philox_uniform(7, 0, 0) != philox_uniform(7, 2**32, 0)


def test_uniform_stays_below_one():
    u = philox_uniform(0, 0, np.arange(100_000))
    assert 0 <= u.min() < 1e-4 and 1 - 1e-4 < u.max() < 1
    assert abs(u.mean() - 0.5) < 5 * math.sqrt(1 / 12 / len(u))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((seed, 0, 0), "seed") for seed in (-1, 2**64, 0.5)] + [((0, -1, 0), "stream"), ((0, 0, [1, -1]), "t")],
)
def test_uniform_refuses_what_does_not_fit_64_bits(arguments, name):
    with pytest.raises(UsageError, match=f"^{name} "):
        philox_uniform(*arguments)


LOGITS = st.lists(st.floats(-40, 40, width=32), min_size=1, max_size=256).map(np.array)
UNIFORM = st.integers(0, 2**24 - 1).map(lambda i: i * 2.0**-24)
TEMPERATURE = st.floats(0.05, 5)
LAW = settings(deadline=None, max_examples=60)


@pytest.mark.slow
@LAW
@given(LOGITS, UNIFORM, UNIFORM, TEMPERATURE)
def test_code_grows_with_the_draw(logits, u, v, temperature):
    low, high = sample(np.stack([logits, logits]), np.array(sorted((u, v))), temperature)
    assert low <= high < len(logits)


@LAW
@given(LOGITS, UNIFORM, TEMPERATURE)
def test_draw_lies_within_the_code_s_share(logits, u, temperature):
    code = int(sample(logits, np.float64(u), temperature))
    weights = np.exp((logits - logits.max()) / temperature)
    shares = weights / weights.sum()
    assert shares[:code].sum() <= u + 1e-12 and u - 1e-12 <= shares[: code + 1].sum()


@pytest.mark.slow
@LAW
@given(LOGITS, st.floats(-10, 10), TEMPERATURE, UNIFORM)
def test_a_common_shift_changes_nothing_but_rounding(logits, shift, temperature, u):
    code, moved = (int(sample(row, np.float64(u), temperature)) for row in (logits, logits + shift))
    weights = np.exp((logits - logits.max()) / temperature)
    edges = np.cumsum(weights) / weights.sum()
    assert code == moved or np.abs(edges - u).min() < 1e-12


@settings(deadline=None, max_examples=20)
@given(LOGITS, TEMPERATURE)
def test_frequencies_are_the_softmax(logits, temperature):
    n = 4096
    uniforms = (np.arange(n) + 0.5) / n  # evenly spread, so the counts are exact to one
    codes = sample(np.broadcast_to(logits, (n, len(logits))), uniforms, temperature)
    weights = np.exp((logits - logits.max()) / temperature)
    expected = n * weights / weights.sum()
    assert np.abs(np.bincount(codes, minlength=len(logits)) - expected).max() <= 1 + 1e-6


def test_zero_temperature_takes_the_first_of_the_largest():
    logits = np.array([[0.0, 3.0, 3.0, 1.0], [2.0, 2.0, 2.0, 2.0], [-5.0, -4.0, -9.0, -3.0]])
    assert sample(logits, np.full(3, 0.99), 0.0).tolist() == [1, 0, 3]


def test_tiny_temperature_is_the_limit_and_never_nan():
    assert sample(np.array([0.0, 3.0, 2.9]), np.float64(0.999), 1e-310) == 1


def test_impossible_classes_are_never_drawn():
    logits = np.array([-2000.0, 0.0, -2000.0, 0.0, -2000.0])
    assert sample(logits, np.float64(0.0), 1.0) == 1
    assert sample(logits, np.float64(0.5), 1.0) == 3
    assert sample(logits, np.float64(1 - 2.0**-24), 1.0) == 3


def test_shapes():
    codes = sample(np.zeros((2, 3, 4)), np.full((2, 3), 0.6), 1.0)
    assert codes.shape == (2, 3) and codes.dtype == np.uint8 and (codes == 2).all()
    assert sample(np.zeros((0, 4)), np.zeros(0), 1.0).shape == (0,)


@pytest.mark.parametrize("temperature", [-0.1, math.nan, math.inf, -math.inf])
def test_bad_temperature(temperature):
    for call in (check_temperature, lambda t: sample(np.zeros(4), np.float64(0.5), t)):
        with pytest.raises(UsageError, match=str(temperature)):
            call(temperature)


@pytest.mark.parametrize(
    ("logits", "uniforms"),
    [
        (np.zeros((2, 4)), np.zeros(3)),
        (np.zeros((2, 257)), np.zeros(2)),
        (np.zeros((2, 0)), np.zeros(2)),
        (np.float64(0), np.float64(0)),
        (np.array([0, math.nan]), np.float64(0.5)),
        (np.zeros(4), np.float64(1)),
        (np.zeros(4), np.float64(-0.1)),
        (np.zeros(4), np.float64(math.nan)),
    ],
)
def test_bad_arrays(logits, uniforms):
    with pytest.raises(UsageError):
        sample(logits, uniforms, 1.0)
