"""The native layout: blocks, padding, rounding."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wavecore.errors import UsageError
from wavecore.kernels import native_packing
from wavecore.kernels.native_packing import NativeWeights, aligned, blocked, store


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
    with pytest.raises(UsageError, match=r"7e\+04 does not fit float16.*float32"):
        store(matrix, "float16")
    assert store(matrix, "float32")[0].max() == np.float32(7e4)


@given(
    arrays.arrays(np.float32, (3, 64), elements=st.floats(-1e3, 1e3, width=32)),
)
def test_int8_errs_by_half_a_step_at_most(matrix):
    blocks, scale = store(matrix, "int8")
    assert blocks.dtype == np.int8 and np.abs(blocks.astype(int)).max() <= 127
    restored = blocks.reshape(3, 64).astype(np.float32) * scale
    assert (np.abs(restored - matrix) <= 0.5 * scale * (1 + 1e-5) + 1e-30).all()


def test_int8_keeps_columns_of_zeros():
    blocks, scale = store(np.zeros((2, 64), np.float32), "int8")
    assert not blocks.any() and (scale == 1).all()


@pytest.mark.parametrize("n_bytes", [1, 63, 64, 1000])
def test_reserved_memory_begins_with_a_cache_line(n_bytes):
    memory = aligned(n_bytes)
    assert memory.shape == (n_bytes,) and memory.ctypes.data % 64 == 0 and not memory.any()


@pytest.mark.parametrize("name", ["odd", "kernel3", "even", "few"])
def test_everything_is_there_padded_with_zeros(name, new_packed):
    packed = new_packed(name)
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
            found = read(filters[layer * packed.kernel_size + tap], packed.residual_channels, 2 * net.gate)
            want = packed.filter_weight[layer, tap]
            gate = packed.gate_channels
            np.testing.assert_array_equal(found[:, :gate], want[:, :gate])
            np.testing.assert_array_equal(found[:, net.gate : net.gate + gate], want[:, gate:])
            assert not found[:, gate : net.gate].any() and not found[:, net.gate + gate :].any()
    output = native_packing.Matrix.from_address(net.output)
    found = read(output, packed.head_channels, net.classes)
    np.testing.assert_array_equal(found[:, : packed.n_classes], packed.output_weight)
    assert not found[:, packed.n_classes :].any()
    assert weights.ring_rows == sum(packed.ring_slots)


@pytest.mark.parametrize(("storage", "width"), [("float32", 4), ("float16", 2), ("int8", 1)])
def test_the_bytes_read_per_sample_follow_the_format(storage, width, new_packed):
    packed = new_packed("even")
    weights = NativeWeights(packed, storage=storage)
    per_layer = 2 * 32 * 64 + 32 * 64 + 32 * 64
    assert weights.nbytes == width * (8 * per_layer + 32 * 64 + 64 * 256)


def test_an_unknown_format_is_refused(new_packed):
    with pytest.raises(UsageError, match="'int4'.*float32, float16, int8"):
        NativeWeights(new_packed("few"), storage="int4")
