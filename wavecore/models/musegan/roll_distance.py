"""How far written phrases are from real ones: one number, by which the best of several models can be told.

A critic's own estimate cannot say it: it belongs to one critic, and moves with it.  Instead, a number of
simple things are counted in both sets, and the divergences of the counts, in bits, are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wavecore.metrics.histograms import divergence
from wavecore.models.musegan.roll_metrics import N_CLASSES, check, fold, note_lengths, onsets

MOST_VOICES = 8
"""Notes of a track at once; more count as that."""
LIKENESS_BINS = 5


def profile(phrases: np.ndarray, *, lowest: int, drums: Sequence[bool]) -> dict[str, np.ndarray]:
    """Count what phrases do.

    Parameters
    ----------
    phrases : ndarray, shape (N, bars, steps, pitches, M), bool
    lowest : int
        MIDI number of the first pitch.

    Returns
    -------
    dict of str to ndarray, float64
        Counts.  Of every track ``pitch/m``: onsets by pitch; ``step/m``: onsets by their place in the bar; ``voices/m``: notes at once, by
        step; ``kept/m``: how alike neighbouring bars are, by shared cells.  Of all but drums also ``length/m``: notes by steps, those of a
        bar and more together; ``classes/m``: pitch classes of a bar.  Of pairs of these ``interval/m/n``: pitch classes apart, wherever
        both sound.

    Raises
    ------
    InputError
        As of ``rolls.check``.
    """
    phrases = check(phrases, drums)
    n_steps = phrases.shape[2]
    found, folded = {}, {}
    for track, is_drum in enumerate(drums):
        roll = phrases[..., track]
        begun = roll if is_drum else onsets(roll)
        found[f"pitch/{track}"] = begun.sum(axis=(0, 1, 2)).astype(np.float64)
        found[f"step/{track}"] = begun.sum(axis=(0, 1, 3)).astype(np.float64)
        found[f"voices/{track}"] = _counts(np.minimum(roll.sum(axis=-1), MOST_VOICES), MOST_VOICES + 1)
        found[f"kept/{track}"] = _counts(_likeness(roll), LIKENESS_BINS)
        if not is_drum:
            folded[track] = fold(roll, lowest=lowest) > 0
            found[f"length/{track}"] = _counts(np.minimum(note_lengths(roll), n_steps) - 1, n_steps)
            found[f"classes/{track}"] = _counts(folded[track].any(axis=2).sum(axis=-1), N_CLASSES + 1)
    tracks = list(folded)
    for place, one in enumerate(tracks):
        for other in tracks[place + 1 :]:
            found[f"interval/{one}/{other}"] = _intervals(folded[one], folded[other])
    return found


def distance(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """Say how far two sets of phrases are apart.

    Parameters
    ----------
    one, other : dict of str to ndarray
        As of ``profile``.

    Returns
    -------
    float
        Bits: the mean divergence of counts, 0 to 1.  Finite sets of the same music are not at 0, small ones less so.
    """
    apart = [divergence(counts, other[name]) for name, counts in one.items()]
    return float(np.nanmean(apart))


def _counts(values: np.ndarray, n: int) -> np.ndarray:
    return np.bincount(values.ravel(), minlength=n).astype(np.float64)


def _likeness(roll: np.ndarray) -> np.ndarray:
    """Of every bar and the next, (N, bars - 1): shared cells of those lit in either, from none, 0, to all, 4; of two silent bars all."""
    before, after = roll[:, :-1], roll[:, 1:]
    shared, either = (cells.sum(axis=(2, 3)) for cells in (before & after, before | after))
    share = np.where(either > 0, shared / np.maximum(either, 1), 1.0)
    return np.minimum((share * LIKENESS_BINS).astype(np.int64), LIKENESS_BINS - 1)


def _intervals(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How often a class of one track and one of another sound so many semitones apart, from 0 to 11 upwards."""
    together = one.reshape(-1, N_CLASSES).astype(np.float64).T @ other.reshape(-1, N_CLASSES)
    apart = (np.arange(N_CLASSES) - np.arange(N_CLASSES)[:, None]) % N_CLASSES
    return np.bincount(apart.ravel(), weights=together.ravel(), minlength=N_CLASSES)
