"""Batches of tensors."""

from dataclasses import dataclass

import torch
from torch import Tensor

from wavecore.training.batch import TensorBatch


@dataclass(frozen=True)
class Pair(TensorBatch):
    first: Tensor
    second: Tensor


def test_every_tensor_goes_and_the_class_stays():
    pair = Pair(torch.ones(2), torch.zeros(3, dtype=torch.int64))
    there = pair.to("meta")
    assert type(there) is Pair
    assert (there.first.device.type, there.second.device.type) == ("meta", "meta")
    assert (there.first.shape, there.second.dtype) == ((2,), torch.int64)
    assert torch.equal(pair.to(torch.device("cpu")).first, pair.first)
