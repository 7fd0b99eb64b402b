"""Makes the helpers of these tests importable, and starts one interpreter for all of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def interpreter(tmp_path_factory):
    """``interpreter.call(job, ...)``: what a job returns that runs in Triton's interpreter."""
    pytest.importorskip("triton")
    from kernel_interpreter import Interpreter

    worker = Interpreter(tmp_path_factory.mktemp("interpreter"))
    yield worker
    worker.close()
