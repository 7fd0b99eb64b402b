"""What sequences cost that are told by how often a token comes, alone or after another: the least a model must beat.

Both counts are smoothed, and how much is chosen on held-out sequences, in the baselines' favour.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wavecore.errors import InputError

SMOOTHINGS = (1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


@dataclass(frozen=True)
class Baseline:
    """What held-out sequences cost.

    Attributes
    ----------
    bits : float
        Per token, the first of each sequence left out, as nothing stands before it.
    smoothing : float
        The one of ``SMOOTHINGS`` that costs least.
    """

    bits: float
    smoothing: float


def unigram(train: Sequence[np.ndarray], held_out: Sequence[np.ndarray], n_tokens: int) -> Baseline:
    """Tell tokens by how often they come.

    Parameters
    ----------
    train, held_out : sequence of ndarray, shape (N,), integer
        0 to ``n_tokens`` - 1.

    Returns
    -------
    Baseline
        ``smoothing`` is added to every count.

    Raises
    ------
    InputError
        If there is no token to count or to tell, or one is out of range.
    """
    _check(train, held_out, n_tokens)
    counts, told = _counts(train, n_tokens), np.concatenate([one[1:] for one in held_out])
    return min((Baseline(_bits(_shares(counts, s)[told]), s) for s in SMOOTHINGS), key=lambda one: one.bits)


def bigram(train: Sequence[np.ndarray], held_out: Sequence[np.ndarray], n_tokens: int) -> Baseline:
    """Tell tokens by how often they come after the one before.

    Parameters
    ----------
    train, held_out : sequence of ndarray, shape (N,), integer
    n_tokens : int
        These as of ``unigram``.

    Returns
    -------
    Baseline
        ``smoothing`` is how often every token counts as seen before, followed by what ``unigram`` expects.

    Raises
    ------
    InputError
        As of ``unigram``.

    References
    ----------
    MacKay and Peto, "A hierarchical Dirichlet language model", 1995.
    """
    alone = unigram(train, held_out, n_tokens)
    base = _shares(_counts(train, n_tokens), alone.smoothing)
    pairs, times = np.unique(np.concatenate([_pairs(one, n_tokens) for one in train]), return_counts=True)
    followed = np.bincount(pairs // n_tokens, weights=times, minlength=n_tokens)
    asked = np.concatenate([_pairs(one, n_tokens) for one in held_out])
    places = np.minimum(np.searchsorted(pairs, asked), len(pairs) - 1)
    seen = np.where(pairs[places] == asked, times[places], 0)
    before, expected = followed[asked // n_tokens], base[asked % n_tokens]
    return min((Baseline(_bits((seen + s * expected) / (before + s)), s) for s in SMOOTHINGS), key=lambda one: one.bits)


def _counts(sequences: Sequence[np.ndarray], n_tokens: int) -> np.ndarray:
    return np.bincount(np.concatenate([one[1:] for one in sequences]), minlength=n_tokens)


def _shares(counts: np.ndarray, smoothing: float) -> np.ndarray:
    return (counts + smoothing) / (counts.sum() + smoothing * len(counts))


def _pairs(sequence: np.ndarray, n_tokens: int) -> np.ndarray:
    """Two tokens as one number."""
    sequence = np.asarray(sequence, np.int64)
    return sequence[:-1] * n_tokens + sequence[1:]


def _bits(shares: np.ndarray) -> float:
    return float(-np.log(shares).mean()) / math.log(2.0)


def _check(train: Sequence[np.ndarray], held_out: Sequence[np.ndarray], n_tokens: int) -> None:
    for name, sequences in (("train", train), ("held_out", held_out)):
        if sum(max(0, len(one) - 1) for one in sequences) == 0:
            raise InputError(f"{name} holds no sequence of two tokens or more; nothing can be counted")
        least, most = (
            extreme(int(extreme(one)) for one in map(np.asarray, sequences) if len(one)) for extreme in (min, max)
        )
        if least < 0 or most >= n_tokens:
            raise InputError(f"{name} holds tokens from {least} to {most}; 0 to {n_tokens - 1} are possible")
