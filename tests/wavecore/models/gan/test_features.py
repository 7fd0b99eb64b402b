"""Notes as numbers and back."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError, UsageError
from wavecore.models.gan.features import NoteEncoding
from wavecore.symbolic.note_sequence import REST, NoteLine

ENCODING = NoteEncoding(lowest=50, highest=75)
notes = st.tuples(st.integers(50, 75).map(str), st.sampled_from(ENCODING.durations), st.integers(1, 127))


@pytest.mark.slow
@given(st.lists(notes, max_size=20), st.sampled_from([1, 2, 4]))
def test_encoded_notes_are_decoded(rows, n_features):
    symbols, durations, velocities = zip(*rows, strict=True) if rows else ((), (), ())
    line = NoteLine(symbols, durations if n_features > 1 else (2,) * len(rows), velocities if n_features == 4 else ())
    values = ENCODING.encode(line, n_features)
    assert values.shape == (len(rows), n_features) and values.dtype == np.float32 and (np.abs(values) <= 1).all()
    assert ENCODING.decode(values) == line


def test_rests_are_time_to_the_next_note():
    line = NoteLine(("60", REST, "62", REST), (2, 4, 1, 3), (10, 0, 127, 0))
    assert ENCODING.decode(ENCODING.encode(line, 2)) == NoteLine(("60", "62"), (6, 1))
    assert ENCODING.decode(ENCODING.encode(line, 4)) == NoteLine(("60", REST, "62"), (2, 4, 1), (10, 0, 127))


def test_the_features():
    found = ENCODING.encode(NoteLine(("50", "75", "60"), (1, 16, 4), (1, 127, 64)), 4)
    expected = [[-1, 1, 0], [-1, 1, -0.2], [1 / 63.5 - 1, 1, 64 / 63.5 - 1], [-1, -1, 1]]
    np.testing.assert_allclose(found.T, expected, atol=1e-6)


def test_notes_beyond_the_ranges_move_by_octaves_and_are_cut():
    found = ENCODING.decode(ENCODING.encode(NoteLine(("49", "20", "76", "127", "75"), (40, 5, 7, 1, 1)), 2))
    assert found.symbols == ("61", "56", "64", "67", "75")
    assert found.durations == (16, 6, 8, 1, 1), "in ratios 5 is nearer to 6 than to 4"


@pytest.mark.slow
@given(st.lists(st.tuples(*[st.floats(-9, 9)] * 4), min_size=1, max_size=9), st.sampled_from([1, 2, 4]))
def test_any_numbers_are_a_line(rows, n_features):
    found = ENCODING.decode(np.array(rows)[:, :n_features])
    song = found.to_song()
    assert song.n_notes == found.n_notes == len(rows)
    events = song.parts[0].events
    assert all(50 <= event.pitch <= 75 for event in events)
    assert all(a.end <= b.onset for a, b in itertools.pairwise(events))


def test_a_long_note_ends_where_the_next_begins():
    values = np.array([[1, 0, 0, -1], [1, 0, 0, 0.0], [-1, 0, 0, 1]])
    assert ENCODING.decode(values).durations == (4, 16, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"highest": 61}, {"lowest": -1}, {"highest": 128}, {"durations": (1,)}, {"durations": (2, 1)},
        {"durations": (0, 1)}, {"note_steps": 0}, {"steps_per_beat": 7},
    ],
)  # fmt: skip
def test_impossible_ranges(changes):
    with pytest.raises(UsageError, match=str(next(iter(changes.values()))).strip("()")):
        replace(ENCODING, **changes)


def test_lines_and_features_that_do_not_fit():
    with pytest.raises(InputError, match="chords"):
        ENCODING.encode(NoteLine(("60.64",), (1,)), 2)
    with pytest.raises(InputError, match="3 steps"):
        ENCODING.encode(NoteLine(("60",), (1,), (), 3), 2)
    with pytest.raises(UsageError, match="not 3"):
        ENCODING.encode(NoteLine(("60",), (1,)), 3)
    for shape in ((4,), (2, 3)):
        with pytest.raises(UsageError, match=r"not \(" + str(shape[0])):
            ENCODING.decode(np.zeros(shape))
