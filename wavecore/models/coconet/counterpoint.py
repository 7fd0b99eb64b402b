"""Counting what counterpoint forbids, in grids of four voices: parallels, crossings, ranges.

These are counts, to be put beside those of real chorales; Bach's are not zero.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from wavecore.errors import InputError

REST = -1
RANGES = ((60, 81), (53, 74), (48, 69), (40, 64))
"""MIDI numbers of soprano, alto, tenor and bass as hymn books have them."""


@dataclass(frozen=True)
class Counterpoint:
    """Counts of chorales.

    Attributes
    ----------
    parallel_fifths, parallel_octaves : float
        Pairs of voices that move on together at that distance, octaves folded, for every hundred steps at which any voice moves.
    crossings : float
        Share of sixteenths at which a voice lies above the one that should.
    out_of_range : float
        Share of sounding cells beyond ``RANGES``.
    moves : float
        Share of cells that differ from the sixteenth before.
    pitches : float
        Different pitch classes that sound in a sixteenth, the mean.
    """

    parallel_fifths: float
    parallel_octaves: float
    crossings: float
    out_of_range: float
    moves: float
    pitches: float

    def to_dict(self) -> dict[str, float]:
        """Return the counts by name."""
        return asdict(self)


def count(grids: list[np.ndarray]) -> Counterpoint:
    """Count in chorales.

    Parameters
    ----------
    grids : list of ndarray, shape (T, 4), integer
        MIDI numbers from soprano to bass, -1 for a rest; at least one chorale of two sixteenths.

    Raises
    ------
    InputError
        If there is nothing to count in.
    """
    if not any(len(grid) > 1 for grid in grids):
        raise InputError("there is no chorale of two sixteenths or more; nothing can be counted")
    steps = sum(int((np.diff(grid, axis=0) != 0).any(axis=1).sum()) for grid in grids)
    whole = np.concatenate(grids)
    sounding = whole != REST
    low, high = np.array(RANGES).T
    crossed = (np.diff(whole, axis=1) > 0) & sounding[:, 1:] & sounding[:, :-1]
    moved = np.concatenate([np.diff(grid, axis=0) != 0 for grid in grids])
    return Counterpoint(
        parallel_fifths=100 * sum(parallels(grid, 7) for grid in grids) / max(1, steps),
        parallel_octaves=100 * sum(parallels(grid, 0) for grid in grids) / max(1, steps),
        crossings=float(crossed.any(axis=1).mean()),
        out_of_range=float((((whole < low) | (whole > high)) & sounding).sum() / max(1, sounding.sum())),
        moves=float(moved.mean()),
        pitches=float(np.mean([len(set((row[row != REST] % 12).tolist())) for row in whole])),
    )


def parallels(grid: np.ndarray, interval: int) -> int:
    """Count pairs of voices that move on in the same direction and keep a distance.

    Parameters
    ----------
    grid : ndarray, shape (T, 4), integer
    interval : int
        Semitones, octaves folded: 7 for fifths, 0 for octaves and unisons.
    """
    found = 0
    before, after = grid[:-1], grid[1:]
    for upper in range(grid.shape[1]):
        for lower in range(upper + 1, grid.shape[1]):
            pair = [before[:, upper], before[:, lower], after[:, upper], after[:, lower]]
            sounding = np.all([line != REST for line in pair], axis=0)
            kept = ((pair[0] - pair[1]) % 12 == interval) & ((pair[2] - pair[3]) % 12 == interval)
            together = np.sign(pair[2] - pair[0]) * np.sign(pair[3] - pair[1]) > 0
            found += int((sounding & kept & together).sum())
    return found
