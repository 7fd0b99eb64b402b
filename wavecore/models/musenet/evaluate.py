"""Evaluation of a MuseNet: its likelihood beside that of token counts, and whether its styles differ as the data's do.

References
----------
MacKay and Peto, "A hierarchical Dirichlet language model", 1995: the smoothing of the bigram counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from wavecore.datasets.songs import SongsDataset
from wavecore.metrics.histograms import divergence
from wavecore.models.musenet.data import TokenPiece, Windows, draw_windows, sampling_weights, tokenize
from wavecore.models.musenet.model import MuseNet
from wavecore.models.musenet.sample import Request, generate
from wavecore.models.musenet.tokens import (
    DRUMS,
    N_PITCHES,
    START,
    TICKS_PER_BEAT,
    Vocabulary,
    instrument_numbers,
    is_onset,
)
from wavecore.symbolic.instruments import INSTRUMENTS
from wavecore.training import losses

VALIDATION_SEED = 1
WINDOWS = 16
"""Of each style, that are measured."""
ROWS = 4
"""Windows that are measured at once."""
BEATS = 32
"""Length of a sample."""
SMOOTHINGS = (1e-3, 1e-2, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)


def evaluate(
    network: MuseNet,
    dataset: SongsDataset,
    *,
    seed: int,
    split: str = "test",
    n_samples: int = 8,
    on_progress: Callable[[int, int], None] | None = None,
) -> dict:
    """Measure a network on held-out songs, and its samples in each of the data's styles.

    Parameters
    ----------
    network : MuseNet
        In evaluation mode, on any device.
    seed : int
        Of the samples.
    split : {"valid", "test"}
    n_samples : int
        In each style.
    on_progress : callable, optional
        Called with (samples done, samples in all).

    Returns
    -------
    dict
        ``split``, ``n_windows``, ``bits_per_token``, ``unigram_bits``, ``bigram_bits``; with samples ``styles``: of
        each, for ``data`` (the split's) and ``samples``, shares of ``pitch_classes`` (12, from C on) and of
        ``instruments`` among the notes; ``apart``: for each pair of styles and both statistics the divergence in bits,
        of the data and of the samples.

    Raises
    ------
    InputError
        If a split has no music for the network.
    """
    config = network.config
    pieces = {name: tokenize(dataset.pieces[name]) for name in ("train", split)}
    held_out = held_out_windows(pieces[split], config.vocabulary, config.context, WINDOWS)
    bits = bits_per_token(network, held_out, str(next(network.parameters()).device))
    measures = {"split": split, "n_windows": len(held_out.tokens), "bits_per_token": bits}
    measures |= count_baselines(pieces["train"], held_out)
    if not n_samples:
        return measures
    styles = [style for style in config.styles if any(piece.style == style for piece in pieces[split])]
    rng, counts = np.random.default_rng(seed), {}
    for number, style in enumerate(styles, 1):
        samples = generate(network, Request(BEATS * TICKS_PER_BEAT, style), rng=rng, n_samples=n_samples)
        data = [piece.body for piece in pieces[split] if piece.style == style]
        counts[style] = {"data": _counts(data), "samples": _counts(samples)}
        if on_progress is not None:
            on_progress(number * n_samples, len(styles) * n_samples)
    apart = {f"{one}/{other}": _divergences(counts[one], counts[other]) for one, other in combinations(styles, 2)}
    return measures | {"styles": {style: _shares(of_style) for style, of_style in counts.items()}, "apart": apart}


# Likelihood


def negative_log_likelihood(network: MuseNet, windows: Windows) -> Tensor:
    """Return the mean negative log-likelihood of the targets that are music, nats per token, shape ().

    In mixed windows the inputs are mixed, and both targets of a position count, each with its share.
    """
    vectors = network.tokens()
    x = network.embed(windows.tokens, windows.features, vectors)
    share = windows.share[:, None]
    targets, weights = [windows.targets], [share * windows.inside]
    if bool((share < 1).any()):
        x = share[..., None] * x + (1 - share[..., None]) * x.roll(1, 0)
        targets.append(windows.targets.roll(1, 0))
        weights.append((1 - share) * windows.inside.roll(1, 0))
    logits = network.logits(network.hidden(x), vectors)
    # One softmax over thousands of tokens serves both targets.
    log_probabilities = logits.log_softmax(dim=-1, dtype=torch.float32).gather(-1, torch.stack(targets, dim=-1))
    weight = torch.stack(weights, dim=-1)
    return (-log_probabilities * weight).sum() / weight.sum().clamp(min=1e-6)


def held_out_windows(pieces: Sequence[TokenPiece], vocabulary: Vocabulary, length: int, per_style: int) -> Windows:
    """Draw as many windows of each style, the same ones at every call."""
    rng = np.random.default_rng(VALIDATION_SEED)
    drawn: list[TokenPiece] = []
    for style in sorted({piece.style for piece in pieces}):
        of_style = [piece for piece in pieces if piece.style == style]
        drawn += [of_style[n] for n in rng.choice(len(of_style), per_style, p=sampling_weights(of_style))]
    return draw_windows(drawn, vocabulary, length, rng)


@torch.no_grad()
def bits_per_token(network: MuseNet, held_out: Windows, device: str) -> float:
    """Return the mean negative log-likelihood of windows in bits; the network is in evaluation mode."""
    network, total, count = network.to(device), 0.0, 0
    for begin in range(0, len(held_out.tokens), ROWS):
        part = {name: getattr(held_out, name)[begin : begin + ROWS] for name in Windows.__dataclass_fields__}
        windows = replace(held_out, **part).to(torch.device(device))
        n_tokens = int(windows.inside.sum())
        total, count = total + float(negative_log_likelihood(network, windows)) * n_tokens, count + n_tokens
    return losses.bits(total / count)


# Token counts


def count_baselines(train: Sequence[TokenPiece], held_out: Windows) -> dict[str, float]:
    """Return ``unigram_bits`` and ``bigram_bits``: bits per token of the same windows by counts of training tokens."""
    start = np.array([START])
    windows = zip(held_out.targets.numpy(), held_out.inside.numpy(), strict=True)
    measured = [np.concatenate([start, targets[inside]]) for targets, inside in windows]
    known = [np.concatenate([start, piece.body]).astype(np.int64) for piece in train]
    return {
        "unigram_bits": unigram(known, measured, START + 1)[0],
        "bigram_bits": bigram(known, measured, START + 1)[0],
    }


def unigram(train: Sequence[np.ndarray], held_out: Sequence[np.ndarray], n_tokens: int) -> tuple[float, float]:
    """Measure sequences by how often each token occurs.

    Returns
    -------
    bits : float
        Per token, the first of each sequence left out.
    smoothing : float
        Of ``SMOOTHINGS`` the one of fewest bits, in the baseline's favour; it is added to every count.
    """
    counts, targets = _token_counts(train, n_tokens), np.concatenate([one[1:] for one in held_out])
    return min((_bits(_probabilities(counts, smoothing)[targets]), smoothing) for smoothing in SMOOTHINGS)


def bigram(train: Sequence[np.ndarray], held_out: Sequence[np.ndarray], n_tokens: int) -> tuple[float, float]:
    """Measure sequences by how often each token follows the one before.

    Result as of ``unigram``; ``smoothing`` is added to the count of a token, distributed as ``unigram`` predicts.
    """
    base = _probabilities(_token_counts(train, n_tokens), unigram(train, held_out, n_tokens)[1])
    pairs, times = np.unique(np.concatenate([_pairs(one, n_tokens) for one in train]), return_counts=True)
    followed = np.bincount(pairs // n_tokens, weights=times, minlength=n_tokens)
    asked = np.concatenate([_pairs(one, n_tokens) for one in held_out])
    index = np.minimum(np.searchsorted(pairs, asked), len(pairs) - 1)
    seen = np.where(pairs[index] == asked, times[index], 0)
    before, expected = followed[asked // n_tokens], base[asked % n_tokens]
    return min((_bits((seen + s * expected) / (before + s)), s) for s in SMOOTHINGS)


def _token_counts(sequences: Sequence[np.ndarray], n_tokens: int) -> np.ndarray:
    return np.bincount(np.concatenate([one[1:] for one in sequences]), minlength=n_tokens)


def _probabilities(counts: np.ndarray, smoothing: float) -> np.ndarray:
    return (counts + smoothing) / (counts.sum() + smoothing * len(counts))


def _pairs(sequence: np.ndarray, n_tokens: int) -> np.ndarray:
    """Return each pair of successive tokens as one number."""
    sequence = np.asarray(sequence, np.int64)
    return sequence[:-1] * n_tokens + sequence[1:]


def _bits(probabilities: np.ndarray) -> float:
    return float(-np.log(probabilities).mean()) / math.log(2.0)


# Styles


def _counts(bodies: Iterable[np.ndarray]) -> dict[str, np.ndarray]:
    """Count the notes of each pitch class, without drums, and of each instrument."""
    tokens = np.concatenate([np.asarray(body, np.int64) for body in bodies])
    notes = tokens[is_onset(tokens)]
    pitched = notes[notes < DRUMS] % N_PITCHES % 12
    return {
        "pitch_classes": np.bincount(pitched, minlength=12),
        "instruments": np.bincount(instrument_numbers(notes), minlength=len(INSTRUMENTS)),
    }


def _divergences(one: dict, other: dict) -> dict[str, dict[str, float | None]]:
    """Return by statistic how far two styles are apart in the data and in samples, bits; None without notes."""

    def bits(source: str, statistic: str) -> float | None:
        value = divergence(*(style[source][statistic].astype(float) for style in (one, other)))
        return float(value) if np.isfinite(value) else None

    return {
        statistic: {source: bits(source, statistic) for source in ("data", "samples")}
        for statistic in ("pitch_classes", "instruments")
    }


def _shares(counts: dict) -> dict:
    """Return counts as shares; instruments by name, those that play."""
    shares = {}
    for source, statistics in counts.items():
        classes, instruments = (
            statistics[name] / max(1, statistics[name].sum()) for name in ("pitch_classes", "instruments")
        )
        played = {name: share for name, share in zip(INSTRUMENTS, instruments.tolist(), strict=True) if share}
        shares[source] = {"pitch_classes": classes.tolist(), "instruments": played}
    return shares
