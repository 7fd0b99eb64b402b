"""Judging a MuseNet: what it says of held-out music beside counting, and whether its styles differ as the data's do."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from wavecore.datasets.songs import SongsDataset
from wavecore.metrics.histograms import divergence
from wavecore.models.musenet.data import prepare
from wavecore.models.musenet.measures import bits_per_token, count_baselines, draw_windows
from wavecore.models.musenet.model import MuseNet
from wavecore.models.musenet.sample import Wish, generate
from wavecore.models.musenet.tokens import DRUMS, N_PITCHES, TICKS_PER_BEAT, begins_note, player
from wavecore.symbolic.instruments import INSTRUMENTS

WINDOWS = 16
"""Of each style, that are measured."""
BEATS = 32
"""Of a piece that is written."""


def evaluate(
    network: MuseNet,
    dataset: SongsDataset,
    *,
    seed: int,
    split: str = "test",
    n_samples: int = 8,
    temperature: float = 1.0,
    told: Callable[[int, int], None] | None = None,
) -> dict:
    """Measure a network.

    Parameters
    ----------
    network : MuseNet
        In evaluation mode, on any device.
    dataset : SongsDataset
        Of the network's styles.
    seed : int
        Of what is written.
    split : {"valid", "test"}
    n_samples : int
        Pieces to write in each style; without any none is.
    told : callable, optional
        Called with (pieces written, pieces in all).

    Returns
    -------
    dict
        ``split``, ``n_windows``, ``bits_per_token``, ``unigram_bits``, ``bigram_bits``; and if pieces were written ``styles``: of each,
        for ``data`` (the split's) and ``samples``, shares of ``pitch_classes`` (12, from C on) and of ``instruments`` among the notes; ``apart``:
        for each pair of styles and both statistics the divergence in bits, of the data and of the samples.

    Raises
    ------
    InputError
        If a split has no music for the network.
    """
    config = network.config
    pieces = {name: prepare(dataset.pieces[name]) for name in ("train", split)}
    held_out = draw_windows(pieces[split], config.vocabulary, config.context, WINDOWS)
    device = str(next(network.parameters()).device)
    found = {
        "split": split,
        "n_windows": len(held_out.tokens),
        "bits_per_token": bits_per_token(network, held_out, device),
    }
    found |= count_baselines(pieces["train"], held_out)
    if not n_samples:
        return found
    styles = [style for style in config.styles if any(piece.style == style for piece in pieces[split])]
    rng, told_of = np.random.default_rng(seed), {}
    for number, style in enumerate(styles):
        written = generate(
            network, Wish(BEATS * TICKS_PER_BEAT, style), rng=rng, n_samples=n_samples, temperature=temperature
        )
        real = [piece.body for piece in pieces[split] if piece.style == style]
        told_of[style] = {"data": _counts(real), "samples": _counts(written)}
        if told is not None:
            told((number + 1) * n_samples, len(styles) * n_samples)
    pairs = [(one, other) for one in range(len(styles)) for other in range(one + 1, len(styles))]
    apart = {
        f"{styles[one]}/{styles[other]}": _apart(told_of[styles[one]], told_of[styles[other]]) for one, other in pairs
    }
    return found | {"styles": {style: _shares(counts) for style, counts in told_of.items()}, "apart": apart}


def _counts(bodies: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """How often notes of each pitch class, drums left out, and of each instrument begin."""
    tokens = np.concatenate([np.asarray(body, np.int64) for body in bodies])
    notes = tokens[begins_note(tokens)]
    pitched = notes[notes < DRUMS] % N_PITCHES % 12
    return {
        "pitch_classes": np.bincount(pitched, minlength=12),
        "instruments": np.bincount(player(notes), minlength=len(INSTRUMENTS)),
    }


def _apart(one: dict, other: dict) -> dict:
    """How far two styles are apart in the data, and in what was written."""
    return {
        statistic: {
            of: _finite(divergence(one[of][statistic].astype(float), other[of][statistic].astype(float)))
            for of in ("data", "samples")
        }
        for statistic in ("pitch_classes", "instruments")
    }


def _shares(counts: dict) -> dict:
    """Counts as shares; instruments by name, those that play."""
    found = {}
    for of, statistics in counts.items():
        classes, players = (
            statistics[name] / max(1, statistics[name].sum()) for name in ("pitch_classes", "instruments")
        )
        found[of] = {
            "pitch_classes": classes.tolist(),
            "instruments": {name: share for name, share in zip(INSTRUMENTS, players.tolist(), strict=True) if share},
        }
    return found


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
