"""Numbers for symbols and durations: lossless where they are known, the nearest where they are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError, UsageError
from wavecore.models.lstm.vocabulary import NoteVocabulary
from wavecore.symbolic.note_sequence import REST, NoteLine

KNOWN = NoteVocabulary((REST, "60", "62", "67", "48.55", "60.64.67"), (1, 2, 4, 16))
notes = st.one_of(st.just(REST), st.integers(0, 127).map(str))
lines = st.lists(st.tuples(notes, st.integers(1, 64)), min_size=1, max_size=20).map(
    lambda found: NoteLine(*zip(*found, strict=True))
)


@given(st.lists(lines, min_size=1, max_size=4))
def test_what_a_vocabulary_was_made_of_is_known_exactly(found):
    if not any(line.n_notes for line in found):
        with pytest.raises(InputError, match="no vocabulary"):
            NoteVocabulary.of(found)
        return
    vocabulary = NoteVocabulary.of(found)
    for line in found:
        numbers = vocabulary.encode(line)
        assert all(n.dtype == np.int64 and len(n) == len(line.symbols) for n in numbers)
        assert vocabulary.decode(*numbers) == line


def test_all_pitches_between_and_chords_that_come_often():
    found = NoteVocabulary.of(
        [NoteLine(("62", "65", "60.64", "60.64", "40.50"), (1, 1, 2, 3, 2)), NoteLine(("63",), (1,))], least=2
    )
    assert found.symbols == (REST, "62", "63", "64", "65", "60.64") and found.durations == (1, 2)
    assert NoteVocabulary.of([NoteLine(("60.64",), (5,))]).symbols == (REST, "60.64")


@pytest.mark.parametrize(
    ("symbol", "nearest"),
    [
        (REST, REST), ("60", "60"), ("61", "60"), ("64", "62"), ("65", "67"), ("0", "60"), ("127", "67"), ("47.55", "48.55"), ("60.65", "67"),
        ("60.64.68", "60.64.67"), ("59.63.66.67", "60.64.67"),
    ],
)  # fmt: skip
def test_what_is_unknown_becomes_the_nearest(symbol, nearest):
    (note,), _ = KNOWN.encode(NoteLine((symbol,), (1,)))
    assert KNOWN.symbols[note] == nearest


def test_unknown_durations_become_the_nearest_and_of_two_the_shorter():
    line = NoteLine(("60",) * 6, (3, 5, 10, 11, 99, 16))
    assert KNOWN.decode(*KNOWN.encode(line)).durations == (2, 4, 4, 16, 16, 16)


def test_numbers_of_what_is_moved():
    vocabulary = NoteVocabulary((REST, "60", "61", "62", "60.64", "62.66"), (1,))
    assert vocabulary.moved(0).tolist() == [0, 1, 2, 3, 4, 5]
    assert vocabulary.moved(2).tolist() == [0, 3, -1, -1, 5, -1]
    assert vocabulary.moved(-1).tolist() == [0, -1, 1, 2, -1, -1]


@given(lines, st.integers(-20, 20))
def test_numbers_move_as_lines_do(line, semitones):
    line = NoteLine((*line.symbols, "60", "70"), (*line.durations, 1, 1))
    vocabulary = NoteVocabulary.of([line])
    notes, durations = vocabulary.encode(line)
    moved = vocabulary.moved(semitones)[notes]
    if (moved >= 0).all():
        assert vocabulary.decode(moved, durations) == line.transposed(semitones)
    else:
        assert set(vocabulary.decode(notes[moved < 0], durations[moved < 0]).symbols) <= set(vocabulary.symbols[1:])


@pytest.mark.parametrize(
    ("symbols", "durations", "message"),
    [
        (("60",), (1,), "needs each"),
        ((REST,), (1,), "needs each"),
        ((REST, "60", "60"), (1,), "needs each"),
        ((REST, "60"), (), "durations"),
        ((REST, "60"), (2, 1), "durations"),
        ((REST, "60"), (0, 1), "durations"),
        ((REST, "x"), (1,), "'x' is no symbol"),
    ],
)
def test_what_is_no_vocabulary(symbols, durations, message):
    with pytest.raises(UsageError, match=message):
        NoteVocabulary(symbols, durations)
    with pytest.raises(UsageError, match="7 steps"):
        NoteVocabulary((REST, "60"), (1,), 7)


def test_other_grids_and_numbers_are_refused():
    with pytest.raises(InputError, match="3 steps to a beat"):
        KNOWN.encode(NoteLine(("60",), (1,), (), 3))
    with pytest.raises(InputError, match="no vocabulary"):
        NoteVocabulary.of([NoteLine(("60",), (1,), (), 3), NoteLine(("60",), (1,))])
    for numbers in ([6], [-1]):
        with pytest.raises(InputError, match="stand for nothing"):
            KNOWN.decode(np.array(numbers), np.array([0]))
    with pytest.raises(InputError, match="0 to 3 are known"):
        KNOWN.decode(np.array([0]), np.array([4]))
    assert KNOWN.decode(np.array([], int), np.array([], int)).symbols == ()
