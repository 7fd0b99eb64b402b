"""Muon: what its step is, and what is left to Adam."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.errors import UsageError
from wavecore.training import optim as muon
from wavecore.training.optim import Muon, matrix_shape, orthogonal


def _parameter(*shape, seed=0):
    return torch.nn.Parameter(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)))


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, 40), columns=st.integers(1, 40), seed=st.integers(0, 1000), scale=st.floats(1e-6, 1e6))
def test_directions_become_equally_long(rows, columns, seed, scale):
    matrix = torch.randn(3, rows, columns, generator=torch.Generator().manual_seed(seed)) * scale
    found = orthogonal(matrix)
    u, s, v = torch.linalg.svd(matrix.double(), full_matrices=False)
    values = torch.linalg.svdvals(found.double())
    grown = s > 0.01 * s.norm(dim=1, keepdim=True)
    diagonal = torch.einsum("nri,nrc,nic->ni", u, found.double(), v)  # the same singular vectors
    assert float(diagonal[grown].min()) > 0.6 and float(values.max()) < 1.3


def test_nothing_stays_nothing():
    assert torch.equal(orthogonal(torch.zeros(2, 4, 5)), torch.zeros(2, 4, 5))


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((7,), (1, 7)),
        ((), (1, 1)),
        ((20, 30), (20, 30)),
        ((2, 64, 128), (128, 128)),
        ((128, 162, 3), (128, 486)),
        ((16, 8, 1), (16, 8)),
    ],
)
def test_all_taps_are_one_matrix(shape, wanted):
    assert matrix_shape(torch.zeros(shape)) == wanted


@pytest.mark.parametrize("shape", [(16, 16), (24, 40), (2, 16, 48), (40, 20, 3)])
def test_a_first_step_has_the_size_of_adam_s_whatever_the_gradient_s(shape):
    steps = []
    for scale in (1.0, 1e-4):
        parameter = _parameter(*shape)
        before = parameter.detach().clone()
        parameter.grad = scale * torch.randn(shape, generator=torch.Generator().manual_seed(1))
        Muon([parameter], lr=0.1).step()
        steps.append(before - parameter.detach())
        assert float((steps[-1] * parameter.grad).sum()) > 0
    torch.testing.assert_close(steps[0], steps[1], rtol=1e-3, atol=1e-6)
    rows, columns = matrix_shape(parameter)
    # Of an orthogonal matrix: sqrt(smaller / (rows * columns)), times the size.
    wanted = 0.1 * muon.SIZE * math.sqrt(max(rows, columns)) * math.sqrt(min(rows, columns) / (rows * columns))
    assert float(steps[0].square().mean().sqrt()) == pytest.approx(wanted, rel=0.2)


def test_what_is_no_matrix_is_adam_s():
    ours, theirs = _parameter(5), _parameter(5)
    narrow, other = _parameter(2, 64), _parameter(2, 64)
    optimizer = Muon([ours, narrow], lr=0.01)
    adam = torch.optim.Adam([theirs, other], lr=0.01, betas=muon.BETAS)
    for step in range(6):
        for a, b in ((ours, theirs), (narrow, other)):
            a.grad = torch.randn(a.shape, generator=torch.Generator().manual_seed(step))
            b.grad = a.grad.clone()
        optimizer.step()
        adam.step()
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(narrow, other)
    assert set(optimizer.state[ours]) == {"step", "exp_avg", "exp_avg_sq"}


def test_matrices_that_go_together_go_as_they_would_alone():
    together = [_parameter(20, 24, seed=seed) for seed in range(3)]
    alone = [_parameter(20, 24, seed=seed) for seed in range(3)]
    for step in range(3):
        for a, b in zip(together, alone, strict=True):
            a.grad = torch.randn(20, 24, generator=torch.Generator().manual_seed(7 * step + len(a)))
            b.grad = a.grad.clone()
        if step == 0:
            optimizers = [Muon(together, lr=0.02), *(Muon([b], lr=0.02) for b in alone)]
        for optimizer in optimizers:
            optimizer.step()
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_it_learns_what_faint_directions_hold_as_fast_as_loud_ones():
    u, _, v = torch.linalg.svd(torch.randn(32, 32, generator=torch.Generator().manual_seed(0)))
    uneven = u @ torch.diag(torch.logspace(0, -1, 32)) @ v  # the gradient is a hundred times as loud in some
    wanted = torch.randn(32, 32, generator=torch.Generator().manual_seed(1))
    weight = torch.nn.Parameter(torch.zeros(32, 32))
    optimizer = Muon([weight], lr=0.3)
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 0.3 * (1 - step / 200)
        optimizer.zero_grad()
        (uneven @ (weight - wanted)).square().sum().backward()
        optimizer.step()
    assert float((weight - wanted).detach().square().mean()) < 1e-3


def test_groups_have_rates_and_what_has_no_gradient_stays():
    slow, fast, still = _parameter(20, 20), _parameter(20, 20), _parameter(20, 20)
    before = slow.detach().clone()
    optimizer = Muon([{"params": [slow, still], "lr": 0.0}, {"params": [fast]}], lr=0.1)
    slow.grad, fast.grad = torch.ones(20, 20), torch.ones(20, 20)
    optimizer.step()
    assert torch.equal(slow, before) and torch.equal(still, before) and not torch.equal(fast, before)


def test_tables_are_adam_s():
    table = _parameter(40, 20)
    plain = table.detach().clone().requires_grad_()
    optimizers = (
        Muon([{"params": [table], "tables": True}], lr=0.1),
        torch.optim.Adam([plain], lr=0.1, betas=muon.BETAS, eps=muon.EPSILON),
    )
    for seed in range(3):
        gradient = torch.randn(40, 20, generator=torch.Generator().manual_seed(seed))
        for parameter, optimizer in zip((table, plain), optimizers, strict=True):
            parameter.grad = gradient.clone()
            optimizer.step()
    torch.testing.assert_close(table, plain)


def test_bad_requests():
    for lr in (-1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="learning rate"):
            Muon([_parameter(3)], lr=lr)
    with pytest.raises(UsageError, match="no closure"):
        Muon([_parameter(3)], lr=0.1).step(lambda: 0.0)
