"""The kernels of the throughput backend, piece by piece in the interpreter, and compiled for GPUs that are not here.

Both are jobs for a process of their own, this file run as a script: the
interpreter is chosen before Triton is imported, and the compiler must not be
the interpreter.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from wavecore.kernels import sampling
from wavecore.kernels.packing import PackedWaveNet
from wavecore.kernels.triton.throughput import DTYPES, LOWEST, _Network, choose_tiling

triton = pytest.importorskip("triton")
tl = pytest.importorskip("triton.language")
ops = pytest.importorskip("wavecore.kernels.triton.throughput_ops")

TENSORS = {torch.float16: "*fp16", torch.float32: "*fp32"}
SHARED_BYTES = {90: 232_448, 80: 166_912}

PRESETS = {"small": (2, 64, 30), "small-kernel3": (3, 64, 30), "umt": (2, 128, 40)}  # kernel size, channels, layers


def blank(taps, n, layers):
    """A network of zeros: what is compiled depends on the sizes alone."""
    h, c, a = 256, 64, 256
    shapes = {
        "first_weight": (taps, 2 * n), "first_bias": (2 * n,),
        "condition_weight": (c, layers * 2 * n + h), "condition_bias": (layers * 2 * n + h,),
        "filter_weight": (layers, taps, n, 2 * n),
        "residual_skip_weight": (layers, n, 2 * n), "residual_skip_bias": (layers, 2 * n),
        "head_weight": (n, h), "output_weight": (h, a), "output_bias": (a,),
    }  # fmt: skip
    return PackedWaveNet(
        n_layers=layers, kernel_size=taps, residual_channels=n, gate_channels=n, skip_channels=n, head_channels=h,
        latent_channels=c, n_classes=a, hop_length=800, dilations=tuple(2 ** (i % 10) for i in range(layers)),
        **{name: np.zeros(shape, np.float32) for name, shape in shapes.items()},
    )  # fmt: skip


@triton.jit
def uniforms_kernel(out, seed, streams, times, N: tl.constexpr, TIMES: tl.constexpr):
    """Draw for N streams at each time."""
    row = tl.arange(0, N)
    for i in range(TIMES):
        tl.store(out + i * N + row, ops._draw_uniform(tl.load(seed), tl.load(streams + row), tl.load(times + i)))


@triton.jit
def pick_kernel(codes, likeliest, infinite, logits, uniforms, inverse, N: tl.constexpr, A: tl.constexpr):
    """Draw one code for each row of logits."""
    row = tl.arange(0, N)
    rows = logits + row[:, None] * A
    largest, first, bad = ops._survey(rows, N, A, 16)
    tl.store(codes + row, ops._pick(rows, largest, tl.load(uniforms + row), tl.load(inverse), N, A, 16))
    tl.store(likeliest + row, first)
    tl.store(infinite + row, bad)


@triton.jit
def gate_kernel(out, rectified, u, v, N: tl.constexpr):
    """Gate N pairs, and rectify their first numbers."""
    i = tl.arange(0, N)
    tl.store(out + i, ops._gate(tl.load(u + i), tl.load(v + i)))
    tl.store(rectified + i, ops._rectify(tl.load(u + i)))


def in_its_own_process(*arguments, interpret):
    env = {**os.environ, "TRITON_INTERPRET": "1" if interpret else "0"}
    command = [sys.executable, "-P", "-W", "ignore", __file__, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_uniforms():
    streams = np.array([0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1, 77, 123456789012345], np.uint64)
    times = np.array([0, 1, 2**31, 2**32 + 5, 2**62], np.uint64)
    for seed in (0, 1, 2**32 + 3, 2**63, 2**64 - 1):
        out = torch.full((len(times), len(streams)), np.nan)
        inputs = [torch.from_numpy(a.view(np.int64)) for a in (np.array([seed], np.uint64), streams, times)]
        uniforms_kernel[(1,)](out, *inputs, N=len(streams), TIMES=len(times))
        np.testing.assert_array_equal(out, sampling.philox_uniform(seed, streams[None], times[:, None]))


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
        given = [torch.from_numpy(array) for array in (logits, uniforms, np.array([1 / temperature], np.float32))]
        pick_kernel[(1,)](codes, likeliest, infinite, *given, N=n, A=a)
        np.testing.assert_array_equal(codes, sampling.sample(logits, uniforms, temperature))
        np.testing.assert_array_equal(likeliest, logits.argmax(1))
        assert not infinite.any()
    logits[1, 2], logits[17, 63], logits[33] = np.nan, np.inf, np.nan
    logits[20, 0] = -np.inf
    pick_kernel[(1,)](codes, likeliest, infinite, torch.from_numpy(logits), *given[1:], N=n, A=a)
    assert np.flatnonzero(infinite).tolist() == [1, 17, 20, 33]
    assert codes.min() >= 0 and codes.max() < a


def check_gates():
    u = np.array([0, -0.0, 1e-4, -1, 3, 30, -100, np.inf, -np.inf, np.nan, 1, 1, 1, 1, -3, 0.5], np.float32)
    v = np.array([0, 1, 2, -1, 0.3, 100, -100, 1, 1, 1, np.inf, -np.inf, np.nan, 90, 2, -2], np.float32)
    out, rectified = torch.zeros(16), torch.zeros(16)
    gate_kernel[(1,)](out, rectified, torch.from_numpy(u), torch.from_numpy(v), N=16)
    want = torch.tanh(torch.from_numpy(u).double()) * torch.sigmoid(torch.from_numpy(v).double())
    np.testing.assert_allclose(out, want, rtol=0, atol=2e-7)
    np.testing.assert_array_equal(rectified, torch.relu(torch.from_numpy(u)))


@pytest.mark.slow
@pytest.mark.parametrize("check", ["check_uniforms", "check_picks", "check_gates"])
def test_the_pieces_do_in_the_interpreter_what_numpy_does(check):
    in_its_own_process(check, interpret=True)


def signature_of(network, precision):
    """The types of the arguments of ``advance``, as a launch would find them; what is left is fixed at compile time."""
    operand = TENSORS[DTYPES[precision]]
    found = dict.fromkeys(("condition", "rings"), operand)
    found |= dict.fromkeys(("logits", "residual_trace", "skip_trace", "history"), "*fp32")
    found |= {"codes": "*u8", "failed": "*i32", "ring_table": "*i32", "clock": "*i64", "streams": "*i64"}
    found |= {name: TENSORS[tensor.dtype] for name, tensor in network.tensors.items()}
    found |= dict.fromkeys(("n_samples", "batch", "into_frame", "hop", "forced", "logits_step"), "i32")
    return found | {"inverse_temperature": "fp32"}


def compile_for(preset, capability, trace):
    """Compile for a GPU that need not be here; say what the binary takes of it."""
    from triton import knobs
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    packed, precision, capability = blank(*PRESETS[preset]), "float16", int(capability)
    tiling = choose_tiling(packed, precision, capability)
    network = _Network(packed, precision=precision, tiling=tiling, device="cpu")
    names, types = ops.advance.arg_names, signature_of(network, precision)
    source = ASTSource(
        ops.advance,
        {name: types.get(name, "constexpr") for name in names},
        constexprs={**network.sizes, "TRACE": trace == "trace"},
        attrs={(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if types.get(name, "")[:1] == "*"},
    )
    options = {"num_warps": tiling.warps, "num_stages": tiling.stages}
    kernel = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.ptx"
        path.write_text(kernel.asm["ptx"], encoding="utf-8")
        gpu = f"--gpu-name=sm_{capability}" + "a" * (capability >= 90)
        command = [knobs.nvidia.ptxas.path, "-v", gpu, str(path), "-o", str(path.with_suffix(".cubin"))]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = {"shared": kernel.metadata.shared, "tile": tiling.tile, "copies": kernel.asm["ttgir"].count("async_copy_g")}
    found["registers"] = int(re.search(r"Used (\d+) registers", said)[1])
    found["spilled"] = max(int(n) for n in re.findall(r"(\d+) bytes spill", said))
    print(json.dumps(found))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "capability", "tile"),
    [("small", 90, 64), ("umt", 90, 32), ("small-kernel3", 90, 64), ("small", 80, 32), ("umt", 80, 16)],
)
def test_the_kernel_fits_gpus_without_spilling(preset, capability, tile):
    found = json.loads(in_its_own_process("compile_for", preset, str(capability), "", interpret=False))
    assert found["tile"] == tile
    assert found["shared"] <= SHARED_BYTES[capability]
    assert found["registers"] <= 255
    assert found["spilled"] == 0
    assert found["copies"] or tile == 16, "the loads of weights are not pipelined"


@pytest.mark.slow
def test_the_kernel_compiles_with_traces():
    found = json.loads(in_its_own_process("compile_for", "small", "90", "trace", interpret=False))
    assert found["shared"] <= SHARED_BYTES[90]


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
