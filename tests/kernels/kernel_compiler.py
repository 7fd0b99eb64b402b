"""Kernels compiled for GPUs that need not be here, and the resources that their binaries take."""

from __future__ import annotations

import inspect
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wavecore.kernels.packing import PackedWaveNet

SHARED_BYTES = {90: 232_448, 80: 166_912}
TYPES = {
    torch.float16: "*fp16", torch.float32: "*fp32", torch.uint8: "*u8", torch.int32: "*i32", torch.int64: "*i64",
}  # fmt: skip


def blank(taps: int, r: int, g: int, s: int, h: int, c: int, layers: int) -> PackedWaveNet:
    """Return a network of zeros: what is compiled depends on the sizes alone."""
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
        latent_channels=c, n_classes=256, hop_length=800, dilations=tuple(2 ** (i % 10) for i in range(layers)),
        **{name: np.broadcast_to(zero, shape) for name, shape in shapes.items()},
    )  # fmt: skip


def compile_kernel(kernel: Any, arguments: dict[str, Any], capability: int) -> Any:
    """Compile a kernel as a launch with these arguments would: tensors or their types, numbers, constants, options."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = list(inspect.signature(kernel.fn).parameters)
    options = {name: value for name, value in arguments.items() if name not in names}
    signature, constants, aligned = {}, {}, {}
    for i, name in enumerate(names):
        value = TYPES[arguments[name].dtype] if isinstance(arguments[name], torch.Tensor) else arguments[name]
        if name.isupper():
            signature[name], constants[name] = "constexpr", value
        else:
            signature[name] = value if isinstance(value, str) else "fp32" if isinstance(value, float) else "i32"
            if signature[name].startswith("*") or name == "n_rows":
                aligned[i,] = [["tt.divisibility", 16]]
    source = ASTSource(kernel, signature, constants, aligned)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def assert_fits(kernel: Any, capability: int) -> None:
    """The binary spills no registers and takes no more shared memory than a processor has."""
    from triton import knobs

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(kernel.asm["cubin"])
        command = [knobs.nvidia.cuobjdump.path, "-res-usage", str(path)]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    registers, stack, local = (int(re.search(rf"{name}:(\d+)", text)[1]) for name in ("REG", "STACK", "LOCAL"))
    assert registers <= 255 and stack == local == 0, "registers are spilled to the stack"
    assert kernel.metadata.shared <= SHARED_BYTES[capability]
