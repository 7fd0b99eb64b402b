"""Numbers of symbols and durations: exact where they are known, the nearest where they are not."""

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
    lambda rows: NoteLine(*zip(*rows, strict=True))
)


def decoded(vocabulary, numbers):
    """The line of some numbers."""
    notes, durations = numbers
    symbols = [vocabulary.symbols[number] for number in notes]
    return NoteLine(symbols, [vocabulary.durations[number] for number in durations])


@pytest.mark.slow
@given(st.lists(lines, min_size=1, max_size=4))
def test_lines_of_a_vocabulary_are_encoded_exactly(found):
    if not any(line.n_notes for line in found):
        with pytest.raises(InputError):
            NoteVocabulary.from_lines(found)
        return
    vocabulary = NoteVocabulary.from_lines(found)
    for line in found:
        numbers = vocabulary.encode(line)
        assert all(n.dtype == np.int64 and len(n) == len(line.symbols) for n in numbers)
        assert decoded(vocabulary, numbers) == line


def test_all_pitches_between_and_frequent_chords_are_kept():
    chords = NoteLine(("62", "65", "60.64", "60.64", "40.50"), (1, 1, 2, 3, 2))
    found = NoteVocabulary.from_lines([chords, NoteLine(("63",), (1,))], least=2)
    assert found.symbols == (REST, "62", "63", "64", "65", "60.64") and found.durations == (1, 2)
    assert NoteVocabulary.from_lines([NoteLine(("60.64",), (5,))]).symbols == (REST, "60.64")


@pytest.mark.parametrize(
    ("symbol", "nearest"),
    [
        (REST, REST), ("60", "60"), ("61", "60"), ("64", "62"), ("65", "67"), ("0", "60"), ("127", "67"),
        ("47.55", "48.55"), ("60.65", "67"), ("60.64.68", "60.64.67"), ("59.63.66.67", "60.64.67"),
    ],
)  # fmt: skip
def test_unknown_symbols_become_the_nearest(symbol, nearest):
    (note,), _ = KNOWN.encode(NoteLine((symbol,), (1,)))
    assert KNOWN.symbols[note] == nearest


def test_unknown_durations_become_the_nearest_and_of_two_the_shorter():
    line = NoteLine(("60",) * 6, (3, 5, 10, 11, 99, 16))
    assert decoded(KNOWN, KNOWN.encode(line)).durations == (2, 4, 4, 16, 16, 16)


def test_transposed_numbers():
    vocabulary = NoteVocabulary((REST, "60", "61", "62", "60.64", "62.66"), (1,))
    assert vocabulary.transposition(0).tolist() == [0, 1, 2, 3, 4, 5]
    assert vocabulary.transposition(2).tolist() == [0, 3, -1, -1, 5, -1]
    assert vocabulary.transposition(-1).tolist() == [0, -1, 1, 2, -1, -1]


@pytest.mark.slow
@given(lines, st.integers(-20, 20))
def test_numbers_are_transposed_as_lines_are(line, semitones):
    line = NoteLine((*line.symbols, "60", "70"), (*line.durations, 1, 1))
    vocabulary = NoteVocabulary.from_lines([line])
    notes, durations = vocabulary.encode(line)
    transposed = vocabulary.transposition(semitones)[notes]
    if (transposed >= 0).all():
        assert decoded(vocabulary, (transposed, durations)) == line.transposed(semitones)
    else:
        assert REST not in {vocabulary.symbols[number] for number in notes[transposed < 0]}


@pytest.mark.parametrize(
    ("symbols", "durations", "grid"),
    [
        (("60",), (1,), 4),
        ((REST,), (1,), 4),
        ((REST, "60", "60"), (1,), 4),
        ((REST, "60"), (), 4),
        ((REST, "60"), (2, 1), 4),
        ((REST, "60"), (0, 1), 4),
        ((REST, "x"), (1,), 4),
        ((REST, "60"), (1,), 7),
    ],
)
def test_impossible_vocabularies(symbols, durations, grid):
    with pytest.raises(UsageError):
        NoteVocabulary(symbols, durations, grid)


def test_other_grids_are_refused():
    triplets = NoteLine(("60",), (1,), (), 3)
    with pytest.raises(InputError, match="3 steps"):
        KNOWN.encode(triplets)
    with pytest.raises(InputError, match=r"\[3, 4\]"):
        NoteVocabulary.from_lines([triplets, NoteLine(("60",), (1,))])
