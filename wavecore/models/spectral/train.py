"""The training task of the spectral baseline: whole notes, the weighted error of their spectrograms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavecore.audio import mulaw
from wavecore.datasets.notes.reader import NotesDataset
from wavecore.errors import UsageError
from wavecore.models.spectral.config import SpectralConfig, SpectralTrainingConfig
from wavecore.models.spectral.model import SpectralNetwork, loss, to_images
from wavecore.training.batch import TensorBatch
from wavecore.training.task import Task
from wavecore.training.trainer import AveragedTrainer

ROWS = 8
"""Notes validated at once."""


@dataclass(frozen=True)
class SpectralBatch(TensorBatch):
    """Spectrograms of whole notes, (B, image_channels, 512, 256) float32, and MIDI note numbers, (B,) int64."""

    images: Tensor
    pitches: Tensor


class SpectralTrainer(AveragedTrainer):
    """One optimiser for encoder and decoder."""

    def __init__(self, network: SpectralNetwork, config: SpectralTrainingConfig, *, device: str = "cpu"):
        groups = {"autoencoder": (dict(network.named_parameters()), config.learning_rate)}
        super().__init__(network, config, groups, device=device)

    def update(self, batch: SpectralBatch) -> dict[str, float]:
        """Run one step; ``bits`` in the measures is the loss itself, under the name that every training reports."""
        error = reconstruction_error(self.network, batch.to(self.device))
        measures = {"loss": float(error.detach()), "bits": float(error.detach())} | self.descend("autoencoder", error)
        self.finish_step()
        return measures


def reconstruction_error(network: SpectralNetwork, batch: SpectralBatch) -> Tensor:
    """Return the weighted error of a network's reconstructions, shape ()."""
    pitches = batch.pitches if network.config.pitch_channels else None
    return loss(network.decode(network.encode(batch.images), pitches), batch.images, network.config)


class SpectralTask(Task):
    """A spectral autoencoder and the notes that it is trained on.

    Raises
    ------
    UsageError
        If the notes are too long, at another rate, or lack the split train or valid, or ``initial`` has another
        configuration.
    """

    network_class = SpectralNetwork
    trainer_class = SpectralTrainer

    def __init__(
        self,
        dataset: NotesDataset,
        network_config: SpectralConfig,
        training: SpectralTrainingConfig,
        initial: SpectralNetwork | None = None,
    ):
        if dataset.sample_rate != network_config.sample_rate:
            raise UsageError(
                f"the notes are at {dataset.sample_rate} Hz, the network at {network_config.sample_rate} Hz"
            )
        longest = network_config.n_frames * network_config.hop_length
        if dataset.n_samples > longest:
            raise UsageError(f"the notes have {dataset.n_samples} samples; the network takes {longest} at most")
        self._pitches = {split: np.array([note.pitch for note in dataset.notes(split)]) for split in ("train", "valid")}
        super().__init__(dataset, network_config, training, initial)
        self.samples_per_step = training.batch_size * dataset.n_samples
        self.sample_rate = network_config.sample_rate

    def batch(self, step: int) -> SpectralBatch:
        """Return the batch of a step."""
        rng = np.random.default_rng((self.training.seed, step))
        return self._batch("train", rng.integers(0, len(self._pitches["train"]), self.training.batch_size))

    @torch.no_grad()
    def validate(self, network: SpectralNetwork, device: str) -> dict[str, float]:
        """Measure a network on held-out notes: ``valid/bits`` is the loss."""
        network = network.to(device)
        n = min(len(self._pitches["valid"]), 8 * self.training.validation_crops)
        rows = np.linspace(0, len(self._pitches["valid"]) - 1, n).astype(int)
        total = 0.0
        for begin in range(0, n, ROWS):
            batch = self._batch("valid", rows[begin : begin + ROWS]).to(device)
            total += float(reconstruction_error(network, batch)) * len(batch.images)
        return {"valid/bits": total / n}

    def _batch(self, split: str, rows: np.ndarray) -> SpectralBatch:
        codes = self.dataset.codes(split)
        audio = torch.from_numpy(np.stack([mulaw.decode(np.array(codes[row])) for row in rows]))
        return SpectralBatch(to_images(audio, self.network_config), torch.from_numpy(self._pitches[split][rows]).long())
