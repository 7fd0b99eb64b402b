"""The grid of a chorale: four voices, one pitch each, sixteenth by sixteenth.

A grid is an ndarray (T, 4) of MIDI numbers in the order soprano, alto, tenor, bass, with -1
for a rest.  It does not say whether a pitch that stays was struck again: what a voice holds is
one note.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from wavecore.errors import InputError

VOICES = ("soprano", "alto", "tenor", "bass")
REST = -1
STEPS_PER_QUARTER = 4


@dataclass(frozen=True)
class Held:
    """A note of a grid.

    Attributes
    ----------
    onset, n_steps : int
        Sixteenths.
    pitch : int
        MIDI number.
    """

    onset: int
    n_steps: int
    pitch: int


def check(grid: np.ndarray, *, name: str = "the chorale") -> np.ndarray:
    """Refuse what is no grid.

    Parameters
    ----------
    grid : array_like, shape (T, 4), integer
    name : str
        What to call it in a message.

    Returns
    -------
    ndarray, shape (T, 4), int16

    Raises
    ------
    InputError
        If it has another shape or type, no steps, or a number that is neither a MIDI number nor -1.
    """
    found = np.asarray(grid)
    if found.ndim != 2 or found.shape[1] != len(VOICES) or not len(found):
        raise InputError(
            f"{name} has shape {found.shape}; a grid has a row of {len(VOICES)} pitches for each sixteenth"
        )
    if found.dtype.kind not in "iu":
        raise InputError(f"{name} holds {found.dtype}; pitches are whole numbers")
    outside = (found < REST) | (found > 127)
    if outside.any():
        step, voice = np.argwhere(outside)[0]
        raise InputError(
            f"{name}: the {VOICES[voice]} has {found[step, voice]} at sixteenth {step}; pitches are 0 to 127, and -1 is a rest"
        )
    return found.astype(np.int16)


def held_notes(line: np.ndarray) -> list[Held]:
    """Read a voice's notes: what stays is one of them.

    Parameters
    ----------
    line : ndarray, shape (T,), integer
        A column of a grid.

    Returns
    -------
    list of Held
        In order.
    """
    edges = [0, *(np.flatnonzero(np.diff(line)) + 1).tolist(), len(line)]
    spans = zip(edges[:-1], edges[1:], strict=True)
    return [Held(begin, end - begin, int(line[begin])) for begin, end in spans if end > begin and line[begin] != REST]


def line_of(notes: Iterable[Held], n_steps: int) -> np.ndarray:
    """Write notes as a voice; the inverse of ``held_notes`` where no pitch is struck twice running.

    Parameters
    ----------
    n_steps : int
        Length T.

    Returns
    -------
    ndarray, shape (T,), int16

    Raises
    ------
    InputError
        If notes overlap or leave the grid.
    """
    line = np.full(n_steps, REST, np.int16)
    for note in notes:
        if not 0 <= note.onset < note.onset + note.n_steps <= n_steps:
            raise InputError(
                f"a note lies at sixteenths {note.onset} to {note.onset + note.n_steps} of a grid of {n_steps}"
            )
        if (line[note.onset : note.onset + note.n_steps] != REST).any():
            raise InputError(f"two notes of one voice sound at sixteenth {note.onset}")
        line[note.onset : note.onset + note.n_steps] = note.pitch
    return line


def room(grid: np.ndarray, lowest: int, highest: int) -> tuple[int, int]:
    """Say how far a grid can be transposed.

    Parameters
    ----------
    grid : ndarray, shape (T, 4), integer
    lowest, highest : int
        MIDI numbers that no voice may leave.

    Returns
    -------
    down, up : int
        Semitones, down <= 0 <= up; (0, 0) without notes.

    Raises
    ------
    InputError
        If it leaves them already.
    """
    pitches = grid[grid != REST]
    if not len(pitches):
        return 0, 0
    least, most = int(pitches.min()), int(pitches.max())
    if least < lowest or most > highest:
        raise InputError(f"the chorale reaches from {least} to {most}, beyond {lowest} to {highest}")
    return lowest - least, highest - most


def transposed(grid: np.ndarray, semitones: int) -> np.ndarray:
    """Move all that sounds.

    Parameters
    ----------
    grid : ndarray, shape (T, 4), integer

    Returns
    -------
    ndarray, shape (T, 4)
        Rests stay rests.
    """
    return np.where(grid == REST, REST, grid + semitones).astype(grid.dtype)


def joined(grids: Sequence[np.ndarray]) -> np.ndarray:
    """Put grids one behind the other.

    Parameters
    ----------
    grids : sequence of ndarray, shape (T_i, 4)

    Returns
    -------
    ndarray, shape (sum of T_i, 4), int16
    """
    return np.concatenate([np.zeros((0, len(VOICES)), np.int16), *grids]).astype(np.int16)
