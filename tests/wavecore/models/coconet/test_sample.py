"""Filling: what is given stays, what is free is drawn from what the network says."""

import numpy as np
import pytest
import torch
from torch import nn

from wavecore.errors import UsageError
from wavecore.models.coconet.config import CoconetConfig
from wavecore.models.coconet.model import Coconet
from wavecore.models.coconet.sample import ancestral, gibbs, pick

CONFIG = CoconetConfig(n_layers=5, channels=6, dilations=(1, 2), lowest=48, n_pitches=30)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Coconet(CONFIG).eval()


class Listening(nn.Module):
    """Says that every cell is a semitone above its left neighbour, where that is known; and remembers what was known."""

    def __init__(self):
        super().__init__()
        self.config, self.seen = CONFIG, []
        self.anything = nn.Parameter(torch.zeros(1))

    def forward(self, grid, known):
        self.seen.append(known.numpy().copy())
        logits = torch.zeros(*grid.shape, CONFIG.n_pitches)
        above = (grid[:, :-1] + 1 - CONFIG.lowest).clamp(0, CONFIG.n_pitches - 1)
        logits[:, 1:].scatter_(-1, above[..., None], 50.0 * known[:, :-1, :, None])
        return logits


def given(batch=2, n_steps=7):
    return np.random.default_rng(0).integers(50, 70, (batch, n_steps, 4)).astype(np.int16)


@pytest.mark.parametrize("fill", [gibbs, ancestral])
@pytest.mark.parametrize("free", ["nothing", "alto", "stretch", "all"])
def test_what_is_given_stays_and_the_rest_is_filled(network, fill, free):
    cells = np.zeros((7, 4), bool)
    cells[{"nothing": (slice(0), 0), "alto": (slice(None), 1), "stretch": slice(2, 5), "all": slice(None)}[free]] = True
    grid = given()
    grid[0, 0, 0] = -1
    found = fill(network, grid, cells, rng=np.random.default_rng(1))
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found[:, ~cells], grid[:, ~cells])
    assert ((found[:, cells] >= 48) & (found[:, cells] < 78)).all()


@pytest.mark.parametrize("fill", [gibbs, ancestral])
def test_free_cells_are_not_looked_at_and_the_seed_decides(network, fill):
    cells = np.zeros((7, 4), bool)
    cells[:, 1:] = True
    first, second = given(), given()
    second[:, :, 1:] = -1
    one, two, other = (
        fill(network, grid, cells, rng=np.random.default_rng(seed))
        for grid, seed in ((first, 3), (second, 3), (first, 4))
    )
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_a_cell_is_drawn_given_those_before_it():
    network, cells = Listening(), np.ones((6, 4), bool)
    cells[0] = False
    grid = np.full((2, 6, 4), 50, np.int16)
    found = ancestral(network, grid, cells, rng=np.random.default_rng(0), order="chronological")
    np.testing.assert_array_equal(found, np.broadcast_to(np.arange(50, 56)[:, None], (2, 6, 4)))
    counts = [known.sum() for known in network.seen]
    assert counts == [2 * (4 + n) for n in range(20)], "one more known after each"


def test_gibbs_hides_fewer_and_fewer():
    network, cells = Listening(), np.ones((40, 4), bool)
    seen = []
    gibbs(
        network,
        np.full((3, 40, 4), 60),
        cells,
        rng=np.random.default_rng(0),
        n_steps=50,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    hidden = np.array([1 - known.mean() for known in network.seen])
    assert hidden[0] == 1 and len(hidden) == 51
    np.testing.assert_allclose(hidden[1:], np.maximum(0.1, 0.9 - 0.8 * np.arange(50) / 35), atol=0.07)
    assert seen == [(n, 50) for n in range(1, 51)]


def test_rows_may_have_other_free_cells(network):
    cells = np.zeros((2, 7, 4), bool)
    cells[0, :, 1], cells[1, 3:, :] = True, True
    grid = given()
    found = ancestral(network, grid, cells, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(found[~cells], grid[~cells])
    assert (found[cells] >= 48).all()


def test_a_draw_follows_its_odds():
    logits = np.log(np.array([0.1, 0.6, 0.3], np.float32))
    drawn = pick(np.tile(logits, (20_000, 1)), np.random.default_rng(0), 1.0)
    np.testing.assert_allclose(np.bincount(drawn) / 20_000, [0.1, 0.6, 0.3], atol=0.015)
    sharp = pick(np.tile(logits, (2_000, 1)), np.random.default_rng(0), 0.1)
    assert np.bincount(sharp, minlength=3)[1] > 1_980
    assert pick(np.tile(logits, (5, 1)), np.random.default_rng(0), 0).tolist() == [1] * 5


@pytest.mark.parametrize("fill", [gibbs, ancestral])
def test_what_does_not_fit_is_refused(network, fill):
    cells, rng = np.ones((7, 4), bool), np.random.default_rng(0)
    for grid, free, options, message in (
        (given()[0], cells, {}, r"shape \(7, 4\)"),
        (given()[:, :0], cells[:0], {}, r"shape \(2, 0, 4\)"),
        (given(), cells[:3], {}, "free has shape"),
        (given(), cells.astype(int), {}, "int64"),
        (given(), cells, {"temperature": -1.0}, "temperature is -1"),
        (given() + 20, ~cells, {}, "the model knows MIDI 48 to 77"),
    ):
        with pytest.raises(UsageError, match=message):
            fill(network, grid, free, rng=rng, **options)
    with pytest.raises(UsageError, match="no order 'backwards'"):
        ancestral(network, given(), cells, rng=rng, order="backwards")
    with pytest.raises(UsageError, match="n_steps is 0"):
        gibbs(network, given(), cells, rng=rng, n_steps=0)
