"""Training data of a MuseNet: pieces as tokens, windows of them, and their augmentation.

A window is a piece's prefix and a stretch of its tokens.  A style is sampled in proportion to the square root of its
number of tokens, so that small ones are not rare; of a style, a piece in proportion to its length.

Augmentation transposes a window, scales its volume and its tempo (of the feature "time" and the tempo token alone), and
mixes windows: mixup of the vectors of two windows' tokens, whose next tokens then both count, each with its share.

References
----------
Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavecore.datasets.songs import Piece
from wavecore.errors import InputError
from wavecore.models.musenet.tokens import (
    DRUMS,
    GROUPS,
    N_PITCHES,
    PIANO_VELOCITIES,
    SIZES,
    TICKS_PER_BEAT,
    WAITS,
    Timeline,
    Vocabulary,
    encode,
    instruments_of,
    mean_tempo,
    wait_ticks,
)
from wavecore.training.batch import TensorBatch

MAX_VOLUME_FACTOR, MAX_STRETCH = 1.25, 1.1
"""Volumes and durations are multiplied or divided by these at most."""
MIXUP_BETA = 0.2
"""Both parameters of the beta distribution of the shares in mixup."""
PREFIX_DROPOUT = 0.1
"""Probability with which training leaves out style, tempo and instruments, each independently: they are optional."""


@dataclass(frozen=True, eq=False)
class TokenPiece:
    """A piece as tokens, int16 of shape (N,), without a prefix and without the silence before the first note."""

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
        Inputs, and the tokens that follow them.
    features : Tensor, shape (B, T, 4), int64
        Of the inputs.
    inside : Tensor, shape (B, T), bool
        Whether the target is music, and not the prefix or beyond the piece's end.
    share : Tensor, shape (B,), float32
        Weight of a window in its mix with the window before it in the batch; 1 where it is not mixed.
    """

    tokens: Tensor
    targets: Tensor
    features: Tensor
    inside: Tensor
    share: Tensor


@dataclass(frozen=True)
class Augmentation:
    """Largest transposition; the probability of another volume, of another tempo and of mixup, each independently."""

    semitones: int = 0
    probability: float = 0.0


def tokenize(pieces: Iterable[Piece]) -> list[TokenPiece]:
    """Return the pieces in which one of the ten instruments plays, as tokens.

    Raises
    ------
    InputError
        If there is none.
    """
    tokenized = []
    for piece in pieces:
        body = encode(piece.song)
        if len(body):
            silent = int((body >= WAITS).argmin())  # the first token that does not wait
            tokenized.append(TokenPiece(body[silent:], piece.style, piece.song.name, mean_tempo(piece.song)))
    if not tokenized:
        raise InputError("no piece has notes for any of MuseNet's instruments")
    return tokenized


def tokens_per_second(pieces: Sequence[TokenPiece]) -> int:
    """Return the mean number of tokens per second of music, at least 1."""
    seconds = sum(
        int(wait_ticks(piece.body).sum()) * 60.0 / piece.beats_per_minute / TICKS_PER_BEAT for piece in pieces
    )
    return max(1, round(sum(len(piece.body) for piece in pieces) / max(seconds, 1e-9)))


def sampling_weights(pieces: Sequence[TokenPiece]) -> np.ndarray:
    """Return the probabilities with which pieces are drawn, float64 of shape (n,)."""
    lengths = np.array([len(piece.body) for piece in pieces], np.float64)
    styles = np.unique([piece.style for piece in pieces], return_inverse=True)[1]
    weights = lengths / np.sqrt(np.bincount(styles, weights=lengths))[styles]
    return weights / weights.sum()


def piece_prefix(
    piece: TokenPiece, vocabulary: Vocabulary, rng: np.random.Generator | None = None, *, stretch: float = 1.0
) -> np.ndarray:
    """Return the prefix of a piece, slower by ``stretch``; with ``rng`` some of it is left out (``PREFIX_DROPOUT``)."""
    kept = np.ones(3, bool) if rng is None else rng.random(3) >= PREFIX_DROPOUT
    return vocabulary.prefix(
        style=piece.style if kept[0] else None,
        beats_per_minute=piece.beats_per_minute / stretch if kept[1] else None,
        instruments=instruments_of(piece.body) if kept[2] else (),
    )


