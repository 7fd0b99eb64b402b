"""The published measure, against networks whose answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from wavecore.errors import InputError, UsageError
from wavecore.models.coconet.config import CoconetConfig
from wavecore.models.coconet.likelihood import framewise
from wavecore.models.coconet.model import Coconet

CONFIG = CoconetConfig(n_layers=5, channels=6, dilations=(1, 2), lowest=48, n_pitches=30)


class Even(nn.Module):
    """Finds all pitches equally likely, and remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.config, self.shown = CONFIG, []
        self.anything = nn.Parameter(torch.zeros(1))

    def forward(self, grid, known):
        self.shown.append((grid.numpy().copy(), known.numpy().copy()))
        return torch.zeros(*grid.shape, CONFIG.n_pitches)


class Copying(Even):
    """Sure that a cell is what the same voice has in any known frame; even where none is known."""

    def forward(self, grid, known):
        logits = super().forward(grid, known)
        for b, voice in np.ndindex(grid.shape[0], 4):
            pitches = grid[b, known[b, :, voice], voice]
            if len(pitches):
                logits[b, :, voice, int(pitches[0]) - CONFIG.lowest] = 60.0
        return logits


def chorales(n=3, n_steps=5, seed=0):
    return list(np.random.default_rng(seed).integers(48, 78, (n, n_steps, 4)).astype(np.int16))


@pytest.mark.parametrize("chronological", [True, False])
def test_even_odds_cost_the_logarithm_of_the_pitches(chronological):
    grids = chorales()
    grids[0][0, 2] = -1
    found = framewise(Even(), grids, seed=0, n_orderings=2, chronological=chronological)
    assert found.nats == pytest.approx((4 * 15 - 1) / 15 * np.log(30)), "a rest costs nothing, and its frame counts"
    assert (found.n_frames, found.n_pieces, found.n_orderings) == (15, 3, 2)


class Fixed(Even):
    """Finds the same cells likely whatever it is told."""

    def __init__(self, n_steps=6):
        super().__init__()
        self.logits = torch.from_numpy(
            np.random.default_rng(7).normal(size=(n_steps, 4, CONFIG.n_pitches)).astype(np.float32)
        )

    def forward(self, grid, known):
        super().forward(grid, known)
        return self.logits.expand(len(grid), -1, -1, -1)


def test_the_past_is_true_and_the_frame_is_what_was_likeliest():
    network, (grid,) = Fixed(), chorales(1, 6)
    framewise(network, [grid], seed=1, n_orderings=1, chronological=True)
    assert len(network.shown) == 24
    likeliest = CONFIG.lowest + network.logits.argmax(-1).numpy()
    for number, (shown, known) in enumerate(network.shown):
        frame, place = divmod(number, 4)
        np.testing.assert_array_equal(known[0].sum(1), [4] * frame + [place] + [0] * (5 - frame))
        np.testing.assert_array_equal(shown[0, :frame], grid[:frame])
        np.testing.assert_array_equal(shown[0, frame][known[0, frame]], likeliest[frame][known[0, frame]])


def test_orders_that_agree_are_one():
    grids = chorales(2, 6)
    found = framewise(Fixed(), grids, seed=1, n_orderings=3)
    wanted = (
        -np.mean(
            [
                torch.log_softmax(Fixed().logits, -1)[t, v, grid[t, v] - 48].item()
                for grid in grids
                for t in range(6)
                for v in range(4)
            ]
        )
        * 4
    )
    assert found.nats == pytest.approx(wanted) and found.nats_alone == pytest.approx(wanted)


class Knowing(Even):
    """Even, and sure of what is true as soon as any frame is known."""

    def __init__(self, grid):
        super().__init__()
        self.true = torch.from_numpy(grid.astype(np.int64)) - CONFIG.lowest

    def forward(self, grid, known):
        logits = super().forward(grid, known)
        whole = known.all(2).any(1)
        return torch.where(
            whole[:, None, None, None], 80.0 * nn.functional.one_hot(self.true, CONFIG.n_pitches), logits
        )


def test_an_ensemble_takes_the_mean_of_probabilities():
    """Of two frames one comes first in each order, at the cost of all its pitches: where the orders differ, either costs the logarithm of 2."""
    (grid,) = chorales(1, 2)
    first = 4 * np.log(30)
    for seed in range(20):
        found = framewise(Knowing(grid), [grid], seed=seed, n_orderings=2)
        assert found.nats_alone == pytest.approx(first / 2)
        assert found.nats == pytest.approx(first / 2) or found.nats == pytest.approx(np.log(2), abs=1e-4)
    many = framewise(Knowing(grid), [grid], seed=0, n_orderings=200)
    assert many.nats == pytest.approx(np.log(2), abs=0.1) and many.nats_alone == pytest.approx(first / 2)


def test_frames_and_voices_come_in_other_orders():
    network = Even()
    framewise(network, chorales(2, 8), seed=0, n_orderings=2)
    frames = [tuple(network.shown[4 * n][1].sum(2)[row].argmin() for n in range(1, 8)) for row in range(4)]
    known = [network.shown[4 * n][1][row].any(1).nonzero()[0].tolist() for row in range(4) for n in (1,)]
    assert len({tuple(first) for first in known}) > 1 and len(set(frames)) > 1
    voices = {int(network.shown[4 * n + 1][1][0].sum(0).argmax()) for n in range(8)}
    assert len(voices) > 1


def test_what_is_held_costs_only_its_first_frame():
    grid = np.broadcast_to(np.array([70, 65, 60, 55], np.int16), (10, 4))
    found = framewise(Copying(), [grid] * 2, seed=0, n_orderings=3)
    assert found.nats_alone == pytest.approx(4 * np.log(30) / 10, rel=1e-3)
    assert found.nats < found.nats_alone / 5


def test_the_seed_decides_and_errors_are_told():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Coconet(CONFIG).eval()
    grids, calls = chorales(4, 3), []
    one = framewise(network, grids, seed=0, n_orderings=2, on_progress=lambda *pair: calls.append(pair))
    assert one == framewise(network, grids, seed=0, n_orderings=2)
    assert one.nats != framewise(network, grids, seed=1, n_orderings=2).nats
    assert calls == [(n, 12) for n in range(1, 13)]
    assert 0 < one.standard_error < one.nats


@pytest.mark.parametrize(
    ("grids", "n_orderings", "error", "message"),
    [
        ([], 5, UsageError, "0 chorales"),
        (chorales(), 0, UsageError, "0 orderings"),
        (chorales(1, 3) + chorales(1, 4), 5, UsageError, "different lengths"),
        ([np.full((3, 4), 90)], 5, InputError, "beyond 48 to 77"),
    ],
)
def test_what_cannot_be_measured(grids, n_orderings, error, message):
    with pytest.raises(error, match=message):
        framewise(Even(), grids, seed=0, n_orderings=n_orderings)
