"""Batches prepared by other processes while the network trains on those before.

A batch follows from (seed, step) alone, so anybody may draw it, in any order, and the run stays
the same bit for bit.  One core draws 0.4 to 2.4 million samples a second, far more than a CPU trains on
from; a faster device need not wait for one core.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from multiprocessing import get_all_start_methods
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from wavecore.errors import DeviceError, UsageError, WavecoreError

DRAWN_AHEAD = 3
"""Batches that each process keeps ready."""
MOST_WORKERS = 15
_LOST = re.compile(r"DataLoader worker \(pid.* (killed by signal|exited unexpectedly)")


class _Steps(Dataset):
    """The batch of a step, or the error that came instead, which the training process raises."""

    def __init__(self, draw: Callable[[int], Any]):
        self.draw = draw

    def __getitem__(self, step: int) -> Any:
        try:
            return self.draw(step)
        except WavecoreError as error:
            return error


@contextmanager
def batches(draw: Callable[[int], Any], steps: range, *, workers: int) -> Iterator[Iterator[Any]]:
    """Draw the batches of steps, in their order.

    Parameters
    ----------
    draw : callable
        Gives the batch of a step: tensors, or dataclasses of them.
    workers : int
        Processes that draw; with 0 each batch is drawn when it is asked for, here.  They end with the context.

    Yields
    ------
    iterator
        Of the batches.  What a draw raises is raised where its batch is asked for.

    Raises
    ------
    UsageError
        If there are fewer than 0 workers, or this system cannot fork.
    DeviceError
        If a process that draws is lost.
    """
    if workers < 0:
        raise UsageError(f"{workers} workers; 0 draws every batch when it is needed")
    if workers and "fork" not in get_all_start_methods():
        raise UsageError("workers need a system that can fork (Linux or macOS); 0 works everywhere")
    if not workers or not len(steps):
        yield (draw(step) for step in steps)
        return
    drawn = _drawn_by_others(draw, steps, min(workers, len(steps)))
    try:
        yield drawn
    except RuntimeError as error:
        # The loader is told of the loss by a signal, so this is raised wherever the run is just then.
        if not _LOST.search(str(error)):
            raise
        raise _lost(error) from error
    finally:
        drawn.close()


def _drawn_by_others(draw: Callable[[int], Any], steps: range, workers: int) -> Generator[Any, None, None]:
    loader = DataLoader(
        _Steps(draw), batch_size=None, sampler=steps, collate_fn=_as_it_is, num_workers=workers,
        multiprocessing_context="fork", prefetch_factor=DRAWN_AHEAD, worker_init_fn=_begin,
    )  # fmt: skip
    drawn = iter(loader)
    for _ in steps:
        try:
            batch = next(drawn)
        except (EOFError, ConnectionError) as error:  # it went while it handed a batch over
            raise _lost(error) from error
        if isinstance(batch, WavecoreError):
            raise batch
        yield batch


def _lost(error: Exception) -> DeviceError:
    reason = f"{type(error).__name__}: {error}"
    return DeviceError(
        f"a data-loading process is gone; where memory or /dev/shm is short, --workers 0 works without them ({reason})"
    )


def default_workers(device: str, *, processes: int = 1) -> int:
    """Say how many processes draw where nobody asks for a number.

    Parameters
    ----------
    device : str
        Where the network is trained.
    processes : int
        Training processes on this machine.

    Returns
    -------
    int
        One for every core but those that train, at most ``MOST_WORKERS``; none where the CPU trains, whose cores are
        all busy, nor where the system cannot fork.
    """
    if torch.device(device).type == "cpu" or "fork" not in get_all_start_methods():
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(0, min(MOST_WORKERS, cores // processes - 1))


def _as_it_is(batch: Any) -> Any:
    return batch


def _begin(worker: int) -> None:
    """Leave interrupts to the training process: it saves, and ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
