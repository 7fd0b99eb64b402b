"""The compiled inner loops, each against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.kernels import sampling
from wavecore.kernels.cpu import numba_ops as ops

ODD = [(1, 1), (3, 2), (4, 7), (5, 8), (17, 33), (64, 128)]


def random(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def read_only(array):
    array.setflags(write=False)
    return array


@pytest.mark.parametrize(("n_in", "n_out"), ODD)
@pytest.mark.parametrize("n_streams", [1, 3, 4, 5, 9])
def test_accumulate_all_is_a_matrix_product_on_its_rows(n_in, n_out, n_streams):
    x, weight = random((n_streams + 3, n_in)), read_only(random((n_in, n_out), 1))
    out = random((n_streams + 3, n_out), 2)
    want = out.astype(np.float64)
    want[1 : n_streams + 1] += x[1 : n_streams + 1].astype(np.float64) @ weight.astype(np.float64)
    before = out.copy()
    ops.accumulate_all(out, x, weight, 1, n_streams + 1)
    np.testing.assert_allclose(out, want, rtol=0, atol=2e-6 * np.sqrt(n_in))
    np.testing.assert_array_equal(out[[0, -2, -1]], before[[0, -2, -1]])


@pytest.mark.parametrize(("n_in", "n_out"), ODD)
def test_four_streams_are_the_same_to_the_bit_as_one(n_in, n_out):
    x, weight = random((4, n_in)), read_only(random((n_in, n_out), 1))
    together = random((4, n_out), 2)
    alone = together.copy()
    ops.accumulate4(together, x, weight, 0)
    for b in range(4):
        ops.accumulate(alone[b], x[b], weight)
    np.testing.assert_array_equal(together, alone)


def gate(u, v):
    out = np.empty(len(u), np.float32)
    ops.gate(np.concatenate([u, v]).astype(np.float32), out)
    return out.astype(np.float64)


def test_gate_accuracy():
    small = np.geomspace(1e-18, 1, 4001)
    u = np.concatenate([-small, small, np.linspace(-12, 12, 40_000)]).astype(np.float32)
    v = np.random.default_rng(0).permutation(np.linspace(-39, 39, len(u))).astype(np.float32)
    want = np.tanh(u.astype(np.float64)) / (1 + np.exp(-v.astype(np.float64)))
    assert np.abs(gate(u, v) / want - 1).max() < 5e-7


def test_gate_limits():
    assert gate(np.zeros(1), np.zeros(1)) == 0
    far = np.array([1e30, np.inf, 60.0])
    np.testing.assert_array_equal(gate(far, far), np.ones(3))
    np.testing.assert_array_equal(gate(-far, far), -np.ones(3))
    assert (np.abs(gate(far, -far)) < 5e-18).all()
    nan = np.array([np.nan])
    assert np.isnan(gate(nan, np.ones(1))) and np.isnan(gate(np.ones(1), nan))


@pytest.mark.parametrize("n_gate", [1, 5, 24, 63])
def test_gate_does_not_depend_on_its_neighbours(n_gate):
    u, v = random(n_gate), random(n_gate, 1)
    alone = np.concatenate([gate(u[i : i + 1], v[i : i + 1]) for i in range(n_gate)])
    np.testing.assert_allclose(gate(u, v), alone, rtol=2.5e-7)


def test_draws_equal_the_numpy_generator():
    rng = np.random.default_rng(4)
    numbers = rng.integers(0, 2**64, (50, 3), dtype=np.uint64)
    numbers[:3] = [[0, 0, 0], [2**64 - 1] * 3, [1, 0, 2**32]]
    for seed, stream, t in numbers:
        assert ops.philox_uniform(seed, stream, t) == sampling.philox_uniform(seed, stream, t)


@pytest.mark.slow
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_codes_equal_the_rule_up_to_its_edges(data):
    number = st.floats(-60, 60, width=32)
    logits = np.array(data.draw(st.lists(number, min_size=1, max_size=256)), np.float32)
    u = data.draw(st.integers(0, 2**24 - 1)) * 2.0**-24
    temperature = data.draw(st.sampled_from([0.0, 1e-300, 0.1, 1.0, 3.0]))
    code = ops.pick_code(logits, np.empty_like(logits), u, temperature)
    want = sampling.sample(logits, np.float64(u), temperature)
    if code != want:
        weights = np.exp((logits.astype(np.float64) - logits.max()) / temperature)
        edges = np.cumsum(weights) / weights.sum()
        assert temperature > 0 and np.abs(edges - u).min() < 5e-7 * max(1, 1 / temperature)


def test_no_impossible_code_at_either_end():
    logits = np.array([-2000, 0, -2000, 0, -2000], np.float32)
    for u, code in ((0.0, 1), (1 - 2.0**-24, 3)):
        assert ops.pick_code(logits, np.empty_like(logits), u, 1.0) == code


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 7, 12])
def test_is_finite(value, at):
    values = random(13)
    assert ops.is_finite(values)
    values[at] = value
    assert not ops.is_finite(values)


def test_rectify_keeps_nan():
    out = np.empty(4, np.float32)
    ops.rectify(np.array([-1, 0, 2, np.nan], np.float32), out)
    np.testing.assert_array_equal(out, [0, 0, 2, np.nan])


def test_copy_stops_at_the_shorter():
    out = np.zeros(3, np.float32)
    ops.copy(np.array([1, 2], np.float32), out)
    np.testing.assert_array_equal(out, [1, 2, 0])
    ops.copy(np.array([4, 5, 6, 7], np.float32), out)
    np.testing.assert_array_equal(out, [4, 5, 6])


def test_input_scalars_shift():
    history = np.array([0.1, 0.2, 0.3], np.float32)
    ops.append_sample(history, 64, 129)
    np.testing.assert_array_equal(history, np.array([0.2, 0.3, 0.0], np.float32))
    one = np.zeros(1, np.float32)
    ops.append_sample(one, 255, 256)
    assert one[0] == 0.5


def test_compiles_where_no_cache_can_be_written():
    namespace = {}
    exec("def double(x):\n    return 2 * x\n", namespace)  # from no file, so numba finds no place for a cache
    assert ops.jit(namespace["double"])(21) == 42
