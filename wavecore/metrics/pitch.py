"""How well one pitch track follows another: melody's measures.

The estimate is read at the reference's times, each from its nearest frame.
Raw pitch and raw chroma accuracy count over the frames that the reference
calls voiced; a frame that the estimate calls unvoiced is wrong, whatever
pitch it may carry.

References
----------
Poliner et al., "Melody transcription from music audio: approaches and
evaluation", IEEE TASLP 15(4), 2007.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wavecore.audio.pitch import PitchTrack, cents_between
from wavecore.errors import InputError, UsageError

_LAG_STEP_S = 0.01
_OCTAVE_CENTS = 1200.0


@dataclass(frozen=True)
class PitchScores:
    """The measures of this module for one pair of tracks.

    Parameters
    ----------
    raw_pitch_accuracy : float
        Share of reference-voiced frames with the right pitch, in [0, 1].
    raw_chroma_accuracy : float
        The same with octaves folded; never below `raw_pitch_accuracy`.
    voicing_recall : float
        Share of reference-voiced frames that the estimate calls voiced.
    voicing_false_alarm : float
        Share of reference-unvoiced frames that the estimate calls voiced;
        NaN where the reference is voiced throughout.
    lag_s : float
        The lag at which these were measured; positive where the estimate
        comes late.
    n_voiced : int
        Number of reference-voiced frames, at least 1.
    """

    raw_pitch_accuracy: float
    raw_chroma_accuracy: float
    voicing_recall: float
    voicing_false_alarm: float
    lag_s: float
    n_voiced: int


def validate(reference: PitchTrack, estimate: PitchTrack) -> None:
    """Refuse tracks that cannot be compared.

    Parameters
    ----------
    reference : PitchTrack
        The track to be followed.
    estimate : PitchTrack
        The track to be judged.

    Raises
    ------
    InputError
        If a track has no frames, or the reference has no voiced frame.
    """
    for name, track in (("reference", reference), ("estimate", estimate)):
        if not len(track.times_s):
            raise InputError(f"the {name} pitch track has no frames")
    if not reference.voiced.any():
        raise InputError(
            f"none of the reference's {len(reference.times_s)} frames is voiced, so there is no pitch to "
            "follow; is the recording silent, noisy, or several voices at once?"
        )


def raw_pitch_accuracy(
    reference: PitchTrack, estimate: PitchTrack, *, tolerance_cents: float = 50.0, max_lag_s: float = 0.0
) -> float:
    """The share of reference-voiced frames whose pitch the estimate has right.

    Parameters
    ----------
    reference : PitchTrack
        The track to be followed.
    estimate : PitchTrack
        The track to be judged.
    tolerance_cents : float
        A pitch is right within this many cents, itself included; above 0.
    max_lag_s : float
        The estimate may come this much late or early: the best lag counts,
        tried in steps of 10 ms; at least 0.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        As `validate`.
    UsageError
        If the tolerance is not above 0 or the lag is negative.
    """
    return _best(reference, estimate, tolerance_cents, max_lag_s, folded=False)[0]


def raw_chroma_accuracy(
    reference: PitchTrack, estimate: PitchTrack, *, tolerance_cents: float = 50.0, max_lag_s: float = 0.0
) -> float:
    """As `raw_pitch_accuracy`, but a pitch in another octave is right too.

    Parameters
    ----------
    reference : PitchTrack
        The track to be followed.
    estimate : PitchTrack
        The track to be judged.
    tolerance_cents : float
        A pitch is right within this many cents, itself included; above 0.
    max_lag_s : float
        The estimate may come this much late or early: the best lag counts,
        tried in steps of 10 ms; at least 0.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        As `validate`.
    UsageError
        If the tolerance is not above 0 or the lag is negative.
    """
    return _best(reference, estimate, tolerance_cents, max_lag_s, folded=True)[0]


def voicing(reference: PitchTrack, estimate: PitchTrack) -> tuple[float, float]:
    """How well the estimate knows where there is a pitch at all.

    Parameters
    ----------
    reference : PitchTrack
        The track to be followed.
    estimate : PitchTrack
        The track to be judged.

    Returns
    -------
    recall : float
        Share of reference-voiced frames that the estimate calls voiced.
    false_alarm : float
        Share of reference-unvoiced frames that the estimate calls voiced;
        NaN where there are none.

    Raises
    ------
    InputError
        As `validate`.
    """
    validate(reference, estimate)
    return _voicing(reference, resampled_f0(estimate, reference.times_s))


def evaluate(
    reference: PitchTrack, estimate: PitchTrack, *, tolerance_cents: float = 50.0, max_lag_s: float = 0.0
) -> PitchScores:
    """All measures of this module, at one lag.

    Parameters
    ----------
    reference : PitchTrack
        The track to be followed.
    estimate : PitchTrack
        The track to be judged.
    tolerance_cents : float
        A pitch is right within this many cents, itself included; above 0.
    max_lag_s : float
        The estimate may come this much late or early.  The lag with the best
        raw chroma accuracy counts for all measures (of equals, the one with
        the better raw pitch accuracy, then the smaller one); at least 0.

    Raises
    ------
    InputError
        As `validate`.
    UsageError
        If the tolerance is not above 0 or the lag is negative.
    """
    chroma, pitch, lag_s = _best(reference, estimate, tolerance_cents, max_lag_s, folded=True)
    recall, false_alarm = _voicing(reference, resampled_f0(estimate, reference.times_s + lag_s))
    return PitchScores(pitch, chroma, recall, false_alarm, lag_s, int(reference.voiced.sum()))


def _best(
    reference: PitchTrack, estimate: PitchTrack, tolerance_cents: float, max_lag_s: float, *, folded: bool
) -> tuple[float, float, float]:
    """The best accuracy of one kind, the other kind's at that lag, and the lag."""
    validate(reference, estimate)
    if not tolerance_cents > 0 or not max_lag_s >= 0:
        raise UsageError(
            f"tolerance_cents is {tolerance_cents} and max_lag_s {max_lag_s}, wanted above 0 and at least 0"
        )
    n_steps = int(max_lag_s / _LAG_STEP_S + 1e-9)
    # Smallest lags first: of equal accuracies max keeps the first one.
    lags_s = [step * _LAG_STEP_S for step in sorted(range(-n_steps, n_steps + 1), key=abs)]
    tried = []
    for lag_s in lags_s:
        pitch, chroma = _accuracies(reference, estimate, tolerance_cents, lag_s)
        tried.append((chroma, pitch, lag_s) if folded else (pitch, chroma, lag_s))
    return max(tried, key=lambda entry: entry[:2])


