"""The published measure against networks whose answer is known; crops, samples, harmonies and their counterpoint."""

import numpy as np
import pytest
import torch
from torch import nn

from wavecore.errors import InputError, UsageError
from wavecore.models.coconet import evaluate
from wavecore.models.coconet.config import CoconetConfig
from wavecore.models.coconet.evaluate import likelihood
from wavecore.models.coconet.model import Coconet

CONFIG = CoconetConfig(n_layers=5, channels=6, dilations=(1, 2), lowest=48, n_pitches=30)


def chorales(n=3, n_steps=5, seed=0):
    return list(np.random.default_rng(seed).integers(48, 78, (n, n_steps, 4)).astype(np.int16))


def nats(measures):
    return measures["framewise_nll"]["16th"], measures["framewise_nll_alone"]["16th"]


class Uniform(nn.Module):
    """Predicts all pitches equally likely, and records its inputs."""

    def __init__(self):
        super().__init__()
        self.config, self.inputs = CONFIG, []
        self.anything = nn.Parameter(torch.zeros(1))

    def forward(self, grid, known):
        self.inputs.append((grid.numpy().copy(), known.numpy().copy()))
        return torch.zeros(*grid.shape, CONFIG.n_pitches)


class Copying(Uniform):
    """Certain that a cell is what the same voice has in any known frame; uniform where none is known."""

    def forward(self, grid, known):
        logits = super().forward(grid, known)
        for b, voice in np.ndindex(grid.shape[0], 4):
            pitches = grid[b, known[b, :, voice], voice]
            if len(pitches):
                logits[b, :, voice, int(pitches[0]) - CONFIG.lowest] = 60.0
        return logits


class Fixed(Uniform):
    """Predicts the same distributions whatever its input."""

    def __init__(self):
        super().__init__()
        logits = np.random.default_rng(7).normal(size=(6, 4, CONFIG.n_pitches))
        self.logits = torch.from_numpy(logits.astype(np.float32))

    def forward(self, grid, known):
        super().forward(grid, known)
        return self.logits.expand(len(grid), -1, -1, -1)


class Certain(Uniform):
    """Uniform, and certain of the truth as soon as any frame is known."""

    def __init__(self, grid):
        super().__init__()
        self.true = torch.from_numpy(grid.astype(np.int64)) - CONFIG.lowest

    def forward(self, grid, known):
        logits, any_frame = super().forward(grid, known), known.all(2).any(1)[:, None, None, None]
        return torch.where(any_frame, 80.0 * nn.functional.one_hot(self.true, CONFIG.n_pitches), logits)


@pytest.mark.parametrize("chronological", [True, False])
def test_uniform_predictions_cost_the_logarithm_of_the_pitches(chronological):
    grids = chorales()
    grids[0][0, 2] = -1
    measures = likelihood(Uniform(), grids, seed=0, n_orderings=2, chronological=chronological)
    assert nats(measures)[0] == pytest.approx((4 * 15 - 1) / 15 * np.log(30)), "a rest costs nothing, its frame counts"
    assert (measures["n_frames"], measures["n_pieces"], measures["orderings"]) == (15, 3, 2)


def test_known_frames_are_true_and_the_current_one_holds_the_most_likely_pitches():
    network, (grid,) = Fixed(), chorales(1, 6)
    likelihood(network, [grid], seed=1, n_orderings=1, chronological=True)
    assert len(network.inputs) == 24
    likeliest = CONFIG.lowest + network.logits.argmax(-1).numpy()
    for number, (shown, known) in enumerate(network.inputs):
        frame, position = divmod(number, 4)
        np.testing.assert_array_equal(known[0].sum(1), [4] * frame + [position] + [0] * (5 - frame))
        np.testing.assert_array_equal(shown[0, :frame], grid[:frame])
        np.testing.assert_array_equal(shown[0, frame][known[0, frame]], likeliest[frame][known[0, frame]])


def test_orders_that_agree_count_as_one():
    grids, log_probabilities = chorales(2, 6), torch.log_softmax(Fixed().logits, -1)
    costs = [-log_probabilities[t, v, grid[t, v] - 48].item() for grid in grids for t in range(6) for v in range(4)]
    assert nats(likelihood(Fixed(), grids, seed=1, n_orderings=3)) == pytest.approx([4 * np.mean(costs)] * 2)


def test_an_ensemble_takes_the_mean_of_probabilities():
    """One of two frames is first in each order, at full cost; where two orders differ, either costs log 2."""
    (grid,) = chorales(1, 2)
    first = 4 * np.log(30)
    for seed in range(20):
        ensemble, alone = nats(likelihood(Certain(grid), [grid], seed=seed, n_orderings=2))
        assert alone == pytest.approx(first / 2)
        assert ensemble == pytest.approx(first / 2) or ensemble == pytest.approx(np.log(2), abs=1e-4)
    ensemble, alone = nats(likelihood(Certain(grid), [grid], seed=0, n_orderings=200))
    assert ensemble == pytest.approx(np.log(2), abs=0.1) and alone == pytest.approx(first / 2)


def test_orders_of_frames_and_voices_differ():
    network = Uniform()
    likelihood(network, chorales(2, 8), seed=0, n_orderings=2)
    masks = [known for _, known in network.inputs]
    assert len({int(masks[4][row].all(1).argmax()) for row in range(4)}) > 1
    assert len({tuple(int(masks[4 * n][row].sum(1).argmin()) for n in range(1, 8)) for row in range(4)}) > 1
    assert len({int(masks[4 * n + 1][0].sum(0).argmax()) for n in range(8)}) > 1


