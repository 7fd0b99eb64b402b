"""The level of a note, measured over its loud part so that its length and its tail do not count."""

from __future__ import annotations

import math

import numpy as np

from wavecore.audio import checks
from wavecore.errors import InputError

PEAK_DB = -0.5
"""Above which no sound is raised."""


def level(sound: np.ndarray, target_db: float) -> np.ndarray:
    """Scale a sound, shape (T,), so that ``loud_db`` is a target in dB of full scale, but no peak exceeds -0.5 dB.

    Returns float32; silence unchanged.  Raises InputError if the target or a sample is not finite.
    """
    if not np.isfinite(target_db):
        raise InputError(f"the level to reach is {target_db} dB, which is not finite; are the sounds silent?")
    peak = float(np.abs(checks.as_signal(sound)).max())
    present_db = loud_db(sound)
    if not np.isfinite(present_db):
        return np.asarray(sound, np.float32)
    gain_db = min(target_db - present_db, PEAK_DB - 20.0 * math.log10(peak))
    return (np.asarray(sound, np.float64) * 10 ** (gain_db / 20)).astype(np.float32)


def loud_db(sound: np.ndarray) -> float:
    """Measure the level of a sound's loud part, the frames of 1,024 samples within 20 dB of the loudest.

    Returns dB of full scale for a sound of shape (T,), T at least 1; -inf for silence.
    """
    x = np.asarray(sound, np.float64)
    frame = min(len(x), 1024)
    frames = x[: len(x) // frame * frame].reshape(-1, frame)
    powers = (frames**2).mean(axis=1)
    if not powers.max(initial=0.0) > 0:
        return -np.inf
    return float(10 * np.log10(powers[powers > powers.max() / 100].mean()))
