"""How much of what a model writes stands in its training data, and how much of it is the same again.

A model that copies and one that always writes the same bar do well by every histogram.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from wavecore.errors import InputError


def bar_keys(bars: np.ndarray, drums: Sequence[bool]) -> list[bytes]:
    """Name bars, so that those that differ by a transposition alone have one name.

    Parameters
    ----------
    bars : ndarray, shape (n, steps, pitches, tracks), bool
    drums : sequence of bool
        By track; drums are not transposed.

    Returns
    -------
    list of bytes
        Empty for bars in which nothing sounds.

    Raises
    ------
    InputError
        If shapes do not fit.
    """
    if bars.ndim != 4 or bars.dtype != bool or len(drums) != bars.shape[3]:
        raise InputError(
            f"bars have shape {bars.shape}, type {bars.dtype}; (bars, steps, pitches, {len(drums)} tracks) of bool is needed"
        )
    drums = np.asarray(drums, bool)
    found = []
    for bar in bars:
        sounding = np.flatnonzero(bar[..., ~drums].any(axis=(0, 2)))
        moved = np.where(drums, bar, np.roll(bar, -int(sounding[0]), axis=1)) if len(sounding) else bar
        found.append(np.packbits(moved).tobytes() if bar.any() else b"")
    return found


def distinct(keys: Iterable[Hashable]) -> float:
    """Say how many of some things differ.

    Parameters
    ----------
    keys : iterable of hashable
        Names, as of ``bar_keys``; empty ones do not count.

    Returns
    -------
    float
        Share of different ones, 0 to 1; near 0 where one stands for all.  NaN without any.
    """
    kept = [key for key in keys if key]
    return len(set(kept)) / len(kept) if kept else float("nan")


def copied(keys: Iterable[Hashable], known: Iterable[Hashable]) -> float:
    """Say how many of some things were there before.

    Parameters
    ----------
    keys : iterable of hashable
        Names; empty ones do not count.
    known : iterable of hashable
        Those of the training data.

    Returns
    -------
    float
        Share, 0 to 1; NaN without any.
    """
    known, kept = set(known), [key for key in keys if key]
    return sum(key in known for key in kept) / len(kept) if kept else float("nan")


def ngrams(sequence: Sequence[Hashable], n: int) -> list[tuple[Hashable, ...]]:
    """Cut a sequence into overlapping stretches.

    Parameters
    ----------
    sequence : sequence of hashable
        Such as pairs of interval and duration, which a transposition leaves as they are.
    n : int
        Length of a stretch, at least 1.

    Returns
    -------
    list of tuple
        None where the sequence is shorter.

    Raises
    ------
    InputError
        If `n` is less than 1.
    """
    if n < 1:
        raise InputError(f"stretches of {n} were asked for; at least 1 is needed")
    return [tuple(sequence[begin : begin + n]) for begin in range(len(sequence) - n + 1)]


def copied_ngrams(sequences: Iterable[Sequence[Hashable]], training: Iterable[Sequence[Hashable]], n: int) -> float:
    """Say how many stretches of sequences occur in the training data.

    Parameters
    ----------
    n : int
        Length of a stretch, at least 1.

    Returns
    -------
    float
        Share, 0 to 1; NaN where no sequence is long enough.
    """
    known = {gram for sequence in training for gram in ngrams(sequence, n)}
    return copied((gram for sequence in sequences for gram in ngrams(sequence, n)), known)
