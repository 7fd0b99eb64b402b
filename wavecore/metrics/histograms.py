"""Similarity of collections of music by pitches, intervals, durations and inter-onset times; adherence to a scale.

Lines are notes in steps of a common grid, one array for each part of each piece.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from wavecore.errors import InputError

NAMES = ("pitch_class", "interval", "duration", "inter_onset")
WIDEST = 24
"""Semitones; wider intervals count as that."""
MAJOR = (0, 2, 4, 5, 7, 9, 11)
"""Pitch classes of C major; those of its parallel natural minor are the same from another root."""


def histograms(lines: Sequence[np.ndarray], *, longest: int) -> dict[str, np.ndarray]:
    """Count pitch classes, intervals, durations and inter-onset times.

    Parameters
    ----------
    lines : sequence of ndarray, shape (n, 3), integer
        Rows of onset, MIDI number and duration, in any order.
    longest : int
        Steps; longer durations count as that.

    Returns
    -------
    dict of str to ndarray, float64
        Counts.  ``pitch_class``: 12, from C on.  ``interval``: 49, from two octaves down to two octaves up, between
        the highest notes of successive onsets.  ``duration`` and ``inter_onset``: ``longest``, from one step on.

    Raises
    ------
    InputError
        If a line has another shape, a note lasts no step, or ``longest`` is not positive.
    """
    if longest < 1:
        raise InputError(f"the longest duration is {longest} steps; at least 1 is needed")
    counts = dict(zip(NAMES, map(np.zeros, (12, 2 * WIDEST + 1, longest, longest)), strict=True))
    for line in lines:
        line = np.asarray(line)
        if line.ndim != 2 or line.shape[1] != 3:
            raise InputError(f"a line has shape {line.shape}; rows of onset, pitch and duration are needed")
        onset, pitch, duration = line[np.lexsort((line[:, 1], line[:, 0]))].T.astype(np.int64)
        if (duration < 1).any():
            raise InputError(f"a note lasts {duration.min()} steps; notes last 1 or more")
        highest = np.append(np.diff(onset) > 0, True)[: len(onset)]
        intervals = np.clip(np.diff(pitch[highest]), -WIDEST, WIDEST) + WIDEST
        inter_onsets = np.minimum(np.diff(onset[highest]), longest) - 1
        columns = (pitch % 12, intervals, np.minimum(duration, longest) - 1, inter_onsets)
        for name, values in zip(NAMES, columns, strict=True):
            counts[name] += np.bincount(values, minlength=len(counts[name]))
    return counts


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Compute the overlap of two histograms, shape (n,): 1 for equal shares, 0 without a common bin, NaN if empty."""
    if not (one.any() and other.any()):
        return float("nan")
    return float(np.minimum(one / one.sum(), other / other.sum()).sum())


def overlaps(ones: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Compute the overlap of the histograms of each name."""
    return {name: overlap(one, others[name]) for name, one in ones.items()}


def divergence(one: np.ndarray, other: np.ndarray) -> float:
    """Compute the Jensen-Shannon divergence of two histograms, shape (n,), in bits.

    Returns 0 for equal shares, 1 without a common bin or where one alone is empty, NaN where both are.
    """
    from scipy.spatial.distance import jensenshannon

    if not (one.any() and other.any()):
        return 1.0 if one.any() or other.any() else float("nan")
    return float(jensenshannon(one, other, base=2) ** 2)


def scale_consistency(pitch_classes: np.ndarray) -> float:
    """Compute the share of notes in the major or natural minor scale that holds most of them.

    The counts have the shape (12,), from C on, and are not negative, else InputError.  Returns 7/12 for uniform counts
    to 1; NaN without notes.

    References
    ----------
    Mogren, "C-RNN-GAN: Continuous recurrent neural networks with adversarial training", NIPS 2016 workshop.
    """
    counts = np.asarray(pitch_classes, np.float64)
    if counts.shape != (12,) or not (counts >= 0).all():
        raise InputError(f"counts of pitch classes have shape {counts.shape}; twelve, of 0 or more, are needed")
    if not counts.sum():
        return float("nan")
    return float(max(np.roll(counts, -root)[list(MAJOR)].sum() for root in range(12)) / counts.sum())
