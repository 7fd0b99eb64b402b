"""Four-part chorales on a grid of sixteenths.

A grid is an integer array (T, 4) of MIDI note numbers, soprano, alto, tenor and bass, with -1 for a rest.  A pitch
that stays is one note: a grid does not distinguish repeated notes from held ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from wavecore.errors import InputError

VOICES = ("soprano", "alto", "tenor", "bass")
REST = -1
STEPS_PER_QUARTER = 4


@dataclass(frozen=True)
class GridNote:
    """A note of one voice; onset and length in sixteenths, pitch as MIDI note number."""

    onset: int
    n_steps: int
    pitch: int


def check(grid: np.ndarray, *, name: str = "the chorale") -> np.ndarray:
    """Return a grid, shape (T, 4), T > 0, as int16; raise InputError if shape, type or a value is not that of a grid.

    `name` is used in error messages.
    """
    grid = np.asarray(grid)
    if grid.ndim != 2 or grid.shape[1] != len(VOICES) or not len(grid):
        raise InputError(f"{name} has shape {grid.shape}; a grid has shape (T, {len(VOICES)}), T > 0")
    if grid.dtype.kind not in "iu":
        raise InputError(f"{name} holds {grid.dtype}; pitches are integers")
    outside = (grid < REST) | (grid > 127)
    if outside.any():
        step, voice = np.argwhere(outside)[0]
        raise InputError(
            f"{name}: the {VOICES[voice]} has {grid[step, voice]} at sixteenth {step}; pitches are 0 to 127, rests -1"
        )
    return grid.astype(np.int16)


def held_notes(line: np.ndarray) -> list[GridNote]:
    """Return the notes of one voice, a column of a grid, shape (T,), in order."""
    edges = [0, *(np.flatnonzero(np.diff(line)) + 1).tolist(), len(line)]
    return [
        GridNote(begin, end - begin, int(line[begin]))
        for begin, end in pairwise(edges)
        if end > begin and line[begin] != REST
    ]


def transposition_range(grid: np.ndarray, lowest: int, highest: int) -> tuple[int, int]:
    """Return by how many semitones, down <= 0 <= up, a grid can be transposed within a range of MIDI note numbers.

    It is (0, 0) without notes; raise InputError if a note lies outside the range.
    """
    pitches = grid[grid != REST]
    if not len(pitches):
        return 0, 0
    least, most = int(pitches.min()), int(pitches.max())
    if least < lowest or most > highest:
        raise InputError(f"the chorale reaches from {least} to {most}, beyond {lowest} to {highest}")
    return lowest - least, highest - most


def transposed(grid: np.ndarray, semitones: int) -> np.ndarray:
    """Transpose a grid, shape (T, 4); rests stay rests."""
    return np.where(grid == REST, REST, grid + semitones).astype(grid.dtype)
