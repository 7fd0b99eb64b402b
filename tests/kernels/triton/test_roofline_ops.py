"""The hop in the interpreter, one process per program, and compiled ahead of time."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")

SCRIPT = """
import torch
from wavecore.kernels.triton.roofline_ops import ping_pong
from wavecore.kernels.triton.interpreted import launch

words, status = torch.zeros(32, dtype=torch.int64).share_memory_(), torch.zeros(1, dtype=torch.int32).share_memory_()
launch(ping_pong, 2, [words, status, 3, 1000], {"WIDTH": 16, "SPIN": False, "EXCHANGE": False})
print(status.item(), (words >> 32).unique().tolist(), (words & 0xFFFFFFFF).to(torch.int32).view(torch.float32).tolist())
"""


@pytest.mark.slow
def test_a_vector_goes_to_and_fro(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-P", str(script)], env=environment, capture_output=True, text=True, timeout=170
    )
    # Three rounds of two additions: program 0 posted 1, 3, 5, and program 1 posted 2, 4, 6.
    assert run.stdout.splitlines() == [f"0 [3] {[5.0] * 16 + [6.0] * 16}"], run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
def test_it_compiles_ahead_of_time(capability):
    import triton
    from triton.backends.compiler import GPUTarget

    from wavecore.kernels.triton.roofline_ops import ping_pong

    source = triton.compiler.ASTSource(
        fn=ping_pong,
        signature={
            "words": "*i64", "status": "*i32", "rounds": "i32", "limit": "i32",
            "WIDTH": "constexpr", "SPIN": "constexpr", "EXCHANGE": "constexpr",
        },
        constexprs={"WIDTH": 64, "SPIN": True, "EXCHANGE": False},
    )  # fmt: skip
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 2})
    assert "ld.relaxed.gpu.global.b64" in compiled.asm["ptx"]
