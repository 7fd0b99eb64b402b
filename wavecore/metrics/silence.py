"""How loud a translation is where there should be nothing to hear."""

from __future__ import annotations

import numpy as np

FRAME_S = 0.02
QUIET_DB = -50.0
"""Level below which a frame of the true rendering is silent, dB of full scale."""
AROUND = 2
"""Frames on either side that must be silent as well: a tone that ends is not to be blamed for ending."""
FLOOR_DB = -90.0


def level_in_rests(said: np.ndarray, truth: np.ndarray, *, sample_rate: int) -> float | None:
    """Measure a sound where the true one rests.

    Parameters
    ----------
    said, truth : ndarray, shape (T,), float
    sample_rate : int
        Hz.

    Returns
    -------
    float or None
        Root mean square level in dB of full scale, -90 at least; None if the truth never rests.
    """
    size = round(FRAME_S * sample_rate)
    n = min(len(said), len(truth)) // size
    power, wanted = (np.square(x[: n * size].astype(np.float64)).reshape(n, size).mean(axis=1) for x in (said, truth))
    quiet = np.pad(wanted < 10 ** (QUIET_DB / 10), AROUND, constant_values=True)
    resting = np.all([quiet[shift : shift + n] for shift in range(2 * AROUND + 1)], axis=0)
    if not resting.any():
        return None
    return max(FLOOR_DB, 10 * float(np.log10(power[resting].mean() + 1e-12)))
