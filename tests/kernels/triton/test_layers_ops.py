"""The kernels of the layers backend, one by one in the interpreter, and compiled for GPUs that are not here.

Both are jobs for a process of their own, this file run as a script: the
interpreter is chosen before Triton is imported, and the compiler must not be
the interpreter.
"""

from __future__ import annotations

import inspect
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
from wavecore.kernels.triton.layers import _allocate, _Weights, choose_layers_tiling

triton = pytest.importorskip("triton")
ops = pytest.importorskip("wavecore.kernels.triton.layers_ops")

TENSORS = {
    torch.float16: "*fp16", torch.float32: "*fp32", torch.uint8: "*u8", torch.int32: "*i32", torch.int64: "*i64",
}  # fmt: skip
SHARED_BYTES = {90: 232_448, 80: 166_912}

# Of the model presets; kernel size, residual, gate, skip, head, latent.  Layers are all alike, so few are enough.
PRESETS = {"nsynth": (3, 512, 512, 256, 256, 16, 5), "small": (2, 64, 64, 64, 256, 64, 5)}
TARGETS = [
    ("nsynth", "float16", 90), ("nsynth", "float16", 80), ("small", "float16", 90), ("small", "float16", 80),
    ("nsynth", "float32", 90),
]  # fmt: skip
KERNELS = ["begin", "filter_gate", "residual_skip", "dense", "dense", "draw", "project"]
PRODUCTS = KERNELS[1:5]


def blank(taps, r, g, s, h, c, layers):
    """A network of zeros: what is compiled depends on the sizes alone."""
    shapes = {
        "first_weight": (taps, r + s), "first_bias": (r + s,),
        "condition_weight": (c, layers * 2 * g + h), "condition_bias": (layers * 2 * g + h,),
        "filter_weight": (layers, taps, r, 2 * g),
        "residual_skip_weight": (layers, g, r + s), "residual_skip_bias": (layers, r + s),
        "head_weight": (s, h), "output_weight": (h, 256), "output_bias": (256,),
    }  # fmt: skip
    zero = np.zeros(1, np.float32)
    return PackedWaveNet(
        n_layers=layers, kernel_size=taps, residual_channels=r, gate_channels=g, skip_channels=s, head_channels=h,
        latent_channels=c, n_classes=256, hop_length=512, dilations=tuple(2 ** (i % 10) for i in range(layers)),
        **{name: np.broadcast_to(zero, shape) for name, shape in shapes.items()},
    )  # fmt: skip


