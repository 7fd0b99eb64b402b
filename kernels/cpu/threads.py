"""Streams spread over the threads of a CPU."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from itertools import pairwise

import numpy as np

from wavecore.kernels.base import check_whole


class StreamThreads:
    """Shares of consecutive streams, each of which a thread runs; a single share runs in the caller's thread.

    At most one thread per stream is used of those given, ``os.cpu_count()`` if None.  Shares are multiples of `tile`
    streams if there are enough of them.
    """

    def __init__(self, batch: int, threads: int | None, *, tile: int = 1):
        self.threads = check_whole((os.cpu_count() or 1) if threads is None else threads, "threads", 1, 2**16)
        n_shares = min(self.threads, batch)
        unit = tile if batch >= tile * n_shares else 1
        edges = (np.linspace(0, batch // unit, n_shares + 1).astype(int) * unit).tolist()
        edges[-1] = batch
        self._shares = list(pairwise(edges))
        self._pool = ThreadPoolExecutor(n_shares) if n_shares > 1 else None

    def run(self, work: Callable[[int, int], int]) -> list[int]:
        """Call ``work(begin, end)`` for every share and return the results."""
        if self._pool is None:
            return [work(*self._shares[0])]
        futures = [self._pool.submit(work, *share) for share in self._shares]
        try:
            wait(futures)
        finally:
            wait(futures)  # an interrupt ends the first wait while the threads still write
        return [future.result() for future in futures]
