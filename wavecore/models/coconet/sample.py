"""Filling free cells of a chorale with a Coconet, by blocked Gibbs sampling or one cell after the other.

All four voices are free to compose, all but the soprano to harmonize a melody, some bars of all voices to bridge them.

References
----------
Huang, Cooijmans, Roberts, Courville and Eck, "Counterpoint by Convolution", ISMIR 2017, section 4.
Yao et al., "On the Equivalence between Deep NADE and Generative Stochastic Networks", ECML 2014: the annealing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from wavecore.errors import InputError, UsageError
from wavecore.models.coconet.config import N_VOICES, CoconetConfig
from wavecore.models.coconet.model import Coconet
from wavecore.nn.sampling import pick
from wavecore.symbolic.chorale import REST, VOICES

STEPS_PER_BAR = 16
MOST_HIDDEN, LEAST_HIDDEN, ANNEALED = 0.9, 0.1, 0.7
"""Share of the free cells that a Gibbs step hides: at first, at last, and the part of the steps over which it falls."""

Progress = Callable[[int, int], None]

# Free cells, as bool arrays of shape (T, 4)


def empty_grid(n_bars: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a grid of rests, shape (T, 4), and its cells, all free; raise UsageError below one bar."""
    if n_bars < 1:
        raise UsageError(f"{n_bars} bars were asked for; at least 1 is needed")
    shape = (n_bars * STEPS_PER_BAR, N_VOICES)
    return np.full(shape, REST, np.int16), np.ones(shape, bool)


def melody_grid(melody: np.ndarray, config: CoconetConfig) -> tuple[np.ndarray, np.ndarray]:
    """Return a grid whose soprano is a melody, and its free cells: those of the other voices.

    Parameters
    ----------
    melody : ndarray, shape (T,), integer
        MIDI note numbers, -1 for a rest.

    Raises
    ------
    InputError
        If the melody has no notes or leaves the network's range.
    """
    pitches = melody[melody != REST]
    if not len(pitches):
        raise InputError("the melody has no notes")
    if pitches.min() < config.lowest or pitches.max() > config.highest:
        raise InputError(
            f"the melody reaches from MIDI {pitches.min()} to {pitches.max()}; the model knows {config.lowest} to "
            f"{config.highest}: transpose it"
        )
    grid = np.full((len(melody), N_VOICES), REST, np.int16)
    grid[:, 0] = melody
    return grid, free_voices(grid, VOICES[:1])


def free_voices(grid: np.ndarray, kept: Sequence[str]) -> np.ndarray:
    """Return the cells of all voices but those kept; raise UsageError if one is unknown or all are kept."""
    unknown = [voice for voice in kept if voice not in VOICES]
    if unknown:
        raise UsageError(f"there is no voice {unknown[0]!r}; a chorale has {', '.join(VOICES)}")
    if set(kept) == set(VOICES):
        raise UsageError("all four voices are kept; nothing is left to write")
    return np.broadcast_to([voice not in kept for voice in VOICES], grid.shape).copy()


