"""Windows as they go on in the data and as a MuseNet goes on, from which its inner critic learns.

Of every window the network hears the beginning and continues it to the window's end.  Both ends have one
beginning, so that what can be said of them is of the continuation alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavecore.models.musenet.data import TokenPiece, draw_begin, odds, prefix_of
from wavecore.models.musenet.features import SIZES, Timeline, measured
from wavecore.models.musenet.model import MuseNet
from wavecore.models.musenet.sample import Begun, extended
from wavecore.models.musenet.tokens import waits
from wavecore.training.batch import TensorBatch

HEARD = (0.1, 0.5)
"""Share of a window that is given, at least and at most."""
ROWS = 8
"""Windows that are continued beside each other."""


@dataclass(frozen=True)
class Pairs:
    """Windows as they go on in the data, and as the network goes on.

    Attributes
    ----------
    tokens : Tensor, shape (B, 2, T), int64
        Of the data, then of the network.
    features : Tensor, shape (B, 2, T, 4), int64
    judged : Tensor, shape (B, T), bool
        What follows the common beginning, as far as the piece goes.
    """

    tokens: Tensor
    features: Tensor
    judged: Tensor


@dataclass(frozen=True)
class Heard(TensorBatch):
    """What a network's last layer makes of pairs.

    Attributes
    ----------
    hidden : Tensor, shape (B, 2, T, C), float16
        Of the data, then of the network; norms come last, so that half precision holds it well.
    judged : Tensor, shape (B, T), bool
        As of ``Pairs``.
    """

    hidden: Tensor
    judged: Tensor

    def rows(self, numbers: Sequence[int] | np.ndarray) -> Heard:
        """Choose pairs.

        Parameters
        ----------
        numbers : sequence of int, shape (n,)
        """
        return Heard(*(getattr(self, name)[numbers] for name in self.__dataclass_fields__))


def make_pairs(
    network: MuseNet,
    pieces: Sequence[TokenPiece],
    n_pairs: int,
    *,
    rng: np.random.Generator,
    rows: int = ROWS,
    on_progress: Callable[[int, int], None] | None = None,
) -> Pairs:
    """Let a network continue windows of pieces.

    Parameters
    ----------
    network : MuseNet
        In evaluation mode.
    rows : int
        Windows that are continued beside each other, from beginnings of one length.
    on_progress : callable, optional
        Called with (pairs done, pairs in all).
    """
    prefixes = [prefix_of(piece, network.config.vocabulary) for piece in pieces]
    drawn = rng.choice(len(pieces), n_pairs, p=odds(pieces)).tolist()
    # What is continued beside each other has prefixes of one length.
    by_length: dict[int, list[int]] = {}
    for number in drawn:
        by_length.setdefault(len(prefixes[number]), []).append(number)
    found = []
    for _, numbers in sorted(by_length.items()):
        for first in range(0, len(numbers), rows):
            group = numbers[first : first + rows]
            found.append(_continued(network, [pieces[n] for n in group], [prefixes[n] for n in group], rng))
            if on_progress is not None:
                on_progress(sum(len(pairs.tokens) for pairs in found), n_pairs)
    return Pairs(*(torch.cat([getattr(pairs, name) for pairs in found]) for name in Pairs.__dataclass_fields__))


def _continued(
    network: MuseNet, pieces: Sequence[TokenPiece], prefixes: Sequence[np.ndarray], rng: np.random.Generator
) -> Pairs:
    """Pairs with beginnings of one length."""
    context, n_prefix = network.config.context, len(prefixes[0])
    room = context - n_prefix
    begins = [draw_begin(len(piece.body), room, rng) for piece in pieces]
    ends = [min(begin + room, len(piece.body)) for begin, piece in zip(begins, pieces, strict=True)]
    heard = int(min(end - begin for begin, end in zip(begins, ends, strict=True)) * rng.uniform(*HEARD))
    begun = []
    for piece, prefix, begin in zip(pieces, prefixes, begins, strict=True):
        line = Timeline(int(waits(piece.body).sum()), piece.beats_per_minute)
        line.extend(piece.body[: begin + heard])
        begun.append(Begun(prefix, piece.body[: begin + heard], line, begin))
    written = extended(network, begun, room - heard, rng=rng)
    shape = (len(pieces), 2, context)
    tokens, features, judged = (
        np.zeros(shape, np.int64),
        np.zeros((*shape, len(SIZES)), np.int64),
        np.zeros((len(pieces), context), bool),
    )
    for row, (piece, one, new, end) in enumerate(zip(pieces, begun, written, ends, strict=True)):
        n = n_prefix + end - one.begin
        tokens[row, 0, :n] = np.concatenate([one.prefix, piece.body[one.begin : end]])
        tokens[row, 1] = np.concatenate([one.prefix, one.body[one.begin :], new])
        features[row, 0, :n] = measured(piece.body, piece.beats_per_minute).window(one.begin, end, n_prefix=n_prefix)
        features[row, 1] = one.line.window(one.begin, one.begin + room, n_prefix=n_prefix)
        judged[row, n_prefix + heard : n] = True
    return Pairs(*(torch.from_numpy(array) for array in (tokens, features, judged)))


@torch.no_grad()
def hear(network: MuseNet, pairs: Pairs) -> Heard:
    """Work out what the critic is told of pairs.

    Parameters
    ----------
    network : MuseNet
        In evaluation mode, on any device.

    Returns
    -------
    Heard
        On the CPU.
    """
    device, vectors = next(network.parameters()).device, network.tokens()
    found = [
        network.hidden(network.embed(tokens.to(device), features.to(device), vectors)).half().cpu()
        for tokens, features in zip(pairs.tokens, pairs.features, strict=True)
    ]
    return Heard(torch.stack(found), pairs.judged)
