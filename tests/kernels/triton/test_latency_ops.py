"""The latency kernel compiled ahead of time: it must fit the registers, for which no GPU is needed."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from wavecore.kernels.packing import pack
from wavecore.kernels.triton import latency as triton_latency
from wavecore.kernels.triton.latency import FIELDS, KINDS, WARPS, lay_out

triton = pytest.importorskip("triton")

POINTERS = {
    "plan": "*i64", "call": "*i64", "weights": "*fp32", "mail": "*i64", "condition": "*fp32", "sharpness": "*fp64",
    "uniforms": "*fp32", "codes": "*u8", "logits": "*fp32", "residual_trace": "*fp32", "skip_trace": "*fp32",
    "status": "*i32",
}  # fmt: skip
SIZES = {  # of the model presets; kernel, residual, gate, skip, head, layers
    "small": (2, 64, 64, 64, 256, 30),
    "umt": (2, 128, 128, 128, 128, 40),
    "kernel1": (1, 64, 64, 64, 256, 4),
    "kernel3": (3, 64, 64, 256, 256, 4),
}
SHARED_BYTES = 232_448


@pytest.fixture
def sized(configs, new_state):
    """``sized("umt")``: the kernel's constants for these sizes, with random weights behind them."""

    def build(name):
        kernel, residual, gate, skip, head, n_layers = SIZES[name]
        config = type(configs["odd"])(kernel, residual, gate, skip, head, 64, 256, 800, (1,) * n_layers)
        return lay_out(pack(new_state(config), config), 1).constants

    return build


def compile_for(constants, capability):
    """The compiled kernel, and what the assembler says of its resources."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from wavecore.kernels.triton.latency_ops import advance

    signature = {**POINTERS, **dict.fromkeys(constants, "constexpr")}
    aligned = {(i,): [["tt.divisibility", 16]] for i in range(len(POINTERS))}
    options = {"num_warps": WARPS, "num_stages": 1, "launch_cooperative_grid": True}
    source = ASTSource(advance, signature, constants, aligned)
    return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def assembled(kernel, folder):
    """What ptxas says: registers, and bytes of spills."""
    source = folder / "kernel.ptx"
    source.write_text(kernel.asm["ptx"], encoding="utf-8")
    assembler = Path(triton.__file__).parent / "backends/nvidia/bin/ptxas"
    target = re.search(r"\.target (sm_\w+)", kernel.asm["ptx"]).group(1)
    command = [str(assembler), "-v", f"-arch={target}", str(source), "-o", str(folder / "kernel.cubin")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    spills = [int(number) for number in re.findall(r"(\d+) bytes spill", said)]
    return int(re.search(r"Used (\d+) registers", said).group(1)), sum(spills), len(spills)


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="the interpreter compiles nothing")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "capability", "options"),
    [
        ("small", 80, {}),
        ("small", 90, {}),
        ("umt", 90, {}),
        ("umt", 90, {"TRACE": True}),
        ("umt", 90, {"EXCHANGE": True}),
        ("kernel1", 90, {}),
        ("kernel3", 90, {}),
    ],
    ids=str,
)
def test_the_kernel_stays_in_its_registers(name, capability, options, sized, tmp_path, monkeypatch):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path / "cache"))
    constants = {**sized(name), "TRACE": False, "SPIN": True, "EXCHANGE": False, **options}
    kernel = compile_for(constants, capability)
    n_registers, spilled_bytes, n_lines = assembled(kernel, tmp_path)
    assert n_lines == 2 and spilled_bytes == 0
    assert n_registers <= 255
    assert kernel.metadata.shared <= SHARED_BYTES
    # One word for each thread and wait.  Left to itself the compiler does the wait where its result is used:
    # in many copies, one word after the other.
    n_waits = {1: 7, 2: 12, 3: 12}[SIZES[name][0]]
    assert kernel.asm["ptx"].count("ld.relaxed.gpu.global.b64") == n_waits
    exchanges = len(re.findall(r"atom\S*\.exch\.b64", kernel.asm["ptx"]))
    assert (exchanges > 0) == bool(options.get("EXCHANGE"))


def test_the_kernel_reads_the_fields_that_are_written():
    from wavecore.kernels.triton import latency_ops as ops

    assert [getattr(ops, name.upper()).value for name in FIELDS] == list(range(len(FIELDS)))
    assert [getattr(ops, name.upper()).value for name in KINDS] == list(range(len(KINDS)))
    assert ops.N_FIELDS.value == triton_latency.N_FIELDS >= len(FIELDS)
