"""Evaluation of a MuseGAN: its phrases beside held-out ones, and what they copy.

``measure`` computes the published measures, which are to be compared with those of the data: none is better the higher
it is.  ``distance`` is one number by which the best of several models is chosen; the critics' own estimate cannot be,
since it moves with the critics.

References
----------
Dong, Hsiao, Yang and Yang, "MuseGAN: Multi-track Sequential Generative Adversarial Networks for Symbolic
Music Generation and Accompaniment", AAAI 2018, section 5.3.
Harte, Sandler and Gasser, "Detecting Harmonic Change in Musical Audio", AMCMM 2006: the tonal centroid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from wavecore.datasets.songs import SongsDataset
from wavecore.metrics import histograms, novelty
from wavecore.models.musegan import rolls
from wavecore.models.musegan.config import MuseGANConfig
from wavecore.models.musegan.data import PhraseStore
from wavecore.models.musegan.model import MuseGAN
from wavecore.models.musegan.sample import generate

N_CLASSES = 12
BESIDE = 0.1
"""Weight of a stroke one step beside the pattern."""
RADII = (1.0, 1.0, 0.5)
"""Of the circles of fifths, minor thirds and major thirds."""
MOST_VOICES = 8
"""More simultaneous notes of a track are counted as this number."""
SIMILARITY_BINS = 5
GRAM = 8
"""Notes of a stretch that counts as copied, compared by the intervals and times between them."""


def evaluate(
    network: MuseGAN,
    dataset: SongsDataset,
    *,
    seed: int,
    split: str = "test",
    n_phrases: int = 512,
    method: str = "threshold",
    on_progress: Callable[[int, int], None] | None = None,
) -> dict:
    """Measure a network's phrases beside as many held-out ones, whose given track they have.

    Returns
    -------
    dict
        JSON values, None for what cannot be measured: ``split``, ``n_phrases``, ``binarise``; ``data`` and ``samples``,
        each with ``tracks`` (the measures of each), ``tonal_distance`` of pairs, ``distance`` in bits to the split and
        ``overlap`` of histograms with it, over all pitched tracks (of the data: to and with the training split), and
        the shares ``distinct_bars``, ``copied_bars`` and ``copied_stretches`` (copied from training, transposed or
        not).

    Raises
    ------
    InputError
        If a split holds no phrases for the network.
    """
    config = network.config
    training, store = PhraseStore(dataset, "train", config), PhraseStore(dataset, split, config)
    real = store.evenly(n_phrases)
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((len(real), len(config.noise_rows), config.noise), np.float32)
    given = real[..., config.given_index] if config.given else None
    samples = generate(network, noise, given=given, method=method, rng=rng, on_progress=on_progress)
    known_bars = {key for piece in training.pieces() for key in novelty.bar_keys(piece, config.drums)}
    known_lines = [_moves(line) for line in _lines(training.pieces(), config)]
    measures = {"split": split, "n_phrases": len(real), "binarise": method}
    for name, phrases, other in (("data", real, training.evenly(n_phrases)), ("samples", samples, real)):
        keys = novelty.bar_keys(phrases.reshape(-1, *config.shape[1:]), config.drums)
        moves = [_moves(line) for line in _lines(phrases, config)]
        measures[name] = _published(phrases, config) | {
            "distance": _plain(distance(phrases, other, config)),
            "overlap": {key: _plain(value) for key, value in _overlaps(phrases, other, config).items()},
            "distinct_bars": _plain(novelty.distinct(keys)),
            "copied_bars": _plain(novelty.copied(keys, known_bars)),
            "copied_stretches": _plain(novelty.copied_ngrams(moves, known_lines, GRAM)),
        }
    return measures


def _published(phrases: np.ndarray, config: MuseGANConfig) -> dict:
    """Return the published measures by track and pair of tracks."""
    measures = measure(phrases, lowest=config.lowest, beats=config.beats, drums=config.drums)
    names = ("empty_bars", "pitch_classes", "qualified_notes", "drum_pattern")
    labels = [track.label for track in config.tracks]
    return {
        "tracks": {
            label: {name: _plain(getattr(measures, name)[number]) for name in names}
            for number, label in enumerate(labels)
        },
        "tonal_distance": {
            f"{labels[one]}/{labels[other]}": _plain(measures.tonal_distance[one, other])
            for one in range(len(labels))
            for other in range(one + 1, len(labels))
        },
    }


def _overlaps(one: np.ndarray, other: np.ndarray, config: MuseGANConfig) -> dict[str, float]:
    """Return the overlaps of the histograms of two sets of phrases."""
    longest = config.bars * config.steps
    return histograms.overlaps(
        *(histograms.histograms(_lines(phrases, config), longest=longest) for phrases in (one, other))
    )


def _lines(pieces: Iterable[np.ndarray], config: MuseGANConfig) -> list[np.ndarray]:
    """Return the notes of every pitched track of every piece: rows of onset, pitch, duration in steps."""
    step = config.grid.ticks_per_beat // config.grid.steps_per_beat
    lines = []
    for piece in pieces:
        for part in rolls.to_song(piece, config.tracks, config.grid).parts:
            if not part.is_drum:
                rows = [(event.onset // step, event.pitch, event.duration // step) for event in part.events]
                lines.append(np.array(rows, np.int64).reshape(-1, 3))
    return lines


def _moves(line: np.ndarray) -> list[tuple[int, int]]:
    """Return steps and semitones from note to note, which a transposition does not change."""
    return [tuple(move) for move in np.diff(line[:, :2], axis=0).tolist()]


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


@dataclass(frozen=True)
class RollMeasures:
    """The published measures; NaN where there is nothing to measure.

    Attributes
    ----------
    empty_bars : ndarray, shape (M,), float64
        EB: share of silent bars, 0 to 1.
    pitch_classes : ndarray, shape (M,), float64
        UPC: different pitch classes of a bar, mean over the bars that sound, 1 to 12; NaN for drums.
    qualified_notes : ndarray, shape (M,), float64
        QN: share of notes of a 32nd or longer; NaN for drums.  On a grid no finer than that it is 1.
    drum_pattern : ndarray, shape (M,), float64
        DP: as of ``drum_pattern``; NaN for all but drums.
    tonal_distance : ndarray, shape (M, M), float64
        TD: distance between the tonal centroids of two tracks, mean over the beats in which both sound; symmetric, NaN
        for drums and on the diagonal.
    """

    empty_bars: np.ndarray
    pitch_classes: np.ndarray
    qualified_notes: np.ndarray
    drum_pattern: np.ndarray
    tonal_distance: np.ndarray


def measure(phrases: np.ndarray, *, lowest: int, beats: int, drums: Sequence[bool]) -> RollMeasures:
    """Measure phrases, shape (N, bars, steps, pitches, M), bool, from the MIDI number ``lowest`` on.

    Notes are unbroken runs; they go on over bar lines, but not from one phrase to the next.
    """
    n_tracks, steps_per_beat = phrases.shape[-1], phrases.shape[2] // beats
    sounding = phrases.any(axis=(2, 3))  # (N, bars, M)
    classes = np.full(n_tracks, np.nan)
    qualified, pattern = classes.copy(), classes.copy()
    distances = np.full((n_tracks, n_tracks), np.nan)
    centroids = {}
    for track in range(n_tracks):
        roll = phrases[..., track]
        if drums[track]:
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
            between = np.linalg.norm(here - there, axis=1)
            between = between[~np.isnan(between)]
            distances[one, other] = between.mean() if len(between) and one != other else np.nan
    return RollMeasures(1 - sounding.mean(axis=(0, 1)), classes, qualified, pattern, distances)


def fold(roll: np.ndarray, *, lowest: int) -> np.ndarray:
    """Count the sounding pitches of each class from C on: (..., pitches), bool, to (..., 12), int64."""
    classes = (lowest + np.arange(roll.shape[-1])) % N_CLASSES
    return roll.astype(np.float32).dot(np.eye(N_CLASSES, dtype=np.float32)[classes]).astype(np.int64)


def note_lengths(roll: np.ndarray) -> np.ndarray:
    """Return the lengths in steps, shape (n_notes,), of one track's notes, shape (N, bars, steps, pitches)."""
    lines = np.moveaxis(roll, -1, 1).reshape(-1, roll.shape[1] * roll.shape[2])
    edges = np.diff(lines.astype(np.int8), axis=1, prepend=np.int8(0), append=np.int8(0))
    # Beginnings and ends alternate along a line, so the n-th of each belong together.
    return np.nonzero(edges < 0)[1] - np.nonzero(edges > 0)[1]


