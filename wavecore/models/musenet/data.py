"""Pieces as tokens, and the windows of them from which a MuseNet learns.

A window is a piece's prefix and a stretch of its tokens.  A style comes as often as the root of its share
of all tokens says, so that a small one is heard; of a style, a piece comes the more often the longer it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavecore.datasets.songs import Piece
from wavecore.errors import InputError
from wavecore.models.musenet.features import measured
from wavecore.models.musenet.token_changes import louder, room, transposed
from wavecore.models.musenet.tokens import TICKS_PER_BEAT, WAITS, Vocabulary, encode, mean_tempo, players, waits
from wavecore.training.batch import TensorBatch

LOUDEST = 1.25
"""Volumes are scaled by this at most, or divided by it."""
SLOWEST = 1.1
"""Time is stretched by this at most, or divided by it."""
BETA = 0.2
"""Both parameters of the distribution from which mixup draws."""
UNSAID = 0.1
"""How often training leaves out the style, the tempo and the instruments, each for itself: they need not be asked for."""


@dataclass(frozen=True, eq=False)
class TokenPiece:
    """A piece in tokens.

    Attributes
    ----------
    body : ndarray, shape (N,), int16
        Without a prefix, and without the silence before the first note.
    """

    body: np.ndarray
    style: str
    name: str
    beats_per_minute: float


@dataclass(frozen=True)
class Windows(TensorBatch):
    """Windows of pieces.

    Attributes
    ----------
    tokens, targets : Tensor, shape (B, T), int64
        What is heard, and what comes next.
    features : Tensor, shape (B, T, 4), int64
        Of what is heard.
    inside : Tensor, shape (B, T), bool
        Whether what comes next is music; else it is the prefix, or the piece is over.
    share : Tensor, shape (B,), float32
        How much of a window is its own: mixup gives the rest to the window before it in the batch.
    """

    tokens: Tensor
    targets: Tensor
    features: Tensor
    inside: Tensor
    share: Tensor


@dataclass(frozen=True)
class Changes:
    """How far training changes what it hears.

    Attributes
    ----------
    semitones : int
        By which a window is transposed at most.
    probability : float
        Of another volume, of another pace and of mixup, each for itself, 0 to 1.
    """

    semitones: int = 0
    probability: float = 0.0


def prepare(pieces: Iterable[Piece]) -> list[TokenPiece]:
    """Write pieces as tokens.

    Returns
    -------
    list of TokenPiece
        Those in which one of the ten instruments plays.

    Raises
    ------
    InputError
        If there is none.
    """
    found = []
    for piece in pieces:
        body = encode(piece.song)
        silent = int((body >= WAITS).argmin()) if len(body) else 0  # the first token that does not wait
        if len(body):
            found.append(TokenPiece(body[silent:], piece.style, piece.song.name, mean_tempo(piece.song)))
    if not found:
        raise InputError("no piece has notes for any of MuseNet's instruments; nothing can be learnt")
    return found


def tokens_per_second(pieces: Sequence[TokenPiece]) -> int:
    """Say how many tokens a second of music takes.

    Returns
    -------
    int
        At least 1.
    """
    seconds = sum(int(waits(piece.body).sum()) * 60.0 / piece.beats_per_minute / TICKS_PER_BEAT for piece in pieces)
    return max(1, round(sum(len(piece.body) for piece in pieces) / max(seconds, 1e-9)))


def odds(pieces: Sequence[TokenPiece]) -> np.ndarray:
    """Say how often pieces are drawn.

    Returns
    -------
    ndarray, shape (n,), float64
        Their sum is 1.
    """
    lengths = np.array([len(piece.body) for piece in pieces], np.float64)
    styles = np.unique([piece.style for piece in pieces], return_inverse=True)[1]
    found = lengths / np.sqrt(np.bincount(styles, weights=lengths))[styles]
    return found / found.sum()


def prefix_of(
    piece: TokenPiece, vocabulary: Vocabulary, rng: np.random.Generator | None = None, *, stretch: float = 1.0
) -> np.ndarray:
    """Write what stands in front of a piece.

    Parameters
    ----------
    rng : numpy.random.Generator, optional
        Leaves some of it out.
    stretch : float
        By which the piece is slower.

    Returns
    -------
    ndarray, shape (P,), int16
    """
    said = np.ones(3, bool) if rng is None else rng.random(3) >= UNSAID
    return vocabulary.prefix(
        style=piece.style if said[0] else None,
        beats_per_minute=piece.beats_per_minute / stretch if said[1] else None,
        instruments=players(piece.body) if said[2] else (),
    )


def draw_begin(length: int, n_tokens: int, rng: np.random.Generator) -> int:
    """Draw where in a piece a window begins.

    Parameters
    ----------
    length : int
        Of the piece.
    n_tokens : int
        Of the window, the prefix left out.

    Returns
    -------
    int
        As likely at one place as at another, but half a window's places come on top for the beginning, where every piece starts.
    """
    return max(0, int(rng.integers(-(n_tokens // 2), max(0, length - n_tokens) + 1)))


def window(
    piece: TokenPiece, vocabulary: Vocabulary, length: int, rng: np.random.Generator, changes: Changes | None = None
) -> tuple[np.ndarray, np.ndarray, int]:
    """Cut a window out of a piece.

    Parameters
    ----------
    length : int
        T, of what the network hears.
    changes : Changes, optional
        For training; without, the piece is left as it is.

    Returns
    -------
    tokens : ndarray, shape (n,), int64
        T + 1 at most: one more than is heard, which is the last to be told.
    features : ndarray, shape (n, 4), int64
    n_prefix : int
        Tokens in front.
    """
    slower = 1.0
    if changes is not None and rng.random() < changes.probability:
        slower = SLOWEST ** rng.uniform(-1, 1)
    prefix = prefix_of(piece, vocabulary, rng if changes else None, stretch=slower)
    n_tokens = length + 1 - len(prefix)
    begin = draw_begin(len(piece.body), n_tokens, rng)
    end = min(begin + n_tokens, len(piece.body))
    body = piece.body[begin:end]
    if changes is not None:
        down, up = room(body)
        body = transposed(body, int(rng.integers(max(down, -changes.semitones), min(up, changes.semitones) + 1)))
        if rng.random() < changes.probability:
            body = louder(body, LOUDEST ** rng.uniform(-1, 1))
    features = measured(piece.body, piece.beats_per_minute).window(begin, end, n_prefix=len(prefix), stretch=slower)
    return np.concatenate([prefix, body]).astype(np.int64), features, len(prefix)


def stack(
    pieces: Sequence[TokenPiece],
    vocabulary: Vocabulary,
    length: int,
    rng: np.random.Generator,
    changes: Changes | None = None,
) -> Windows:
    """Cut a window out of each of some pieces.

    Parameters
    ----------
    changes : Changes, optional
        These as of ``window``.
    """
    shape = (len(pieces), length)
    tokens, targets, inside = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, bool)
    features, share = np.zeros((*shape, 4), np.int64), np.ones(len(pieces), np.float32)
    for row, piece in enumerate(pieces):
        drawn, told, n_prefix = window(piece, vocabulary, length, rng, changes)
        n = len(drawn) - 1
        tokens[row, :n], targets[row, :n], features[row, :n] = drawn[:-1], drawn[1:], told[:-1]
        inside[row, n_prefix - 1 : n] = True
        if changes is not None and rng.random() < changes.probability:
            share[row] = rng.beta(BETA, BETA)
    return Windows(*(torch.from_numpy(array) for array in (tokens, targets, features, inside, share)))
