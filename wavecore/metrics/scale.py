"""How much of a music keeps to one scale."""

from __future__ import annotations

import numpy as np

from wavecore.errors import InputError

MAJOR = (0, 2, 4, 5, 7, 9, 11)
"""Pitch classes of C major; those of its parallel natural minor are the same from another root."""


def scale_consistency(pitch_classes: np.ndarray) -> float:
    """Say which share of notes lies in the scale that holds most of them.

    Parameters
    ----------
    pitch_classes : ndarray, shape (12,), float
        How often each pitch class comes, from C on.

    Returns
    -------
    float
        7/12 for music that prefers no scale, to 1; NaN without notes.

    Raises
    ------
    InputError
        If the counts are not twelve, or one is negative.

    References
    ----------
    Mogren, "C-RNN-GAN: Continuous recurrent neural networks with adversarial training", NIPS 2016 workshop: scale consistency.
    """
    counts = np.asarray(pitch_classes, np.float64)
    if counts.shape != (12,) or not (counts >= 0).all():
        raise InputError(f"counts of pitch classes have shape {counts.shape}; twelve, of 0 or more, are needed")
    if not counts.sum():
        return float("nan")
    return float(max(np.roll(counts, -root)[list(MAJOR)].sum() for root in range(12)) / counts.sum())
