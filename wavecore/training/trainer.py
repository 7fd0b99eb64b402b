"""What every training run keeps: weights, their average, and the optimisers' moments.

Everything that decides what comes next lives in ``tensors`` and ``step``; saved and
restored, a run continues bit for bit.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from wavecore.errors import ModelError
from wavecore.training import losses
from wavecore.training.config import TrainingConfig
from wavecore.training.distributed import ALONE, Processes
from wavecore.training.optim import Muon

REMEDY = "start another run with a lower learning_rate, from this run's model if it is worth it"
"""A run cannot be resumed with other settings."""


class AveragedTrainer:
    """Network, weight average and optimisers.

    Parameters
    ----------
    network : nn.Module
        Built by ``type(network)(network.config)``.
    groups : dict of str to (dict of str to Parameter, float)
        Per optimiser: its parameters by name, and its learning rate.
    device : str
        Where to train; ``config.precision`` is the number format.
    """

    collective = False
    """Whether all processes have a part in saving and validating; if not, the first does it alone."""

    def __init__(
        self,
        network: nn.Module,
        config: TrainingConfig,
        groups: dict[str, tuple[dict[str, nn.Parameter], float]],
        *,
        device: str = "cpu",
    ):
        self.config = config
        self.device = torch.device(device)
        self.network = network.to(self.device).train()
        self.step = 0
        self.processes: Processes = ALONE
        self.average = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        self.parameters = {label: parameters for label, (parameters, _) in groups.items()}
        self.optimizers = {label: self._optimizer(parameters, rate) for label, (parameters, rate) in groups.items()}

    def loss(self, batch: Any) -> Tensor:
        """Return the loss of a batch, nats, shape (); for trainers with one optimiser."""
        raise TypeError(f"{type(self).__name__} has neither a loss nor an update of its own")

    def update(self, batch: Any) -> dict[str, float]:
        """Run one step on a batch.

        Returns
        -------
        dict of str to float
            ``bits``, ``gradient_norm``, ``learning_rate``; trainers with several optimisers add theirs.

        Raises
        ------
        ModelError
            If the loss or its gradient is not finite.
        """
        (label,) = self.optimizers
        nats = self.loss(batch.to(self.device))
        measures = {"bits": losses.bits(nats.detach())} | self.descend(label, nats)
        self.finish_step()
        return measures

    def relative_rate(self, name: str) -> float:
        """Return the learning rate of a parameter relative to the others of its optimiser.

        Parameters
        ----------
        name : str
            As ``groups`` names it.

        Returns
        -------
        float
            1 unless overridden.
        """
        return 1.0

    def is_table(self, name: str) -> bool:
        """Return whether a parameter's rows are looked up, one at a time, as those of an embedding.

        Parameters
        ----------
        name : str
            As ``groups`` names it.

        Returns
        -------
        bool
            False unless overridden; Muon leaves tables to Adam.
        """
        return False

    def descend(self, label: str, loss: Tensor) -> dict[str, float]:
        """Take one clipped gradient step at the step's learning rate.

        Parameters
        ----------
        label : str
            Of the optimiser.
        loss : Tensor, shape ()

        Returns
        -------
        dict of str to float
            ``gradient_norm``, ``learning_rate``.

        Raises
        ------
        ModelError
            If the loss or its gradient is not finite; the weights stay as they were.
        """
        # The mean over all processes: they continue together, or none does.
        found = self.processes.mean_values({"loss": float(loss.detach())})["loss"]
        if not math.isfinite(found):
            raise ModelError(f"the loss became {found} at step {self.step}; {REMEDY}")
        rate, optimizer = self.config.rate(self.step), self.optimizers[label]
        for group in optimizer.param_groups:
            group["lr"] = rate * group["relative_rate"]
        self.network.zero_grad()
        loss.backward()
        self.average_gradients(label)
        norm = self.gradient_norm(label)
        torch.nn.utils.clip_grads_with_norm_(self.parameters[label].values(), self.config.clip_norm, norm)
        if not bool(torch.isfinite(norm)):
            # Clipped, it would still make every weight NaN, and the next checkpoint would keep them.
            raise ModelError(f"the gradient's norm became {float(norm)} at step {self.step}; {REMEDY}")
        optimizer.step()
        return {"gradient_norm": float(norm), "learning_rate": rate}

    def average_gradients(self, label: str) -> None:
        """Replace every gradient by its mean over the processes.

        Parameters
        ----------
        label : str
            Of the optimiser.
        """
        self.processes.average_gradients(list(self.parameters[label].values()))

    def gradient_norm(self, label: str) -> Tensor:
        """Measure the gradient, once it is averaged.

        Parameters
        ----------
        label : str
            Of the optimiser.

        Returns
        -------
        Tensor, shape (), float
        """
        gradients = [parameter.grad for parameter in self.parameters[label].values() if parameter.grad is not None]
        return torch.nn.utils.get_total_norm(gradients)

    @torch.no_grad()
    def finish_step(self) -> None:
        """Count the step and move the average."""
        self.step += 1
        # Early on a long memory would hold on to the random start.
        decay = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        for name, tensor in self.network.state_dict().items():
            if tensor.is_floating_point():
                self.average[name].lerp_(tensor, 1 - decay)
            else:  # a counter
                self.average[name].copy_(tensor)

    def averaged_network(self) -> nn.Module:
        """Build the network of the averaged weights.

        Returns
        -------
        nn.Module
            On the CPU, in evaluation mode.
        """
        network = type(self.network)(self.network.config)
        network.load_state_dict({name: tensor.cpu() for name, tensor in self.average.items()})
        return network.eval()

    def own_averaged_network(self) -> nn.Module:
        """Build the network that this process validates.

        Returns
        -------
        nn.Module
            On the CPU, in evaluation mode.
        """
        return self.averaged_network()

    def merge(self, found: dict[str, float]) -> dict[str, float]:
        """Join what the processes found on held-out crops."""
        return found

    def tensors(self) -> dict[str, Tensor]:
        """Collect all state but the step: weights, average, optimiser moments."""
        found = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        found |= {f"average.{k}": v for k, v in self.average.items()}
        for label, parameters in self.parameters.items():
            for name, parameter in parameters.items():
                for key, value in self.optimizers[label].state.get(parameter, {}).items():
                    found[f"{label}.{key}.{name}"] = value
        return {name: tensor.detach().cpu().contiguous() for name, tensor in found.items()}

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """Take up the state that ``tensors`` returned.

        Raises
        ------
        ModelError
            If the state belongs to another network.
        """
        average = _under(tensors, "average.")
        expected = {name: tensor.shape for name, tensor in self.average.items()}
        if {name: tensor.shape for name, tensor in average.items()} != expected:
            raise ModelError("the checkpoint belongs to another network: its weight average has other names or shapes")
        try:
            self.network.load_state_dict(_under(tensors, "network."))
        except RuntimeError as error:
            raise ModelError(f"the checkpoint belongs to another network: {error}") from error
        for name, tensor in average.items():
            self.average[name].copy_(tensor)
        for label, parameters in self.parameters.items():
            for name, parameter in parameters.items():
                state = {}
                for key in ("step", "exp_avg", "exp_avg_sq"):
                    stored = tensors.get(f"{label}.{key}.{name}")
                    if stored is not None:
                        state[key] = stored.clone().to(self.device)
                if state:
                    self.optimizers[label].state[parameter] = state
        self.step = step

    def _optimizer(self, parameters: dict[str, nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
        found: dict[tuple[float, bool], list[nn.Parameter]] = {}
        for name, parameter in parameters.items():
            found.setdefault((self.relative_rate(name), self.is_table(name)), []).append(parameter)
        groups = [
            {"params": members, "relative_rate": rate, "tables": tables} for (rate, tables), members in found.items()
        ]
        if self.config.optimizer == "muon":
            return Muon(groups, lr=learning_rate)
        return torch.optim.Adam(groups, lr=learning_rate, betas=(0.9, 0.98), fused=True)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
