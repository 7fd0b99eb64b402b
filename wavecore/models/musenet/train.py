"""The training task of a MuseNet: windows of pieces, its loss, and the likelihood of held-out windows.

Transpositions become smaller while the learning rate falls, so that instruments end in the ranges that they have.

References
----------
Payne, "MuseNet", OpenAI 2019, https://openai.com/research/musenet.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from wavecore.datasets.songs import SongsDataset
from wavecore.errors import UsageError
from wavecore.models.musenet.config import MuseNetConfig, MuseNetTrainingConfig
from wavecore.models.musenet.data import (
    Augmentation,
    Windows,
    draw_windows,
    sampling_weights,
    tokenize,
    tokens_per_second,
)
from wavecore.models.musenet.evaluate import bits_per_token, count_baselines, held_out_windows, negative_log_likelihood
from wavecore.models.musenet.model import MuseNet
from wavecore.training.autocast import autocast
from wavecore.training.task import Task
from wavecore.training.trainer import AveragedTrainer


class MuseNetTrainer(AveragedTrainer):
    """One optimiser for all weights."""

    def __init__(self, network: MuseNet, config: MuseNetTrainingConfig, *, device: str = "cpu"):
        groups = {"musenet": (dict(network.named_parameters()), config.learning_rate)}
        super().__init__(network, config, groups, device=device)

    def is_table(self, name: str) -> bool:
        """Return True for all parameters outside of the layers: their rows are looked up."""
        return not name.startswith("layers.")

    def loss(self, batch: Windows) -> Tensor:
        """Return the negative log-likelihood of the windows, nats per token."""
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            # Dropout depends on the step alone, so that a resumed run ends bit for bit alike.  Recomputed layers drop
            # the same: torch.utils.checkpoint restores the state of the generators.
            seed = np.random.SeedSequence((self.config.seed, self.step, self.processes.rank)).generate_state(1)[0]
            torch.manual_seed(int(seed))
            with autocast(self.config.precision, self.device):
                return negative_log_likelihood(self.network, batch)


class MuseNetTask(Task):
    """A MuseNet and the pieces that it is trained on, in windows as long as its context.

    Parameters
    ----------
    recompute : bool
        Whether activations are computed again in the backward pass and not kept: less memory, a third more work.

    Raises
    ------
    UsageError
        If the data have styles that the network lacks, the network has a critic (which would no longer know the samples
        of its weights), or ``initial`` has another configuration.
    InputError
        If no instrument plays in the data.
    """

    network_class = MuseNet
    trainer_class = MuseNetTrainer

    def __init__(
        self,
        dataset: SongsDataset,
        network_config: MuseNetConfig,
        training: MuseNetTrainingConfig,
        initial: MuseNet | None = None,
        *,
        recompute: bool = False,
    ):
        require_styles(dataset, network_config)
        if network_config.critic:
            raise UsageError("a network with an inner critic is not trained further: its critic judges its own samples")
        super().__init__(dataset, network_config, training, initial)
        self.pieces = {split: tokenize(dataset.pieces[split]) for split in ("train", "valid")}
        self.weights = sampling_weights(self.pieces["train"])
        self.samples_per_step = training.batch_size * network_config.context
        self.sample_rate = tokens_per_second(self.pieces["train"])
        self._network.recompute = recompute

    def batch(self, step: int) -> Windows:
        """Return the batch of a step."""
        rng = np.random.default_rng((self.training.seed, step))
        numbers = rng.choice(len(self.weights), self.training.batch_size, p=self.weights)
        pieces = [self.pieces["train"][number] for number in numbers]
        changes = Augmentation(semitones(self.training, step), self.training.augment_probability)
        return draw_windows(pieces, self.network_config.vocabulary, self.network_config.context, rng, changes)

    @cached_property
    def held_out(self) -> Windows:
        """The windows of the validation."""
        config = self.network_config
        per_style = self.training.validation_windows
        return held_out_windows(self.pieces["valid"], config.vocabulary, config.context, per_style)

    def validate(self, network: MuseNet, device: str) -> dict[str, float]:
        """Return ``valid/bits`` per token of held-out windows, the same ones at every call."""
        return {"valid/bits": bits_per_token(network, self.held_out, device)}

    @cached_property
    def baselines(self) -> dict[str, float]:
        """Bits per token of the same windows by counts of tokens."""
        return count_baselines(self.pieces["train"], self.held_out)

    def describe(self) -> dict:
        """Return what the model's card keeps of its data."""
        tokens = {split: sum(len(piece.body) for piece in pieces) for split, pieces in self.pieces.items()}
        return super().describe() | {"tokens": tokens, "baselines": self.baselines}


def semitones(training: MuseNetTrainingConfig, step: int) -> int:
    """Return the largest transposition of a step, which falls to zero with the learning rate."""
    falling = training.decay_fraction * training.steps
    left = min(1.0, (training.steps - step) / falling) if falling else 1.0
    return round(training.transpose_semitones * left)


def require_styles(dataset: SongsDataset, config: MuseNetConfig) -> None:
    """Raise UsageError if the data have styles that a network lacks."""
    missing = sorted(set(dataset.styles) - set(config.styles))
    if missing:
        known = ", ".join(config.styles) or "none"
        raise UsageError(f"the data have the styles {', '.join(missing)}, which the network lacks; it has {known}")