def onsets(roll: np.ndarray) -> np.ndarray:
    """Return the first cells of one track's notes, shape (N, bars, steps, pitches), bool."""
    lines = roll.reshape(len(roll), -1, roll.shape[-1])
    first = lines.copy()
    first[:, 1:] &= ~lines[:, :-1]
    return first.reshape(roll.shape)


def drum_pattern(roll: np.ndarray, *, steps_per_beat: int) -> float:
    """Return the share of strokes (N, bars, steps, pitches) on a pattern; one a step beside it counts a tenth.

    The pattern is one of sixteenths, of eighths on a grid that has none finer than sixteenths, else of triplets or of
    all steps.
    """
    parts = next(
        (parts for parts in (4, 2, 3) if steps_per_beat % parts == 0 and steps_per_beat > parts), steps_per_beat
    )
    period = steps_per_beat // parts
    position = np.arange(roll.shape[2]) % period
    weights = np.where(position == 0, 1.0, np.where((position == 1) | (position == period - 1), BESIDE, 0.0))
    strokes = roll.sum(axis=(0, 1, 3))
    return float(strokes @ weights / strokes.sum()) if strokes.any() else float("nan")


def tonal_centroid(chroma: np.ndarray) -> np.ndarray:
    """Map chroma (n, 12) from C on to the space, (n, 6), in which fifths and thirds are near; NaN for silence."""
    steps = np.arange(N_CLASSES) * np.pi
    angles = [steps * 7 / 6, steps * 3 / 2, steps * 2 / 3]
    basis = np.stack(
        [r * turn(angle) for r, angle in zip(RADII, angles, strict=True) for turn in (np.sin, np.cos)], axis=1
    )
    total = chroma.sum(axis=1, keepdims=True).astype(np.float64)
    return np.divide(chroma, total, out=np.full(chroma.shape, np.nan), where=total > 0) @ basis


