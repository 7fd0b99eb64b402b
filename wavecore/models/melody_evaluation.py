"""Judging composers of one line, an LSTM or a GAN: what they write beside held-out melodies, and what they copy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from wavecore.datasets.songs import SongsDataset, read_lines
from wavecore.metrics import histograms, novelty
from wavecore.models.gan import sample as gan_sampling
from wavecore.models.gan.model import GAN
from wavecore.models.lstm import sample as sequence_sampling
from wavecore.models.lstm.model import LSTM
from wavecore.models.lstm.train import bits_per_note
from wavecore.symbolic.note_sequence import NoteLine

GRAM = 8
"""Notes of a stretch that counts as copied, told by the intervals and the times between them."""
N_NOTES = 100
"""Of a melody that an LSTM writes, rests among them."""
LONGEST_BEATS = 4
"""What lasts longer counts as that in a histogram."""


def evaluate(
    network: LSTM | GAN,
    dataset: SongsDataset,
    *,
    seed: int,
    split: str = "test",
    n_samples: int = 64,
    temperature: float = 1.0,
    told: Callable[[int, int], None] | None = None,
) -> dict:
    """Measure what a network writes beside held-out melodies.

    Parameters
    ----------
    network : LSTM or GAN
        In evaluation mode.
    seed : int
        Of what is written.
    split : {"valid", "test"}
    n_samples : int
        Melodies to write.
    temperature : float
        Of an LSTM's draws.
    told : callable, optional
        Called with (melodies written, melodies in all).

    Returns
    -------
    dict
        As JSON has it, None for what cannot be measured: ``split``, ``n_pieces``, ``n_samples``; ``data`` and ``samples``, each with ``overlap``
        of histograms with the split (of the data: of the training melodies), ``scale_consistency``, ``distinct_stretches`` and
        ``copied_stretches`` (shares; copied from training, transposed or not); of an LSTM ``note_bits``, ``duration_bits`` and their sum,
        ``bits_per_note``, of the split.

    Raises
    ------
    InputError
        If a split holds no melodies.
    """
    config = network.config
    chords = getattr(config, "chords", False)
    training, real = (
        read_lines(dataset, name, steps_per_beat=config.steps_per_beat, chords=chords) for name in ("train", split)
    )
    rng = np.random.default_rng(seed)
    found: dict = {"split": split, "n_pieces": len(real), "n_samples": n_samples}
    if isinstance(network, LSTM):
        device = str(next(network.parameters()).device)
        notes, durations = bits_per_note(network, [np.stack(config.vocabulary.encode(line)) for line in real], device)
        found |= {"bits_per_note": notes + durations, "note_bits": notes, "duration_bits": durations}
        written = []
        for number in range(n_samples):
            written.append(sequence_sampling.compose(network, rng=rng, n_notes=N_NOTES, temperature=temperature))
            if told is not None:
                told(number + 1, n_samples)
    else:
        # What a GAN cannot write is not held against it: real melodies are read as it would.
        training, real = (
            [config.scale.decode(config.scale.encode(line, config.features)) for line in lines]
            for lines in (training, real)
        )
        written = gan_sampling.sequences(network, n_samples, rng)
        if told is not None:
            told(n_samples, n_samples)
    longest = LONGEST_BEATS * config.steps_per_beat
    return found | {
        "data": _measures(real, training, training, longest),
        "samples": _measures(written, real, training, longest),
    }


def _measures(
    lines: Sequence[NoteLine], others: Sequence[NoteLine], training: Sequence[NoteLine], longest: int
) -> dict:
    """What some lines are like, and how like others."""
    counts, theirs = (
        histograms.histograms([line.table()[:, :3] for line in some], longest=longest) for some in (lines, others)
    )
    moves = [_moves(line) for line in lines]
    return {
        "overlap": {name: _plain(value) for name, value in histograms.overlaps(counts, theirs).items()},
        "scale_consistency": _plain(histograms.scale_consistency(counts["pitch_class"])),
        "distinct_stretches": _plain(novelty.distinct(gram for line in moves for gram in novelty.ngrams(line, GRAM))),
        "copied_stretches": _plain(novelty.copied_ngrams(moves, [_moves(line) for line in training], GRAM)),
    }


def _moves(line: NoteLine) -> list[tuple[int, int]]:
    """From note to note: steps and semitones, which a transposition leaves as they are."""
    return [tuple(move) for move in np.diff(line.table()[:, :2], axis=0).tolist()]


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