def in_its_own_process(*arguments, interpret):
    env = {**os.environ, "TRITON_INTERPRET": "1" if interpret else "0"}
    command = [sys.executable, "-P", "-W", "ignore", __file__, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_draws():
    """Two programs, the second with padded rows; the logits of the third sample of a run."""
    n, a, batch, t, start = 32, 48, 27, 2**33 + 7, 2**33 + 5
    logits = (np.random.default_rng(0).standard_normal((3, n, a)) * 3).astype(np.float32)
    logits[2, 5, 7] = logits[2, 30, 0] = np.nan  # the second one is padding
    streams = np.random.default_rng(1).integers(0, 2**63, n)
    memory = {
        "codes": torch.full((3, n), 9, dtype=torch.uint8), "history": torch.zeros(3, n),
        "failed": torch.full((2,), 3, dtype=torch.int32), "clock": torch.full((2,), t),
        "logits": torch.from_numpy(logits), "streams": torch.from_numpy(streams),
        "scalars": torch.arange(a) / 8, "call": torch.tensor([11, start, 0]),
    }  # fmt: skip
    sizes = {"batch": batch, "logits_step": n, "n_rows": n, "TAPS": 3, "CLASSES": a, "GROUP": 16, "ROWS": ops.ROWS}
    ops.draw[(2,)](**memory, **sizes, inverse_temperature=1 / 0.7)
    fine = np.isfinite(logits[2]).all(-1)
    uniforms = sampling.philox_uniform(11, streams.astype(np.uint64), t)
    want = sampling.sample(logits[2][fine], uniforms[fine], 0.7)
    np.testing.assert_array_equal(memory["codes"][2][fine], want)
    np.testing.assert_array_equal(memory["history"][t % 3][fine], want / 8)
    assert (memory["codes"][:2] == 9).all() and np.count_nonzero(memory["history"].any(1)) == 1
    assert memory["failed"].tolist() == [2, 3] and memory["clock"].tolist() == [t + 1, t + 1]
    memory["call"][2], memory["codes"][2] = 1, torch.arange(n)  # the last time was the third sample's
    memory["clock"][:] = t
    ops.draw[(2,)](**memory, **sizes, inverse_temperature=0.0)
    np.testing.assert_array_equal(memory["codes"][2], np.arange(n))
    np.testing.assert_array_equal(memory["history"][t % 3], np.arange(n) / 8)


def check_filters():
    """Three taps of a ring that the last sample has come round, two frames into the run."""
    generator = np.random.default_rng(0)
    taps, r, g, n, dilation, hop, t, start, width = 3, 32, 16, 16, 2, 5, 12, 3, 80
    slots = (taps - 1) * dilation + 1
    ring, weight = generator.standard_normal((slots, n, r)), generator.standard_normal((taps, r, 2, g)) / 8
    condition = generator.standard_normal((3, n, width))
    heard = [ring[(t - (taps - 1 - k) * dilation) % slots] for k in range(taps)]
    z = sum(np.einsum("nr,rhg->nhg", x, w) for x, w in zip(heard, weight, strict=True))
    z += condition[t // hop - start // hop, :, 2 * g : 4 * g].reshape(n, g, 2).swapaxes(1, 2)
    gated = torch.full((n, g), torch.nan)
    given = {"ring": ring, "weight": weight.swapaxes(2, 3), "condition": condition}
    given = {name: torch.tensor(np.ascontiguousarray(array), dtype=torch.float32) for name, array in given.items()}
    ops.filter_gate[(1, 1)](
        gated, **given, clock=torch.tensor([t]), call=torch.tensor([0, start, 0]), layer=1, slots=slots,
        dilation=dilation, hop=hop, n_rows=n, TAPS=taps, RESIDUAL=r, GATE=g, WIDTH=width, TILE=16, COLUMNS=16,
        DEPTH=16,
    )  # fmt: skip
    np.testing.assert_allclose(gated, np.tanh(z[:, 0]) / (1 + np.exp(-z[:, 1])), rtol=0, atol=2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("check", ["check_draws", "check_filters"])
def test_a_kernel_does_in_the_interpreter_what_numpy_does(check):
    in_its_own_process(check, interpret=True)


def launches_for(preset, precision, capability, trace):
    """The launches of a sample, on tensors without memory; of the layers only the first one's."""
    from wavecore.kernels.triton.throughput_ops import project

    tiling = choose_layers_tiling(precision, capability)
    weights = _Weights(blank(*PRESETS[preset]), precision=precision, tiling=tiling, device="meta")
    rows, n = 2 * tiling.tile, 4
    outputs = {
        "logits": (n, rows, weights.classes),
        "residual_trace": (n, weights.n_layers, rows, weights.residual),
        "skip_trace": (n, weights.n_layers + 1, rows, weights.skip),
    }
    memory = _allocate(weights, rows, n, "meta")
    memory |= {name: torch.empty(shape, device="meta") for name, shape in outputs.items()}
    launches = ops.list_launches(weights, memory, batch=3, logits_step=rows, inverse_temperature=1.0, trace=trace)
    assert len(launches) == 2 * weights.n_layers + 4
    projection = {
        "latent": torch.empty((1, rows, weights.latent), device="meta"), "weight": weights.condition_weight,
        "bias": weights.condition_bias, "condition": memory["condition"], "TILE": ops.ROWS, "LATENT": weights.latent,
        "WIDTH": weights.width, "COLUMNS": 64,
    }  # fmt: skip
    return [*launches[:3], *launches[-3:], (project, (1, 1, 1), projection)]


def compiled(kernel, arguments, capability):
    """Compile a kernel as a launch with these arguments would."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = list(inspect.signature(kernel.fn).parameters)
    options = {name: value for name, value in arguments.items() if name not in names}
    signature, constants, aligned = {}, {}, {}
    for i, name in enumerate(names):
        value = arguments[name]
        if name.isupper():
            signature[name], constants[name] = "constexpr", value
        elif isinstance(value, torch.Tensor):
            signature[name], aligned[i,] = TENSORS[value.dtype], [["tt.divisibility", 16]]
        else:
            signature[name] = "fp32" if isinstance(value, float) else "i32"
            if name == "n_rows":
                aligned[i,] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, aligned)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def assembled(kernel, capability):
    """What the binary takes of a GPU, as the assembler says."""
    from triton import knobs

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.ptx"
        path.write_text(kernel.asm["ptx"], encoding="utf-8")
        gpu = f"--gpu-name=sm_{capability}" + "a" * (capability >= 90)
        command = [knobs.nvidia.ptxas.path, "-v", gpu, str(path), "-o", str(path.with_suffix(".cubin"))]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return {
        "shared": kernel.metadata.shared,
        "registers": int(re.search(r"Used (\d+) registers", said)[1]),
        "spilled": max(int(n) for n in re.findall(r"(\d+) bytes spill", said)),
        "copies": kernel.asm["ttgir"].count("async_copy_g"),
        "products": len(re.findall(r"wgmma\.mma_async|mma\.sync", kernel.asm["ptx"])),
    }


def compile_for(targets, trace):
    """Compile all kernels for GPUs that need not be here; say what they take of them."""
    found = []
    for preset, precision, capability in json.loads(targets):
        launches = launches_for(preset, precision, capability, trace == "trace")
        assert [kernel.fn.__name__ for kernel, _, _ in launches] == KERNELS
        found.append([assembled(compiled(kernel, given, capability), capability) for kernel, _, given in launches])
    print(json.dumps(found))


@pytest.fixture(scope="module")
def binaries():
    """What the kernels take of each target; one process compiles for all."""
    found = json.loads(in_its_own_process("compile_for", json.dumps(TARGETS), "", interpret=False))
    return dict(zip(TARGETS, found, strict=True))


def assert_fit(found, capability):
    for name, kernel in zip(KERNELS, found, strict=True):
        assert kernel["registers"] <= 255, name
        assert kernel["spilled"] == 0, name
        assert kernel["shared"] <= SHARED_BYTES[capability], name


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_the_kernels_fit_gpus_without_spilling(target, binaries):
    preset, precision, capability = target
    assert_fit(binaries[target], capability)
    for name, kernel in zip(KERNELS, binaries[target], strict=True):
        if name in PRODUCTS and precision == "float16":
            assert kernel["products"], f"{name} does not use the tensor cores"
        if name in PRODUCTS and preset == "nsynth":
            assert kernel["copies"], f"the loads of {name} are not pipelined"


@pytest.mark.slow
def test_the_kernels_fit_with_traces():
    target = ("nsynth", "float16", 90)
    (found,) = json.loads(in_its_own_process("compile_for", json.dumps([target]), "trace", interpret=False))
    assert_fit(found, 90)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
