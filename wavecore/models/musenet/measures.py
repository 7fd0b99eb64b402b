"""How well a MuseNet says what comes next: surprise, on windows that are the same at every call, and what counting achieves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from wavecore.models.musenet import ngram
from wavecore.models.musenet.data import TokenPiece, Windows, odds, stack
from wavecore.models.musenet.model import MuseNet
from wavecore.models.musenet.tokens import START, Vocabulary
from wavecore.training import losses

VALIDATION_SEED = 1
ROWS = 4
"""Windows that are measured at once."""


def surprise(network: MuseNet, windows: Windows) -> Tensor:
    """Mean surprise at what comes next in windows, mixed as they say.

    Returns
    -------
    Tensor, shape (), float32
        Nats per token of music; of a mixed place both tokens count, each with its share.
    """
    vectors = network.tokens()
    x = network.embed(windows.tokens, windows.features, vectors)
    own = windows.share[:, None]
    is_mixed = bool((own < 1).any())
    if is_mixed:
        x = own[..., None] * x + (1 - own[..., None]) * x.roll(1, 0)
    logits = network.logits(network.hidden(x), vectors)
    targets, weights = [windows.targets], [own * windows.inside]
    if is_mixed:
        targets.append(windows.targets.roll(1, 0))
        weights.append((1 - own) * windows.inside.roll(1, 0))
    weight = torch.stack(weights, dim=-1)
    return (_told(logits, torch.stack(targets, dim=-1)) * weight).sum() / weight.sum().clamp(min=1e-6)


def _told(logits: Tensor, targets: Tensor) -> Tensor:
    """Nats of each target, (B, T, n) of n targets for each of the logits (B, T, vocabulary).

    Both targets of a mixed place are read off one softmax over thousands of tokens: a second one took a quarter of a step on two cores.
    """
    return -logits.log_softmax(dim=-1, dtype=torch.float32).gather(-1, targets)


def draw_windows(pieces: Sequence[TokenPiece], vocabulary: Vocabulary, length: int, per_style: int) -> Windows:
    """Draw windows to measure: as many of each style, the same ones at every call.

    Parameters
    ----------
    pieces : sequence of TokenPiece
        Of one split.
    length : int
        Tokens of a window.
    """
    rng = np.random.default_rng(VALIDATION_SEED)
    chosen: list[TokenPiece] = []
    for style in sorted({piece.style for piece in pieces}):
        of_style = [piece for piece in pieces if piece.style == style]
        share = odds(of_style)
        chosen += [of_style[number] for number in rng.choice(len(of_style), per_style, p=share)]
    return stack(chosen, vocabulary, length, rng)


@torch.no_grad()
def bits_per_token(network: MuseNet, held_out: Windows, device: str) -> float:
    """Measure a network.

    Parameters
    ----------
    network : MuseNet
        In evaluation mode.

    Returns
    -------
    float
        Bits, the mean over the tokens of music.
    """
    network, total, count = network.to(device), 0.0, 0
    for begin in range(0, len(held_out.tokens), ROWS):
        part = {name: getattr(held_out, name)[begin : begin + ROWS] for name in Windows.__dataclass_fields__}
        windows = replace(held_out, **part).to(torch.device(device))
        n_tokens = int(windows.inside.sum())
        total, count = total + float(surprise(network, windows)) * n_tokens, count + n_tokens
    return losses.bits(total / count)


def count_baselines(train: Sequence[TokenPiece], held_out: Windows) -> dict[str, float]:
    """Say how well counts of the training pieces' tokens do on the same windows.

    Returns
    -------
    dict of str to float
        ``unigram_bits`` and ``bigram_bits`` per token (see ``metrics.ngram``).
    """
    start = np.array([START])
    told = zip(held_out.targets.numpy(), held_out.inside.numpy(), strict=True)
    measured = [np.concatenate([start, targets[inside]]) for targets, inside in told]
    known = [np.concatenate([start, piece.body]).astype(np.int64) for piece in train]
    return {
        name: measure(known, measured, START + 1).bits
        for name, measure in (("unigram_bits", ngram.unigram), ("bigram_bits", ngram.bigram))
    }
