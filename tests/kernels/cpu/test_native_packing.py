"""The native layout: blocks, padding, rounding."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_networks import NAMES, network

from wavecore.errors import UsageError
from wavecore.kernels.cpu import native_packing
from wavecore.kernels.cpu.native_packing import BLOCK, LEVELS, MOST_INPUTS, NativeWeights, aligned, blocked, store


def test_blocks_hold_the_columns_in_order():
    matrix = np.arange(3 * 320, dtype=np.float32).reshape(3, 320)
    blocks = blocked(matrix)
    assert blocks.shape == (960,) and blocks.flags.c_contiguous
    np.testing.assert_array_equal(blocks[:384].reshape(3, 128), matrix[:, :128])
    np.testing.assert_array_equal(blocks[384:768].reshape(3, 128), matrix[:, 128:256])
    np.testing.assert_array_equal(blocks[768:].reshape(3, 64), matrix[:, 256:])


def test_half_precision_is_rounded_to_nearest_and_can_be_kept_in_float32():
    matrix = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)
    half, scale = store(matrix, "float16")
    assert half.dtype == np.float16 and scale is None
    np.testing.assert_array_equal(half.reshape(5, 64), matrix.astype(np.float16))
    expanded, _ = store(matrix, "float16", expand_half=True)
    assert expanded.dtype == np.float32
    np.testing.assert_array_equal(expanded, half.astype(np.float32))


def test_weights_beyond_half_precision_are_refused():
    matrix = np.zeros((2, 64), np.float32)
    matrix[1, 3] = 7e4
    with pytest.raises(UsageError, match="7e.04"):
        store(matrix, "float16")
    assert store(matrix, "float32")[0].max() == np.float32(7e4)


def test_integers_lie_in_pairs_of_rows():
    matrix = np.arange(4 * 192, dtype=np.float32).reshape(4, 192)
    blocks = blocked(matrix, rows=2)
    first = blocks[:512].reshape(2, 128, 2)
    np.testing.assert_array_equal(first[0, :, 0], matrix[0, :128])
    np.testing.assert_array_equal(first[0, :, 1], matrix[1, :128])
    np.testing.assert_array_equal(first[1, :, 1], matrix[3, :128])
    np.testing.assert_array_equal(blocks[512:].reshape(2, 64, 2)[1, :, 0], matrix[2, 128:])


def unpaired(blocks, n_in):
    """Undo the blocks of a matrix of 64 columns."""
    return blocks.reshape(-1, 64, 2).transpose(0, 2, 1).reshape(-1, 64)[:n_in]


@pytest.mark.parametrize(("storage", "most"), [("int16", 32_767), ("int8", 127)])
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), n_in=st.integers(1, 5), power=st.integers(-20, 20), sparse=st.booleans())
def test_integers_err_by_half_a_step_at_most(storage, most, seed, n_in, power, sparse):
    rng = np.random.default_rng(seed)
    matrix = (10.0**power * rng.standard_normal((n_in, 64))).astype(np.float32)
    if sparse:
        matrix[rng.random(matrix.shape) < 0.9] = 0
    blocks, scale = store(matrix, storage)
    assert blocks.dtype == np.dtype(storage) and np.abs(blocks.astype(int)).max() <= most
    assert blocks.size == 64 * (len(matrix) + len(matrix) % 2)
    restored = unpaired(blocks, len(matrix)).astype(np.float64) * scale
    assert (np.abs(restored - matrix) <= 0.5 * scale * (1 + 1e-9)).all()


@pytest.mark.parametrize("storage", ["int16", "int8"])
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), n_in=st.integers(1, 300), heavy=st.booleans())
def test_sums_of_integers_fit_32_bits(storage, seed, n_in, heavy):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((n_in, 64)).astype(np.float32)
    if heavy:
        matrix = np.full_like(matrix, 0.7)  # every weight at its largest: the most that a column can sum to
    blocks, _ = store(matrix, storage)
    whole = np.abs(unpaired(blocks, n_in).astype(np.int64))
    for begin in range(0, n_in, MOST_INPUTS):
        assert (LEVELS * whole[begin : begin + MOST_INPUTS].sum(axis=0)).max() < 2**31


@pytest.mark.parametrize("storage", ["int16", "int8"])
def test_integers_keep_columns_of_zeros(storage):
    blocks, scale = store(np.zeros((2, 64), np.float32), storage)
    assert not blocks.any() and (scale == 1).all()


@pytest.mark.parametrize("n_bytes", [1, 63, 64, 1000])
def test_reserved_memory_begins_with_a_cache_line(n_bytes):
    memory = aligned(n_bytes)
    assert memory.shape == (n_bytes,) and memory.ctypes.data % 64 == 0 and not memory.any()


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_there_padded_with_zeros(name):
    packed = network(name)
    weights = NativeWeights(packed, storage="float32")
    net = weights.network
    assert all(getattr(net, size) % 64 == 0 for size in ("residual", "skip", "head", "classes")) and net.gate % 32 == 0

    def read(matrix, n_in, n_out):
        array = np.ctypeslib.as_array((ctypes.c_float * (n_in * n_out)).from_address(matrix.weight))
        ends = [min(begin + 128, n_out) for begin in range(0, n_out, 128)]
        blocks = np.split(array, [n_in * end for end in ends[:-1]])
        return np.concatenate([block.reshape(n_in, -1) for block in blocks], axis=1)

    filters = (native_packing.Matrix * (packed.n_layers * packed.kernel_size)).from_address(net.filter)
    for layer in range(packed.n_layers):
        for tap in range(packed.kernel_size):
            stored = read(filters[layer * packed.kernel_size + tap], packed.residual_channels, 2 * net.gate)
            want = packed.filter_weight[layer, tap]
            gate = packed.gate_channels
            np.testing.assert_array_equal(stored[:, :gate], want[:, :gate])
            np.testing.assert_array_equal(stored[:, net.gate : net.gate + gate], want[:, gate:])
            assert not stored[:, gate : net.gate].any() and not stored[:, net.gate + gate :].any()
    output = native_packing.Matrix.from_address(net.output)
    stored = read(output, packed.head_channels, net.classes)
    np.testing.assert_array_equal(stored[:, : packed.n_classes], packed.output_weight)
    assert not stored[:, packed.n_classes :].any()
    assert weights.ring_rows == sum(packed.ring_slots)


@pytest.mark.parametrize(("storage", "width"), [("float32", 4), ("float16", 2), ("int16", 2), ("int8", 1)])
def test_the_bytes_read_per_sample_follow_the_format(storage, width):
    packed = network("even")
    weights = NativeWeights(packed, storage=storage)
    per_layer = 2 * 32 * 64 + 32 * 64 + 32 * 64
    scales = 4 * (8 * (2 * 64 + 64 + 64) + 64 + 256) if storage.startswith("int") else 0
    assert weights.nbytes == width * (8 * per_layer + 32 * 64 + 64 * 256) + scales


def test_an_unknown_format_is_refused():
    with pytest.raises(UsageError, match="'int4'"):
        NativeWeights(network("few"), storage="int4")


def test_the_kernel_was_compiled_with_the_same_numbers():
    header = (Path(__file__).parents[3] / "kernels" / "cpu" / "csrc" / "native.h").read_text(encoding="utf-8")
    defined = dict(re.findall(r"#define (LEVELS|MOST_INPUTS|BLOCK_COLUMNS) (\d+)", header))
    assert [int(defined[name]) for name in ("LEVELS", "MOST_INPUTS", "BLOCK_COLUMNS")] == [LEVELS, MOST_INPUTS, BLOCK]
