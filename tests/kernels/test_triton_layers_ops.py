"""The kernels of the layers backend compiled for GPUs that are not here, with the arguments that a launch gives them.

A job for a process of its own, this file run as a script: the compiler must
not be the interpreter.
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

from wavecore.kernels.packing import PackedWaveNet
from wavecore.kernels.triton_layers import _allocate, _Weights, choose_layers_tiling

triton = pytest.importorskip("triton")
ops = pytest.importorskip("wavecore.kernels.triton_layers_ops")

TENSORS = {
    torch.float16: "*fp16", torch.float32: "*fp32", torch.uint8: "*u8", torch.int32: "*i32", torch.int64: "*i64",
}  # fmt: skip
SHARED_BYTES = {90: 232_448, 80: 166_912}

# Of the model presets; kernel size, residual, gate, skip, head, latent, layers.
PRESETS = {"nsynth": (3, 512, 512, 256, 256, 16, 30), "small": (2, 64, 64, 64, 256, 64, 30)}
NAMES = ["begin", "filter_gate", "residual_skip", "dense", "dense", "draw"]


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


def launches_for(preset, precision, capability, trace):
    """The launches of a sample, on tensors without memory; of the layers only the first one's."""
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
    return launches[:3] + launches[-3:]


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


def compile_for(preset, precision, capability, trace):
    """Compile all kernels for a GPU that need not be here; say what they take of it."""
    capability = int(capability)
    launches = launches_for(preset, precision, capability, trace == "trace")
    found = [assembled(compiled(kernel, arguments, capability), capability) for kernel, _, arguments in launches]
    print(json.dumps(found))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
