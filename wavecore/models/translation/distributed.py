"""Decoders spread over processes: each holds those of its own domains, all hold encoder and classifier.

The layout of the translation paper, which gave every domain's decoder a GPU of its own.  A step
takes crops of several domains (``targets_per_step``), and every process those of domains whose
decoders it holds; the gradients of encoder and classifier are averaged, those of the decoders stay
where they are.  The losses are those of one process that holds everything.

Checkpoints and models are whole: the first process collects what the others hold, so a run may go
on with another number of processes, or with one.

References
----------
Mor, Wolf, Polyak, Taigman, "A Universal Music Translation Network", arXiv:1805.07848, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wavecore.errors import UsageError
from wavecore.models.translation.config import TranslationTrainingConfig
from wavecore.models.translation.model import TranslationNetwork
from wavecore.models.translation.trainer import Trainer
from wavecore.training.distributed import Processes

OWN = "decoders."
"""What parameters that are not everybody's begin with."""


def held_by(targets: tuple[str, ...], processes: Processes) -> tuple[str, ...]:
    """Say whose decoders a process holds.

    Parameters
    ----------
    targets : tuple of str
        Of the network.

    Returns
    -------
    tuple of str
        Every ``size``-th, from the ``rank``-th on.
    """
    return targets[processes.rank :: processes.size]


class SpreadTrainer(Trainer):
    """One process's part of a network and its training.

    Parameters
    ----------
    network : TranslationNetwork
        Whole, the same everywhere; the decoders of other processes are dropped from it.

    Raises
    ------
    UsageError
        If the decoder is shared, a process would hold none, or the targets of a step cannot be
        shared evenly by the processes.
    """

    collective = True

    def __init__(
        self,
        network: TranslationNetwork,
        config: TranslationTrainingConfig,
        processes: Processes,
        *,
        device: str = "cpu",
    ):
        targets = network.config.targets
        if network.config.shared_decoder:
            raise UsageError("a decoder that all domains share cannot be spread over processes")
        if processes.size > len(targets):
            raise UsageError(f"{processes.size} processes are more than the decoders, {len(targets)}")
        if config.targets_per_step % processes.size:
            raise UsageError(
                f"targets_per_step is {config.targets_per_step}; {processes.size} processes that hold decoders apart "
                f"need a multiple of {processes.size}"
            )
        network.hold(held_by(targets, processes))
        super().__init__(network, config, device=device)
        self.processes = processes

    def average_gradients(self, label: str) -> None:
        """Average the gradients of what everybody holds."""
        everybodys, own = self._split(label)
        self.processes.average_gradients(everybodys)
        for parameter in own:
            if parameter.grad is not None:
                # The loss is the mean over all crops of the step, not over those of this process.
                parameter.grad /= self.processes.size

    def gradient_norm(self, label: str) -> Tensor:
        """Measure the whole network's gradient.

        Returns
        -------
        Tensor, shape (), float
        """
        everybodys, own = (
            torch.nn.utils.get_total_norm([parameter.grad for parameter in part if parameter.grad is not None])
            for part in self._split(label)
        )
        squared = self.processes.sum_value(float(own) ** 2)
        return torch.sqrt(everybodys**2 + squared)

    def averaged_network(self) -> nn.Module | None:
        """Build the network of the averaged weights; all processes call it.

        Returns
        -------
        nn.Module or None
            Whole, on the CPU and in evaluation mode, in the first process; None in the others.
        """
        state = self._collect(self.average)
        if state is None:
            return None
        network = TranslationNetwork(self.network.config)
        network.load_state_dict(state)
        return network.eval()

    def own_averaged_network(self) -> nn.Module:
        """Build the averaged network with this process's decoders alone.

        Returns
        -------
        nn.Module
            On the CPU, in evaluation mode.
        """
        network = TranslationNetwork(self.network.config)
        network.hold(tuple(self.network.decoders))
        network.load_state_dict({name: tensor.cpu() for name, tensor in self.average.items()})
        return network.eval()

    def tensors(self) -> dict[str, Tensor]:
        """Collect all state but the step; all processes call it.

        Returns
        -------
        dict of str to Tensor
            Everybody's in the first process; what the others return is their own.
        """
        return self._collect(super().tensors()) or {}

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """Take up this process's part of a whole state.

        Raises
        ------
        ModelError
            If the state belongs to another network.
        """
        elsewhere = [
            f".{OWN}{target}." for target in self.network.config.targets if target not in self.network.decoders
        ]
        super().restore(
            {name: tensor for name, tensor in tensors.items() if not any(part in f".{name}" for part in elsewhere)},
            step,
        )

    def merge(self, found: dict[str, float]) -> dict[str, float]:
        """Join what the processes found on held-out crops, each with its own decoders.

        Parameters
        ----------
        found : dict of str to float
            Of ``validation.validate``.

        Returns
        -------
        dict of str to float
            As one process that holds all decoders would have found it.
        """
        parts = self.processes.gather(found)
        n_targets = len(self.network.config.targets)
        weights = [len(range(rank, n_targets, len(parts))) / n_targets for rank in range(len(parts))]
        merged: dict[str, float] = {}
        for part in parts:
            merged |= part
        for name in ("valid/bits", "valid/latent_worth"):  # means over the targets
            merged[name] = sum(weight * part[name] for weight, part in zip(weights, parts, strict=True))
        return merged

    def _split(self, label: str) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Everybody's parameters, and this process's own."""
        named = self.parameters[label]
        return [p for name, p in named.items() if not name.startswith(OWN)], [
            p for name, p in named.items() if name.startswith(OWN)
        ]

    def _collect(self, tensors: dict[str, Tensor]) -> dict[str, Tensor] | None:
        own = {name: tensor for name, tensor in tensors.items() if self.processes.leads or f".{OWN}" in f".{name}"}
        found = self.processes.collect(own)
        return {name: tensor.cpu() for name, tensor in found.items()} if self.processes.leads else None
