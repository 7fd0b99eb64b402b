"""Judging a MuseGAN: the measures of its field, of held-out phrases and of its own side by side, and what it copies."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from wavecore.datasets.songs import SongsDataset
from wavecore.metrics import histograms, novelty
from wavecore.models.musegan import roll_distance, rolls
from wavecore.models.musegan.config import MuseGANConfig
from wavecore.models.musegan.data import PhraseStore
from wavecore.models.musegan.model import MuseGAN
from wavecore.models.musegan.roll_metrics import RollMeasures, measure
from wavecore.models.musegan.sample import written_phrases

GRAM = 8
"""Notes of a stretch that counts as copied, told by the intervals and the times between them."""


def evaluate(
    network: MuseGAN,
    dataset: SongsDataset,
    *,
    seed: int,
    split: str = "test",
    n_phrases: int = 512,
    binarise: str = "threshold",
    told: Callable[[int, int], None] | None = None,
) -> dict:
    """Measure a network's phrases beside held-out ones.

    Parameters
    ----------
    network : MuseGAN
        In evaluation mode.
    seed : int
        Of the noise.
    split : {"valid", "test"}
    n_phrases : int
        At most, of each; as many as the split has.  A given track is that of the held-out phrases.
    binarise : {"threshold", "bernoulli", "likeliest"}
    told : callable, optional
        Called with (phrases written, phrases in all).

    Returns
    -------
    dict
        As JSON has it, None for what cannot be measured: ``split``, ``n_phrases``, ``binarise``; ``data`` and ``samples``, each with
        ``tracks`` (EB, UPC, QN and DP of each, as ``metrics.rolls`` names them), ``tonal_distance`` of pairs, ``distance`` in bits (of the
        data: from training to the split, which no model need go below), ``overlap`` of histograms with the split, over all pitched
        tracks, and ``distinct_bars``, ``copied_bars``, ``copied_stretches`` (shares; copied from training, transposed or not).

    Raises
    ------
    InputError
        If a split holds no phrases for the network.
    """
    config = network.config
    training, store = PhraseStore(dataset, "train", config), PhraseStore(dataset, split, config)
    real = store.spread(n_phrases)
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal((len(real), len(config.noise_rows), config.noise), np.float32)
    given = real[..., config.given_index] if config.given else None
    written = written_phrases(network, noise, given=given, binarise=binarise, rng=rng, on_progress=told)
    known_bars = {key for piece in training.pieces() for key in novelty.bar_keys(piece, config.drums)}
    known_lines = [_moves(line) for line in _lines(training.pieces(), config)]
    learnt = training.spread(n_phrases)
    found = {}
    for name, phrases, other in (("data", real, learnt), ("samples", written, real)):
        keys = novelty.bar_keys(phrases.reshape(-1, *config.shape[1:]), config.drums)
        found[name] = _measures(phrases, config) | {
            "distance": _plain(_distance(phrases, other, config)),
            "overlap": {key: _plain(value) for key, value in _overlaps(phrases, other, config).items()},
            "distinct_bars": _plain(novelty.distinct(keys)),
            "copied_bars": _plain(novelty.copied(keys, known_bars)),
            "copied_stretches": _plain(
                novelty.copied_ngrams([_moves(line) for line in _lines(phrases, config)], known_lines, GRAM)
            ),
        }
    return {"split": split, "n_phrases": len(real), "binarise": binarise} | found


def _measures(phrases: np.ndarray, config: MuseGANConfig) -> dict:
    """What MuseGAN's authors measure, by track and pair of tracks."""
    found: RollMeasures = measure(phrases, lowest=config.lowest, beats=config.beats, drums=config.drums)
    names = ("empty_bars", "pitch_classes", "qualified_notes", "drum_pattern")
    labels = [track.label for track in config.tracks]
    pairs = [(one, other) for one in range(len(labels)) for other in range(one + 1, len(labels))]
    return {
        "tracks": {
            label: {name: _plain(getattr(found, name)[number]) for name in names} for number, label in enumerate(labels)
        },
        "tonal_distance": {
            f"{labels[one]}/{labels[other]}": _plain(found.tonal_distance[one, other]) for one, other in pairs
        },
    }


def _distance(one: np.ndarray, other: np.ndarray, config: MuseGANConfig) -> float:
    profiles = (roll_distance.profile(phrases, lowest=config.lowest, drums=config.drums) for phrases in (one, other))
    return roll_distance.distance(*profiles)


def _overlaps(one: np.ndarray, other: np.ndarray, config: MuseGANConfig) -> dict[str, float]:
    longest = config.bars * config.steps
    return histograms.overlaps(
        *(histograms.histograms(_lines(phrases, config), longest=longest) for phrases in (one, other))
    )


def _lines(pieces: Iterable[np.ndarray], config: MuseGANConfig) -> list[np.ndarray]:
    """Notes of every pitched track of every piece: rows of onset, pitch, duration in steps."""
    step = config.grid.ticks_per_beat // config.grid.steps_per_beat
    lines = []
    for piece in pieces:
        for part in rolls.to_song(piece, config.tracks, config.grid).parts:
            if not part.is_drum:
                rows = [(event.onset // step, event.pitch, event.duration // step) for event in part.events]
                lines.append(np.array(rows, np.int64).reshape(-1, 3))
    return lines


def _moves(line: np.ndarray) -> list[tuple[int, int]]:
    """From note to note: steps and semitones, which a transposition leaves as they are."""
    return [tuple(move) for move in np.diff(line[:, :2], axis=0).tolist()]


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
