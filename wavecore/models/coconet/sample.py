"""Filling cells of chorales with a Coconet: blocked Gibbs sampling, and one cell after the other.

Whatever the task, it is said by which cells are free: all four voices to compose, all but the
soprano to harmonise, a stretch of time to bridge it or to write it anew.

References
----------
Huang, Cooijmans, Roberts, Courville and Eck, "Counterpoint by Convolution", ISMIR 2017, section 4.
Yao et al., "On the Equivalence between Deep NADE and Generative Stochastic Networks", ECML 2014: the annealing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from wavecore.errors import UsageError
from wavecore.models.coconet.config import N_VOICES
from wavecore.models.coconet.model import Coconet
from wavecore.nn.sampling import pick
from wavecore.symbolic import chorale

MOST_HIDDEN, LEAST_HIDDEN, ANNEALED = 0.9, 0.1, 0.7
"""Share of the free cells that a Gibbs step hides: at first, at last, and the part of the steps after which it is the least."""
ORDERS = ("random", "chronological")
METHODS = ("gibbs", "ancestral")


def fill(network: Coconet, grid: np.ndarray, free: np.ndarray, *, method: str, **options) -> np.ndarray:
    """Fill free cells by one of ``METHODS``; the options are those of its function."""
    return {"gibbs": gibbs, "ancestral": ancestral}[method](network, grid, free, **options)


def gibbs(
    network: Coconet,
    grid: np.ndarray,
    free: np.ndarray,
    *,
    rng: np.random.Generator,
    n_steps: int | None = None,
    temperature: float = 1.0,
    on_progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Fill free cells by annealed, independent, blocked Gibbs sampling.

    Every step hides some of the free cells, many at first and few at last, and draws all of them
    anew, each for itself, from what the network says of them given the others.

    Parameters
    ----------
    network : Coconet
        In evaluation mode.
    grid : ndarray, shape (B, T, 4), integer
        What is given; free cells are not looked at.
    free : ndarray, shape (B, T, 4) or (T, 4), bool
        Cells to fill; the others stay as they are.
    n_steps : int, optional
        4 T if not given.
    temperature : float
        Divides the logits; 0 takes the likeliest pitch.
    on_progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    ndarray, shape (B, T, 4), int16

    Raises
    ------
    UsageError
        If shapes do not fit, a number is out of its range, or what is given holds a pitch that the network lacks.
    """
    filler = _Filler(network, grid, free, rng, temperature)
    n_steps = 4 * grid.shape[1] if n_steps is None else n_steps
    if n_steps < 1:
        raise UsageError(f"n_steps is {n_steps}; at least 1 is needed")
    filler.draw(filler.free)  # a start from silence would be taken for known silence
    for step in range(n_steps):
        share = max(LEAST_HIDDEN, MOST_HIDDEN - (MOST_HIDDEN - LEAST_HIDDEN) * step / (ANNEALED * n_steps))
        filler.draw(filler.free & (rng.random(filler.free.shape) < share))
        if on_progress is not None:
            on_progress(step + 1, n_steps)
    return filler.grid


def ancestral(
    network: Coconet,
    grid: np.ndarray,
    free: np.ndarray,
    *,
    rng: np.random.Generator,
    order: str = "random",
    temperature: float = 1.0,
    on_progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Fill free cells one after the other, each given all before.

    Parameters
    ----------
    grid : ndarray, shape (B, T, 4), integer
    free : ndarray, shape (B, T, 4) or (T, 4), bool
    rng : numpy.random.Generator
        These as of ``gibbs``.
    order : {"random", "chronological"}
        Of cells; chronologically from the first sixteenth to the last, its voices in a random order.
    temperature : float
        As of ``gibbs``.
    on_progress : callable, optional
        Called with (cells done, cells in all).

    Returns
    -------
    ndarray, shape (B, T, 4), int16

    Raises
    ------
    UsageError
        As of ``gibbs``, and if there is no such order.
    """
    if order not in ORDERS:
        raise UsageError(f"there is no order {order!r}; it is one of {', '.join(ORDERS)}")
    filler = _Filler(network, grid, free, rng, temperature)
    keys = rng.random(filler.free.shape)
    if order == "chronological":
        keys += np.arange(grid.shape[1])[:, None]
    keys = np.where(filler.free, keys, np.inf).reshape(len(keys), -1)
    cells, counts = keys.argsort(axis=1), np.isfinite(keys).sum(axis=1)
    rows = np.arange(len(keys))
    for number in range(int(counts.max(initial=0))):
        wanted = np.zeros(keys.shape, bool)
        wanted[rows, cells[:, number]] = number < counts
        filler.draw(wanted.reshape(filler.free.shape), unknown=filler.free & ~filler.filled)
        if on_progress is not None:
            on_progress(number + 1, int(counts.max()))
    return filler.grid


class _Filler:
    """Chorales that are being filled."""

    def __init__(
        self, network: Coconet, grid: np.ndarray, free: np.ndarray, rng: np.random.Generator, temperature: float
    ):
        grid = np.asarray(grid)
        if grid.ndim != 3 or grid.shape[2] != N_VOICES or not grid.size:
            raise UsageError(f"the grid has shape {grid.shape}; (B, T, {N_VOICES}) is needed")
        if np.asarray(free).dtype != bool or np.shape(free) not in (grid.shape, grid.shape[1:]):
            raise UsageError(
                f"free has shape {np.shape(free)} and dtype {np.asarray(free).dtype}; bool of shape {grid.shape} is needed"
            )
        if not 0 <= temperature < float("inf"):
            raise UsageError(f"temperature is {temperature}; it must be 0 (the likeliest pitch) or positive")
        self.network, self.rng, self.temperature = network, rng, temperature
        self.free = np.broadcast_to(free, grid.shape)
        self.grid = np.where(self.free, chorale.REST, grid).astype(np.int16)
        self.filled = np.zeros(grid.shape, bool)
        config = network.config
        given = self.grid[~self.free & (self.grid != chorale.REST)]
        if len(given) and (given.min() < config.lowest or given.max() > config.highest):
            raise UsageError(
                f"what is given reaches from {given.min()} to {given.max()}; the model knows MIDI {config.lowest} to {config.highest}"
            )

    def draw(self, cells: np.ndarray, *, unknown: np.ndarray | None = None) -> None:
        """Draw some cells, given all but them, or all but what is unknown."""
        if not cells.any():
            return
        logits = cell_logits(self.network, self.grid, ~(cells if unknown is None else unknown))[cells]
        self.grid[cells] = self.network.config.lowest + pick(logits, self.rng, self.temperature)
        self.filled |= cells


@torch.inference_mode()
def cell_logits(network: Coconet, grid: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Ask a network for all cells.

    Parameters
    ----------
    network : Coconet
        On any device.
    grid : ndarray, shape (B, T, 4), integer
    known : ndarray, shape (B, T, 4), bool

    Returns
    -------
    ndarray, shape (B, T, 4, P), float32
    """
    device = next(network.parameters()).device
    tensors = (torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in (grid.astype(np.int64), known))
    return network(*tensors).cpu().numpy()
