"""Which octave a melody is moved to before a decoder is to say it."""

from __future__ import annotations

import numpy as np

MAX_OCTAVES = 4
TOLERANCE_SEMITONES = 1.0
END_SEMITONES = 3.0


def best_octave(midi: np.ndarray, low: float, high: float) -> int:
    """Find the octave shift that leaves the fewest pitches outside a range.

    Among shifts that leave equally few, one that has most of the melody at the very ends of the
    range comes last: a decoder has seldom heard the outermost notes that it was trained on.

    Parameters
    ----------
    midi : ndarray, shape (n,), float
        MIDI note numbers.
    low, high : float
        The range.

    Returns
    -------
    int
        The smallest such shift; octaves.
    """

    def cost(shift: int) -> tuple[float, bool, int]:
        at_the_ends = share_outside(midi, low + END_SEMITONES, high - END_SEMITONES, shift)
        return share_outside(midi, low, high, shift), at_the_ends > 0.5, abs(shift)

    return min(range(-MAX_OCTAVES, MAX_OCTAVES + 1), key=cost)


def share_outside(midi: np.ndarray, low: float, high: float, shift: int) -> float:
    """Measure how much of a melody lies outside a range after an octave shift.

    Parameters
    ----------
    midi : ndarray, shape (n,), float
        MIDI note numbers.
    low, high : float
        The range; a semitone beyond it is forgiven.
    shift : int
        Octaves.

    Returns
    -------
    float
        In [0, 1].
    """
    moved = midi + 12 * shift
    return float(np.mean((moved < low - TOLERANCE_SEMITONES) | (moved > high + TOLERANCE_SEMITONES)))
