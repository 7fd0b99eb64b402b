"""The state of a training run and its two alternating updates.

Everything that decides what comes next lives in ``Trainer.tensors`` and
``Trainer.step``; saved and restored, the run goes on bit for bit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wavecore.errors import ModelError
from wavecore.models.translation import TranslationConfig, TranslationNetwork
from wavecore.training import losses
from wavecore.training.batches import Batch
from wavecore.training.config import TrainingConfig
from wavecore.training.precision import autocast


def build_network(config: TranslationConfig, *, seed: int) -> TranslationNetwork:
    """Build a network whose starting weights depend on the seed alone.

    Parameters
    ----------
    config : TranslationConfig
    seed : int

    Returns
    -------
    TranslationNetwork
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TranslationNetwork(config)


class Trainer:
    """Network, weight average and the two optimisers.

    Parameters
    ----------
    network : TranslationNetwork
    config : TrainingConfig
    device : str
        Where to train; ``config.precision`` says in which number format.
    """

    def __init__(self, network: TranslationNetwork, config: TrainingConfig, *, device: str = "cpu"):
        self.config = config
        self.device = torch.device(device)
        self.network = network.to(self.device).train()
        self.step = 0
        self.autoencoder_parameters = dict(self._autoencoder_parameters())
        self.classifier_parameters = {f"classifier.{k}": p for k, p in network.classifier.named_parameters()}
        self.average = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        self.optimizer = _adam(self.autoencoder_parameters, config.learning_rate)
        self.classifier_optimizer = _adam(self.classifier_parameters, config.classifier_learning_rate)

    def _autoencoder_parameters(self):
        for name, parameter in self.network.named_parameters():
            frozen = self.config.freeze_encoder and name.startswith("encoder.")
            parameter.requires_grad_(not frozen)
            if not frozen and not name.startswith("classifier."):
                yield name, parameter

    def update(self, batch: Batch) -> dict[str, float]:
        """Do one step: the classifier's update, then the autoencoder's.

        Parameters
        ----------
        batch : Batch

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
        self.step += 1
        self._update_average()
        return found

    def _encode(self, audio: torch.Tensor, octave_shift: torch.Tensor) -> torch.Tensor:
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
        self.classifier_optimizer.zero_grad()
        loss.backward()
        self.classifier_optimizer.step()
        return {
            "classifier/loss": float(loss.detach()),
            "classifier/accuracy": float(losses.accuracy(logits, batch.all_domains)),
        }

    def _update_autoencoder(self, batch: Batch) -> dict[str, float]:
        latent = self._encode(torch.cat([batch.augmented, batch.further]), batch.all_octave_shifts)
        with autocast(self.config.precision, self.device):
            logits = self.network(batch.codes, latent[: len(batch.codes)], batch.targets, history=batch.history)
        nats = losses.reconstruction(logits, batch.codes, skip_samples=self.config.skip_samples)
        confusion = losses.domain(self.network.classifier(latent), batch.all_domains)
        loss = nats - self.config.confusion(self.step) * confusion
        if not bool(torch.isfinite(loss)):
            raise ModelError(f"the loss became {float(loss.detach())} at step {self.step}; lower the learning rate and resume")
        rate = self.config.rate(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        self.classifier_optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.autoencoder_parameters.values(), self.config.clip_norm)
        self.optimizer.step()
        return {"bits": losses.bits(nats.detach()), "gradient_norm": float(norm), "learning_rate": rate}

    @torch.no_grad()
    def _update_average(self) -> None:
        # Early on a long memory would hold on to the random start.
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        for name, tensor in self.network.state_dict().items():
            self.average[name].lerp_(tensor, 1 - decay)

    def averaged_network(self) -> TranslationNetwork:
        """Build the network of the averaged weights.

        Returns
        -------
        TranslationNetwork
            On the CPU, in evaluation mode.
        """
        network = TranslationNetwork(self.network.config)
        network.load_state_dict({name: tensor.cpu() for name, tensor in self.average.items()})
        return network.eval()

    def tensors(self) -> dict[str, Tensor]:
        """Collect all state but the step: weights, average, optimiser moments.

        Returns
        -------
        dict of str to Tensor
        """
        found = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        found |= {f"average.{k}": v for k, v in self.average.items()}
        for label, optimizer, parameters in self._optimizers():
            for name, parameter in parameters.items():
                for key, value in optimizer.state.get(parameter, {}).items():
                    found[f"{label}.{key}.{name}"] = value
        return {name: tensor.detach().cpu().contiguous() for name, tensor in found.items()}

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """Take up the state that ``tensors`` returned.

        Parameters
        ----------
        tensors : dict of str to Tensor
        step : int

        Raises
        ------
        ModelError
            If the state belongs to another network.
        """
        try:
            self.network.load_state_dict(_under(tensors, "network."))
        except RuntimeError as error:
            raise ModelError(f"the checkpoint belongs to another network: {error}") from error
        for name, tensor in _under(tensors, "average.").items():
            self.average[name].copy_(tensor)
        for label, optimizer, parameters in self._optimizers():
            for name, parameter in parameters.items():
                state = {}
                for key in ("step", "exp_avg", "exp_avg_sq"):
                    stored = tensors.get(f"{label}.{key}.{name}")
                    if stored is not None:
                        state[key] = stored.clone().to(self.device)
                if state:
                    optimizer.state[parameter] = state
        self.step = step

    def _optimizers(self):
        yield "autoencoder", self.optimizer, self.autoencoder_parameters
        yield "classifier", self.classifier_optimizer, self.classifier_parameters


def _adam(parameters: dict, learning_rate: float) -> torch.optim.Adam:
    return torch.optim.Adam(list(parameters.values()), lr=learning_rate, betas=(0.9, 0.98), fused=True)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
