"""Phrases of pieces as piano rolls: drawn once, kept as bits, read one by one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wavecore.datasets.songs import SongsDataset
from wavecore.errors import InputError
from wavecore.models.musegan import rolls
from wavecore.models.musegan.config import MuseGANConfig
from wavecore.models.musegan.tracks import parts_of


class PhraseStore:
    """The phrases of a split, drawn once and kept as bits.

    Parameters
    ----------
    split : {"train", "valid", "test"}

    Attributes
    ----------
    starts : ndarray, shape (n, 2), int64
        Piece and first bar of every phrase in which anything sounds.
    left_out : dict of str to int
        ``pieces`` without any of the tracks, ``bars`` of other lengths than the network's, ``notes`` beyond its pitches.

    Raises
    ------
    InputError
        If there is no phrase.
    """

    def __init__(self, dataset: SongsDataset, split: str, config: MuseGANConfig):
        self.config = config
        self.packed, self.rooms, starts = [], [], []
        self.left_out = {"pieces": 0, "bars": 0, "notes": 0}
        for piece in dataset.pieces[split]:
            if not any(parts_of(piece.song, track.name) for track in config.tracks):
                self.left_out["pieces"] += 1
                continue
            drawn = rolls.draw(piece.song, config.tracks, config.grid)
            self.left_out["bars"] += sum(drawn.left_out.values())
            self.left_out["notes"] += drawn.outside
            sounding = drawn.roll.any(axis=(1, 2, 3))
            begins = rolls.phrase_starts(drawn.follows, config.bars)
            starts += [
                (len(self.packed), begin) for begin in begins.tolist() if sounding[begin : begin + config.bars].any()
            ]
            self.packed.append(rolls.pack(drawn.roll))
            self.rooms.append(rolls.room(drawn.roll, config.drums))
        self.starts = np.array(starts, np.int64).reshape(-1, 2)
        if not starts:
            raise InputError(
                f"{dataset.path}: no piece for {split} has {config.bars} bars of {config.beats}/4 one after the other in which "
                f"{', '.join(track.label for track in config.tracks)} sound; left out: {self.left_out}"
            )

    def phrase(self, number: int, semitones: int = 0) -> np.ndarray:
        """Read a phrase.

        Parameters
        ----------
        number : int
            Row of ``starts``.
        semitones : int
            By which it is transposed.

        Returns
        -------
        ndarray, shape (bars, steps, pitches, tracks), bool
        """
        piece, begin = self.starts[number]
        roll = rolls.unpack(self.packed[piece][begin : begin + self.config.bars], self.config.shape[1:])
        return rolls.transposed(roll, semitones, self.config.drums) if semitones else roll

    def pieces(self) -> Iterator[np.ndarray]:
        """Read all bars, piece by piece.

        Yields
        ------
        ndarray, shape (n_bars, steps, pitches, tracks), bool
        """
        for packed in self.packed:
            yield rolls.unpack(packed, self.config.shape[1:])

    def spread(self, n: int) -> np.ndarray:
        """Read phrases from all over the split.

        Parameters
        ----------
        n : int
            At most.

        Returns
        -------
        ndarray, shape (min(n, phrases), bars, steps, pitches, tracks), bool
        """
        chosen = np.linspace(0, len(self.starts) - 1, min(n, len(self.starts))).astype(int)
        return np.stack([self.phrase(number) for number in chosen])
