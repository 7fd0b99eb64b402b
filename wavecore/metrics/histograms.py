"""How alike two collections of music are in their pitches, intervals, durations and inter-onset times.

Lines are notes in steps of a common grid, one array for each part of each piece.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wavecore.errors import InputError

NAMES = ("pitch_class", "interval", "duration", "inter_onset")
WIDEST = 24
"""Semitones; what leaps farther counts as that."""


def histograms(lines: Sequence[np.ndarray], *, longest: int) -> dict[str, np.ndarray]:
    """Count what lines do.

    Parameters
    ----------
    lines : sequence of ndarray, shape (n, 3), integer
        Rows of onset, MIDI number and duration, in any order.
    longest : int
        Steps; what lasts longer counts as that.

    Returns
    -------
    dict of str to ndarray, float64
        Counts.  ``pitch_class``: 12, from C on.  ``interval``: 49, from two octaves down to two octaves up, between the highest notes of
        onsets that follow each other.  ``duration`` and ``inter_onset``: ``longest``, from one step on.

    Raises
    ------
    InputError
        If a line has another shape, a note lasts no step, or ``longest`` is not positive.
    """
    if longest < 1:
        raise InputError(f"the longest duration is {longest} steps; at least 1 is needed")
    found = {
        "pitch_class": np.zeros(12),
        "interval": np.zeros(2 * WIDEST + 1),
        "duration": np.zeros(longest),
        "inter_onset": np.zeros(longest),
    }
    for line in lines:
        line = np.asarray(line)
        if line.ndim != 2 or line.shape[1] != 3:
            raise InputError(f"a line has shape {line.shape}; rows of onset, pitch and duration are needed")
        onset, pitch, duration = line[np.lexsort((line[:, 1], line[:, 0]))].T.astype(np.int64)
        if (duration < 1).any():
            raise InputError(f"a note lasts {duration.min()} steps; notes last 1 or more")
        highest = np.append(np.diff(onset) > 0, True)[: len(onset)]
        leaps = np.clip(np.diff(pitch[highest]), -WIDEST, WIDEST) + WIDEST
        waits = np.minimum(np.diff(onset[highest]), longest) - 1
        for name, values in zip(NAMES, (pitch % 12, leaps, np.minimum(duration, longest) - 1, waits), strict=True):
            found[name] += np.bincount(values, minlength=len(found[name]))
    return found


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Say how much two histograms share.

    Parameters
    ----------
    one, other : ndarray, shape (n,), float
        Counts.

    Returns
    -------
    float
        0 where they share nothing, 1 where one is a multiple of the other; NaN where one is empty.
    """
    if not (one.any() and other.any()):
        return float("nan")
    return float(np.minimum(one / one.sum(), other / other.sum()).sum())


def overlaps(ones: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Compare histograms of one name.

    Parameters
    ----------
    ones, others : mapping of str to ndarray
        As of ``histograms``.

    Returns
    -------
    dict of str to float
        ``overlap`` by name.
    """
    return {name: overlap(one, others[name]) for name, one in ones.items()}


def divergence(one: np.ndarray, other: np.ndarray) -> float:
    """Say how far two histograms are apart: the divergence of Jensen and Shannon.

    Parameters
    ----------
    one, other : ndarray, shape (n,), float
        Counts.

    Returns
    -------
    float
        Bits: 0 for the same shares, 1 where nothing is shared, or one alone is empty.  NaN where both are.

    References
    ----------
    Lin, "Divergence Measures Based on the Shannon Entropy", IEEE Transactions on Information Theory 37, 1991.
    """
    if not (one.any() and other.any()):
        return 1.0 if one.any() or other.any() else float("nan")
    p, q = one / one.sum(), other / other.sum()
    return _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2


def _entropy(p: np.ndarray) -> float:
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())
