"""What a Coconet is asked for, said as a grid and the cells of it that are free."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wavecore.errors import InputError, UsageError
from wavecore.models.coconet.config import CoconetConfig
from wavecore.symbolic.chorale import REST, VOICES

STEPS_PER_BAR = 16


def from_nothing(n_bars: int) -> tuple[np.ndarray, np.ndarray]:
    """Ask for four voices.

    Parameters
    ----------
    n_bars : int
        In 4/4, at least 1.

    Returns
    -------
    grid : ndarray, shape (T, 4), int16
    free : ndarray, shape (T, 4), bool

    Raises
    ------
    UsageError
        If there are no bars.
    """
    if n_bars < 1:
        raise UsageError(f"{n_bars} bars were asked for; at least 1 is needed")
    shape = (n_bars * STEPS_PER_BAR, len(VOICES))
    return np.full(shape, REST, np.int16), np.ones(shape, bool)


def harmony(melody: np.ndarray, config: CoconetConfig) -> tuple[np.ndarray, np.ndarray]:
    """Ask for three voices below a melody, which stays as it is.

    Parameters
    ----------
    melody : ndarray, shape (T,), integer
        MIDI numbers, -1 for a rest.
    config : CoconetConfig
        Whose pitches the melody must keep to.

    Returns
    -------
    grid : ndarray, shape (T, 4), int16
    free : ndarray, shape (T, 4), bool
        Alto, tenor and bass; where the melody rests they are free as well.

    Raises
    ------
    InputError
        If the melody has no notes or leaves the network's range.
    """
    sounding = melody[melody != REST]
    if not len(sounding):
        raise InputError("the melody has no notes")
    if sounding.min() < config.lowest or sounding.max() > config.highest:
        raise InputError(
            f"the melody reaches from MIDI {sounding.min()} to {sounding.max()}; the model knows {config.lowest} to {config.highest}: "
            "transpose it"
        )
    grid = np.full((len(melody), len(VOICES)), REST, np.int16)
    grid[:, 0] = melody
    free = np.ones(grid.shape, bool)
    free[:, 0] = False
    return grid, free


def keeping(grid: np.ndarray, voices: Sequence[str]) -> np.ndarray:
    """Ask for all voices anew but some.

    Parameters
    ----------
    grid : ndarray, shape (T, 4), integer
    voices : sequence of str
        To be kept, of ``VOICES``.

    Returns
    -------
    ndarray, shape (T, 4), bool
        Free cells.

    Raises
    ------
    UsageError
        If a voice is unknown, or none is left to write.
    """
    unknown = [voice for voice in voices if voice not in VOICES]
    if unknown:
        raise UsageError(f"there is no voice {unknown[0]!r}; a chorale has {', '.join(VOICES)}")
    if set(voices) == set(VOICES):
        raise UsageError("all four voices are to be kept; nothing is left to write")
    return np.broadcast_to([voice not in voices for voice in VOICES], grid.shape).copy()


def between(grid: np.ndarray, first_bar: int, last_bar: int, free: np.ndarray | None = None) -> np.ndarray:
    """Ask for a stretch of time anew.

    Parameters
    ----------
    grid : ndarray, shape (T, 4), integer
    first_bar, last_bar : int
        Of 4/4, counted from 1, both included.
    free : ndarray, shape (T, 4), bool, optional
        What may be written at all; everything if not given.

    Returns
    -------
    ndarray, shape (T, 4), bool
        Free cells.

    Raises
    ------
    UsageError
        If the stretch does not lie within the piece.
    """
    n_bars = -(-len(grid) // STEPS_PER_BAR)
    if not 1 <= first_bar <= last_bar <= n_bars:
        raise UsageError(f"bars {first_bar} to {last_bar} were asked for; the piece has bars 1 to {n_bars}")
    found = np.zeros(grid.shape, bool)
    found[(first_bar - 1) * STEPS_PER_BAR : last_bar * STEPS_PER_BAR] = True
    return found if free is None else found & free
