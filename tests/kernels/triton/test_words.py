"""Stamped words in the interpreter, and the assembly that waits for them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")

SCRIPT = """
import torch
import triton
import triton.language as tl
from wavecore.kernels.triton.words import post, wait


@triton.jit
def run(memory, values, out, status, stamp, awaited, EXCHANGE: tl.constexpr):
    i = tl.arange(0, 4)
    post(memory + i, tl.load(values + i), tl.load(stamp), EXCHANGE)
    tl.store(out + i, wait(memory + i, tl.load(awaited), status, 20, False))


values = torch.tensor([0.5, -1.25, float("inf"), float("nan")])
for exchange in (False, True):
    for stamp, awaited in ((7, 7), (-3, -3), (2**31 - 1, 2**31 - 1), (7, 8), (-3, 3)):
        memory, out, status = torch.zeros(4, dtype=torch.int64), torch.zeros(4), torch.zeros(1, dtype=torch.int32)
        numbers = [torch.tensor([number], dtype=torch.int32) for number in (stamp, awaited)]
        run[(1,)](memory, values, out, status, *numbers, EXCHANGE=exchange)
        same = torch.equal(out.view(torch.int32), values.view(torch.int32))
        print(same, status.item(), (memory >> 32).unique().tolist() == [stamp])
"""


@pytest.mark.slow
def test_words_arrive_with_their_stamps_or_the_status_is_raised(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-P", str(script)], env=environment, capture_output=True, text=True, timeout=170
    )
    arrives, late = "True 0 True", "True 1 True"
    assert run.stdout.splitlines() == 2 * [arrives, arrives, arrives, late, late], run.stderr


def test_the_loop_looks_at_the_word_as_one():
    from wavecore.kernels.triton.words import SPIN_LOOP, STUCK

    loop = SPIN_LOOP.value
    # A vector load of two halves may be torn; a weak load may be taken out of the loop.
    assert loop.count("ld.relaxed.gpu.global.b64 word, [$1]") == 1
    assert f"st.relaxed.gpu.global.b32 [$3], {STUCK.value};" in loop
