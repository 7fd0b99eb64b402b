"""What MuseGAN's authors measure of piano rolls, track by track and between tracks.

These are to be put beside those of the data; none is better the higher it is.

References
----------
Dong, Hsiao, Yang and Yang, "MuseGAN: Multi-track Sequential Generative Adversarial Networks for Symbolic
Music Generation and Accompaniment", AAAI 2018, section 5.3.
Harte, Sandler and Gasser, "Detecting Harmonic Change in Musical Audio", AMCMM 2006: the tonal centroid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wavecore.errors import InputError

N_CLASSES = 12
BESIDE = 0.1
"""What a stroke counts that lies a step beside the pattern."""
RADII = (1.0, 1.0, 0.5)
"""Of the circles of fifths, minor thirds and major thirds."""


@dataclass(frozen=True)
class RollMeasures:
    """Measures of rolls; NaN where there was nothing to measure.

    Attributes
    ----------
    empty_bars : ndarray, shape (M,), float64
        EB: share of a track's bars in which nothing sounds, 0 to 1.
    pitch_classes : ndarray, shape (M,), float64
        UPC: different pitch classes in a bar, the mean over bars that are not empty, 1 to 12; NaN for drums.
    qualified_notes : ndarray, shape (M,), float64
        QN: share of notes that last a 32nd or longer; NaN for drums.  On a grid no finer than that it is 1.
    drum_pattern : ndarray, shape (M,), float64
        DP: share of strokes on a pattern of sixteenths, or of eighths on a grid that has none finer than sixteenths; a stroke one step
        beside it counts a tenth.  NaN for all but drums.
    tonal_distance : ndarray, shape (M, M), float64
        TD: between the tonal centroids of two tracks in a beat, the mean over beats in which both sound; symmetric, NaN for drums and
        on the diagonal.
    """

    empty_bars: np.ndarray
    pitch_classes: np.ndarray
    qualified_notes: np.ndarray
    drum_pattern: np.ndarray
    tonal_distance: np.ndarray


def measure(phrases: np.ndarray, *, lowest: int, beats: int, drums: Sequence[bool]) -> RollMeasures:
    """Measure phrases.

    Parameters
    ----------
    phrases : ndarray, shape (N, bars, steps, pitches, M), bool
        Notes are unbroken runs; they do not go on from one phrase to the next, but over bar lines within one.
    lowest : int
        MIDI number of the first pitch.
    beats : int
        Quarter notes of a bar; they divide the steps.

    Raises
    ------
    InputError
        If there are no phrases, or shapes do not fit.
    """
    phrases = check(phrases, drums)
    n_tracks, steps_per_beat = phrases.shape[-1], phrases.shape[2] // beats
    if beats < 1 or phrases.shape[2] % beats:
        raise InputError(
            f"a bar of {beats} beats has {phrases.shape[2]} steps; whole numbers of steps to a beat are needed"
        )
    pitched = ~np.asarray(drums, bool)
    sounding = phrases.any(axis=(2, 3))  # (N, bars, M)
    classes = np.full(n_tracks, np.nan)
    qualified, pattern = classes.copy(), classes.copy()
    distances = np.full((n_tracks, n_tracks), np.nan)
    centroids = {}
    for track in range(n_tracks):
        roll = phrases[..., track]
        if not pitched[track]:
            pattern[track] = drum_pattern(roll, steps_per_beat=steps_per_beat)
            continue
        chroma = fold(roll, lowest=lowest)  # (N, bars, steps, 12)
        used = chroma.any(axis=2).sum(axis=-1)[sounding[..., track]]
        lengths = note_lengths(roll)
        classes[track] = used.mean() if len(used) else np.nan
        # A beat has as many 32nds as eight.
        qualified[track] = np.mean(8 * lengths >= steps_per_beat) if len(lengths) else np.nan
        centroids[track] = tonal_centroid(chroma.reshape(-1, steps_per_beat, N_CLASSES).sum(axis=1))
    for one, here in centroids.items():
        for other, there in centroids.items():
            apart = np.linalg.norm(here - there, axis=1)
            apart = apart[~np.isnan(apart)]
            distances[one, other] = apart.mean() if len(apart) and one != other else np.nan
    return RollMeasures(1 - sounding.mean(axis=(0, 1)), classes, qualified, pattern, distances)


def check(phrases: np.ndarray, drums: Sequence[bool]) -> np.ndarray:
    """Refuse what are no phrases.

    Parameters
    ----------
    phrases : array_like, shape (N, bars, steps, pitches, M), bool

    Returns
    -------
    ndarray, shape (N, bars, steps, pitches, M), bool

    Raises
    ------
    InputError
        If they have another shape or type, or hold nothing.
    """
    phrases = np.asarray(phrases)
    if phrases.ndim != 5 or not phrases.size or phrases.dtype != bool or len(drums) != phrases.shape[-1]:
        raise InputError(
            f"phrases have shape {phrases.shape}, type {phrases.dtype}, and {len(drums)} tracks are told of; "
            "(phrases, bars, steps, pitches, tracks) of bool is needed"
        )
    return phrases


def fold(roll: np.ndarray, *, lowest: int) -> np.ndarray:
    """Fold pitches over octaves.

    Parameters
    ----------
    roll : ndarray, shape (..., pitches), bool
    lowest : int
        MIDI number of the first pitch.

    Returns
    -------
    ndarray, shape (..., 12), int64
        How many pitches of a class sound, from C on.
    """
    classes = (lowest + np.arange(roll.shape[-1])) % N_CLASSES
    return roll.astype(np.float32).dot(np.eye(N_CLASSES, dtype=np.float32)[classes]).astype(np.int64)


def note_lengths(roll: np.ndarray) -> np.ndarray:
    """Measure the notes of one track.

    Parameters
    ----------
    roll : ndarray, shape (N, bars, steps, pitches), bool

    Returns
    -------
    ndarray, shape (n_notes,), int64
        Steps, pitch after pitch.
    """
    lines = np.moveaxis(roll, -1, 1).reshape(-1, roll.shape[1] * roll.shape[2])
    edges = np.diff(lines.astype(np.int8), axis=1, prepend=np.int8(0), append=np.int8(0))
    # Beginnings and ends alternate along a line, so the n-th of each belong together.
    return np.nonzero(edges < 0)[1] - np.nonzero(edges > 0)[1]


def onsets(roll: np.ndarray) -> np.ndarray:
    """Find where the notes of one track begin.

    Parameters
    ----------
    roll : ndarray, shape (N, bars, steps, pitches), bool

    Returns
    -------
    ndarray, shape (N, bars, steps, pitches), bool
    """
    lines = roll.reshape(len(roll), -1, roll.shape[-1])
    begun = lines.copy()
    begun[:, 1:] &= ~lines[:, :-1]
    return begun.reshape(roll.shape)


def drum_pattern(roll: np.ndarray, *, steps_per_beat: int) -> float:
    """Measure how many strokes lie on a pattern.

    Parameters
    ----------
    roll : ndarray, shape (N, bars, steps, pitches), bool
        Every lit cell is a stroke.

    Returns
    -------
    float
        DP as ``RollMeasures`` says; where a beat has neither fourths nor halves of several steps the pattern is one of triplets, or of
        every step.
    """
    parts = next(
        (parts for parts in (4, 2, 3) if steps_per_beat % parts == 0 and steps_per_beat > parts), steps_per_beat
    )
    period = steps_per_beat // parts
    place = np.arange(roll.shape[2]) % period
    worth = np.where(place == 0, 1.0, np.where((place == 1) | (place == period - 1), BESIDE, 0.0))
    strokes = roll.sum(axis=(0, 1, 3))
    return float(strokes @ worth / strokes.sum()) if strokes.any() else float("nan")


def tonal_centroid(chroma: np.ndarray) -> np.ndarray:
    """Place chroma in the space in which fifths and thirds lie near.

    Parameters
    ----------
    chroma : ndarray, shape (n, 12), integer or float
        From C on.

    Returns
    -------
    ndarray, shape (n, 6), float64
        NaN where nothing sounds.
    """
    steps = np.arange(N_CLASSES) * np.pi
    angles = [steps * 7 / 6, steps * 3 / 2, steps * 2 / 3]
    basis = np.stack(
        [r * turn(angle) for r, angle in zip(RADII, angles, strict=True) for turn in (np.sin, np.cos)], axis=1
    )
    total = chroma.sum(axis=1, keepdims=True).astype(np.float64)
    return np.divide(chroma, total, out=np.full(chroma.shape, np.nan), where=total > 0) @ basis
