"""Phrases of pieces as piano rolls, kept as bits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from wavecore.datasets.songs import SongsDataset
from wavecore.errors import InputError
from wavecore.models.musegan import rolls
from wavecore.models.musegan.config import MuseGANConfig


class PhraseStore:
    """The phrases of a split.

    Attributes
    ----------
    starts : ndarray, shape (n, 2), int64
        Piece and first bar of every phrase in which anything sounds.
    transpositions : list of tuple of int
        Of every piece, by how many semitones it can be transposed, down (<= 0) and up.
    left_out : dict of str to int
        ``pieces`` without any of the tracks, ``bars`` of other lengths and ``notes`` beyond the network's pitches.

    Raises
    ------
    InputError
        If there is no phrase.
    """

    def __init__(self, dataset: SongsDataset, split: str, config: MuseGANConfig):
        self.config = config
        self.packed, self.transpositions, starts = [], [], []
        self.left_out = {"pieces": 0, "bars": 0, "notes": 0}
        for piece in dataset.pieces[split]:
            if not any(rolls.parts_of(piece.song, track.name) for track in config.tracks):
                self.left_out["pieces"] += 1
                continue
            roll = rolls.from_song(piece.song, config.tracks, config.grid)
            self.left_out["bars"] += sum(roll.left_out.values())
            self.left_out["notes"] += roll.outside
            sounding = roll.cells.any(axis=(1, 2, 3))
            begins = phrase_starts(roll.follows, config.bars).tolist()
            starts += [(len(self.packed), begin) for begin in begins if sounding[begin : begin + config.bars].any()]
            self.packed.append(np.packbits(roll.cells.reshape(len(roll.cells), int(np.prod(config.shape[1:]))), axis=1))
            self.transpositions.append(transposition_range(roll.cells, config.drums))
        self.starts = np.array(starts, np.int64).reshape(-1, 2)
        if not starts:
            raise InputError(
                f"{dataset.path}: no piece for {split} has {config.bars} successive bars of {config.beats}/4 in which "
                f"{', '.join(track.label for track in config.tracks)} sound; left out: {self.left_out}"
            )

    def phrase(self, number: int, semitones: int = 0) -> np.ndarray:
        """Return the phrase of a row of ``starts``, transposed, shape (bars, steps, pitches, tracks), bool."""
        piece, begin = self.starts[number]
        cells = self._unpack(self.packed[piece][begin : begin + self.config.bars])
        return transposed(cells, semitones, self.config.drums) if semitones else cells

    def pieces(self) -> Iterator[np.ndarray]:
        """Yield all bars of each piece, shape (n_bars, steps, pitches, tracks), bool."""
        yield from map(self._unpack, self.packed)

    def evenly(self, n: int) -> np.ndarray:
        """Return ``n`` phrases at most, at equal distances in the split, stacked."""
        chosen = np.linspace(0, len(self.starts) - 1, min(n, len(self.starts))).astype(int)
        return np.stack([self.phrase(number) for number in chosen])

    def _unpack(self, packed: np.ndarray) -> np.ndarray:
        shape = self.config.shape[1:]
        return np.unpackbits(packed, axis=1, count=int(np.prod(shape))).view(bool).reshape(-1, *shape)


def phrase_starts(follows: np.ndarray, n_bars: int) -> np.ndarray:
    """Return all first bars of phrases of ``n_bars`` successive bars; ``follows`` is that of ``Roll``."""
    breaks = np.cumsum(~np.asarray(follows, bool))
    starts = np.arange(max(0, len(breaks) - n_bars + 1))
    return starts[breaks[starts] == breaks[starts + n_bars - 1]]


def transposition_range(cells: np.ndarray, drums: Sequence[bool]) -> tuple[int, int]:
    """Return by how many semitones, down and up, cells (..., pitches, tracks) can be transposed without losing a note.

    ``drums`` marks the tracks that are not transposed; the range is (0, 0) where no other sounds.
    """
    pitched = cells[..., ~np.asarray(drums, bool)]
    sounding = np.flatnonzero(pitched.any(axis=(*range(pitched.ndim - 2), -1)))
    return (-int(sounding[0]), cells.shape[-2] - 1 - int(sounding[-1])) if len(sounding) else (0, 0)


def transposed(cells: np.ndarray, semitones: int, drums: Sequence[bool]) -> np.ndarray:
    """Transpose all tracks of cells (..., pitches, tracks) but drums, within ``transposition_range``."""
    return np.where(np.asarray(drums, bool), cells, np.roll(cells, semitones, axis=-2))
