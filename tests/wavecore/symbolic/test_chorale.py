"""Grids of four voices: notes, validation, transposition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError
from wavecore.symbolic import chorale
from wavecore.symbolic.chorale import REST, GridNote

lines = st.lists(st.sampled_from([REST, 60, 62, 64]), min_size=1, max_size=30).map(
    lambda line: np.array(line, np.int16)
)


def test_held_pitch_is_one_note():
    line = np.array([60, 60, REST, 62, 62, 62, 60], np.int16)
    assert chorale.held_notes(line) == [GridNote(0, 2, 60), GridNote(3, 3, 62), GridNote(6, 1, 60)]
    assert chorale.held_notes(np.zeros(0, np.int16)) == []


@pytest.mark.slow
@given(lines)
def test_notes_restore_the_line(line):
    restored = np.full(len(line), REST)
    for note in chorale.held_notes(line):
        restored[note.onset : note.onset + note.n_steps] = note.pitch
    np.testing.assert_array_equal(restored, line)


def test_check():
    good = [[60, 57, 52, REST], [0, 127, 52, 48]]
    grid = chorale.check(good)
    assert grid.dtype == np.int16 and grid.tolist() == good
    for bad, match in (
        ([[60, 57, 52]], r"\(1, 3\)"),
        (np.zeros((0, 4), int), r"\(0, 4\)"),
        ([[60.0, 57, 52, 48]], "float64"),
        ([[60, 57, 52, 48], [60, 128, 52, 48]], "alto.*128"),
        ([[60, 57, -2, 48]], "tenor.*-2"),
    ):
        with pytest.raises(InputError, match=match):
            chorale.check(bad)


@given(st.integers(-12, 12))
def test_transposing_keeps_rests(semitones):
    grid = np.array([[60, REST, 52, 48]], np.int16)
    assert chorale.transposed(grid, semitones).tolist() == [[60 + semitones, REST, 52 + semitones, 48 + semitones]]


def test_transposition_range():
    grid = np.array([[60, REST, 52, 48], [72, 60, 52, 45]], np.int16)
    assert chorale.transposition_range(grid, 36, 81) == (-9, 9)
    assert chorale.transposition_range(np.full((3, 4), REST, np.int16), 36, 81) == (0, 0)
    with pytest.raises(InputError, match="45 to 72"):
        chorale.transposition_range(grid, 46, 81)
