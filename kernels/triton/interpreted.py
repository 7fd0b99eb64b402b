"""Triton's interpreter with one process per program, for kernels whose programs wait for each other.

The interpreter runs the programs of a grid one after the other, so the first
one that waits for a later one waits for ever.  Here every program has a
process of its own, and they share the memory of the tensors they are given.
It is slow, some tenths of a second for every sample of a small network, and
needs no GPU: it is there for tests.
"""

from __future__ import annotations

import inspect
import multiprocessing
import time
from multiprocessing.connection import wait
from typing import Any

from wavecore.errors import DeviceError

PAUSE_S = 1e-4
"""Sleep before every volatile load: the processes outnumber the cores, and those that wait should not hold one."""


def launch(
    kernel: Any, n_programs: int, arguments: list[Any], constants: dict[str, Any], *, timeout_s: float = 300.0
) -> None:
    """Run a one-dimensional grid and wait for it.

    Parameters
    ----------
    kernel : triton.runtime.interpreter.InterpretedFunction
        What ``triton.jit`` makes where TRITON_INTERPRET=1 was set before triton was imported.
    n_programs : int
        Size of the grid.
    arguments : list
        The leading arguments; tensors must be in shared memory
        (``tensor.share_memory_()``) or the programs do not see each other's writes.
    constants : dict of str to object
        The constexpr arguments by name.
    timeout_s : float
        The processes are killed then.

    Raises
    ------
    DeviceError
        If a program fails, or time runs out.
    """
    context = multiprocessing.get_context("fork")  # the address of a tensor is the same in all of them
    processes = [
        context.Process(target=_run_program, args=(kernel, index, n_programs, arguments, constants), daemon=True)
        for index in range(n_programs)
    ]
    deadline = time.monotonic() + timeout_s
    try:
        for process in processes:
            process.start()
        running = {process.sentinel: process for process in processes}
        while running:
            ended = wait(list(running), timeout=max(deadline - time.monotonic(), 0.0))
            if not ended:
                raise DeviceError(f"{len(running)} of {n_programs} interpreted programs still ran after {timeout_s} s")
            for sentinel in ended:
                process = running.pop(sentinel)
                process.join()
                if process.exitcode:
                    raise DeviceError(
                        f"interpreted program {processes.index(process)} of {n_programs} failed with exit code "
                        f"{process.exitcode}; its error is on standard error"
                    )
    finally:
        for process in processes:
            if process.pid is not None:
                process.kill()
                process.join()


def _run_program(kernel: Any, index: int, n_programs: int, arguments: list[Any], constants: dict[str, Any]) -> None:
    """What `triton.runtime.interpreter.GridExecutor` does, for one program, without its copies of the tensors."""
    from triton.runtime import interpreter

    builder = interpreter.interpreter_builder
    load = builder.create_masked_load

    def patient_load(ptrs: Any, mask: Any, other: Any, cache: Any, eviction: Any, is_volatile: bool) -> Any:
        if is_volatile:
            time.sleep(PAUSE_S)
        return load(ptrs, mask, other, cache, eviction, is_volatile)

    builder.create_masked_load = patient_load
    function = kernel.rewrite()
    interpreter._patch_lang(function)
    given = inspect.getcallargs(function, *arguments, **constants)
    converted = {name: v if name in constants else interpreter._implicit_cvt(v) for name, v in given.items()}
    builder.set_grid_dim(n_programs, 1, 1)
    builder.set_grid_idx(index, 0, 0)
    function(**converted)
