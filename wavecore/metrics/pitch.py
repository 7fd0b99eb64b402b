"""Raw pitch and raw chroma accuracy of one pitch track against another (mir_eval's), at the best lag.

The estimate is sampled at the reference's times, each from its nearest frame.  The share is taken over the frames that
are voiced in the reference; a frame that is unvoiced in the estimate counts as wrong.

References
----------
Poliner et al., "Melody transcription from music audio: approaches and evaluation", IEEE TASLP 15(4), 2007.
"""

from __future__ import annotations

import numpy as np

from wavecore.audio.pitch import PitchTrack
from wavecore.errors import InputError, UsageError

_LAG_STEP_S = 0.01
# mir_eval's tolerance is exclusive, ours inclusive; the margin also covers the rounding of log2.
_MARGIN_CENTS = 1e-6


def raw_pitch_accuracy(
    reference: PitchTrack, estimate: PitchTrack, *, tolerance_cents: float = 50.0, max_lag_s: float = 0.0
) -> float:
    """Compute the share, 0 to 1, of the reference's voiced frames whose pitch the estimate matches.

    Parameters
    ----------
    tolerance_cents : float
        Largest difference of matching pitches, inclusive; above 0.
    max_lag_s : float
        The estimate may come this much late or early: the best lag counts, in steps of 10 ms; at least 0.

    Raises
    ------
    InputError
        If a track has no frames, or the reference has no voiced frame.
    UsageError
        If the tolerance or the lag is out of its range.
    """
    return _best_accuracy("raw_pitch_accuracy", reference, estimate, tolerance_cents, max_lag_s)


def raw_chroma_accuracy(
    reference: PitchTrack, estimate: PitchTrack, *, tolerance_cents: float = 50.0, max_lag_s: float = 0.0
) -> float:
    """Compute `raw_pitch_accuracy` up to octaves: a pitch in another octave matches as well."""
    return _best_accuracy("raw_chroma_accuracy", reference, estimate, tolerance_cents, max_lag_s)


def _best_accuracy(
    measure: str, reference: PitchTrack, estimate: PitchTrack, tolerance_cents: float, max_lag_s: float
) -> float:
    """Compute a measure of ``mir_eval.melody`` at the lag where it is largest."""
    from mir_eval import melody

    require_comparable(reference, estimate)
    if not tolerance_cents > 0 or not max_lag_s >= 0:
        raise UsageError(
            f"tolerance_cents is {tolerance_cents} and max_lag_s {max_lag_s}; above 0 and at least 0 are needed"
        )
    times_s = reference.times_s[reference.voiced]
    voiced, reference_cents = np.ones(len(times_s)), melody.hz2cents(reference.f0_hz[reference.voiced])
    n_steps = int(max_lag_s / _LAG_STEP_S + 1e-9)
    best = 0.0
    for step in range(-n_steps, n_steps + 1):
        estimate_hz = np.nan_to_num(resampled_f0(estimate, times_s + step * _LAG_STEP_S))
        if estimate_hz.any():  # else mir_eval warns
            arrays = (voiced, reference_cents, estimate_hz > 0, melody.hz2cents(estimate_hz))
            best = max(best, getattr(melody, measure)(*arrays, cent_tolerance=tolerance_cents + _MARGIN_CENTS))
    return float(best)


def require_comparable(reference: PitchTrack, estimate: PitchTrack) -> None:
    """Raise InputError if a track has no frames, or the reference has no voiced frame."""
    for name, track in (("reference", reference), ("estimate", estimate)):
        if not len(track.times_s):
            raise InputError(f"the {name} pitch track has no frames")
    if not reference.voiced.any():
        raise InputError(
            f"none of the reference's {len(reference.times_s)} frames is voiced, so there is no pitch to "
            "compare with; is the recording silent, noisy, or several voices at once?"
        )


def resampled_f0(track: PitchTrack, times_s: np.ndarray) -> np.ndarray:
    """Sample a track at other times, shape (N,), each from its nearest frame.

    Returns Hz, shape (N,), NaN where the track is unvoiced and beyond its ends by more than one frame.
    """
    after = np.clip(np.searchsorted(track.times_s, times_s), 1, max(1, len(track.times_s) - 1))
    if len(track.times_s) == 1:
        nearest = np.zeros(len(times_s), dtype=np.intp)
    else:
        earlier = times_s - track.times_s[after - 1] <= track.times_s[after] - times_s
        nearest = np.where(earlier, after - 1, after)
    frame_s = float(np.median(np.diff(track.times_s))) if len(track.times_s) > 1 else 0.0
    inside = (times_s >= track.times_s[0] - frame_s - 1e-9) & (times_s <= track.times_s[-1] + frame_s + 1e-9)
    return np.where(inside, track.f0_hz[nearest], np.nan)
