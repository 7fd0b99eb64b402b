"""The model as ``wavecore.load`` returns it: new chorales, harmonies, voices and bars that are rewritten."""

import numpy as np
import pytest

from wavecore.errors import UsageError
from wavecore.models import base
from wavecore.symbolic import chorale_song
from wavecore.symbolic.song import Event, Part, Song

GRID = np.random.default_rng(0).integers(45, 75, (48, 4)).astype(np.int16)
PIECE = chorale_song.to_song(GRID)
FEW = {"n_steps": 3, "device": "cpu"}


@pytest.fixture(scope="module")
def model(choir):
    return base.load(choir, kind="coconet")


def test_a_new_chorale_has_its_length_and_reports_its_seed(model):
    one, two = (model.compose(2, seed=3, **FEW) for _ in range(2))
    assert one.parts == two.parts and chorale_song.from_song(one).shape == (32, 4)
    assert one.info["model_sha256"] == model.sha256
    assert [one.info[key] for key in ("model", "seed", "bars", "cells", "cells_in_all")] == ["choir", 3, 2, 128, 128]
    assert model.compose(1, seed=None, **FEW).info["seed"] != model.compose(1, seed=None, **FEW).info["seed"]


def test_a_melody_is_kept_exactly(model):
    melody = Song(24, (Part((Event(0, 67, 24), Event(24, 69, 12), Event(48, 71, 48)), "tune"),))
    lines = chorale_song.from_song(model.harmonize(melody, seed=1, **FEW))
    assert lines[:, 0].tolist() == [67] * 4 + [69] * 2 + [-1] * 2 + [71] * 8


def test_voices_and_bars_that_stay(model):
    kept = chorale_song.from_song(model.compose(piece=PIECE, keep=["alto", "bass"], seed=1, **FEW))
    np.testing.assert_array_equal(kept[:, [1, 3]], GRID[:, [1, 3]])
    assert (kept[:, 0] != GRID[:, 0]).any()
    bridged = chorale_song.from_song(model.compose(piece=PIECE, bridge=(2, 2), keep=["bass"], seed=1, **FEW))
    changed = (bridged != GRID).any(axis=1)
    assert not changed[:16].any() and not changed[32:].any() and changed[16:32].any()
    np.testing.assert_array_equal(bridged[:, 3], GRID[:, 3])


def test_any_cells_are_filled(model):
    free = np.random.default_rng(1).random(GRID.shape) < 0.3
    filled = model.fill(GRID, free, method="ancestral", temperature=0, device="cpu")
    np.testing.assert_array_equal(filled[~free], GRID[~free])
    assert filled.shape == GRID.shape and (filled[free] != GRID[free]).any()


@pytest.mark.parametrize(
    "options",
    [
        {"keep": ["alto"]},
        {"bridge": (1, 1)},
        {"piece": PIECE},
        {"piece": PIECE, "keep": ["alto"], "bars": 3},
        {"method": "backwards"},
        {"method": "ancestral", "n_steps": 3},
    ],
)
def test_arguments_that_contradict_each_other(model, options):
    with pytest.raises(UsageError):
        model.compose(device="cpu", **options)
