"""Shares of generated music that are copies of the training data, and that repeat.

A model that copies and a model that always generates the same bar match every histogram of the data.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from wavecore.errors import InputError


def bar_keys(bars: np.ndarray, drums: Sequence[bool]) -> list[bytes]:
    """Compute keys which are equal for bars that differ by a transposition alone, empty for silent bars.

    The bars have the shape (n, steps, pitches, tracks), bool; `drums` marks the tracks that are not transposed.  Raises
    InputError if shapes or types do not fit.
    """
    if bars.ndim != 4 or bars.dtype != bool or len(drums) != bars.shape[3]:
        raise InputError(
            f"bars have shape {bars.shape} and type {bars.dtype}; "
            f"(bars, steps, pitches, {len(drums)} tracks) of bool is needed"
        )
    drums = np.asarray(drums, bool)
    keys = []
    for bar in bars:
        pitches = np.flatnonzero(bar[..., ~drums].any(axis=(0, 2)))
        transposed = np.where(drums, bar, np.roll(bar, -int(pitches[0]), axis=1)) if len(pitches) else bar
        keys.append(np.packbits(transposed).tobytes() if bar.any() else b"")
    return keys


def distinct(keys: Iterable[Hashable]) -> float:
    """Compute the number of different keys over the number of keys, without empty ones; NaN without any."""
    kept = [key for key in keys if key]
    return len(set(kept)) / len(kept) if kept else float("nan")


def copied(keys: Iterable[Hashable], known: Iterable[Hashable]) -> float:
    """Compute the share of keys that are among those of the training data, without empty ones; NaN without any."""
    known, kept = set(known), [key for key in keys if key]
    return sum(key in known for key in kept) / len(kept) if kept else float("nan")


def ngrams(sequence: Sequence[Hashable], n: int) -> list[tuple[Hashable, ...]]:
    """Return the overlapping subsequences of length n, n at least 1, else InputError."""
    if n < 1:
        raise InputError(f"n is {n}; subsequences have at least 1 element")
    return [tuple(sequence[begin : begin + n]) for begin in range(len(sequence) - n + 1)]


def copied_ngrams(sequences: Iterable[Sequence[Hashable]], training: Iterable[Sequence[Hashable]], n: int) -> float:
    """Compute the share of sequences' n-grams that occur in the training data; NaN if no sequence is long enough."""
    known = {gram for sequence in training for gram in ngrams(sequence, n)}
    return copied((gram for sequence in sequences for gram in ngrams(sequence, n)), known)
