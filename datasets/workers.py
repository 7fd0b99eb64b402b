"""Work for several processes, in order and without leftovers."""

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
    """Call a function for every task.

    Parameters
    ----------
    function : callable
        Of a module, so that other processes find it.
    jobs : int
        Processes; 1 stays in this one.  A script that asks for more needs the
        ``if __name__ == "__main__":`` of all programs that start processes.

    Yields
    ------
    object
        The results in the order of the tasks.
    """
    if jobs == 1:
        yield from map(function, tasks)
        return
    # Forked processes would share FluidSynth's and torch's threads.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_leave_with_parent) as pool:
        try:
            yield from pool.map(function, tasks)
        except BaseException:
            # Else leaving would wait until everything that was planned is done.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def finish(
    function: Callable[[Task], object],
    todo: Sequence[Task],
    jobs: int,
    *,
    total: int,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Do what is left of some work, and tell how far it is.

    Parameters
    ----------
    function : callable
        Of a module, so that other processes find it.
    todo : sequence
        The tasks that are left.
    jobs : int
        Processes, as of `run`.
    total : int
        Tasks in all, those that were done before included.
    on_progress : callable, optional
        Called with (tasks done, tasks in all), before the first and after every task.
    """
    report = on_progress or (lambda done, total: None)
    done = total - len(todo)
    report(done, total)
    for _ in run(function, todo, jobs):
        done += 1
        report(done, total)


def _leave_with_parent() -> None:
    """End this process when the one that started it is killed.

    Workers wait for tasks on a pipe whose other end they hold themselves, so they would wait for ever.
    """

    def watch() -> None:
        multiprocessing.parent_process().join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
