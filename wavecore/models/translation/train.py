"""The training of a translation network: two alternating updates, of the domain classifier and of the autoencoder.

References
----------
Mor, Wolf, Polyak, Taigman, "A Universal Music Translation Network", arXiv:1805.07848.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.models.translation import validate
from wavecore.models.translation.config import TranslationConfig, TranslationTrainingConfig
from wavecore.models.translation.data import Batch, BatchSource, describe
from wavecore.models.translation.model import TranslationNetwork
from wavecore.training import distributed, losses
from wavecore.training.autocast import autocast
from wavecore.training.task import Task
from wavecore.training.trainer import AveragedTrainer


class TranslationTrainer(AveragedTrainer):
    """Network, weight average and the two optimisers."""

    def __init__(self, network: TranslationNetwork, config: TranslationTrainingConfig, *, device: str = "cpu"):
        autoencoder = {}
        for name, parameter in network.named_parameters():
            frozen = (
                config.freeze_encoder
                and name.startswith("encoder.")
                and not (config.train_bottleneck_context and ".following." in name)
            )
            parameter.requires_grad_(not frozen)
            if not frozen and not name.startswith("classifier."):
                autoencoder[name] = parameter
        classifier = {f"classifier.{name}": parameter for name, parameter in network.classifier.named_parameters()}
        groups = {
            "autoencoder": (autoencoder, config.learning_rate),
            "classifier": (classifier, config.classifier_learning_rate),
        }
        super().__init__(network, config, groups, device=device)

    def update(self, batch: Batch) -> dict[str, float]:
        """Run one step: the classifier's update, then the autoencoder's.

        Returns
        -------
        dict of str to float
            ``bits`` per sample, ``classifier/loss`` in nats, ``classifier/accuracy``, ``gradient_norm``,
            ``learning_rate``.

        Raises
        ------
        ModelError
            If the loss is not finite.
        """
        batch = batch.to(self.device)
        measures = self._update_classifier(batch) | self._update_autoencoder(batch)
        self.finish_step()
        return measures

    def _encode(self, audio: Tensor, octave_shift: Tensor) -> Tensor:
        # Levels in dB of quiet bins do not survive bfloat16, and the cqt encoder costs next to nothing.
        if self.network.config.encoder.kind == "cqt":
            return self.network.encoder(audio, octave_shift=octave_shift)
        with autocast(self.config.precision, self.device):
            return self.network.encoder(audio, octave_shift=octave_shift).float()

    def _update_classifier(self, batch: Batch) -> dict[str, float]:
        with torch.no_grad():
            latent = self._encode(torch.cat([batch.clean, batch.extra]), batch.all_octave_shifts)
        logits = self.network.classifier(latent)
        loss = losses.domain(logits, batch.all_domains)
        self.optimizers["classifier"].zero_grad()
        loss.backward()
        self.processes.average([parameter.grad for parameter in self.parameters["classifier"].values()])
        self.optimizers["classifier"].step()
        return {
            "classifier/loss": float(loss.detach()),
            "classifier/accuracy": float(losses.accuracy(logits, batch.all_domains)),
        }

    def _update_autoencoder(self, batch: Batch) -> dict[str, float]:
        latent = self._encode(torch.cat([batch.augmented, batch.extra]), batch.all_octave_shifts)
        conditioning = self._with_noise(latent[: len(batch.codes)])
        with autocast(self.config.precision, self.device):
            logits = self.network(batch.context, conditioning, batch.targets)
        nats = losses.reconstruction(logits, batch.codes, skip_samples=self.config.skip_samples)
        confusion = losses.domain(self.network.classifier(latent), batch.all_domains)
        loss = nats - self.config.confusion(self.step) * confusion
        return {"bits": losses.bits(nats.detach())} | self.descend("autoencoder", loss)

    def _with_noise(self, latent: Tensor) -> Tensor:
        """Add the settings' noise to a latent; it follows from (seed, step), so that a resumed run draws the same."""
        if not self.config.latent_noise:
            return latent
        rng = np.random.default_rng((self.config.seed, self.step, 1))
        noise = torch.from_numpy(rng.standard_normal(latent.shape, dtype=np.float32)).to(latent.device)
        return latent + self.config.latent_noise * latent.detach().square().mean().sqrt() * noise


class TranslationTask(Task):
    """A translation network and the domains that it is trained on.

    With ``spread_decoders`` each of several processes holds the decoders of its own targets alone (see
    ``distributed``).
    """

    network_class = TranslationNetwork
    trainer_class = TranslationTrainer

    def __init__(
        self,
        dataset: DomainsDataset,
        network_config: TranslationConfig,
        training: TranslationTrainingConfig,
        initial: TranslationNetwork | None = None,
        *,
        spread_decoders: bool = False,
    ):
        super().__init__(dataset, network_config, training, initial)
        self.spread_decoders = spread_decoders
        decoder = network_config.decoder
        self.samples_per_step = training.batch_size * training.crop_frames * decoder.hop_length
        self.sample_rate = decoder.sample_rate
        self.source = BatchSource(dataset, network_config, training, self._network.encoder.context_frames)

    def trainer(self, network: TranslationNetwork, device: str) -> TranslationTrainer:
        """Return the trainer, with all decoders or with those of this process."""
        if self.spread_decoders:
            from wavecore.models.translation.distributed import SpreadTrainer

            return SpreadTrainer(network, self.training, distributed.current(), device=device)
        return super().trainer(network, device)

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""
        return self.source.training_batch(step)

    def validate(self, network: TranslationNetwork, device: str) -> dict[str, float]:
        """Measure a network on held-out crops, and on passages where ``transfer_passages`` is set."""
        measures = validate.validate(network, self.source, n_crops=self.training.validation_crops, device=device)
        n_passages = self.training.transfer_passages
        if n_passages:
            measures |= validate.measure_transfer(network.cpu(), self.dataset, n_passages=n_passages)
        return measures

    def error(self, measures: dict[str, float]) -> float:
        """Return the share of melodies lost where passages are translated, else the bits per sample."""
        return validate.error(measures)

    def describe(self) -> dict[str, Any]:
        """Return what the model's card keeps of its data."""
        return describe(self.dataset)
