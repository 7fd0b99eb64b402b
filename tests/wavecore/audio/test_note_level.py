"""Levels of notes: reached, never beyond full scale, and silence unchanged."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.audio.note_level import PEAK_DB, level, loud_db
from wavecore.errors import InputError


@pytest.mark.slow
@given(target_db=st.floats(-50, -12), scale=st.floats(1e-3, 1))
def test_levels_are_reached(target_db, scale):
    x = (scale * np.sin(np.arange(8192) * 0.3)).astype(np.float32)
    x[6000:] = 0  # silence does not count
    assert loud_db(level(x, target_db)) == pytest.approx(target_db, abs=0.01)


def test_levels_never_clip_and_silence_is_unchanged():
    click = np.zeros(4096, np.float32)
    click[100] = 0.5
    assert np.abs(level(click, 0.0)).max() == pytest.approx(10 ** (PEAK_DB / 20))
    assert not level(np.zeros(500), -20.0).any() and loud_db(np.zeros(500)) == -np.inf


def test_a_tail_does_not_change_the_level():
    t = np.arange(16_000) / 16_000
    x = (0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    assert loud_db(np.concatenate([x, 0.003 * x, np.zeros(16_000)])) == pytest.approx(loud_db(x), abs=0.2)
    assert loud_db(x) == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=0.05)


@pytest.mark.parametrize(
    ("sound", "target_db", "value"),
    [(np.ones(9), -math.inf, "-inf"), (np.zeros(0), -20.0, "no samples"), (np.array([0, np.nan]), -20.0, "index 1")],
)
def test_what_has_no_level_is_refused(sound, target_db, value):
    with pytest.raises(InputError, match=value):
        level(sound, target_db)
