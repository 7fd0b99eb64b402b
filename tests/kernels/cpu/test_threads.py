"""Streams spread over threads."""

from __future__ import annotations

import threading

import pytest

from wavecore.errors import UsageError
from wavecore.kernels.cpu.threads import StreamThreads


@pytest.mark.parametrize(
    ("batch", "threads", "tile", "shares"),
    [
        (1, 4, 8, [(0, 1)]),
        (5, 2, 1, [(0, 2), (2, 5)]),
        (13, 5, 8, [(0, 2), (2, 5), (5, 7), (7, 10), (10, 13)]),
        (17, 2, 8, [(0, 8), (8, 17)]),
        (3, 16, 1, [(0, 1), (1, 2), (2, 3)]),
    ],
)
def test_shares_cover_all_streams_in_whole_tiles(batch, threads, tile, shares):
    seen = []
    results = StreamThreads(batch, threads, tile=tile).run(lambda begin, end: seen.append((begin, end)) or begin)
    assert sorted(seen) == shares and results == [begin for begin, _ in shares]


def test_one_share_needs_no_thread():
    names = StreamThreads(4, 1).run(lambda begin, end: threading.get_ident())
    assert names == [threading.get_ident()]


@pytest.mark.parametrize("threads", [0, -1, 1.5, True])
def test_bad_threads(threads):
    with pytest.raises(UsageError, match=str(threads)):
        StreamThreads(2, threads)


def test_an_error_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        StreamThreads(4, 2).run(lambda begin, end: 1 // begin)
