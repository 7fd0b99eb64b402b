"""Judging a Coconet: crops, likelihoods, samples, harmonies."""

import numpy as np
import pytest
import torch

from wavecore.errors import InputError
from wavecore.models.coconet import evaluate as evaluation
from wavecore.models.coconet.config import CoconetConfig
from wavecore.models.coconet.model import Coconet


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Coconet(CoconetConfig(n_layers=5, channels=6, dilations=(1, 2))).eval()


@pytest.fixture
def grids():
    rng = np.random.default_rng(0)
    return [rng.integers(45, 75, (n, 4)) for n in (30, 10, 16, 20)]


def silent(*_):
    pass


def test_crops_are_parts_of_the_chorales(grids):
    found = evaluation.cut(grids, 16, seed=1)
    assert [crop.shape for crop in found] == [(16, 4)] * 3, "one is too short"
    for crop, grid in zip(found, (grids[0], grids[2], grids[3]), strict=True):
        assert any(np.array_equal(crop, grid[i : i + 16]) for i in range(len(grid) - 15))
    assert len(evaluation.cut(grids, 16, seed=1, n_pieces=2)) == 2
    assert any(not np.array_equal(a, b) for a, b in zip(found, evaluation.cut(grids, 16, seed=2), strict=True))
    with pytest.raises(InputError, match="no chorale has 31 sixteenths; the longest has 30"):
        evaluation.cut(grids, 31, seed=0)


def test_likelihood_is_named_as_scripts_read_it(network, grids):
    told = []
    found = evaluation.likelihood(
        network, evaluation.cut(grids, 4, seed=0), seed=0, n_orderings=2, told=lambda *args: told.append(args)
    )
    assert set(found) == {"framewise_nll", "framewise_nll_alone", "standard_error", "n_frames", "n_pieces", "orderings"}
    # Random weights know nothing: about the logarithm of the pitches for each of four voices.
    assert found["framewise_nll"]["16th"] == pytest.approx(4 * np.log(46), abs=1.5)
    assert (found["n_frames"], found["n_pieces"], found["orderings"]) == (16, 4, 2)
    assert told[-1] == ("measuring", 16, 16)


def test_samples_and_harmonies(network, grids):
    found = evaluation.samples(network, n_samples=2, n_bars=1, seed=3, told=silent)
    assert set(found) == {"gibbs", "ancestral"} == set(evaluation.METHODS)
    assert all(grid.shape == (2, 16, 4) and grid.min() >= 36 for grid in found.values())
    again = evaluation.samples(network, n_samples=2, n_bars=1, seed=3, told=silent)
    assert all(np.array_equal(found[name], again[name]) for name in found)
    crops = evaluation.cut(grids, 8, seed=0)
    written = evaluation.harmonised(network, crops, seed=0, told=silent)
    np.testing.assert_array_equal(written[..., 0], np.stack(crops)[..., 0])
    assert (written[..., 1:] != np.stack(crops)[..., 1:]).mean() > 0.5


def test_counts_have_names(grids):
    assert "parallel_fifths" in evaluation.counted(grids)
