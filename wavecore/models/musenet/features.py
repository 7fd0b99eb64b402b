"""What MuseNet is told of a token beside its number and its place: where in the music it lies.

Four numbers for each token: the time since the window began (what sounds together shares it), which note
of its chord it begins, in which 128th of the piece it lies, and how many 128ths are still to come.  A
token that waits carries the time at which it stops, which is that of what follows.

References
----------
Payne, "MuseNet", OpenAI 2019, https://openai.com/research/musenet.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wavecore.errors import UsageError
from wavecore.models.musenet.tokens import TICKS_PER_BEAT, begins_note, waits

N_PARTS = 128
TIMES_PER_SECOND = 8
SIZES = {"time": 1024, "chord": 16, "part": N_PARTS, "countdown": N_PARTS}
"""The features in their order, and how many values each has; what lies beyond takes the last one."""


class Timeline:
    """A piece that is measured, whole or while it grows.

    Parameters
    ----------
    total_ticks : int
        How long the piece is, or is to become.

    Raises
    ------
    UsageError
        If the length is negative or the tempo not positive.
    """

    def __init__(self, total_ticks: int, beats_per_minute: float):
        if total_ticks < 0 or not 0 < beats_per_minute < float("inf"):
            raise UsageError(f"a piece of {total_ticks} ticks at {beats_per_minute} beats a minute cannot be measured")
        self.total_ticks = total_ticks
        self.seconds_per_tick = 60.0 / beats_per_minute / TICKS_PER_BEAT
        self._ticks, self._chords = [0], [0]  # of the beginning, then of each token
        self._begun = 0  # notes since the last wait

    def __len__(self) -> int:
        return len(self._ticks) - 1

    @property
    def tick(self) -> int:
        """Where the music has come to."""
        return self._ticks[-1]

    def extend(self, tokens: Sequence[int] | np.ndarray) -> None:
        """Let the piece go on.

        Parameters
        ----------
        tokens : sequence of int, shape (n,)
            Without a prefix.
        """
        tokens = np.asarray(tokens, np.int64)
        if not len(tokens):
            return
        waited, begun = waits(tokens), begins_note(tokens)
        count = self._begun + np.cumsum(begun)
        before = np.maximum.accumulate(np.where(waited > 0, count, 0))
        self._ticks += (self.tick + np.cumsum(waited)).tolist()
        self._chords += np.where(begun, count - before, 0).tolist()
        self._begun = int(count[-1] - before[-1])

    def rows(self, first: int, last: int, *, begin: int, stretch: float = 1.0) -> np.ndarray:
        """Return the features of some tokens.

        Parameters
        ----------
        first, last : int
            Tokens ``first`` to ``last`` - 1.
        begin : int
            The window's first token: the music's time counts from where it began.
        stretch : float
            By which that time is longer than it would be; nothing else is stretched.

        Returns
        -------
        ndarray, shape (n, 4), int64
            Columns as in ``SIZES``.
        """
        return self._features(slice(first + 1, last + 1), begin, stretch)

    def window(self, begin: int, end: int, *, n_prefix: int = 0, stretch: float = 1.0) -> np.ndarray:
        """Return the features of a window: of tokens in front of it, which lie where it begins, and of its own.

        Parameters
        ----------
        begin, end : int
            Tokens ``begin`` to ``end`` - 1.
        n_prefix : int
            Tokens in front.
        stretch : float
            As of ``rows``.

        Returns
        -------
        ndarray, shape (n_prefix + end - begin, 4), int64
        """
        heading = self._features(slice(begin, begin + 1), begin, stretch)
        heading[:, 1] = 0
        return np.concatenate(
            [np.repeat(heading, n_prefix, axis=0), self.rows(begin, end, begin=begin, stretch=stretch)]
        )

    def _features(self, which: slice, begin: int, stretch: float) -> np.ndarray:
        ticks = np.array(self._ticks[which], np.int64)
        seconds = (ticks - self._ticks[begin]) * self.seconds_per_tick * stretch
        part = np.minimum(N_PARTS * ticks // max(1, self.total_ticks), N_PARTS - 1)
        columns = [
            np.floor(seconds * TIMES_PER_SECOND + 1e-9).astype(np.int64),
            np.array(self._chords[which], np.int64),
            part,
            N_PARTS - 1 - part,
        ]
        return np.minimum(np.stack(columns, axis=1), np.array(list(SIZES.values())) - 1)


def measured(body: np.ndarray, beats_per_minute: float) -> Timeline:
    """Measure a whole piece.

    Parameters
    ----------
    body : ndarray, shape (N,), integer
        Its tokens without a prefix.
    """
    found = Timeline(int(waits(body).sum()), beats_per_minute)
    found.extend(body)
    return found
