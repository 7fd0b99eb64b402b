"""The four-corner surface: a square of sounds, each a mix of the four in its corners.

Moving over the square changes one instrument into another.  All cells have one length and one level and begin and end
at zero; ``faults`` finds what would click or be silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wavecore.audio import note_level
from wavecore.errors import UsageError
from wavecore.models.nsynth import sample
from wavecore.models.nsynth.model import NSynthNetwork

BATCH = 27
"""Cells generated at once: a stopped job loses a few seconds of work, and eight streams share a read of the weights."""
SILENT_DB = -60.0
CLICK = 0.25
"""Largest step from sample to sample in the first and last millisecond, of full scale."""


@dataclass(frozen=True)
class Cell:
    """A cell of the surface: row from the top, column from the left, and the weights of the corners.

    The corners are top left, top right, bottom left, bottom right.
    """

    row: int
    column: int
    weights: tuple[float, float, float, float]

    @property
    def name(self) -> str:
        """The cell's file name without suffix, ``r00-c00``."""
        return f"r{self.row:02d}-c{self.column:02d}"


def cells(size: int) -> list[Cell]:
    """Return the cells of a square row by row, with bilinear weights.

    Raises
    ------
    UsageError
        If ``size``, the number of cells along a side, is not 2 to 33.

    Examples
    --------
    >>> [cell.weights for cell in cells(2)][1]
    (0.0, 1.0, 0.0, 0.0)
    """
    if not 2 <= size <= 33:
        raise UsageError(f"a surface has 2 to 33 cells a side, not {size}")
    steps = [i / (size - 1) for i in range(size)]
    return [
        Cell(row, column, ((1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y))
        for row, y in enumerate(steps)
        for column, x in enumerate(steps)
    ]


def generate_cells(
    network: NSynthNetwork,
    corners: Sequence[np.ndarray],
    chosen: Sequence[Cell],
    *,
    size: int,
    seed: int,
    method: str,
    level_db: float,
    on_progress: Callable[[int, int], None] | None = None,
    **options,
) -> Iterator[tuple[Cell, np.ndarray]]:
    """Generate chosen cells of ``cells(size)`` at ``level_db``, (T,) float32 each, in batches.

    The four corners, (T_i,), have the model's rate and level.  A cell draws the same random numbers whatever is
    generated beside it.  ``on_progress`` is called with (cells done, in all); ``options`` are those of
    ``sample.decode``.
    """
    rate, latents = network.config.decoder.sample_rate, sample.encode(network, corners)
    for begin in range(0, len(chosen), BATCH):
        batch = chosen[begin : begin + BATCH]
        mixed = np.stack([sample.mix(network, latents, cell.weights, method=method) for cell in batch])
        streams = [cell.row * size + cell.column for cell in batch]
        generated = sample.decode(network, mixed, seed=seed, streams=streams, **options)
        for i, (cell, x) in enumerate(zip(batch, sample.without_offset(generated, rate), strict=True), begin + 1):
            yield cell, sample.fade(note_level.level(x, level_db), rate)
            if on_progress is not None:
                on_progress(i, len(chosen))


def faults(sound: np.ndarray, sample_rate: int) -> list[str]:
    """Return the faults of a cell, (T,): ``silent``, ``clipped``, ``clicks at the start``, ``clicks at the end``."""
    x = np.asarray(sound, np.float64)
    edge = max(2, round(1e-3 * sample_rate))
    steps = np.abs(np.diff(np.concatenate([[0.0], x, [0.0]])))
    present = {
        "silent": not note_level.loud_db(x) > SILENT_DB,
        "clipped": np.abs(x).max(initial=0.0) >= 1,
        "clicks at the start": steps[:edge].max() > CLICK,
        "clicks at the end": steps[-edge:].max() > CLICK,
    }
    return [fault for fault, is_present in present.items() if is_present]
