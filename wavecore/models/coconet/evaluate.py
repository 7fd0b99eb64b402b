"""Evaluation of a Coconet: framewise likelihood of chorales, and the counterpoint of what it composes.

The likelihood follows the published protocol.  A frame is a sixteenth of all four voices.  Frames are taken in a random
order, and the voices of a frame in a random order.  Each cell is predicted from the true frames before it, and from the
*most likely* pitches of the voices of its frame before it; its cost is the negative log-likelihood of the true pitch,
and costs of a frame's cells are added.

Several orders of a chorale form an ensemble: the cost of a frame is taken from the mean of its probabilities, not from
the mean of its costs.  An order in which a frame comes late, when most cells around it are known, thus weighs more than
one in which it comes early, and the figure falls with the number of orders.  The authors' public program computes it
like this, and the published figures seem to come from it; the mean of the costs is reported beside it.

References
----------
Huang, Cooijmans, Roberts, Courville and Eck, "Counterpoint by Convolution", ISMIR 2017, section 5; their program
is Magenta's ``coconet_evaluate`` with its defaults, ``frame`` for the unit and an ensemble of 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from wavecore.errors import InputError, UsageError
from wavecore.models.coconet.config import N_VOICES
from wavecore.models.coconet.model import Coconet
from wavecore.models.coconet.sample import SAMPLERS, Progress, cell_logits, empty_grid, free_voices, gibbs
from wavecore.symbolic import chorale
from wavecore.symbolic.chorale import REST

ROWS = 32
"""Chorales, or orders of one, that are evaluated at once."""
RANGES = ((60, 81), (53, 74), (48, 69), (40, 64))
"""MIDI note numbers of soprano, alto, tenor and bass as in hymn books."""


def draw_crops(
    grids: Sequence[np.ndarray], n_steps: int, *, seed: int, n_pieces: int | None = None
) -> list[np.ndarray]:
    """Draw a crop of ``n_steps`` sixteenths from each chorale, or from the first ``n_pieces``, that is long enough.

    Raises
    ------
    InputError
        If none is.
    """
    rng = np.random.default_rng(seed)
    long_enough = [grid for grid in grids if len(grid) >= n_steps][:n_pieces]
    if not long_enough:
        raise InputError(f"no chorale has {n_steps} sixteenths; the longest has {max(map(len, grids), default=0)}")
    starts = [int(rng.integers(0, len(grid) - n_steps + 1)) for grid in long_enough]
    return [grid[start : start + n_steps] for grid, start in zip(long_enough, starts, strict=True)]


def likelihood(
    network: Coconet,
    grids: Sequence[np.ndarray],
    *,
    seed: int,
    n_orderings: int = 5,
    chronological: bool = False,
    on_progress: Progress | None = None,
) -> dict:
    """Measure the framewise negative log-likelihood of chorales.

    Parameters
    ----------
    network : Coconet
        In evaluation mode.
    grids : sequence of ndarray, shape (T, 4), integer
        The same T for all; within the network's pitches.
    n_orderings : int
        Random orders for each chorale.
    chronological : bool
        Whether frames are taken from the first to the last, and not in a random order.
    on_progress : callable, optional
        Called with (forward passes done, forward passes in all).

    Returns
    -------
    dict
        ``framewise_nll``: nats per frame by grid, of the ensemble; ``framewise_nll_alone``: the mean over single
        orders; ``standard_error`` of the former, from the differences between chorales, NaN for one; ``n_frames``,
        ``n_pieces``, ``orderings``.

    Raises
    ------
    UsageError
        If there are no chorales or orderings, or lengths differ.
    InputError
        If a pitch is outside the network's range.
    """
    if not len(grids) or n_orderings < 1:
        raise UsageError(f"{len(grids)} chorales in {n_orderings} orderings: there is nothing to measure")
    if len({len(grid) for grid in grids}) != 1:
        raise UsageError("the chorales have different lengths; cut them to the same one")
    for grid in grids:
        chorale.transposition_range(grid, network.config.lowest, network.config.highest)
    stacked = np.repeat(np.stack(grids).astype(np.int16), n_orderings, axis=0)
    n_passes, costs = -(-len(stacked) // ROWS) * stacked.shape[1] * N_VOICES, []
    for begin in range(0, len(stacked), ROWS):
        orders = _Orders(network, stacked[begin : begin + ROWS], np.random.default_rng((seed, begin)), chronological)
        for number in range(orders.n_cells):
            orders.predict(number)
            if on_progress is not None:
                on_progress(begin // ROWS * orders.n_cells + number + 1, n_passes)
        costs.append(orders.costs)
    alone = np.concatenate(costs).reshape(len(grids), n_orderings, -1)
    ensemble = np.log(n_orderings) - np.logaddexp.reduce(-alone, axis=1)
    error = ensemble.mean(axis=1).std(ddof=1) / np.sqrt(len(grids)) if len(grids) > 1 else np.nan
    return {
        "framewise_nll": {"16th": float(ensemble.mean())},
        "framewise_nll_alone": {"16th": float(alone.mean())},
        "standard_error": float(error),
        "n_frames": len(grids) * stacked.shape[1],
        "n_pieces": len(grids),
        "orderings": n_orderings,
    }


class _Orders:
    """Chorales whose cells are predicted, each in an order of its own."""

    def __init__(self, network: Coconet, grids: np.ndarray, rng: np.random.Generator, chronological: bool):
        self.network, self.true, self.rng = network, grids, rng
        frames = np.tile(np.arange(grids.shape[1]), (len(grids), 1))
        self.frames = frames if chronological else rng.permuted(frames, axis=1)
        self.n_cells = grids.shape[1] * N_VOICES
        self.costs = np.zeros(grids.shape[:2])
        self.grid, self.known = np.full(grids.shape, REST, np.int16), np.zeros(grids.shape, bool)

    def predict(self, number: int) -> None:
        """Predict the cell of that number in each chorale's order, and add its cost to its frame's."""
        position, voice_position = divmod(number, N_VOICES)
        rows, frame, lowest = np.arange(len(self.true)), self.frames[:, position], self.network.config.lowest
        if voice_position == 0:
            self.voices = self.rng.permuted(np.tile(np.arange(N_VOICES), (len(rows), 1)), axis=1)
        voice = self.voices[:, voice_position]
        logits = cell_logits(self.network, self.grid, self.known)[rows, frame, voice]
        true = self.true[rows, frame, voice]
        normalizer = np.logaddexp.reduce(logits.astype(np.float64), axis=1)
        costs = normalizer - logits[rows, np.maximum(true - lowest, 0)]
        self.costs[rows, frame] += np.where(true == REST, 0.0, costs)  # a rest has no pitch to predict
        self.grid[rows, frame, voice] = lowest + logits.argmax(axis=1)
        self.known[rows, frame, voice] = True
        if voice_position == N_VOICES - 1:  # later frames are predicted from the true pitches of this one
            self.grid[rows, frame] = self.true[rows, frame]


def evaluate_samples(
    network: Coconet,
    crops: Sequence[np.ndarray],
    *,
    n_samples: int,
    n_bars: int,
    n_orderings: int,
    seed: int,
    on_progress: Progress | None = None,
) -> dict:
    """Compose, and harmonize the sopranos of crops; measure the result by likelihood and counterpoint.

    Returns
    -------
    dict
        ``samples_nll``: nats per frame by method, ``soprano_kept``: whether harmonizing did; ``counterpoint``: as of
        ``counterpoint``, of the data, of each method and of the harmonized crops.
    """
    grid, free = empty_grid(n_bars)
    grids, true = np.repeat(grid[None], n_samples, axis=0), np.stack(crops)
    pieces = {
        method: sampler(network, grids, free, rng=np.random.default_rng(seed), on_progress=on_progress)
        for method, sampler in SAMPLERS.items()
    }
    below_soprano = free_voices(true[0], ["soprano"])
    harmonized = gibbs(network, true, below_soprano, rng=np.random.default_rng(seed), on_progress=on_progress)
    options = {"seed": seed, "n_orderings": n_orderings, "on_progress": on_progress}
    counted = {"data": crops, **pieces, "harmonised": harmonized}
    return {
        "samples_nll": {
            m: likelihood(network, grids, **options)["framewise_nll"]["16th"] for m, grids in pieces.items()
        },
        "soprano_kept": bool((harmonized[..., 0] == true[..., 0]).all()),
        "counterpoint": {name: counterpoint(grids) for name, grids in counted.items()},
    }


def counterpoint(grids: Sequence[np.ndarray]) -> dict[str, float]:
    """Count what counterpoint forbids; Bach's counts are not zero.

    Parameters
    ----------
    grids : sequence of ndarray, shape (T, 4), integer
        MIDI note numbers from soprano to bass, -1 for a rest.

    Returns
    -------
    dict of str to float
        ``parallel_fifths``, ``parallel_octaves``: pairs of voices that move in parallel at that distance, octaves
        folded, for every hundred steps at which any voice moves; ``crossings``: share of sixteenths at which a voice
        lies above the one that should; ``out_of_range``: share of notes beyond ``RANGES``; ``moves``: share of cells
        that differ from the sixteenth before; ``pitches``: mean number of pitch classes in a sixteenth.

    Raises
    ------
    InputError
        If no chorale has two sixteenths.
    """
    if not any(len(grid) > 1 for grid in grids):
        raise InputError("there is no chorale of two sixteenths or more; nothing can be counted")
    cells = np.concatenate(grids)
    moved = np.concatenate([np.diff(grid, axis=0) != 0 for grid in grids])
    sounding, (low, high) = cells != REST, np.array(RANGES).T
    crossed = (np.diff(cells, axis=1) > 0) & sounding[:, 1:] & sounding[:, :-1]
    n_moves = max(1, int(moved.any(axis=1).sum()))
    return {
        "parallel_fifths": 100 * sum(parallels(grid, 7) for grid in grids) / n_moves,
        "parallel_octaves": 100 * sum(parallels(grid, 0) for grid in grids) / n_moves,
        "crossings": float(crossed.any(axis=1).mean()),
        "out_of_range": float((((cells < low) | (cells > high)) & sounding).sum() / max(1, sounding.sum())),
        "moves": float(moved.mean()),
        "pitches": float(np.mean([len(set((row[row != REST] % 12).tolist())) for row in cells])),
    }


def parallels(grid: np.ndarray, interval: int) -> int:
    """Count pairs of voices that move in the same direction and keep a distance of some semitones, octaves folded."""
    count, before, after = 0, grid[:-1], grid[1:]
    for upper, lower in combinations(range(grid.shape[1]), 2):
        pair = [before[:, upper], before[:, lower], after[:, upper], after[:, lower]]
        sounding = np.all([line != REST for line in pair], axis=0)
        kept = ((pair[0] - pair[1]) % 12 == interval) & ((pair[2] - pair[3]) % 12 == interval)
        same_direction = np.sign(pair[2] - pair[0]) * np.sign(pair[3] - pair[1]) > 0
        count += int((sounding & kept & same_direction).sum())
    return count
