"""The four-corner surface: weights, independence of cells, faults that are found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wavecore import checkpoint
from wavecore.errors import UsageError
from wavecore.models.nsynth import grid, interpolate
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.nn.encoders import EncoderConfig
from wavecore.nn.wavenet import WaveNetConfig

RATE = 16_000


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(1)
    encoder = EncoderConfig(latent_channels=4, hop_length=64, channels=8, n_bins=40, bins_per_octave=12, fmin_hz=220.0)
    network = NSynthNetwork(NSynthConfig(encoder, WaveNetConfig(1, 2, 2, 8, 8, 8, 8, latent_channels=4, hop_length=64)))
    torch.nn.init.normal_(network.decoder.output.weight, std=0.3)
    folder = tmp_path_factory.mktemp("m") / "m"
    checkpoint.save(network, folder)
    return checkpoint.load(folder, kind="nsynth")


@pytest.fixture(scope="module")
def corners():
    t = np.arange(1500) / RATE
    return [(0.2 * np.sin(2 * np.pi * f * t)).astype(np.float32) for f in (300, 450, 600, 900)]


@given(size=st.integers(2, 33))
def test_weights_are_shares_and_corners_are_pure(size):
    every = grid.cells(size)
    weights = np.array([cell.weights for cell in every])
    assert len(every) == size**2 and weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    named = {(cell.row, cell.column): cell.weights for cell in every}
    last = size - 1
    for i, place in enumerate([(0, 0), (0, last), (last, 0), (last, last)]):
        assert named[place] == tuple(np.eye(4)[i])
    assert all(named[0, c][2:] == (0, 0) for c in range(size)), "an edge mixes its two corners alone"
    assert len({cell.name for cell in every}) == size**2


@pytest.mark.parametrize("size", [1, 0, 34])
def test_sizes_out_of_range(size):
    with pytest.raises(UsageError, match=f"{size} cells"):
        grid.cells(size)


def test_a_cell_is_the_same_whatever_is_made_beside_it(model, corners):
    every = grid.cells(3)
    whole = dict(grid.generate_cells(model, corners, every, size=3, seed=2, at_once=9))
    for at_once, wanted in ((2, every[4:]), (1, every[7:8])):
        for cell, x in grid.generate_cells(model, corners, wanted, size=3, seed=2, at_once=at_once):
            np.testing.assert_array_equal(x, whole[cell])
    assert all(x.dtype == np.float32 and x[0] == 0 for x in whole.values())


def test_cells_have_one_level(model, corners):
    found = [x for _, x in grid.generate_cells(model, corners, grid.cells(2), size=2, seed=0, level_db=-30.0)]
    # Fades take a little of what is only a tenth of a second long.
    assert [interpolate.loud_db(x) for x in found] == pytest.approx([-30.0] * 4, abs=1.0)


def test_progress_counts_cells(model, corners):
    told = []
    list(
        grid.generate_cells(model, corners, grid.cells(2), size=2, seed=0, on_progress=lambda *done: told.append(done))
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_surface_has_four_corners(model, corners):
    with pytest.raises(UsageError, match="four corners, not 3"):
        next(grid.generate_cells(model, corners[:3], grid.cells(2), size=2, seed=0))


def test_faults_are_found():
    t = np.arange(4000) / RATE
    tone = interpolate.fade(0.5 * np.sin(2 * np.pi * 200 * t), RATE)
    assert grid.faults(tone, RATE) == []
    assert grid.faults(np.zeros(4000), RATE) == ["silent"]
    assert grid.faults(2.5 * tone, RATE) == ["clipped"]
    cosine = 0.5 * np.cos(2 * np.pi * 200 * t)
    assert grid.faults(cosine, RATE) == ["clicks at the start", "clicks at the end"]
    assert grid.faults(np.concatenate([tone, [0.5]]), RATE) == ["clicks at the end"]
