"""Tasks as grids and free cells."""

import numpy as np
import pytest

from wavecore.errors import InputError, UsageError
from wavecore.models.coconet import masks as coconet_tasks
from wavecore.models.coconet.config import CoconetConfig

CONFIG = CoconetConfig()


def test_from_nothing_everything_is_free():
    grid, free = coconet_tasks.from_nothing(2)
    assert grid.shape == free.shape == (32, 4) and free.all() and (grid == -1).all()
    with pytest.raises(UsageError, match="0 bars"):
        coconet_tasks.from_nothing(0)


def test_a_melody_is_the_soprano():
    melody = np.array([60, -1, 81], np.int16)
    grid, free = coconet_tasks.harmony(melody, CONFIG)
    np.testing.assert_array_equal(grid[:, 0], melody)
    assert not free[:, 0].any() and free[:, 1:].all()
    for line, message in (([60, 82], "60 to 82; the model knows 36 to 81"), ([35], "35 to 35"), ([-1, -1], "no notes")):
        with pytest.raises(InputError, match=message):
            coconet_tasks.harmony(np.array(line), CONFIG)


def test_voices_that_stay():
    free = coconet_tasks.keeping(np.zeros((3, 4), int), ["bass", "soprano"])
    assert free.tolist() == [[False, True, True, False]] * 3
    with pytest.raises(UsageError, match="no voice 'baritone'"):
        coconet_tasks.keeping(np.zeros((3, 4), int), ["baritone"])
    with pytest.raises(UsageError, match="nothing is left"):
        coconet_tasks.keeping(np.zeros((3, 4), int), ["soprano", "alto", "tenor", "bass"])


def test_bars_that_are_written_anew():
    grid = np.zeros((40, 4), int)  # two bars and a half
    assert coconet_tasks.between(grid, 2, 2)[:, 0].nonzero()[0].tolist() == list(range(16, 32))
    assert coconet_tasks.between(grid, 3, 3).sum() == 8 * 4
    some = coconet_tasks.keeping(grid, ["alto"])
    assert coconet_tasks.between(grid, 1, 1, some).sum() == 16 * 3
    for bars in ((0, 1), (2, 1), (1, 4)):
        with pytest.raises(UsageError, match="the piece has bars 1 to 3"):
            coconet_tasks.between(grid, *bars)