def draw_begin(length: int, n_tokens: int, rng: np.random.Generator) -> int:
    """Draw where a window of a piece begins.

    All positions are equally likely, but the first one, where every piece starts, also has the weight of half a window.
    """
    return max(0, int(rng.integers(-(n_tokens // 2), max(0, length - n_tokens) + 1)))


def draw_window(
    piece: TokenPiece,
    vocabulary: Vocabulary,
    length: int,
    rng: np.random.Generator,
    changes: Augmentation | None = None,
) -> tuple[np.ndarray, np.ndarray, int]:
    """Draw a window of at most ``length`` + 1 tokens: the last one is a target alone.

    Returns
    -------
    tokens : ndarray, shape (n,), int64
    features : ndarray, shape (n, 4), int64
    n_prefix : int
        Length of the prefix.
    """
    stretch = 1.0
    if changes is not None and rng.random() < changes.probability:
        stretch = MAX_STRETCH ** rng.uniform(-1, 1)
    prefix = piece_prefix(piece, vocabulary, rng if changes else None, stretch=stretch)
    n_tokens = length + 1 - len(prefix)
    begin = draw_begin(len(piece.body), n_tokens, rng)
    end = min(begin + n_tokens, len(piece.body))
    body = piece.body[begin:end]
    if changes is not None:
        down, up = transposition_range(body)
        body = transpose(body, int(rng.integers(max(down, -changes.semitones), min(up, changes.semitones) + 1)))
        if rng.random() < changes.probability:
            body = scale_volume(body, MAX_VOLUME_FACTOR ** rng.uniform(-1, 1))
    timeline = Timeline.of(piece.body, piece.beats_per_minute)
    features = timeline.window(begin, end, n_prefix=len(prefix), stretch=stretch)
    return np.concatenate([prefix, body]).astype(np.int64), features, len(prefix)


def draw_windows(
    pieces: Sequence[TokenPiece],
    vocabulary: Vocabulary,
    length: int,
    rng: np.random.Generator,
    changes: Augmentation | None = None,
) -> Windows:
    """Draw a window of ``length`` inputs of each piece."""
    shape = (len(pieces), length)
    tokens, targets, inside = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, bool)
    features, share = np.zeros((*shape, len(SIZES)), np.int64), np.ones(len(pieces), np.float32)
    for row, piece in enumerate(pieces):
        window, of_window, n_prefix = draw_window(piece, vocabulary, length, rng, changes)
        n = len(window) - 1
        tokens[row, :n], targets[row, :n], features[row, :n] = window[:-1], window[1:], of_window[:-1]
        inside[row, n_prefix - 1 : n] = True
        if changes is not None and rng.random() < changes.probability:
            share[row] = rng.beta(MIXUP_BETA, MIXUP_BETA)
    return Windows(*(torch.from_numpy(array) for array in (tokens, targets, features, inside, share)))


# Changes of tokens, without a prefix and of any dtype, which stays


def transposition_range(body: np.ndarray) -> tuple[int, int]:
    """Return by how many semitones notes but drums can be moved down (0 or less) and up; (-127, 127) without any."""
    pitches = body[body < DRUMS] % N_PITCHES
    return -int(pitches.min(initial=N_PITCHES - 1)), N_PITCHES - 1 - int(pitches.max(initial=0))


def transpose(body: np.ndarray, semitones: int) -> np.ndarray:
    """Move all notes but drums; ``semitones`` lie in their ``transposition_range``."""
    return np.where(body < DRUMS, body + body.dtype.type(semitones), body)


def scale_volume(body: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the velocities of the piano, rounded to its 13; other instruments have one volume and keep it."""
    levels = np.array(PIANO_VELOCITIES)
    group = np.arange(len(GROUPS) + 1)
    group[1 : 1 + len(levels)] = 1 + np.abs(levels * factor - levels[:, None]).argmin(axis=0)
    change = ((group - np.arange(len(group))) * N_PITCHES).astype(body.dtype)
    return body + np.where(body < DRUMS, change[np.minimum(body // N_PITCHES, len(GROUPS))], body.dtype.type(0))
