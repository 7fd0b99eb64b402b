"""Notes as numbers and back."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError, UsageError
from wavecore.models.gan.features import NoteScale
from wavecore.symbolic.note_sequence import REST, NoteLine

SCALE = NoteScale(lowest=50, highest=75)
pitches, durations = st.integers(50, 75).map(str), st.sampled_from(SCALE.durations)


def line_of(rows):
    return NoteLine(*zip(*rows, strict=True)) if rows else NoteLine((), ())


@given(st.lists(pitches, max_size=20))
def test_pitches_alone(symbols):
    line = NoteLine(tuple(symbols), (2,) * len(symbols))
    values = SCALE.encode(line, 1)
    assert values.shape == (len(symbols), 1) and values.dtype == np.float32 and (np.abs(values) <= 1).all()
    assert SCALE.decode(values) == line


@given(st.lists(st.tuples(pitches, durations), max_size=20))
def test_pitches_and_the_time_to_the_next(rows):
    line = line_of(rows)
    assert SCALE.decode(SCALE.encode(line, 2)) == line


@given(st.lists(st.tuples(pitches, durations, st.integers(1, 127)), max_size=20))
def test_all_four_features(rows):
    line = line_of(rows)
    assert SCALE.decode(SCALE.encode(line, 4)) == (line if rows else NoteLine((), ()))


def test_rests_are_time_to_the_next_note():
    line = NoteLine(("60", REST, "62", REST), (2, 4, 1, 3), (10, 0, 127, 0))
    assert SCALE.decode(SCALE.encode(line, 2)) == NoteLine(("60", "62"), (6, 1))
    assert SCALE.decode(SCALE.encode(line, 4)) == NoteLine(("60", REST, "62"), (2, 4, 1), (10, 0, 127))


def test_what_the_numbers_are():
    found = SCALE.encode(NoteLine(("50", "75", "60"), (1, 16, 4), (1, 127, 64)), 4)
    np.testing.assert_allclose(found[:, 0], [-1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(found[:, 1], [-1, 1, -0.2], atol=1e-6)
    np.testing.assert_allclose(found[:, 2], [1 / 63.5 - 1, 1, 64 / 63.5 - 1], atol=1e-6)
    np.testing.assert_allclose(found[:, 3], [-1, -1, 1], atol=1e-6)


def test_what_lies_beyond_moves_by_octaves_and_what_lasts_longer_is_cut():
    found = SCALE.decode(SCALE.encode(NoteLine(("49", "20", "76", "127", "75"), (40, 5, 7, 1, 1)), 2))
    assert found.symbols == ("61", "56", "64", "67", "75") and found.durations == (16, 6, 8, 1, 1), (
        "in ratios 5 is nearer to 6 than to 4"
    )


@given(st.lists(st.tuples(*[st.floats(-9, 9)] * 4), min_size=1, max_size=9), st.sampled_from([1, 2, 4]))
def test_any_numbers_are_playable(rows, n_features):
    found = SCALE.decode(np.array(rows)[:, :n_features])
    song = found.to_song()
    assert song.n_notes == found.n_notes == len(rows)
    events = song.parts[0].events
    assert all(50 <= event.pitch <= 75 for event in events)
    assert all(a.end <= b.onset for a, b in zip(events, events[1:], strict=False))


def test_a_long_note_ends_where_the_next_begins():
    values = np.array([[1, 0, 0, -1], [1, 0, 0, 0.0], [-1, 0, 0, 1]])
    assert SCALE.decode(values).durations == (4, 16, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"highest": 61}, "from 50 to 61"), ({"lowest": -1}, "from -1"), ({"highest": 128}, "to 128"), ({"durations": (1,)}, "durations"),
        ({"durations": (2, 1)}, "durations"), ({"durations": (0, 1)}, "durations"), ({"note_steps": 0}, "note_steps"), ({"steps_per_beat": 7}, "7 steps"),
    ],
)  # fmt: skip
def test_scales_that_are_none(changes, message):
    with pytest.raises(UsageError, match=message):
        replace(SCALE, **changes)


def test_what_does_not_fit():
    with pytest.raises(InputError, match="chords"):
        SCALE.encode(NoteLine(("60.64",), (1,)), 2)
    with pytest.raises(InputError, match="3 steps"):
        SCALE.encode(NoteLine(("60",), (1,), (), 3), 2)
    with pytest.raises(UsageError, match="3 features"):
        SCALE.encode(NoteLine(("60",), (1,)), 3)
    for shape in ((4,), (2, 3)):
        with pytest.raises(UsageError, match="have shape"):
            SCALE.decode(np.zeros(shape))
