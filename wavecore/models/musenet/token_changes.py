"""Changes to a piece that keep it music, done on its tokens: other heights, other volumes."""

from __future__ import annotations

import numpy as np

from wavecore.errors import UsageError
from wavecore.models.musenet.tokens import DRUMS, GROUPS, N_PITCHES, PIANO_VELOCITIES


def room(body: np.ndarray) -> tuple[int, int]:
    """Say how far notes can be moved within MIDI's pitches.

    Parameters
    ----------
    body : ndarray, shape (N,), integer
        Tokens.

    Returns
    -------
    tuple of int
        Semitones down (0 or less) and up; drums do not count, and without other notes it is (-127, 127).
    """
    pitches = body[body < DRUMS] % N_PITCHES
    return -int(pitches.min(initial=N_PITCHES - 1)), N_PITCHES - 1 - int(pitches.max(initial=0))


def transposed(body: np.ndarray, semitones: int) -> np.ndarray:
    """Move all notes but drums.

    Parameters
    ----------
    body : ndarray, shape (N,), integer
    semitones : int
        Upward when positive.

    Returns
    -------
    ndarray, shape (N,), of the same dtype

    Raises
    ------
    UsageError
        If a note would leave MIDI's 0 to 127.
    """
    down, up = room(body)
    if not down <= semitones <= up:
        raise UsageError(f"the piece can be moved by {down} to {up} semitones, not by {semitones}")
    return np.where(body < DRUMS, body + body.dtype.type(semitones), body)


def louder(body: np.ndarray, factor: float) -> np.ndarray:
    """Scale the volume of the piano; what has one volume keeps it.

    Parameters
    ----------
    body : ndarray, shape (N,), integer
    factor : float
        Of velocities, above 0; they are rounded to the piano's 13 and end at its softest and loudest.

    Returns
    -------
    ndarray, shape (N,), of the same dtype

    Raises
    ------
    UsageError
        If the factor is not positive.
    """
    if not 0 < factor < float("inf"):
        raise UsageError(f"volumes cannot be scaled by {factor}; the factor is above 0, 1.1 for a tenth louder")
    known = np.array(PIANO_VELOCITIES)
    nearest = np.abs(known * factor - known[:, None]).argmin(axis=0)
    group = np.arange(len(GROUPS) + 1)
    group[1 : 1 + len(known)] = 1 + nearest
    change = ((group - np.arange(len(group))) * N_PITCHES).astype(body.dtype)
    return body + np.where(body < DRUMS, change[np.minimum(body // N_PITCHES, len(GROUPS))], body.dtype.type(0))
