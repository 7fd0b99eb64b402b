"""What trains the spectral baseline: whole notes, one update, the same error held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavecore.audio import mulaw
from wavecore.datasets.notes.reader import NotesDataset
from wavecore.errors import UsageError
from wavecore.models.spectral import model as spectral_autoencoder
from wavecore.models.spectral.config import SpectralConfig, SpectralTrainingConfig
from wavecore.models.spectral.model import SpectralNetwork
from wavecore.training.trainer import AveragedTrainer


@dataclass(frozen=True)
class SpectralBatch:
    """Whole notes.

    Attributes
    ----------
    images : Tensor, shape (B, image_channels, 512, 256), float32
        As ``spectral_autoencoder.to_images`` returns them.
    pitches : Tensor, shape (B,), int64
        MIDI note numbers.
    """

    images: Tensor
    pitches: Tensor


class SpectralTrainer(AveragedTrainer):
    """One optimiser for encoder and decoder."""

    def __init__(self, network: SpectralNetwork, config: SpectralTrainingConfig, *, device: str = "cpu"):
        super().__init__(
            network, config, {"autoencoder": (dict(network.named_parameters()), config.learning_rate)}, device=device
        )

    def update(self, batch: SpectralBatch) -> dict[str, float]:
        """Do one step.

        Returns
        -------
        dict of str to float
            ``loss``, ``bits`` (the same number: what every training reports), ``gradient_norm``, ``learning_rate``.

        Raises
        ------
        ModelError
            If the loss is not finite.
        """
        images, pitches = batch.images.to(self.device), batch.pitches.to(self.device)
        loss = spectral_autoencoder.loss(predict(self.network, images, pitches), images, self.network.config)
        value = float(loss.detach())
        found = {"loss": value, "bits": value} | self.descend("autoencoder", loss)
        self.finish_step()
        return found


def predict(network: SpectralNetwork, images: Tensor, pitches: Tensor) -> Tensor:
    """Run notes through encoder and decoder.

    Parameters
    ----------
    images : Tensor, shape (B, image_channels, 512, 256), float32
    pitches : Tensor, shape (B,), int64

    Returns
    -------
    Tensor, shape (B, image_channels, 512, 256), float32
    """
    return network.decode(network.encode(images), pitches if network.config.pitch_channels else None)


class SpectralTask:
    """A spectral autoencoder and the notes that it learns.

    Parameters
    ----------
    dataset : NotesDataset
        With the splits train and valid.
    training : SpectralTrainingConfig
        ``batch_size``, the rates and the numbers of steps count; the rest has no effect.
    initial : SpectralNetwork, optional
        Weights to start from.

    Raises
    ------
    UsageError
        If the notes are too long, at another rate, or lack a split.
    """

    def __init__(
        self,
        dataset: NotesDataset,
        network_config: SpectralConfig,
        training: SpectralTrainingConfig,
        initial: SpectralNetwork | None = None,
    ):
        missing = [split for split in ("train", "valid") if split not in dataset.splits]
        if missing:
            raise UsageError(f"{dataset.path} has no split {missing[0]!r}; training needs train and valid")
        if dataset.sample_rate != network_config.sample_rate:
            raise UsageError(
                f"the notes are at {dataset.sample_rate} Hz, the network at {network_config.sample_rate} Hz"
            )
        longest = network_config.n_frames * network_config.hop_length
        if dataset.n_samples > longest:
            raise UsageError(f"the notes have {dataset.n_samples} samples; {longest} at most fit the network")
        self.dataset, self.network_config, self.training = dataset, network_config, training
        self.data = str(dataset.path)
        self.samples_per_step = training.batch_size * dataset.n_samples
        self.sample_rate = network_config.sample_rate
        if initial is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(training.seed)
                initial = SpectralNetwork(network_config)
        self._network = initial
        self._pitches = {split: np.array([note.pitch for note in dataset.notes(split)]) for split in dataset.splits}

    def build(self) -> SpectralNetwork:
        """Return the network that is to be trained."""
        return self._network

    def trainer(self, network: SpectralNetwork, device: str) -> SpectralTrainer:
        """Build the trainer."""
        return SpectralTrainer(network, self.training, device=device)

    def batch(self, step: int) -> SpectralBatch:
        """Draw the batch of a step."""
        rng = np.random.default_rng((self.training.seed, step))
        return self._batch("train", rng.integers(0, len(self._pitches["train"]), self.training.batch_size))

    @torch.no_grad()
    def validate(self, network: SpectralNetwork, device: str) -> dict[str, float]:
        """Measure a network on held-out notes.

        Parameters
        ----------
        network : SpectralNetwork
            In evaluation mode.

        Returns
        -------
        dict of str to float
            ``valid/bits``: the loss, which decides which model is the best.
        """
        network = network.to(device)
        n = min(len(self._pitches["valid"]), 8 * self.training.validation_crops)
        rows = np.linspace(0, len(self._pitches["valid"]) - 1, n).astype(int)
        total = 0.0
        for begin in range(0, n, 8):
            batch = self._batch("valid", rows[begin : begin + 8])
            images = batch.images.to(device)
            said = predict(network, images, batch.pitches.to(device))
            total += float(spectral_autoencoder.loss(said, images, self.network_config)) * len(images)
        return {"valid/bits": total / n}

    def describe(self) -> dict:
        """Summarise the data."""
        return self.dataset.summary()

    def _batch(self, split: str, rows: np.ndarray) -> SpectralBatch:
        codes = self.dataset.codes(split)
        audio = torch.from_numpy(np.stack([mulaw.decode(np.array(codes[row])) for row in rows]))
        images = spectral_autoencoder.to_images(audio, self.network_config)
        return SpectralBatch(images, torch.from_numpy(self._pitches[split][rows]).long())