def distance(one: np.ndarray, other: np.ndarray, config: MuseGANConfig) -> float:
    """Return the mean divergence, in bits, 0 to 1, of the counts of two sets of phrases.

    Finite sets of the same music are not at 0, the less so the smaller they are.
    """
    counts, others = (count(phrases, lowest=config.lowest, drums=config.drums) for phrases in (one, other))
    return float(np.nanmean([histograms.divergence(counts[name], others[name]) for name in counts]))


def count(phrases: np.ndarray, *, lowest: int, drums: Sequence[bool]) -> dict[str, np.ndarray]:
    """Count what occurs in phrases, shape (N, bars, steps, pitches, M), bool.

    Returns
    -------
    dict of str to ndarray, float64
        Of every track ``pitch/m``: onsets by pitch; ``step/m``: onsets by step of the bar; ``voices/m``: steps by
        simultaneous notes; ``kept/m``: neighbouring bars by the share of their cells that they have in common.  Of all
        but drums ``length/m``: notes by steps, those of a bar and more together; ``classes/m``: bars by pitch classes.
        Of pairs of these ``interval/m/n``: differences of pitch classes wherever both sound.
    """
    n_steps = phrases.shape[2]
    counts, folded = {}, {}
    for track, is_drum in enumerate(drums):
        roll = phrases[..., track]
        begun = roll if is_drum else onsets(roll)
        counts[f"pitch/{track}"] = begun.sum(axis=(0, 1, 2)).astype(np.float64)
        counts[f"step/{track}"] = begun.sum(axis=(0, 1, 3)).astype(np.float64)
        counts[f"voices/{track}"] = _histogram(np.minimum(roll.sum(axis=-1), MOST_VOICES), MOST_VOICES + 1)
        counts[f"kept/{track}"] = _histogram(_similarity(roll), SIMILARITY_BINS)
        if not is_drum:
            folded[track] = fold(roll, lowest=lowest) > 0
            counts[f"length/{track}"] = _histogram(np.minimum(note_lengths(roll), n_steps) - 1, n_steps)
            counts[f"classes/{track}"] = _histogram(folded[track].any(axis=2).sum(axis=-1), N_CLASSES + 1)
    tracks = list(folded)
    for index, one in enumerate(tracks):
        for other in tracks[index + 1 :]:
            counts[f"interval/{one}/{other}"] = _intervals(folded[one], folded[other])
    return counts


def _histogram(values: np.ndarray, n: int) -> np.ndarray:
    return np.bincount(values.ravel(), minlength=n).astype(np.float64)


def _similarity(roll: np.ndarray) -> np.ndarray:
    """Return the bin of the share of cells common to a bar and the next, (N, bars - 1); silent bars share all."""
    before, after = roll[:, :-1], roll[:, 1:]
    common, either = (cells.sum(axis=(2, 3)) for cells in (before & after, before | after))
    share = np.where(either > 0, common / np.maximum(either, 1), 1.0)
    return np.minimum((share * SIMILARITY_BINS).astype(np.int64), SIMILARITY_BINS - 1)


def _intervals(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Count semitones from a class of one track up to one of another, 0 to 11, wherever both sound."""
    together = one.reshape(-1, N_CLASSES).astype(np.float64).T @ other.reshape(-1, N_CLASSES)
    upwards = (np.arange(N_CLASSES) - np.arange(N_CLASSES)[:, None]) % N_CLASSES
    return np.bincount(upwards.ravel(), weights=together.ravel(), minlength=N_CLASSES)
