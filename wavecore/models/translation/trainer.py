"""The two alternating updates that train a translation network."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from wavecore.models.translation.config import TranslationConfig, TranslationTrainingConfig
from wavecore.models.translation.data import Batch
from wavecore.models.translation.model import TranslationNetwork
from wavecore.training import losses
from wavecore.training.autocast import autocast
from wavecore.training.trainer import AveragedTrainer


def build_network(config: TranslationConfig, *, seed: int) -> TranslationNetwork:
    """Build a network whose starting weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TranslationNetwork(config)


class Trainer(AveragedTrainer):
    """Network, weight average and the two optimisers.

    Parameters
    ----------
    device : str
        Where to train; ``config.precision`` says in which number format.
    """

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
        """Do one step: the classifier's update, then the autoencoder's.

        Returns
        -------
        dict of str to float
            ``bits`` per sample, ``classifier/loss`` (nats), ``classifier/accuracy``, ``gradient_norm``, ``learning_rate``.

        Raises
        ------
        ModelError
            If the loss is not finite.
        """
        batch = batch.to(self.device)
        found = self._update_classifier(batch) | self._update_autoencoder(batch)
        self.finish_step()
        return found

    def _encode(self, audio: Tensor, octave_shift: Tensor) -> Tensor:
        # Levels in dB of quiet bins do not survive bfloat16, and the cqt encoder costs next to nothing.
        if self.network.config.encoder.kind == "cqt":
            return self.network.encoder(audio, octave_shift=octave_shift)
        with autocast(self.config.precision, self.device):
            return self.network.encoder(audio, octave_shift=octave_shift).float()

    def _update_classifier(self, batch: Batch) -> dict[str, float]:
        with torch.no_grad():
            latent = self._encode(torch.cat([batch.clean, batch.further]), batch.all_octave_shifts)
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
        latent = self._encode(torch.cat([batch.augmented, batch.further]), batch.all_octave_shifts)
        told = self._blurred(latent[: len(batch.codes)])
        with autocast(self.config.precision, self.device):
            logits = self.network(batch.codes, told, batch.targets, history=batch.history)
        nats = losses.reconstruction(logits, batch.codes, skip_samples=self.config.skip_samples)
        confusion = losses.domain(self.network.classifier(latent), batch.all_domains)
        loss = nats - self.config.confusion(self.step) * confusion
        return {"bits": losses.bits(nats.detach())} | self.descend("autoencoder", loss)

    def _blurred(self, latent: Tensor) -> Tensor:
        """The latent under the settings' noise, drawn anew from (seed, step): a resumed run draws the same."""
        if not self.config.latent_noise:
            return latent
        rng = np.random.default_rng((self.config.seed, self.step, 1))
        noise = torch.from_numpy(rng.standard_normal(latent.shape, dtype=np.float32)).to(latent.device)
        return latent + self.config.latent_noise * latent.detach().square().mean().sqrt() * noise
