"""Grids: read as notes, written again, moved."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError
from wavecore.symbolic import chorale
from wavecore.symbolic.chorale import REST, Held

lines = st.lists(st.sampled_from([REST, 60, 62, 64]), min_size=1, max_size=30).map(
    lambda line: np.array(line, np.int16)
)


def test_what_stays_is_one_note():
    line = np.array([60, 60, REST, 62, 62, 62, 60], np.int16)
    assert chorale.held_notes(line) == [Held(0, 2, 60), Held(3, 3, 62), Held(6, 1, 60)]
    assert chorale.held_notes(np.zeros(0, np.int16)) == []


@given(lines)
def test_notes_say_all_of_a_line(line):
    np.testing.assert_array_equal(chorale.line_of(chorale.held_notes(line), len(line)), line)


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        ([Held(0, 3, 60), Held(2, 1, 62)], "two notes of one voice sound at sixteenth 2"),
        ([Held(3, 3, 60)], "3 to 6 of a grid of 5"),
        ([Held(-1, 3, 60)], "-1 to 2"),
        ([Held(1, 0, 60)], "1 to 1"),
    ],
)
def test_notes_that_make_no_line(notes, message):
    with pytest.raises(InputError, match=message):
        chorale.line_of(notes, 5)


def test_a_grid_is_checked():
    good = [[60, 57, 52, REST], [0, 127, 52, 48]]
    found = chorale.check(good)
    assert found.dtype == np.int16 and found.tolist() == good
    for bad, message in (
        ([[60, 57, 52]], r"shape \(1, 3\)"),
        (np.zeros((0, 4), int), r"shape \(0, 4\)"),
        ([[60.0, 57, 52, 48]], "float64"),
        ([[60, 57, 52, 48], [60, 128, 52, 48]], "the alto has 128 at sixteenth 1"),
        ([[60, 57, -2, 48]], "the tenor has -2"),
    ):
        with pytest.raises(InputError, match=message):
            chorale.check(bad)


@given(st.integers(-12, 12))
def test_transposing_leaves_rests(semitones):
    grid = np.array([[60, REST, 52, 48]], np.int16)
    assert chorale.transposed(grid, semitones).tolist() == [[60 + semitones, REST, 52 + semitones, 48 + semitones]]


def test_the_room_is_what_transposing_may_use():
    grid = np.array([[60, REST, 52, 48], [72, 60, 52, 45]], np.int16)
    assert chorale.room(grid, 36, 81) == (-9, 9)
    assert chorale.room(np.full((3, 4), REST, np.int16), 36, 81) == (0, 0)
    with pytest.raises(InputError, match="45 to 72, beyond 46 to 81"):
        chorale.room(grid, 46, 81)


def test_joining():
    parts = [np.full((n, 4), 50 + n, np.int16) for n in (2, 1)]
    assert chorale.joined(parts)[:, 0].tolist() == [52, 52, 51]
    assert chorale.joined([]).shape == (0, 4)
