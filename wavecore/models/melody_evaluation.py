"""Evaluation of composers of melodies, LSTM and GAN: their samples beside held-out melodies, and what they copy."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wavecore.console.composer_evaluation import ComposerEvaluation, number
from wavecore.console.console import Console, plural
from wavecore.datasets.songs import SongsDataset, read_lines
from wavecore.metrics import histograms, novelty
from wavecore.models.gan import sample as gan_sampling
from wavecore.models.gan.model import GAN
from wavecore.models.lstm import sample as lstm_sampling
from wavecore.models.lstm.model import LSTM
from wavecore.models.lstm.train import bits_per_note
from wavecore.symbolic.note_sequence import NoteLine

GRAM = 8
"""Notes of a stretch that counts as copied, compared by the intervals and times between them."""
N_NOTES = 100
"""Of a melody that an LSTM composes, rests included."""
LONGEST_BEATS = 4
"""Longer durations are counted as this one in a histogram."""


def evaluate(
    network: LSTM | GAN,
    dataset: SongsDataset,
    *,
    seed: int,
    split: str = "test",
    n_samples: int = 64,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict:
    """Measure a network's samples beside held-out melodies.

    Returns
    -------
    dict
        JSON values, None for what cannot be measured: ``split``, ``n_pieces``, ``n_samples``; ``data`` and ``samples``,
        each with ``overlap`` of histograms with the split (of the data: with the training melodies),
        ``scale_consistency``, and the shares ``distinct_stretches`` and ``copied_stretches`` (copied from the training
        melodies, transposed or not); of an LSTM ``note_bits``, ``duration_bits`` and their sum, ``bits_per_note``, of
        the split.

    Raises
    ------
    InputError
        If a split holds no melodies.
    """
    config = network.config
    grid = {"steps_per_beat": config.steps_per_beat, "chords": getattr(config, "chords", False)}
    training, real = (read_lines(dataset, name, **grid) for name in ("train", split))
    measures = {"split": split, "n_pieces": len(real), "n_samples": n_samples}
    rng = np.random.default_rng(seed)
    if isinstance(network, LSTM):
        device = str(next(network.parameters()).device)
        notes, durations = bits_per_note(network, [np.stack(config.vocabulary.encode(line)) for line in real], device)
        measures |= {"bits_per_note": notes + durations, "note_bits": notes, "duration_bits": durations}
        samples = []
        for done in range(1, n_samples + 1):
            samples.append(lstm_sampling.compose(network, rng=rng, n_notes=N_NOTES))
            if on_progress is not None:
                on_progress(done, n_samples)
    else:
        # A GAN cannot generate what its features do not encode; the melodies are reduced to them.
        training, real = (
            [config.encoding.decode(config.encoding.encode(line, config.features)) for line in lines]
            for lines in (training, real)
        )
        samples = gan_sampling.generate(network, n_samples, rng)
        if on_progress is not None:
            on_progress(n_samples, n_samples)
    longest = LONGEST_BEATS * config.steps_per_beat
    return measures | {
        "data": _measure(real, training, training, longest),
        "samples": _measure(samples, real, training, longest),
    }


def _measure(
    lines: Sequence[NoteLine], others: Sequence[NoteLine], training: Sequence[NoteLine], longest: int
) -> dict[str, Any]:
    """Return the measures of lines, beside others."""
    counts, other_counts = (
        histograms.histograms([line.table()[:, :3] for line in some], longest=longest) for some in (lines, others)
    )
    moves = [_moves(line) for line in lines]
    return {
        "overlap": {name: _plain(value) for name, value in histograms.overlaps(counts, other_counts).items()},
        "scale_consistency": _plain(histograms.scale_consistency(counts["pitch_class"])),
        "distinct_stretches": _plain(novelty.distinct(gram for line in moves for gram in novelty.ngrams(line, GRAM))),
        "copied_stretches": _plain(novelty.copied_ngrams(moves, [_moves(line) for line in training], GRAM)),
    }


def _moves(line: NoteLine) -> list[tuple[int, int]]:
    """Return steps and semitones from note to note, which a transposition does not change."""
    return [tuple(move) for move in np.diff(line.table()[:, :2], axis=0).tolist()]


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


class EvaluateMelodies(ComposerEvaluation):
    """``wavecore evaluate symbolic`` for an LSTM or a GAN."""

    def run(self, args: argparse.Namespace, model: Any, dataset: Any, device: str, console: Console) -> dict:
        """Return the measures of ``evaluate``."""
        with console.progress("composing", unit="pieces") as show:
            return evaluate(
                model.network.to(device),
                dataset,
                seed=args.seed,
                split=args.split,
                n_samples=args.samples,
                on_progress=show,
            )

    def lines(self, model: Any, measures: dict) -> list[str]:
        """Return the measures as text."""
        lines = [f"{model.name}: {plural(measures['n_samples'], 'sample')} beside the {measures['split']} split"]
        if "bits_per_note" in measures:
            lines.append(
                f"  {measures['bits_per_note']:.3f} bits per note: {measures['note_bits']:.3f} of its pitch, "
                f"{measures['duration_bits']:.3f} of its duration"
            )
        names = ("scale_consistency", "distinct_stretches", "copied_stretches")
        for name in ("data", "samples"):
            overlaps = ", ".join(_shown(*item) for item in measures[name]["overlap"].items())
            rest = ", ".join(_shown(key, measures[name][key]) for key in names)
            lines.append(f"  {name:9}overlap: {overlaps}; {rest}")
        return lines


def _shown(name: str, value: float | None) -> str:
    return f"{name.replace('_', ' ')} {number(value)}"


EVALUATE = EvaluateMelodies()
