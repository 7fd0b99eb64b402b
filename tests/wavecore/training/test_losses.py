"""The losses against their definitions."""

import math

import pytest
import torch

from wavecore.training import losses


def test_uniform_logits_cost_eight_bits():
    codes = torch.randint(0, 256, (2, 7), generator=torch.Generator().manual_seed(0))
    assert losses.bits(losses.reconstruction(torch.zeros(2, 7, 256), codes)) == pytest.approx(8.0)


def test_skipped_samples_do_not_count():
    logits = torch.zeros(1, 4, 2)
    codes = torch.tensor([[0, 1, 0, 1]])
    logits[0, :2, 0] = 50.0  # wrong at t = 1, but skipped
    logits[0, 2, 0] = logits[0, 3, 1] = 3.0
    expected = math.log(1 + math.exp(-3.0))
    assert float(losses.reconstruction(logits, codes, skip_samples=2)) == pytest.approx(expected, rel=1e-5)
    assert float(losses.reconstruction(logits, codes)) > 10


def test_domain_loss_and_accuracy():
    logits = torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    domains = torch.tensor([0, 2])
    right = -math.log(math.exp(4) / (math.exp(4) + 2))
    wrong = -math.log(1 / (math.exp(4) + 2))
    assert float(losses.domain(logits, domains)) == pytest.approx((right + wrong) / 2, rel=1e-5)
    assert float(losses.accuracy(logits, domains)) == 0.5
