"""Similarity of two melodies' contours: correlation, also after warping time, and notes in common.

Raw pitch accuracy requires the right note at the right moment.  A contour may be right and late, as that of a musician
who plays by ear: the correlation after dynamic time warping is insensitive to that.

References
----------
Mor, Wolf, Polyak, Taigman, "A Universal Music Translation Network", arXiv:1805.07848, section 5, compares networks
with musicians by the correlation of pitch before and after warping.
"""

from __future__ import annotations

import numpy as np

from wavecore.audio.pitch import PitchTrack, hz_to_midi
from wavecore.errors import InputError
from wavecore.metrics.pitch import require_comparable, resampled_f0

N_NOTES = 128
BAND = 0.1
"""Largest shift by warping, relative to the longer contour's length, so that no phrase is aligned with another."""


def pitch_correlation(reference: PitchTrack, estimate: PitchTrack) -> float:
    """Correlate two contours frame by frame.

    Returns Pearson's coefficient of the pitches in semitones where both are voiced, -1 to 1, independent of a shift by
    octaves; 1 where both are constant, 0 where one is or fewer than two frames are common.  Raises InputError if no
    frame of the reference is voiced, or the estimate has no frames.
    """
    require_comparable(reference, estimate)
    estimate_hz = resampled_f0(estimate, reference.times_s)
    both = reference.voiced & np.isfinite(estimate_hz)
    return _correlation(hz_to_midi(reference.f0_hz[both]), hz_to_midi(estimate_hz[both]))


def warped_pitch_correlation(reference: PitchTrack, estimate: PitchTrack) -> float:
    """Correlate two contours of one frame rate after aligning their voiced frames by dynamic time warping.

    The contours are aligned relative to their medians.  Returns the coefficient along the alignment as
    ``pitch_correlation`` does, 0 if the estimate is unvoiced; raises InputError if the reference is.
    """
    import librosa

    require_comparable(reference, estimate)
    a, b = (hz_to_midi(track.f0_hz[track.voiced]) for track in (reference, estimate))
    if not len(b):
        return 0.0
    # A band around the diagonal holds a path only if it is wider than the lengths differ.
    band = max(BAND, 1.5 * abs(len(a) - len(b)) / max(len(a), len(b)) + 2 / min(len(a), len(b)))
    costs = np.abs((a - np.median(a))[:, None] - (b - np.median(b)))
    _, path = librosa.sequence.dtw(C=costs, global_constraints=band < 1, band_rad=min(band, 1.0))
    return _correlation(a[path[:, 0]], b[path[:, 1]])


def piano_roll(track: PitchTrack) -> np.ndarray:
    """Round a contour to the nearest notes, shape (n_frames, 128), bool."""
    roll = np.zeros((len(track.times_s), N_NOTES), bool)
    midi = np.rint(hz_to_midi(track.f0_hz[track.voiced])).astype(int)
    inside = (midi >= 0) & (midi < N_NOTES)
    roll[np.flatnonzero(track.voiced)[inside], midi[inside]] = True
    return roll


def jaccard_distance(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Compute the Jaccard distance of two piano rolls, shape (n_frames, n_notes), bool.

    Returns 1 minus the notes in common over the notes in either, summed over the frames: 0 for equal rolls, 1 without
    a common note.  Raises InputError if the shapes differ, or neither roll has a note.
    """
    if reference.shape != estimate.shape or reference.ndim != 2:
        raise InputError(f"piano rolls of shapes {reference.shape} and {estimate.shape} cannot be compared")
    union = int((reference | estimate).sum())
    if not union:
        raise InputError("neither piano roll has a note")
    return 1 - int((reference & estimate).sum()) / union


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if len(a) < 2:
        return 0.0
    constant = [np.abs(x - x.mean()).max() < 0.5 for x in (a, b)]  # within a semitone
    if any(constant):
        return float(all(constant))
    return float(np.corrcoef(a, b)[0, 1])
