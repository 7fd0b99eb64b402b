"""The four-corner surface: a square of sounds, each a mix of those in its corners.

A hand that moves over the square hears one instrument become another.  All cells have one
length and one level, begin and end at zero, and are measured, because whoever plays them
hears every click.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wavecore.checkpoint import LoadedModel
from wavecore.errors import UsageError
from wavecore.models.nsynth import interpolate

CELLS_AT_ONCE = 27
"""Generated as one batch: a few seconds of work are lost when a job is stopped, and eight streams share a read."""
SILENT_DB = -60.0
CLICK = 0.25
"""Largest step from sample to sample in the first and last millisecond, of full scale."""


@dataclass(frozen=True)
class Cell:
    """A place on the surface.

    Attributes
    ----------
    row, column : int
        From the top and from the left.
    weights : tuple of float
        Of the corners: top left, top right, bottom left, bottom right.
    """

    row: int
    column: int
    weights: tuple[float, float, float, float]

    @property
    def name(self) -> str:
        """``r00-c00``: what its file is called."""
        return f"r{self.row:02d}-c{self.column:02d}"


def cells(size: int) -> list[Cell]:
    """List the cells of a square, row by row.

    Parameters
    ----------
    size : int
        Cells along a side, 2 to 33.

    Returns
    -------
    list of Cell
        Weights are bilinear: an edge mixes its two corners alone.

    Raises
    ------
    UsageError
        If the size is out of range.
    """
    if not 2 <= size <= 33:
        raise UsageError(f"a surface of {size} cells a side is out of range; 2 to 33")
    found = []
    for row in range(size):
        for column in range(size):
            y, x = row / (size - 1), column / (size - 1)
            found.append(Cell(row, column, ((1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y)))
    return found


def generate_cells(
    model: LoadedModel,
    corners: Sequence[np.ndarray],
    wanted: Sequence[Cell],
    *,
    size: int,
    seed: int,
    method: str = "linear",
    level_db: float = -20.0,
    at_once: int = CELLS_AT_ONCE,
    on_progress: Callable[[int, int], None] | None = None,
    **options,
) -> Iterator[tuple[Cell, np.ndarray]]:
    """Generate cells, some at once.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``nsynth``.
    corners : sequence of four ndarrays, shape (T_i,), float
        Top left, top right, bottom left, bottom right; at the model's rate and level.
    wanted : sequence of Cell
        Any of ``cells(size)``, those that are not there yet for example.
    size : int
        Of the whole surface; with the seed it decides what a cell draws, so that a job that was
        stopped goes on with the same sounds.
    method : {"linear", "slerp"}
    level_db : float
        Of every cell, see ``interpolate.loud_db``.
    at_once : int
        Cells of a batch; it does not change a sample.
    on_progress : callable, optional
        Called with (cells done, cells in all).
    **options
        ``temperature``, ``backend``, ``device``, ``threads`` of ``interpolate.decode``.

    Yields
    ------
    ndarray, shape (T,), float32

    Raises
    ------
    UsageError
        If there are not four corners.
    """
    if len(corners) != 4:
        raise UsageError(f"a surface has four corners, not {len(corners)}")
    rate = model.network.config.decoder.sample_rate
    latents = interpolate.encode(model, corners)
    for begin in range(0, len(wanted), at_once):
        batch = wanted[begin : begin + at_once]
        mixed = np.stack([interpolate.mix_for(model, latents, cell.weights, method=method) for cell in batch])
        streams = [cell.row * size + cell.column for cell in batch]
        said = interpolate.without_offset(interpolate.decode(model, mixed, seed=seed, streams=streams, **options), rate)
        for i, (cell, x) in enumerate(zip(batch, said, strict=True)):
            yield cell, interpolate.fade(interpolate.level(x, level_db), rate)
            if on_progress is not None:
                on_progress(begin + i + 1, len(wanted))


def faults(sound: np.ndarray, sample_rate: int) -> list[str]:
    """Measure what would spoil a cell for whoever plays it.

    Parameters
    ----------
    sound : ndarray, shape (T,), float
    sample_rate : int
        Hz.

    Returns
    -------
    list of str
        Any of ``silent``, ``clipped``, ``clicks at the start``, ``clicks at the end``; empty if it is sound.
    """
    x = np.asarray(sound, np.float64)
    found = []
    if not interpolate.loud_db(x) > SILENT_DB:
        found.append("silent")
    if np.abs(x).max(initial=0.0) >= 1:
        found.append("clipped")
    edge = max(2, round(1e-3 * sample_rate))
    stepped = np.diff(np.concatenate([[0.0], x, [0.0]]))
    if np.abs(stepped[:edge]).max() > CLICK:
        found.append("clicks at the start")
    if np.abs(stepped[-edge:]).max() > CLICK:
        found.append("clicks at the end")
    return found