def _accuracies(
    reference: PitchTrack, estimate: PitchTrack, tolerance_cents: float, lag_s: float
) -> tuple[float, float]:
    """Raw pitch and raw chroma accuracy at one lag."""
    voiced = reference.voiced
    error = cents_between(reference.f0_hz[voiced], resampled_f0(estimate, reference.times_s[voiced] + lag_s))
    folded = error - _OCTAVE_CENTS * np.round(error / _OCTAVE_CENTS)
    # NaN, where the estimate is unvoiced, is within no tolerance; the margin is for rounding of log2.
    limit = tolerance_cents + 1e-6
    return float(np.mean(np.abs(error) <= limit)), float(np.mean(np.abs(folded) <= limit))


def _voicing(reference: PitchTrack, estimate_hz: np.ndarray) -> tuple[float, float]:
    called = np.isfinite(estimate_hz)
    unvoiced = ~reference.voiced
    false_alarm = float(called[unvoiced].mean()) if unvoiced.any() else float("nan")
    return float(called[reference.voiced].mean()), false_alarm


def resampled_f0(track: PitchTrack, times_s: np.ndarray) -> np.ndarray:
    """Read a track at other times, each from its nearest frame.

    Parameters
    ----------
    times_s : ndarray, shape (N,), float

    Returns
    -------
    ndarray, shape (N,), float64, Hz
        NaN where it is unvoiced; beyond its ends by more than one frame a track has nothing to say.
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
