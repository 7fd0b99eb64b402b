"""How loud a note is: its loud part alone, so that length and tail do not count."""

from __future__ import annotations

import numpy as np

from wavecore.audio import loudness
from wavecore.errors import InputError

PEAK_DB = -0.5
"""Above which no sound is raised."""


def level(sound: np.ndarray, wanted_db: float) -> np.ndarray:
    """Bring a sound to a level, short of clipping.

    Parameters
    ----------
    sound : ndarray, shape (T,), float
    wanted_db : float
        Root mean square of the loud part (see ``loud_db``), dB of full scale.

    Returns
    -------
    ndarray, shape (T,), float32
        Unchanged if it is silent.

    Raises
    ------
    InputError
        If the level is not finite.
    """
    if not np.isfinite(wanted_db):
        raise InputError(f"a sound cannot be brought to {wanted_db} dB; are the sounds silent?")
    present, peak = loud_db(sound), loudness.peak_db(sound)
    if not np.isfinite(present):
        return np.asarray(sound, np.float32)
    gain_db = min(wanted_db - present, PEAK_DB - peak)
    return (np.asarray(sound, np.float64) * 10 ** (gain_db / 20)).astype(np.float32)


def loud_db(sound: np.ndarray) -> float:
    """Measure the level of a note's loud part, so that its length and its tail do not count.

    Parameters
    ----------
    sound : ndarray, shape (T,), float

    Returns
    -------
    float
        Of the frames of 64 ms within 20 dB of the loudest, dB of full scale; -inf for silence.
    """
    x = np.asarray(sound, np.float64)
    frame = min(len(x), 1024)
    frames = x[: len(x) // frame * frame].reshape(-1, frame)
    powers = (frames**2).mean(axis=1)
    if not powers.max(initial=0.0) > 0:
        return -np.inf
    return float(10 * np.log10(powers[powers > powers.max() / 100].mean()))
