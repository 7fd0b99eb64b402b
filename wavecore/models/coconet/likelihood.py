"""How likely a Coconet thinks chorales, frame by frame: the measure that is published.

A frame is a sixteenth of all four voices.  Frames are taken in a random order, and the voices of a frame
in a random order.  Each cell is predicted from the true frames before it, and from what the network finds
*likeliest* for the voices of its frame before it; what it costs is that of the true pitch.  Costs of a
frame's cells are added.

Several orders of a chorale are an ensemble: what a frame costs is taken from the mean of its probabilities,
and not from the mean of its costs.  So an order in which a frame came late, when most around it was
known, counts for more than one in which it came early, and the figure falls with the number of orders.
That is how the authors' public program does it, from which the published figures seem to be; the mean of
costs is told beside it.

References
----------
Huang, Cooijmans, Roberts, Courville and Eck, "Counterpoint by Convolution", ISMIR 2017, section 5; their program
is Magenta's ``coconet_evaluate`` with its defaults, ``frame`` for the unit and an ensemble of 5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wavecore.errors import UsageError
from wavecore.models.coconet.config import N_VOICES
from wavecore.models.coconet.model import Coconet
from wavecore.models.coconet.sample import cell_logits
from wavecore.symbolic import chorale

ROWS = 32
"""Chorales, or orders of one, that go through the network at once."""


@dataclass(frozen=True)
class FramewiseLikelihood:
    """What frames cost.

    Attributes
    ----------
    nats : float
        Per frame, the mean over all; of the mean of the probabilities in all orders.
    nats_alone : float
        The same of every order for itself.
    standard_error : float
        Of ``nats``, from the differences between chorales.
    """

    nats: float
    nats_alone: float
    standard_error: float
    n_frames: int
    n_pieces: int
    n_orderings: int


def framewise(
    network: Coconet,
    grids: Sequence[np.ndarray],
    *,
    seed: int,
    n_orderings: int = 5,
    chronological: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> FramewiseLikelihood:
    """Measure a network on chorales.

    Parameters
    ----------
    network : Coconet
        In evaluation mode.
    grids : sequence of ndarray, shape (T, 4), integer
        The same T for all; within the network's pitches.
    seed : int
        Of orders.
    n_orderings : int
        Of every chorale.
    chronological : bool
        Whether frames are taken from the first to the last, and not in a random order.
    on_progress : callable, optional
        Called with (forward passes done, forward passes in all).

    Raises
    ------
    UsageError
        If there is nothing to measure, lengths differ, or a pitch is none of the network's.
    """
    if not len(grids) or n_orderings < 1:
        raise UsageError(f"{len(grids)} chorales in {n_orderings} orderings: there is nothing to measure")
    if len({len(grid) for grid in grids}) != 1:
        raise UsageError("the chorales have different lengths; cut them to the same one")
    for grid in grids:
        chorale.room(grid, network.config.lowest, network.config.highest)
    stacked = np.repeat(np.stack(grids).astype(np.int16), n_orderings, axis=0)
    costs, n_passes, done = [], -(-len(stacked) // ROWS) * stacked.shape[1] * N_VOICES, 0
    for begin in range(0, len(stacked), ROWS):
        rng = np.random.default_rng((seed, begin))
        run = _Orders(network, stacked[begin : begin + ROWS], rng, chronological)
        while run.step():
            done += 1
            if on_progress is not None:
                on_progress(done, n_passes)
        costs.append(run.costs)
    alone = np.concatenate(costs).reshape(len(grids), n_orderings, -1)
    together = np.log(n_orderings) - np.logaddexp.reduce(-alone, axis=1)
    spread = together.mean(axis=1).std(ddof=1) / np.sqrt(len(grids)) if len(grids) > 1 else float("nan")
    return FramewiseLikelihood(
        float(together.mean()),
        float(alone.mean()),
        float(spread),
        len(grids) * stacked.shape[1],
        len(grids),
        n_orderings,
    )


class _Orders:
    """Some chorales, each in an order of its own."""

    def __init__(self, network: Coconet, grids: np.ndarray, rng: np.random.Generator, chronological: bool):
        self.network, self.true, self.rng = network, grids, rng
        shape = grids.shape[:2]
        self.frames = (
            np.broadcast_to(np.arange(shape[1]), shape)
            if chronological
            else rng.permuted(np.tile(np.arange(shape[1]), (shape[0], 1)), axis=1)
        )
        self.costs = np.zeros(shape)
        self.seen, self.known = np.full(grids.shape, chorale.REST, np.int16), np.zeros(grids.shape, bool)
        self.number = 0

    def step(self) -> bool:
        """Predict one cell of each chorale; False when all are done."""
        place, voice_place = divmod(self.number, N_VOICES)
        if place == self.true.shape[1]:
            return False
        rows, frame = np.arange(len(self.true)), self.frames[:, place]
        if voice_place == 0:
            self.voices = self.rng.permuted(np.tile(np.arange(N_VOICES), (len(rows), 1)), axis=1)
        voice = self.voices[:, voice_place]
        logits = cell_logits(self.network, self.seen, self.known)[rows, frame, voice]
        true = self.true[rows, frame, voice]
        costs = (
            np.logaddexp.reduce(logits.astype(np.float64), axis=1)
            - logits[rows, np.maximum(true - self.network.config.lowest, 0)]
        )
        self.costs[rows, frame] += np.where(true == chorale.REST, 0.0, costs)  # a rest has no pitch to be wrong about
        self.seen[rows, frame, voice] = self.network.config.lowest + logits.argmax(axis=1)
        self.known[rows, frame, voice] = True
        if voice_place == N_VOICES - 1:  # the frame is done: from now on what is true is seen
            self.seen[rows, frame] = self.true[rows, frame]
        self.number += 1
        return True
