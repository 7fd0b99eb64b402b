"""Crops, hidden cells, their cross-entropy, and a short training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.datasets import chorales
from wavecore.errors import InputError
from wavecore.models.coconet.config import CoconetConfig, CoconetTrainingConfig
from wavecore.models.coconet.train import CoconetTask, Crops, draw_known, hidden_cell_nats
from wavecore.training.loop import run_task

NETWORK = CoconetConfig(n_layers=5, channels=8, dilations=(1, 2), lowest=48, n_pitches=24)
TRAINING = CoconetTrainingConfig(
    batch_size=4, crop_steps=6, learning_rate=1e-2, transpose_semitones=3.0, warmup_steps=2, precision="float32"
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Chorales of parallel voices; the last one for training is shorter than a crop."""
    rng = np.random.default_rng(0)

    def piece(n):
        return rng.integers(58, 66, (n, 1)) - np.array([0, 3, 5, 8])

    grids = {"train": [piece(n) for n in (20, 9, 30, 12, 4)], "valid": [piece(18), piece(11)], "test": [piece(10)]}
    return chorales.write(grids, tmp_path_factory.mktemp("chorales") / "data", source="", licence="")


def _task(dataset, network=NETWORK, initial=None, **changes):
    return CoconetTask(dataset, network, replace(TRAINING, **changes), initial)


def test_every_chorale_comes_once_in_an_epoch(dataset):
    task = _task(dataset, transpose_semitones=0.0, batch_size=5, crop_steps=30)
    for step in range(3):
        lengths = task.batch(step).inside[..., 0].sum(1).tolist()
        assert sorted(lengths) == [4, 9, 12, 20, 30]
    orders = {tuple(task.batch(step).inside[..., 0].sum(1).tolist()) for step in range(8)}
    assert len(orders) > 3


def test_crops_are_parts_of_chorales_moved_as_far_as_pitches_go(dataset):
    moved = set()
    for step in range(20):
        crops = _task(dataset).batch(step)
        assert crops.grid.shape == crops.known.shape == crops.inside.shape == (4, 6, 4)
        for grid, known, inside in zip(crops.grid.numpy(), crops.known.numpy(), crops.inside.numpy(), strict=True):
            length = int(inside[:, 0].sum())
            assert (grid[length:] == -1).all() and not known[length:].any() and length in (4, 6)
            assert 1 <= (~known[:length]).sum() <= 4 * length
            assert (grid[:length] >= 48).all() and (grid[:length] < 72).all()
            np.testing.assert_array_equal(grid[:length, 0] - grid[:length, 3], 8)
            shifts = {
                int(grid[0, 0] - piece[begin, 0])
                for piece in dataset.grids["train"]
                for begin in range(len(piece) - length + 1)
                if len(set((grid[:length, 0] - piece[begin : begin + length, 0]).tolist())) == 1
            }
            assert shifts & set(range(-3, 4))
            moved |= shifts
    assert {-3, 0, 3} <= moved


@pytest.mark.slow
def test_the_number_of_hidden_cells_is_drawn_evenly():
    rng = np.random.default_rng(0)
    hidden = np.array([(~draw_known(rng, (5, 4))).sum() for _ in range(8_000)])
    assert hidden.min() == 1 and hidden.max() == 20
    np.testing.assert_allclose(np.bincount(hidden)[1:] / 8_000, 1 / 20, atol=0.012)


def test_the_loss_is_the_mean_over_hidden_cells():
    crops = Crops(
        grid=torch.tensor([[[50, 51, -1, 53], [50, 51, 52, 53]], [[60, 60, 60, 60], [-1, -1, -1, -1]]]),
        known=torch.tensor([[[True, False, False, True], [True, True, True, False]], [[True] * 4, [False] * 4]]),
        inside=torch.tensor([[[True] * 4, [True] * 4], [[True] * 4, [False] * 4]]),
    )
    logits = torch.zeros(2, 2, 4, 24)
    logits[0, 1, 3, 53 - 48] = 100.0
    found = hidden_cell_nats(logits, crops, NETWORK)
    # Of three hidden cells one is uniform, one is a rest, one is certain; the second crop has none.
    torch.testing.assert_close(found, torch.tensor([np.log(24) / 3, 0.0], dtype=torch.float32))


@pytest.mark.slow
def test_it_learns_what_voices_have_in_common(dataset, tmp_path):
    reports = []
    run_task(
        _task(dataset, steps=120, validate_every=40, learning_rate=2e-2), tmp_path / "run", on_progress=reports.append
    )
    bits = [report.losses["valid/bits"] for report in reports if "valid/bits" in report.losses]
    # A voice alone has eight pitches, 3 bits; given the others it costs 0.75 bits on the average.
    assert bits[-1] < 2.7 < bits[0] < np.log2(24), bits


def test_what_does_not_fit_is_refused(dataset):
    with pytest.raises(InputError, match="60 to 80"):
        _task(dataset, replace(NETWORK, lowest=60, n_pitches=21))
