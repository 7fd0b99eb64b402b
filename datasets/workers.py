"""Running a function in several processes: results in order, no process left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def run(function: Callable[[Task], Result], tasks: Iterable[Task], jobs: int) -> Iterator[Result]:
    """Call a function for every task and yield the results in the order of the tasks.

    Parameters
    ----------
    function : callable
        At the top level of a module, so that other processes can import it.
    jobs : int
        Number of processes; 1 uses this one. A script that asks for more needs the ``if __name__ == "__main__":`` of
        all programs that start processes.
    """
    if jobs == 1:
        yield from map(function, tasks)
        return
    # Forked processes would share FluidSynth's and torch's threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_exit_with_parent) as pool:
        try:
            yield from pool.map(function, tasks)
        except BaseException:
            # Otherwise the pool would finish all pending tasks before it closes.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def run_remaining(
    function: Callable[[Task], object],
    remaining: Sequence[Task],
    jobs: int,
    *,
    total: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Call a function for the tasks that remain of `total`; report progress before the first and after each."""
    report = on_progress or (lambda done, total: None)
    n_before = total - len(remaining)
    report(n_before, total)
    for number, _ in enumerate(run(function, remaining, jobs), 1):
        report(n_before + number, total)


def _exit_with_parent() -> None:
    """End this process when the one that started it is killed.

    Workers wait for tasks on a pipe whose other end they hold themselves, so that they would wait for ever.
    """

    def watch() -> None:
        multiprocessing.parent_process().join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
