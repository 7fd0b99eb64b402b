"""The four-corner surface: weights, independence of cells, faults that are found."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wavecore.audio import note_level
from wavecore.errors import UsageError
from wavecore.models.nsynth import grid, sample
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.nn.config import EncoderConfig, WaveNetConfig

RATE = 16_000
OPTIONS = {"method": "linear", "level_db": -30.0}


@pytest.fixture(scope="module")
def network():
    encoder = EncoderConfig(latent_channels=4, hop_length=64, channels=8, n_bins=40, bins_per_octave=12, fmin_hz=220.0)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        decoder = WaveNetConfig(1, 2, 2, 8, 8, 8, 8, latent_channels=4, hop_length=64)
        network = NSynthNetwork(NSynthConfig(encoder, decoder)).eval()
        torch.nn.init.normal_(network.decoder.output.weight, std=0.3)
    return network


@pytest.fixture(scope="module")
def corners():
    t = np.arange(1500) / RATE
    return [(0.2 * np.sin(2 * np.pi * f * t)).astype(np.float32) for f in (300, 450, 600, 900)]


@given(size=st.integers(2, 33))
def test_weights_are_shares_and_corners_are_pure(size):
    cells = grid.cells(size)
    weights = np.array([cell.weights for cell in cells])
    assert len(cells) == size**2 and weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    by_place = {(cell.row, cell.column): cell.weights for cell in cells}
    last = size - 1
    for i, place in enumerate([(0, 0), (0, last), (last, 0), (last, last)]):
        assert by_place[place] == tuple(np.eye(4)[i])
    assert all(by_place[0, c][2:] == (0, 0) for c in range(size)), "an edge mixes its two corners alone"
    assert len({cell.name for cell in cells}) == size**2


@pytest.mark.parametrize("size", [1, 34])
def test_sizes_out_of_range(size):
    with pytest.raises(UsageError, match=str(size)):
        grid.cells(size)


def test_a_cell_is_the_same_whatever_is_generated_beside_it(network, corners, monkeypatch):
    cells, reports = grid.cells(3), []
    shared = {"size": 3, "seed": 2, **OPTIONS}
    whole = dict(grid.generate_cells(network, corners, cells, on_progress=lambda *done: reports.append(done), **shared))
    assert reports == [(done, 9) for done in range(1, 10)]
    for batch, chosen in ((2, cells[4:]), (1, cells[7:8])):
        monkeypatch.setattr(grid, "BATCH", batch)
        for cell, x in grid.generate_cells(network, corners, chosen, **shared):
            np.testing.assert_array_equal(x, whole[cell])
    assert all(x.dtype == np.float32 and x[0] == 0 for x in whole.values())
    # Fades take a little of what is only a tenth of a second long.
    assert [note_level.loud_db(x) for x in whole.values()] == pytest.approx([-30.0] * 9, abs=1.0)


def test_faults_are_found():
    t = np.arange(4000) / RATE
    tone = sample.fade(0.5 * np.sin(2 * np.pi * 200 * t), RATE)
    assert grid.faults(tone, RATE) == []
    assert grid.faults(np.zeros(4000), RATE) == ["silent"]
    assert grid.faults(2.5 * tone, RATE) == ["clipped"]
    cosine = 0.5 * np.cos(2 * np.pi * 200 * t)
    assert grid.faults(cosine, RATE) == ["clicks at the start", "clicks at the end"]
    assert grid.faults(np.concatenate([tone, [0.5]]), RATE) == ["clicks at the end"]
