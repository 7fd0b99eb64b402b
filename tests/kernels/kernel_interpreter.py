"""Triton's interpreter in a process of its own, which does the jobs of all tests of a session.

The interpreter must be chosen before Triton is imported, so a test's kernels run in another process, and because
importing torch and Triton takes seconds, one process serves all tests.  A job is a function of a test's file; its
arguments are numbers and strings, and it returns arrays by name.  This file, run as a script, is that process.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import selectors
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


class Interpreter:
    """Starts the process at the first job; closing ends it."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._process: subprocess.Popen | None = None

    def call(self, function: Any, *arguments: Any, timeout_s: float = 300.0) -> dict[str, np.ndarray]:
        """Run a function of a test's file there and return its arrays; AssertionError shows where it failed."""
        if self._process is None:
            self._process = self._start()
        path = self._folder / "result.npz"
        job = {"file": inspect.getfile(function), "name": function.__name__, "arguments": arguments, "to": str(path)}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            answer = self._process.stdout.readline() if selector.select(timeout_s) else "null"
        if not answer or answer == "null":
            self.close()
            raise AssertionError(f"{function.__name__} did not end within {timeout_s} s, or ended its process")
        if error := json.loads(answer):
            raise AssertionError(error)
        with np.load(path) as arrays:
            return dict(arrays)

    def _start(self) -> subprocess.Popen:
        environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-P", "-W", "ignore", __file__]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True, encoding="utf-8")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def main() -> None:
    """Do the jobs that arrive line by line; answer each with null or the text of its error."""
    sys.path.insert(0, str(Path(__file__).parent))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a job prints must not be taken for an answer
    patch_once()
    modules: dict[str, ModuleType] = {}
    for line in sys.stdin:
        job = json.loads(line)
        try:
            if job["file"] not in modules:
                modules[job["file"]] = load_module(job["file"])
            results = getattr(modules[job["file"]], job["name"])(*job["arguments"])
            np.savez(job["to"], **results)
            error = None
        except Exception:
            error = traceback.format_exc()
        print(json.dumps(error), file=answers, flush=True)


def load_module(file: str) -> ModuleType:
    """Import a file that is in no package."""
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def patch_once() -> None:
    """Let the interpreter replace the functions of `triton.language` once, and not at every call of a function."""
    from triton.runtime import interpreter

    patch, patched = interpreter._patch_lang, {}

    class Kept:
        def restore(self) -> None:
            """Do nothing: this process only interprets."""

    def patch_lang(function: Any) -> Kept:
        if id(function.__globals__) not in patched:
            patched[id(function.__globals__)] = patch(function)
        return Kept()

    interpreter._patch_lang = patch_lang


class Turns:
    """Threads of programs that take turns: one runs until it loads, from memory that others write, what it has seen.

    A program that waits for another one repeats a volatile load, so the same value at the same address means that it
    can make no progress.  If no program can, all loads return, and the programs may count and give up.
    """

    def __init__(self, n_programs: int, timeout_s: float):
        self.turns = [threading.Semaphore(0) for _ in range(n_programs)]
        self.running, self.ended, self.errors = list(range(n_programs)), threading.Event(), []
        self.deadline, self.idle = time.monotonic() + timeout_s, 0
        self.seen: list[dict[bytes, bytes]] = [{} for _ in range(n_programs)]

    def run(self, index: int, program: Callable[[int], None]) -> None:
        """Run a program in the thread of its own that calls this."""
        try:
            self.turns[index].acquire()
            program(index)
        except Exception as error:
            self.errors.append(error)
        finally:
            self.running.remove(index)
            self.idle = 0
            self.pass_on(index)

    def pass_on(self, index: int) -> None:
        """Give the turn to the next program."""
        if self.running:
            self.turns[next((other for other in self.running if other > index), self.running[0])].release()
        else:
            self.ended.set()

    def load(self, index: int, address: bytes, read: Callable[[], Any]) -> Any:
        """Read until the value differs from the one seen at this address, passing the turn on in between."""
        value = read()
        while self.seen[index].get(address) == value.data.tobytes() and self.idle <= len(self.running):
            self.idle += 1
            self.wait_for_turn(index)
            value = read()
        if self.seen[index].get(address) != value.data.tobytes():
            self.idle = 0
        else:
            self.wait_for_turn(index)
        self.seen[index][address] = value.data.tobytes()
        return value

    def wait_for_turn(self, index: int) -> None:
        """Let all others have a turn."""
        self.pass_on(index)
        self.turns[index].acquire()
        if self.errors or time.monotonic() > self.deadline:
            raise RuntimeError(f"{len(self.running)} of {len(self.turns)} programs were still running")


def launch(kernel: Any, n_programs: int, arguments: list, constants: dict[str, Any], timeout_s: float = 120.0) -> None:
    """Run a one-dimensional grid whose programs wait for each other.

    The interpreter runs the programs of a grid one after the other, so the first one that waits for a later one would
    wait for ever.  Here each has a thread of its own.  Raises RuntimeError with the error of a program, or if time runs
    out.
    """
    from triton.runtime import interpreter

    builder = interpreter.interpreter_builder
    function = kernel.rewrite()
    interpreter._patch_lang(function)
    values = inspect.getcallargs(function, *arguments, **constants)
    values = {name: v if name in constants else interpreter._implicit_cvt(v) for name, v in values.items()}
    turns, load = Turns(n_programs, timeout_s), builder.create_masked_load

    def turning_load(ptrs: Any, mask: Any, other: Any, cache: Any, eviction: Any, is_volatile: bool) -> Any:
        def read() -> Any:
            return load(ptrs, mask, other, cache, eviction, is_volatile)

        if not is_volatile:
            return read()
        index = builder.grid_idx[0]
        value = turns.load(index, ptrs.data.tobytes(), read)
        builder.set_grid_idx(index, 0, 0)
        return value

    def program(index: int) -> None:
        builder.set_grid_idx(index, 0, 0)
        function(**values)

    builder.set_grid_dim(n_programs, 1, 1)
    builder.create_masked_load = turning_load
    try:
        for index in range(n_programs):
            threading.Thread(target=turns.run, args=(index, program), daemon=True).start()
        turns.turns[0].release()
        turns.ended.wait()
    finally:
        builder.create_masked_load = load
    if turns.errors:
        raise RuntimeError(f"an interpreted program failed: {turns.errors[0]}") from turns.errors[0]


if __name__ == "__main__":
    main()
