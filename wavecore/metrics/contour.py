"""How well one melody's contour follows another: correlation, also after warping time, and notes in common.

Raw pitch accuracy asks for the right note at the right moment.  A contour may be right and late, as a
musician's is who plays after hearing: the correlation after dynamic time warping forgives that.

References
----------
Mor, Wolf, Polyak, Taigman, "A Universal Music Translation Network", arXiv:1805.07848, section 5,
compares networks with musicians by the correlation of pitch before and after warping.
"""

from __future__ import annotations

import numpy as np

from wavecore.audio.pitch import PitchTrack, hz_to_midi
from wavecore.errors import InputError
from wavecore.metrics.pitch import resampled_f0

N_NOTES = 128
BAND = 0.1
"""Of the longer contour's length that warping may move a moment by, so that no phrase is answered by another."""


def pitch_correlation(reference: PitchTrack, estimate: PitchTrack) -> float:
    """Correlate two contours, moment by moment.

    Returns
    -------
    float
        Pearson's, of the pitches in semitones where both are voiced, -1 to 1; a shift by octaves does
        not matter.  1 where both stand still, 0 where one of them does or fewer than two moments are common.

    Raises
    ------
    InputError
        If no frame of the reference is voiced.
    """
    _require_voiced(reference)
    found_hz = resampled_f0(estimate, reference.times_s)
    both = reference.voiced & np.isfinite(found_hz)
    return _correlation(hz_to_midi(reference.f0_hz[both]), hz_to_midi(found_hz[both]))


def warped_pitch_correlation(reference: PitchTrack, estimate: PitchTrack) -> float:
    """Correlate two contours after aligning them by dynamic time warping.

    Parameters
    ----------
    reference, estimate : PitchTrack
        At the same frame rate.

    Returns
    -------
    float
        As ``pitch_correlation``, along the alignment of the voiced frames, 0 if the estimate has none.
        What is aligned are the contours relative to their medians.

    Raises
    ------
    InputError
        If no frame of the reference is voiced.
    """
    import librosa

    _require_voiced(reference)
    a, b = (hz_to_midi(track.f0_hz[track.voiced]) for track in (reference, estimate))
    if not len(b):
        return 0.0
    # A band around the diagonal holds a path only if it is wider than the lengths differ.
    band = max(BAND, 1.5 * abs(len(a) - len(b)) / max(len(a), len(b)) + 2 / min(len(a), len(b)))
    costs = np.abs((a - np.median(a))[:, None] - (b - np.median(b)))
    _, path = librosa.sequence.dtw(C=costs, global_constraints=band < 1, band_rad=min(band, 1.0))
    return _correlation(a[path[:, 0]], b[path[:, 1]])


def piano_roll(track: PitchTrack) -> np.ndarray:
    """Round a contour to notes.

    Returns
    -------
    ndarray, shape (n_frames, 128), bool
    """
    roll = np.zeros((len(track.times_s), N_NOTES), bool)
    midi = np.rint(hz_to_midi(track.f0_hz[track.voiced])).astype(int)
    inside = (midi >= 0) & (midi < N_NOTES)
    roll[np.flatnonzero(track.voiced)[inside], midi[inside]] = True
    return roll


def jaccard_distance(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Compare which notes sound, frame by frame.

    Parameters
    ----------
    reference, estimate : ndarray, shape (n_frames, n_notes), bool
        Any number of notes at a time.

    Returns
    -------
    float
        1 minus the notes in common over all notes that sound in either, summed over the frames:
        0 where they agree, 1 where they share nothing.

    Raises
    ------
    InputError
        If the shapes differ, or nothing sounds in either.
    """
    if reference.shape != estimate.shape or reference.ndim != 2:
        raise InputError(f"piano rolls of shapes {reference.shape} and {estimate.shape} cannot be compared")
    union = int((reference | estimate).sum())
    if not union:
        raise InputError("no note sounds in either piano roll")
    return 1 - int((reference & estimate).sum()) / union


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if len(a) < 2:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    still = [np.abs(x).max() < 0.5 for x in (a, b)]  # within a semitone
    if any(still):
        return float(all(still))
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def _require_voiced(reference: PitchTrack) -> None:
    if not reference.voiced.any():
        raise InputError(f"none of the reference's {len(reference.times_s)} frames is voiced, so it has no contour")
