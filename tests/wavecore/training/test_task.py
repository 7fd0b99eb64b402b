"""The base of training tasks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from wavecore.errors import UsageError
from wavecore.training.config import TrainingConfig
from wavecore.training.task import Task, build_network
from wavecore.training.trainer import AveragedTrainer


class Linear(nn.Module):
    def __init__(self, config: int):
        super().__init__()
        self.config = config
        self.layer = nn.Linear(config, config)


@dataclass(frozen=True)
class Data:
    path: Path = Path("data")

    def summary(self) -> dict:
        return {"pieces": 3}


class LinearTask(Task):
    network_class = Linear
    trainer_class = AveragedTrainer

    def batch(self, step):
        return self.shuffled(step, 5)

    def validate(self, network, device):
        return {"valid/bits": 1.0}


def task(**settings) -> LinearTask:
    return LinearTask(Data(), 3, TrainingConfig(**settings))


def test_the_initial_weights_follow_from_the_seed_alone():
    torch.manual_seed(9)
    first = build_network(Linear, 3, seed=1).state_dict()
    before = torch.get_rng_state()
    second = build_network(Linear, 3, seed=1).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["layer.weight"], build_network(Linear, 3, seed=2).layer.weight)


def test_given_weights_are_the_ones_that_are_trained():
    network = Linear(3)
    assert LinearTask(Data(), 3, TrainingConfig(), network).build() is network
    with pytest.raises(UsageError):
        LinearTask(Data(), 4, TrainingConfig(), network)


@pytest.mark.slow
@given(st.integers(1, 7), st.integers(1, 9), st.integers(0, 5))
def test_every_item_comes_once_in_an_epoch(batch_size, n_items, seed):
    one = task(batch_size=batch_size, seed=seed)
    steps = batch_size and -(-2 * n_items // batch_size)
    items = [item for step in range(steps) for item in one.shuffled(step, n_items)]
    assert sorted(items[:n_items]) == sorted(items[n_items : 2 * n_items]) == list(range(n_items))


def test_what_a_card_keeps_of_the_data_is_their_summary():
    assert task().describe() == {"pieces": 3} and task().data == "data"
    assert task().error({"valid/bits": 2.0, "valid/other": 1.0}) == 2.0