def test_a_held_chord_costs_its_first_frame_alone():
    grid = np.broadcast_to(np.array([70, 65, 60, 55], np.int16), (10, 4))
    ensemble, alone = nats(likelihood(Copying(), [grid] * 2, seed=0, n_orderings=3))
    assert alone == pytest.approx(4 * np.log(30) / 10, rel=1e-3) and ensemble < alone / 5


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Coconet(CONFIG).eval()


def test_the_seed_decides(network):
    grids, calls = chorales(4, 3), []
    one = likelihood(network, grids, seed=0, n_orderings=2, on_progress=lambda *done: calls.append(done))
    assert one == likelihood(network, grids, seed=0, n_orderings=2)
    assert nats(one) != nats(likelihood(network, grids, seed=1, n_orderings=2))
    assert calls == [(n, 12) for n in range(1, 13)]
    assert 0 < one["standard_error"] < nats(one)[0] == pytest.approx(4 * np.log(30), abs=1.5)


@pytest.mark.parametrize(
    ("grids", "n_orderings", "error", "message"),
    [
        ([], 5, UsageError, "0 chorales"),
        (chorales(), 0, UsageError, "0 orderings"),
        (chorales(1, 3) + chorales(1, 4), 5, UsageError, "lengths"),
        ([np.full((3, 4), 90)], 5, InputError, "48 to 77"),
    ],
)
def test_what_cannot_be_measured(grids, n_orderings, error, message):
    with pytest.raises(error, match=message):
        likelihood(Uniform(), grids, seed=0, n_orderings=n_orderings)


def test_crops_are_parts_of_the_chorales():
    grids = [chorales(1, n, seed=n)[0] for n in (30, 10, 16, 20)]
    crops = evaluate.draw_crops(grids, 16, seed=1)
    assert [crop.shape for crop in crops] == [(16, 4)] * 3, "one is too short"
    for crop, grid in zip(crops, (grids[0], grids[2], grids[3]), strict=True):
        assert any(np.array_equal(crop, grid[i : i + 16]) for i in range(len(grid) - 15))
    assert len(evaluate.draw_crops(grids, 16, seed=1, n_pieces=2)) == 2
    others = evaluate.draw_crops(grids, 16, seed=2)
    assert any(not np.array_equal(a, b) for a, b in zip(crops, others, strict=True))
    with pytest.raises(InputError, match="31 sixteenths; the longest has 30"):
        evaluate.draw_crops(grids, 31, seed=0)


@pytest.mark.slow
def test_samples_and_harmonies_are_measured(network):
    crops = chorales(2, 8)
    measures = evaluate.evaluate_samples(network, crops, n_samples=1, n_bars=1, n_orderings=1, seed=3)
    assert set(measures["samples_nll"]) == {"gibbs", "ancestral"} and measures["soprano_kept"] is True
    assert set(measures["counterpoint"]) == {"data", "gibbs", "ancestral", "harmonised"}
    assert measures["counterpoint"]["harmonised"] != measures["counterpoint"]["data"]


CLEAN = np.array([[72, 67, 64, 48], [72, 65, 62, 50], [71, 67, 62, 43]])


@pytest.mark.parametrize(
    ("rows", "interval", "count"),
    [
        (([67, 60, 52, 45], [69, 62, 52, 45]), 7, 1),  # soprano and alto, up a tone
        (([67, 60, 52, 45], [69, 62, 52, 45]), 0, 0),
        (([79, 60, 52, 45], [81, 62, 52, 45]), 7, 1),  # octaves are folded
        (([72, 64, 57, 48], [74, 64, 57, 50]), 0, 1),
        (([72, 64, 57, 48], [74, 64, 57, 50]), 7, 0),
        (([67, 60, 52, 45], [60, 65, 52, 45]), 7, 0),  # contrary motion
        (([67, 60, 52, 45], [67, 60, 52, 45]), 7, 0),  # held voices do not move
        (([67, 60, 52, 45], [-1, -1, 52, 45]), 7, 0),
    ],
)
def test_parallels(rows, interval, count):
    assert evaluate.parallels(np.array(rows), interval) == count


def test_a_clean_passage_breaks_no_rule():
    found = evaluate.counterpoint([CLEAN])
    assert [found.pop(name) for name in ("moves", "pitches")] == pytest.approx([6 / 8, 3])
    assert len(found) == 4 and not any(found.values())


def test_crossings_and_ranges():
    crossed, low = CLEAN.copy(), CLEAN.copy()
    crossed[1, 1] = 73  # the alto above the soprano
    assert evaluate.counterpoint([crossed])["crossings"] == pytest.approx(1 / 3)
    crossed[1, 0] = -1
    assert evaluate.counterpoint([crossed])["crossings"] == 0
    low[0, 3] = 36
    assert evaluate.counterpoint([low])["out_of_range"] == pytest.approx(1 / 12)


def test_pieces_do_not_follow_each_other():
    found = evaluate.counterpoint([np.full((4, 4), 60), np.full((4, 4), 67)])
    assert found["moves"] == found["parallel_octaves"] == 0
    with pytest.raises(InputError, match="two sixteenths"):
        evaluate.counterpoint([CLEAN[:1]])
