"""Makes the helpers of these tests importable, and starts one interpreter for all of them."""

from __future__ import annotations

import os
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


@pytest.fixture(scope="session")
def compiler(tmp_path_factory):
    """The functions of kernel_compiler, with a cache of this session's own."""
    pytest.importorskip("triton")
    if os.environ.get("TRITON_INTERPRET") == "1":
        pytest.skip("the interpreter compiles nothing")
    import kernel_compiler

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_CACHE_DIR", str(tmp_path_factory.mktemp("triton")))
        yield kernel_compiler
