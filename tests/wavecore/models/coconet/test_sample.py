"""Free cells, and their filling: fixed cells stay, free ones are sampled from the network's distributions."""

import numpy as np
import pytest
import torch
from torch import nn

from wavecore.errors import InputError, UsageError
from wavecore.models.coconet.config import CoconetConfig
from wavecore.models.coconet.model import Coconet
from wavecore.models.coconet.sample import ancestral, empty_grid, free_bars, free_voices, gibbs, melody_grid
from wavecore.symbolic.chorale import VOICES

CONFIG = CoconetConfig(n_layers=5, channels=6, dilations=(1, 2), lowest=48, n_pitches=30)


def test_an_empty_grid_is_free():
    grid, free = empty_grid(2)
    assert grid.shape == free.shape == (32, 4) and free.all() and (grid == -1).all()
    with pytest.raises(UsageError, match="0 bars"):
        empty_grid(0)


def test_a_melody_is_the_soprano():
    melody = np.array([60, -1, 77], np.int16)
    grid, free = melody_grid(melody, CONFIG)
    np.testing.assert_array_equal(grid[:, 0], melody)
    assert not free[:, 0].any() and free[:, 1:].all()


@pytest.mark.parametrize(("line", "message"), [([60, 78], "60 to 78"), ([47], "47 to 47"), ([-1, -1], "no notes")])
def test_melodies_that_do_not_fit(line, message):
    with pytest.raises(InputError, match=message):
        melody_grid(np.array(line), CONFIG)


def test_voices_that_stay():
    free = free_voices(np.zeros((3, 4), int), ["bass", "soprano"])
    assert free.tolist() == [[False, True, True, False]] * 3
    for kept, message in ((["baritone"], "baritone"), (VOICES, "all four")):
        with pytest.raises(UsageError, match=message):
            free_voices(np.zeros((3, 4), int), kept)


def test_bars_that_are_free():
    grid = np.zeros((40, 4), int)  # two bars and a half
    assert free_bars(grid, 2, 2)[:, 0].nonzero()[0].tolist() == list(range(16, 32))
    assert free_bars(grid, 3, 3).sum() == 8 * 4
    for bars in ((0, 1), (2, 1), (1, 4)):
        with pytest.raises(UsageError, match="1 to 3"):
            free_bars(grid, *bars)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Coconet(CONFIG).eval()


class Rising(nn.Module):
    """Predicts a semitone above the left neighbour where that is known, else any pitch; records grids and masks."""

    def __init__(self):
        super().__init__()
        self.config, self.grids, self.known = CONFIG, [], []
        self.anything = nn.Parameter(torch.zeros(1))

    def forward(self, grid, known):
        self.grids.append(grid.numpy().copy())
        self.known.append(known.numpy().copy())
        logits = torch.zeros(*grid.shape, CONFIG.n_pitches)
        above = (grid[:, :-1] + 1 - CONFIG.lowest).clamp(0, CONFIG.n_pitches - 1)
        logits[:, 1:].scatter_(-1, above[..., None], 50.0 * known[:, :-1, :, None])
        return logits


def piece(batch=2, n_steps=7):
    return np.random.default_rng(0).integers(50, 70, (batch, n_steps, 4)).astype(np.int16)


@pytest.mark.parametrize("sampler", [gibbs, ancestral])
@pytest.mark.parametrize("free", ["nothing", "alto", "stretch", "all"])
def test_fixed_cells_stay_and_free_ones_are_filled(network, sampler, free):
    cells = np.zeros((7, 4), bool)
    cells[{"nothing": (slice(0), 0), "alto": (slice(None), 1), "stretch": slice(2, 5), "all": slice(None)}[free]] = True
    grid = piece()
    grid[0, 0, 0] = -1
    filled = sampler(network, grid, cells, rng=np.random.default_rng(1))
    assert filled.dtype == np.int16
    np.testing.assert_array_equal(filled[:, ~cells], grid[:, ~cells])
    assert ((filled[:, cells] >= 48) & (filled[:, cells] < 78)).all()


@pytest.mark.parametrize("sampler", [gibbs, ancestral])
def test_values_of_free_cells_are_not_used_and_the_seed_decides(network, sampler):
    cells = np.zeros((7, 4), bool)
    cells[:, 1:] = True
    first, second = piece(), piece()
    second[:, :, 1:] = -1
    one, two, other = (
        sampler(network, grid, cells, rng=np.random.default_rng(seed))
        for grid, seed in ((first, 3), (second, 3), (first, 4))
    )
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()


def test_ancestral_sampling_takes_each_cell_given_those_before_it():
    network, cells = Rising(), np.ones((6, 4), bool)
    cells[0] = False
    filled = ancestral(network, np.full((2, 6, 4), 50, np.int16), cells, rng=np.random.default_rng(0))
    known = np.array([*network.known, np.ones((2, 6, 4), bool)])
    assert known.sum((2, 3)).tolist() == [[4 + n] * 2 for n in range(21)], "one more is known after each step"
    grids, predicted = [*network.grids, filled], 0
    for step in range(20):
        for row, time, voice in np.argwhere(known[step + 1] & ~known[step]):
            assert grids[step + 1][row, time, voice] == filled[row, time, voice]
            if known[step][row, time - 1, voice]:
                assert filled[row, time, voice] == filled[row, time - 1, voice] + 1
                predicted += 1
    assert predicted > 10


def test_gibbs_hides_fewer_and_fewer():
    network, cells, calls = Rising(), np.ones((40, 4), bool), []
    options = {"n_steps": 50, "on_progress": lambda *done: calls.append(done)}
    gibbs(network, np.full((3, 40, 4), 60), cells, rng=np.random.default_rng(0), **options)
    hidden = np.array([1 - known.mean() for known in network.known])
    assert hidden[0] == 1 and len(hidden) == 51
    np.testing.assert_allclose(hidden[1:], np.maximum(0.1, 0.9 - 0.8 * np.arange(50) / 35), atol=0.07)
    assert calls == [(n, 50) for n in range(1, 51)]


def test_rows_may_have_other_free_cells(network):
    cells = np.zeros((2, 7, 4), bool)
    cells[0, :, 1], cells[1, 3:, :] = True, True
    grid = piece()
    filled = ancestral(network, grid, cells, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(filled[~cells], grid[~cells])
    assert (filled[cells] >= 48).all()


@pytest.mark.parametrize("sampler", [gibbs, ancestral])
def test_what_does_not_fit_is_refused(network, sampler):
    cells, rng = np.ones((7, 4), bool), np.random.default_rng(0)
    for grid, free, options, message in (
        (piece()[0], cells, {}, r"\(7, 4\)"),
        (piece()[:, :0], cells[:0], {}, r"\(2, 0, 4\)"),
        (piece(), cells[:3], {}, r"\(3, 4\)"),
        (piece(), cells.astype(int), {}, "int64"),
        (piece(), cells, {"temperature": -1.0}, "temperature is -1"),
        (piece() + 20, ~cells, {}, "48 to 77"),
    ):
        with pytest.raises(UsageError, match=message):
            sampler(network, grid, free, rng=rng, **options)
    with pytest.raises(UsageError, match="n_steps is 0"):
        gibbs(network, piece(), cells, rng=rng, n_steps=0)
