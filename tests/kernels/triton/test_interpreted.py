"""One process per program, in a Python of its own: the interpreter must be chosen before triton is imported."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")

SCRIPT = '''
import time
import torch
import triton
import triton.language as tl
from wavecore.errors import DeviceError
from wavecore.kernels.triton.interpreted import launch


@triton.jit
def relay(memory, N: tl.constexpr):
    """The last program begins; every other one waits for the one after it."""
    i = tl.program_id(0)
    value = tl.load(memory + i + 1, volatile=True)
    while value == 0:
        value = tl.load(memory + i + 1, volatile=True)
    tl.store(memory + i, value * 2)


memory = torch.zeros(4, dtype=torch.int32).share_memory_()
memory[3] = 5
launch(relay, 3, [memory], {"N": 3}, timeout_s=60)
print(memory.tolist())

memory.zero_()
started = time.monotonic()
try:
    launch(relay, 2, [memory], {"N": 2}, timeout_s=2)
except DeviceError as error:
    print(error)
print(time.monotonic() - started < 20)


@triton.jit
def fail(memory, N: tl.constexpr):
    value = tl.load(memory, volatile=True)
    while value == 0:
        if tl.program_id(0) == 1:
            missing(value)
        value = tl.load(memory, volatile=True)


try:
    launch(fail, 2, [memory], {"N": 2}, timeout_s=60)
except DeviceError as error:
    print(error)
'''


@pytest.mark.slow
def test_programs_wait_for_each_other_and_are_ended(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-P", str(script)], env=environment, capture_output=True, text=True, timeout=170
    )
    assert run.stdout.splitlines() == [
        "[40, 20, 10, 5]",
        "2 of 2 interpreted programs still ran after 2 s",
        "True",
        "interpreted program 1 of 2 failed with exit code 1; its error is on standard error",
    ], run.stderr
    assert "missing" in run.stderr
