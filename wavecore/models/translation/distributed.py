"""Decoders spread over processes: each holds those of its own targets, all hold encoder and classifier.

A step takes crops of several targets (``targets_per_step``), and every process those of targets whose decoders it
holds; the gradients of encoder and classifier are averaged, those of the decoders stay where they are.  The losses are
those of one process that holds everything.  Checkpoints and models are whole: the first process collects what the
others hold, so that a run may be resumed with another number of processes.

References
----------
Mor, Wolf, Polyak, Taigman, "A Universal Music Translation Network", arXiv:1805.07848, section 3: a GPU per decoder.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wavecore.errors import UsageError
from wavecore.models.translation.config import TranslationTrainingConfig
from wavecore.models.translation.model import TranslationNetwork
from wavecore.models.translation.train import TranslationTrainer
from wavecore.training.distributed import Processes

OWN = "decoders."
"""How the names of parameters begin that only one process holds."""


class SpreadTrainer(TranslationTrainer):
    """One process's part of a network, which is given whole and the same everywhere, and of its training.

    Raises
    ------
    UsageError
        If the decoder is shared, a process would hold none, or the targets of a step cannot be divided evenly among the
        processes.
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
        network.keep_decoders(targets[processes.rank :: processes.size])
        super().__init__(network, config, device=device)
        self.processes = processes

    def average_gradients(self, label: str) -> None:
        """Average the gradients of what all processes hold."""
        shared, own = self._split(label)
        self.processes.average_gradients(shared)
        for parameter in own:
            if parameter.grad is not None:
                # The loss is the mean over all crops of the step, not over those of this process.
                parameter.grad /= self.processes.size

    def gradient_norm(self, label: str) -> Tensor:
        """Return the norm of the whole network's gradient, a scalar."""
        shared, own = (
            torch.nn.utils.get_total_norm([parameter.grad for parameter in part if parameter.grad is not None])
            for part in self._split(label)
        )
        squared = self.processes.sum_value(float(own) ** 2)
        return torch.sqrt(shared**2 + squared)

    def averaged_network(self) -> nn.Module | None:
        """Build the whole network of the averaged weights in the first process, None in others; all call it."""
        state = self._collect(self.average)
        if state is None:
            return None
        network = TranslationNetwork(self.network.config)
        network.load_state_dict(state)
        return network.eval()

    def own_averaged_network(self) -> nn.Module:
        """Build the averaged network with this process's decoders alone, on the CPU."""
        network = TranslationNetwork(self.network.config)
        network.keep_decoders(tuple(self.network.decoders))
        network.load_state_dict({name: tensor.cpu() for name, tensor in self.average.items()})
        return network.eval()

    def tensors(self) -> dict[str, Tensor]:
        """Collect all state but the step in the first process; all call it."""
        return self._collect(super().tensors()) or {}

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """Restore this process's part of a whole state; raises ModelError if it belongs to another network."""
        targets, here = self.network.config.targets, self.network.decoders
        elsewhere = [f".{OWN}{target}." for target in targets if target not in here]
        kept = {name: value for name, value in tensors.items() if not any(part in f".{name}" for part in elsewhere)}
        super().restore(kept, step)

    def merge(self, measures: dict[str, float]) -> dict[str, float]:
        """Join what the processes measured, each with its own decoders, as one process with all would have."""
        parts = self.processes.gather(measures)
        n_targets = len(self.network.config.targets)
        weights = [len(range(rank, n_targets, len(parts))) / n_targets for rank in range(len(parts))]
        merged: dict[str, float] = {}
        for part in parts:
            merged |= part
        for name in ("valid/bits", "valid/latent_worth"):  # means over the targets
            merged[name] = sum(weight * part[name] for weight, part in zip(weights, parts, strict=True))
        return merged

    def _split(self, label: str) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Return the parameters that all processes hold, and this process's own."""
        named = self.parameters[label].items()
        return [p for name, p in named if not name.startswith(OWN)], [p for name, p in named if name.startswith(OWN)]

    def _collect(self, tensors: dict[str, Tensor]) -> dict[str, Tensor] | None:
        """Bring the tensors of all processes to the first one."""
        own = {name: tensor for name, tensor in tensors.items() if self.processes.leads or f".{OWN}" in f".{name}"}
        whole = self.processes.collect(own)
        return {name: tensor.cpu() for name, tensor in whole.items()} if self.processes.leads else None
