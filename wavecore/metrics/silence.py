"""The level of a translation where the reference is silent."""

from __future__ import annotations

import numpy as np

FRAME_S = 0.02
QUIET_DB = -50.0
"""Level below which a frame of the reference is silent, dB of full scale."""
MARGIN = 2
"""Frames on either side that must be silent as well, so that the release of a tone does not count."""
FLOOR_DB = -90.0


def level_in_rests(estimate: np.ndarray, reference: np.ndarray, *, sample_rate: int) -> float | None:
    """Compute the root mean square level of a sound in the rests of a reference, shapes (T,).

    Returns dB of full scale, at least -90; None if the reference has no rest.
    """
    size = round(FRAME_S * sample_rate)
    n = min(len(estimate), len(reference)) // size
    power, reference_power = (
        np.square(x[: n * size].astype(np.float64)).reshape(n, size).mean(axis=1) for x in (estimate, reference)
    )
    quiet = np.pad(reference_power < 10 ** (QUIET_DB / 10), MARGIN, constant_values=True)
    rests = np.all([quiet[shift : shift + n] for shift in range(2 * MARGIN + 1)], axis=0)
    if not rests.any():
        return None
    return max(FLOOR_DB, 10 * float(np.log10(power[rests].mean() + 1e-12)))
