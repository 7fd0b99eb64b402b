"""The training task of a Coconet: crops of chorales with some cells hidden, the loss, the held-out measure.

Orderless training: the number of hidden cells is drawn uniformly, then which cells are hidden.  The mean cross-entropy
at a crop's hidden cells is an unbiased estimate of the mean negative log-likelihood of all cells in a random order.

References
----------
Uria, Murray and Larochelle, "A Deep and Tractable Density Estimator", ICML 2014: orderless training.
Huang et al., "Counterpoint by Convolution", ISMIR 2017.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from wavecore.datasets.chorales import ChoralesDataset
from wavecore.models.coconet.config import N_VOICES, CoconetConfig, CoconetTrainingConfig
from wavecore.models.coconet.model import Coconet
from wavecore.symbolic import chorale
from wavecore.training import losses
from wavecore.training.autocast import autocast
from wavecore.training.batch import TensorBatch
from wavecore.training.task import Task
from wavecore.training.trainer import AveragedTrainer

VALIDATION_SEED = 1
VALIDATION_CROPS = 4
"""Of each held-out chorale, each with cells of its own hidden."""
ROWS = 32


@dataclass(frozen=True)
class Crops(TensorBatch):
    """Crops of chorales and what is known of them.

    Attributes
    ----------
    grid : Tensor, shape (B, T, 4), int64
        MIDI numbers, -1 for a rest and beyond a chorale's end.
    known : Tensor, shape (B, T, 4), bool
    inside : Tensor, shape (B, T, 4), bool
        Within the chorale.
    """

    grid: Tensor
    known: Tensor
    inside: Tensor


class CoconetTrainer(AveragedTrainer):
    """One optimiser for all weights."""

    def __init__(self, network: Coconet, config: CoconetTrainingConfig, *, device: str = "cpu"):
        network = network.to(memory_format=torch.channels_last)
        groups = {"coconet": (dict(network.named_parameters()), config.learning_rate)}
        super().__init__(network, config, groups, device=device)

    def loss(self, batch: Crops) -> Tensor:
        """Return the cross-entropy at the hidden cells, nats per cell."""
        with autocast(self.config.precision, self.device):
            logits = self.network(batch.grid, batch.known)
        return hidden_cell_nats(logits, batch, self.network.config).mean()


def hidden_cell_nats(logits: Tensor, crops: Crops, config: CoconetConfig) -> Tensor:
    """Return the mean cross-entropy at the hidden cells of every crop.

    Parameters
    ----------
    logits : Tensor, shape (B, T, 4, P), float

    Returns
    -------
    Tensor, shape (B,), float32
        Nats per cell.  A rest has no pitch: its cell costs nothing, as in the published measure, and counts.
    """
    hidden = crops.inside & ~crops.known
    scored = hidden & (crops.grid >= config.lowest)
    target = (crops.grid - config.lowest).clamp(0, config.n_pitches - 1)
    nats = F.cross_entropy(logits.flatten(0, 2).float(), target.flatten(), reduction="none").view_as(target)
    return (nats * scored).sum((1, 2)) / hidden.sum((1, 2)).clamp(min=1)


class CoconetTask(Task):
    """A Coconet and the chorales that it is trained on.

    Raises
    ------
    UsageError
        If a chorale has pitches that the network lacks, or ``initial`` has another configuration.
    """

    network_class = Coconet
    trainer_class = CoconetTrainer

    def __init__(
        self,
        dataset: ChoralesDataset,
        network_config: CoconetConfig,
        training: CoconetTrainingConfig,
        initial: Coconet | None = None,
    ):
        super().__init__(dataset, network_config, training, initial)
        self.samples_per_step = training.batch_size * training.crop_steps
        self.sample_rate = chorale.STEPS_PER_QUARTER
        self.transpositions = {
            split: [chorale.transposition_range(grid, network_config.lowest, network_config.highest) for grid in grids]
            for split, grids in dataset.grids.items()
        }

    def batch(self, step: int) -> Crops:
        """Return the batch of a step: every chorale comes once in an epoch."""
        rng = np.random.default_rng((self.training.seed, step))
        return self._crops("train", self.shuffled(step, len(self.dataset.grids["train"])), rng, transpose=True)

    def _crops(self, split: str, numbers: list[int], rng: np.random.Generator, *, transpose: bool) -> Crops:
        length = self.training.crop_steps
        shape = (len(numbers), length, N_VOICES)
        grid, inside, known = np.full(shape, chorale.REST), np.zeros(shape, bool), np.zeros(shape, bool)
        for row, number in enumerate(numbers):
            piece = self.dataset.grids[split][number]
            if transpose:
                down, up = self.transpositions[split][number]
                most = int(self.training.transpose_semitones)
                piece = chorale.transposed(piece, int(rng.integers(max(down, -most), min(up, most) + 1)))
            begin = int(rng.integers(0, max(0, len(piece) - length) + 1))
            piece = piece[begin : begin + length]
            grid[row, : len(piece)], inside[row, : len(piece)] = piece, True
            known[row, : len(piece)] = draw_known(rng, piece.shape)
        return Crops(*(torch.from_numpy(array) for array in (grid.astype(np.int64), known, inside)))

    @torch.no_grad()
    def validate(self, network: Coconet, device: str) -> dict[str, float]:
        """Return ``valid/bits`` per cell of held-out crops, the same ones at every call."""
        rng = np.random.default_rng(VALIDATION_SEED)
        numbers = list(range(len(self.dataset.grids["valid"]))) * VALIDATION_CROPS
        network, nats = network.to(device), []
        for begin in range(0, len(numbers), ROWS):
            crops = self._crops("valid", numbers[begin : begin + ROWS], rng, transpose=False).to(torch.device(device))
            nats.append(hidden_cell_nats(network(crops.grid, crops.known), crops, self.network_config).cpu())
        return {"valid/bits": losses.bits(torch.cat(nats).mean())}


def draw_known(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Draw which cells stay known, bool: first how many are hidden, uniformly from 1 to all, then which."""
    n_cells = int(np.prod(shape))
    known = np.ones(n_cells, bool)
    known[rng.permutation(n_cells)[: rng.integers(1, n_cells + 1)]] = False
    return known.reshape(shape)
