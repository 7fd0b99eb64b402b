"""The latency kernel compiled ahead of time: it must fit the registers, for which no GPU is needed."""

from __future__ import annotations

import re

import pytest

from wavecore.kernels.triton.latency import FIELDS, KINDS, N_FIELDS, WARPS, lay_out

pytest.importorskip("triton")

POINTERS = {
    "plan": "*i64", "call": "*i64", "weights": "*fp32", "mail": "*i64", "condition": "*fp32",
    "inverse_temperature": "*fp64", "uniforms": "*fp32", "codes": "*u8", "logits": "*fp32", "residual_trace": "*fp32",
    "skip_trace": "*fp32", "status": "*i32",
}  # fmt: skip
SIZES = {  # of the model presets; kernel, residual, gate, skip, head, latent, layers
    "small": (2, 64, 64, 64, 256, 64, 30),
    "umt": (2, 128, 128, 128, 128, 64, 40),
    "kernel1": (1, 64, 64, 64, 256, 64, 4),
    "kernel3": (3, 64, 64, 256, 256, 64, 4),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "capability", "options"),
    [
        ("small", 80, {}),
        ("umt", 90, {}),
        ("umt", 90, {"TRACE": True, "EXCHANGE": True}),
        ("kernel1", 90, {}),
        ("kernel3", 90, {}),
    ],
    ids=str,
)
def test_the_kernel_stays_in_its_registers(name, capability, options, compiler):
    from wavecore.kernels.triton.latency_ops import advance

    constants = {**lay_out(compiler.blank(*SIZES[name]), 1).constants, "TRACE": False, "SPIN": True, "EXCHANGE": False}
    launch = {"num_warps": WARPS, "num_stages": 1, "launch_cooperative_grid": True}
    kernel = compiler.compile_kernel(advance, {**POINTERS, **constants, **options, **launch}, capability)
    compiler.assert_fits(kernel, capability)
    # One word for each thread and wait.  Left to itself the compiler does the wait where its result is used: in many
    # copies, one word after the other.
    n_waits = {1: 7, 2: 12, 3: 12}[SIZES[name][0]]
    assert kernel.asm["ptx"].count("ld.relaxed.gpu.global.b64") == n_waits
    exchanges = len(re.findall(r"atom\S*\.exch\.b64", kernel.asm["ptx"]))
    assert (exchanges > 0) == bool(options.get("EXCHANGE"))


def test_the_kernel_reads_the_fields_that_are_written():
    from wavecore.kernels.triton import latency_ops as ops

    assert [getattr(ops, name.upper()).value for name in FIELDS] == list(range(len(FIELDS)))
    assert [getattr(ops, name.upper()).value for name in KINDS] == list(range(len(KINDS)))
    assert ops.N_FIELDS.value == N_FIELDS >= len(FIELDS)
