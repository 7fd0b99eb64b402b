"""The kernels of the throughput backend, piece by piece in the interpreter, and compiled for GPUs that are not here."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from wavecore.kernels import sampling
from wavecore.kernels.triton.throughput import ThroughputWeights, choose_tiling
from wavecore.kernels.triton.tiled import LOWEST

triton = pytest.importorskip("triton")
tl = pytest.importorskip("triton.language")
ops = pytest.importorskip("wavecore.kernels.triton.throughput_ops")

SIZES = {  # kernel, residual, gate, skip, head, latent, layers
    "small": (2, 64, 64, 64, 256, 64, 30),
    "small-kernel3": (3, 64, 64, 64, 256, 64, 30),
    "umt": (2, 128, 128, 128, 256, 64, 40),
    "tiny": (2, 16, 16, 16, 16, 16, 2),
}


@triton.jit
def uniforms_kernel(out, seed, streams, times, N: tl.constexpr, TIMES: tl.constexpr):
    """Draw for N streams at each time."""
    row = tl.arange(0, N)
    for i in range(TIMES):
        tl.store(out + i * N + row, ops.draw_uniform(tl.load(seed), tl.load(streams + row), tl.load(times + i)))


@triton.jit
def pick_kernel(codes, likeliest, infinite, logits, uniforms, inverse, N: tl.constexpr, A: tl.constexpr):
    """Draw one code for each row of logits."""
    row = tl.arange(0, N)
    rows = logits + row[:, None] * A
    largest, first, bad = ops.find_largest(rows, N, A, 16)
    tl.store(codes + row, ops.pick_codes(rows, largest, tl.load(uniforms + row), tl.load(inverse), N, A, 16))
    tl.store(likeliest + row, first)
    tl.store(infinite + row, bad)


@triton.jit
def gate_kernel(out, rectified, u, v, N: tl.constexpr):
    """Gate N pairs, and rectify their first numbers."""
    i = tl.arange(0, N)
    tl.store(out + i, ops.gate(tl.load(u + i), tl.load(v + i)))
    tl.store(rectified + i, ops.rectify(tl.load(u + i)))


def check_uniforms():
    streams = np.array([0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1, 77, 123456789012345], np.uint64)
    times = np.array([0, 1, 2**31, 2**32 + 5, 2**62], np.uint64)
    for seed in (0, 1, 2**32 + 3, 2**63, 2**64 - 1):
        out = torch.full((len(times), len(streams)), np.nan)
        inputs = [torch.from_numpy(a.view(np.int64)) for a in (np.array([seed], np.uint64), streams, times)]
        uniforms_kernel[(1,)](out, *inputs, N=len(streams), TIMES=len(times))
        np.testing.assert_array_equal(out, sampling.philox_uniform(seed, streams[None], times[:, None]))
    return {}


def check_picks():
    generator = np.random.default_rng(0)
    n, a = 64, 64
    logits = (generator.standard_normal((n, a)) * 4).astype(np.float32)
    logits[:4, 7:] = LOWEST  # padded classes
    logits[4:8] = 0.5  # all equal
    logits[8:12, 3] = 500.0  # one that takes all
    logits[12:16, [5, 40]] = 90.0  # two, in different groups
    uniforms = generator.random(n).astype(np.float32)
    uniforms[[0, 4]], uniforms[[1, 5, 9, 13]] = 0.0, 1 - 2.0**-24
    codes, likeliest, infinite = (torch.full((n,), -1, dtype=torch.int32) for _ in range(3))
    for temperature in (1.0, 0.25, 3.0):
        inputs = [torch.from_numpy(array) for array in (logits, uniforms, np.array([1 / temperature], np.float32))]
        pick_kernel[(1,)](codes, likeliest, infinite, *inputs, N=n, A=a)
        np.testing.assert_array_equal(codes, sampling.sample(logits, uniforms, temperature))
        np.testing.assert_array_equal(likeliest, logits.argmax(1))
        assert not infinite.any()
    logits[1, 2], logits[17, 63], logits[33] = np.nan, np.inf, np.nan
    logits[20, 0] = -np.inf
    pick_kernel[(1,)](codes, likeliest, infinite, torch.from_numpy(logits), *inputs[1:], N=n, A=a)
    assert np.flatnonzero(infinite).tolist() == [1, 17, 20, 33]
    assert codes.min() >= 0 and codes.max() < a
    return {}


def check_gates():
    u = np.array([0, -0.0, 1e-4, -1, 3, 30, -100, np.inf, -np.inf, np.nan, 1, 1, 1, 1, -3, 0.5], np.float32)
    v = np.array([0, 1, 2, -1, 0.3, 100, -100, 1, 1, 1, np.inf, -np.inf, np.nan, 90, 2, -2], np.float32)
    out, rectified = torch.zeros(16), torch.zeros(16)
    gate_kernel[(1,)](out, rectified, torch.from_numpy(u), torch.from_numpy(v), N=16)
    want = torch.tanh(torch.from_numpy(u).double()) * torch.sigmoid(torch.from_numpy(v).double())
    np.testing.assert_allclose(out, want, rtol=0, atol=2e-7)
    np.testing.assert_array_equal(rectified, torch.relu(torch.from_numpy(u)))
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("check", [check_uniforms, check_picks, check_gates])
def test_the_pieces_compute_in_the_interpreter_what_numpy_does(check, interpreter):
    interpreter.call(check)


def compiled(compiler, name, capability, *, trace):
    """Compile ``advance``; returns the kernel and its tiling."""
    packed = compiler.blank(*SIZES[name])
    tiling = choose_tiling(packed, "float16", capability)
    weights = ThroughputWeights(packed, precision="float16", tiling=tiling, device="meta")
    pointers = dict.fromkeys(("condition", "rings"), "*fp16")
    pointers |= dict.fromkeys(("logits", "residual_trace", "skip_trace", "history"), "*fp32")
    pointers |= {"codes": "*u8", "failed": "*i32", "ring_table": "*i32", "clock": "*i64", "streams": "*i64"}
    numbers = dict.fromkeys(("n_samples", "batch", "into_frame", "hop", "forced", "logits_step"), 2)
    options = {"inverse_temperature": 1.0, "TRACE": trace, "num_warps": tiling.warps, "num_stages": tiling.stages}
    arguments = {**pointers, **weights.tensors, **weights.sizes, **numbers, **options}
    return compiler.compile_kernel(ops.advance, arguments, capability), tiling


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "capability", "tile"),
    [("small", 90, 64), ("umt", 90, 32), ("small-kernel3", 90, 64), ("small", 80, 32), ("umt", 80, 16)],
)
def test_the_kernel_fits_gpus_without_spilling(name, capability, tile, compiler):
    kernel, tiling = compiled(compiler, name, capability, trace=False)
    assert tiling.tile == tile
    compiler.assert_fits(kernel, capability)
    assert "async_copy_g" in kernel.asm["ttgir"] or tile == 16, "the loads of weights are not pipelined"


@pytest.mark.slow
def test_the_kernel_compiles_with_traces(compiler):
    kernel, _ = compiled(compiler, "tiny", 90, trace=True)
    assert kernel.metadata.shared <= compiler.SHARED_BYTES[90]