def free_bars(grid: np.ndarray, first: int, last: int) -> np.ndarray:
    """Return the cells of the bars of 4/4 from first to last, counted from 1; raise UsageError beyond the piece."""
    n_bars = -(-len(grid) // STEPS_PER_BAR)
    if not 1 <= first <= last <= n_bars:
        raise UsageError(f"bars {first} to {last} were asked for; the piece has bars 1 to {n_bars}")
    free = np.zeros(grid.shape, bool)
    free[(first - 1) * STEPS_PER_BAR : last * STEPS_PER_BAR] = True
    return free


# Sampling


def gibbs(
    network: Coconet,
    grid: np.ndarray,
    free: np.ndarray,
    *,
    rng: np.random.Generator,
    n_steps: int | None = None,
    temperature: float = 1.0,
    on_progress: Progress | None = None,
) -> np.ndarray:
    """Fill free cells by annealed, independent, blocked Gibbs sampling.

    Every step hides some of the free cells, many at first and few at last, and samples each of them independently from
    its distribution given all other cells.

    Parameters
    ----------
    network : Coconet
        In evaluation mode.
    grid : ndarray, shape (B, T, 4), integer
        MIDI note numbers; the values of free cells are not used.
    free : ndarray, shape (B, T, 4) or (T, 4), bool
    n_steps : int, optional
        4 T if not given.
    temperature : float
        Divides the logits; 0 takes the most likely pitch.
    on_progress : callable, optional
        Called with (steps done, steps in all).

    Returns
    -------
    ndarray, shape (B, T, 4), int16

    Raises
    ------
    UsageError
        If shapes do not fit, a number is out of its range, or a fixed cell has a pitch that the network lacks.
    """
    filler = _Filler(network, grid, free, rng, temperature)
    n_steps = 4 * grid.shape[1] if n_steps is None else n_steps
    if n_steps < 1:
        raise UsageError(f"n_steps is {n_steps}; at least 1 is needed")
    filler.sample(filler.free)  # an initial grid of rests would condition the first step on silence
    for step in range(n_steps):
        share = max(LEAST_HIDDEN, MOST_HIDDEN - (MOST_HIDDEN - LEAST_HIDDEN) * step / (ANNEALED * n_steps))
        filler.sample(filler.free & (rng.random(filler.free.shape) < share))
        if on_progress is not None:
            on_progress(step + 1, n_steps)
    return filler.grid


def ancestral(
    network: Coconet,
    grid: np.ndarray,
    free: np.ndarray,
    *,
    rng: np.random.Generator,
    temperature: float = 1.0,
    on_progress: Progress | None = None,
) -> np.ndarray:
    """Fill free cells one after the other in a random order, each given all cells before it.

    Parameters, result and errors are those of ``gibbs``; ``on_progress`` is called with (cells done, cells in all).
    """
    filler = _Filler(network, grid, free, rng, temperature)
    order = np.where(filler.free, rng.random(filler.free.shape), np.inf).reshape(len(filler.free), -1)
    cells, counts = order.argsort(axis=1), np.isfinite(order).sum(axis=1)
    rows, n_cells = np.arange(len(order)), int(counts.max(initial=0))
    unknown = filler.free.copy()
    for number in range(n_cells):
        current = np.zeros(order.shape, bool)
        current[rows, cells[:, number]] = number < counts
        current = current.reshape(filler.free.shape)
        filler.sample(current, unknown=unknown)
        unknown &= ~current
        if on_progress is not None:
            on_progress(number + 1, n_cells)
    return filler.grid


SAMPLERS = {"gibbs": gibbs, "ancestral": ancestral}


class _Filler:
    """Grids whose free cells are being filled."""

    def __init__(
        self, network: Coconet, grid: np.ndarray, free: np.ndarray, rng: np.random.Generator, temperature: float
    ):
        grid, free, config = np.asarray(grid), np.asarray(free), network.config
        if grid.ndim != 3 or grid.shape[2] != N_VOICES or not grid.size:
            raise UsageError(f"the grid has shape {grid.shape}; (B, T, {N_VOICES}) is needed")
        if free.dtype != bool or free.shape not in (grid.shape, grid.shape[1:]):
            raise UsageError(f"free has shape {free.shape} and dtype {free.dtype}; bool of {grid.shape} is needed")
        if not 0 <= temperature < float("inf"):
            raise UsageError(f"temperature is {temperature}; it must be 0 (the most likely pitch) or positive")
        self.network, self.rng, self.temperature = network, rng, temperature
        self.free = np.broadcast_to(free, grid.shape)
        self.grid = np.where(self.free, REST, grid).astype(np.int16)
        fixed = self.grid[~self.free & (self.grid != REST)]
        if len(fixed) and (fixed.min() < config.lowest or fixed.max() > config.highest):
            raise UsageError(
                f"the piece reaches from {fixed.min()} to {fixed.max()}; the model knows MIDI {config.lowest} to "
                f"{config.highest}"
            )

    def sample(self, cells: np.ndarray, *, unknown: np.ndarray | None = None) -> None:
        """Sample some cells given all others, or all but the unknown ones."""
        if not cells.any():
            return
        logits = cell_logits(self.network, self.grid, ~(cells if unknown is None else unknown))[cells]
        self.grid[cells] = self.network.config.lowest + pick(logits, self.rng, self.temperature)


@torch.inference_mode()
def cell_logits(network: Coconet, grid: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the logits of all cells, shape (B, T, 4, P), float32, given the known ones."""
    device = next(network.parameters()).device
    tensors = (torch.from_numpy(np.ascontiguousarray(array)).to(device) for array in (grid.astype(np.int64), known))
    return network(*tensors).cpu().numpy()
