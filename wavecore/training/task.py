"""What is trained: a network, the batches of its data, its update, and its held-out measure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from wavecore.errors import UsageError
from wavecore.training.config import TrainingConfig
from wavecore.training.trainer import AveragedTrainer


def build_network(network_class: type[nn.Module], config: Any, *, seed: int) -> nn.Module:
    """Build a network whose initial weights depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network_class(config)


class Task(ABC):
    """Base of the tasks that ``training.loop.run`` trains.

    A subclass names its network and trainer, sets ``samples_per_step`` and ``sample_rate`` and implements ``batch`` and
    ``validate``.

    Parameters
    ----------
    dataset : object
        With ``path`` and ``summary()``.
    network_config : object
        Configuration of the network, with ``to_dict``.
    training : TrainingConfig
        Settings of the run.
    initial : nn.Module, optional
        Weights to start from; of the configuration ``network_config``.

    Raises
    ------
    UsageError
        If ``initial`` has another configuration.
    """

    network_class: ClassVar[type[nn.Module]]
    trainer_class: ClassVar[type[AveragedTrainer]]
    samples_per_step: int
    """Training examples of a step, in the unit in which the run's speed is reported."""
    sample_rate: float
    """Of these examples per second of music."""

    def __init__(self, dataset: Any, network_config: Any, training: TrainingConfig, initial: nn.Module | None = None):
        self.dataset, self.network_config, self.training = dataset, network_config, training
        self.data = str(dataset.path)
        if initial is None:
            initial = build_network(self.network_class, network_config, seed=training.seed)
        self.start_from(initial)

    def start_from(self, network: nn.Module) -> None:
        """Take the initial weights from a network; raises UsageError if it has another configuration."""
        if network.config != self.network_config:
            raise UsageError("the initial weights belong to a network of another configuration than network_config")
        self._network = network

    def build(self) -> nn.Module:
        """Return the network to train, with initial weights."""
        return self._network

    def trainer(self, network: nn.Module, device: str) -> AveragedTrainer:
        """Return the trainer of a network."""
        return self.trainer_class(network, self.training, device=device)

    @abstractmethod
    def batch(self, step: int) -> Any:
        """Return the batch of a step; it depends on the seed and the step alone."""

    @abstractmethod
    def validate(self, network: nn.Module, device: str) -> dict[str, float]:
        """Measure a network on held-out data; ``valid/bits`` decides which network is the best."""

    def error(self, measures: dict[str, float]) -> float:
        """Return what decides which network is the best, the lower the better."""
        return measures["valid/bits"]

    def describe(self) -> dict[str, Any]:
        """Return what the model's card keeps of its data."""
        return self.dataset.summary()

    def shuffled(self, step: int, n_items: int) -> list[int]:
        """Return the items of a step's batch: each of ``n_items`` comes once in an epoch, in a new order."""
        size = self.training.batch_size
        places = range(step * size, (step + 1) * size)
        return [int(self._order(place // n_items, n_items)[place % n_items]) for place in places]

    def _order(self, epoch: int, n_items: int) -> np.ndarray:
        return np.random.default_rng((self.training.seed, 0, epoch)).permutation(n_items)
