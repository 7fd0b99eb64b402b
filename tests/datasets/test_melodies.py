"""Melodies of a data set of songs."""

import pytest

from wavecore.datasets.songs import read_lines
from wavecore.datasets.songs import Piece, write_songs
from wavecore.errors import InputError
from wavecore.symbolic.note_sequence import REST, NoteLine
from wavecore.symbolic.song import Event, Part, Song


def piece(name, *parts):
    return Piece(Song(4, parts, name=name), "made")


@pytest.fixture
def dataset(tmp_path):
    tune = Part((Event(30, 60, 4), Event(34, 64, 2), Event(60, 62, 4)), "MELODY")
    chords = Part((Event(0, 50, 4), Event(0, 54, 4), Event(4, 55, 4)), "PIANO")
    drums = Part((Event(0, 36, 1), Event(4, 36, 1)), "drums", is_drum=True)
    pieces = {
        "train": [piece("a", chords, tune), piece("b", drums), piece("c", chords)],
        "valid": [piece("d", tune)],
        "test": [piece("e", drums)],
    }
    return write_songs(tmp_path / "songs", pieces)


def test_melodies_begin_at_once_and_rest_for_a_bar_at_most(dataset):
    first, second = read_lines(dataset, "train")
    assert first == NoteLine(("60", "64", REST, "62"), (4, 2, 8, 4), (90, 90, 0, 90))
    assert second.symbols == ("54", "55")
    assert read_lines(dataset, "train", chords=True)[1].symbols == ("50.54", "55")
    assert read_lines(dataset, "train", steps_per_beat=2)[0].durations == (2, 1, 4, 2)


def test_short_ones_are_left_out(dataset):
    assert [line.n_notes for line in read_lines(dataset, "train", shortest=3)] == [3]
    with pytest.raises(InputError, match="none of the 2 melodies"):
        read_lines(dataset, "train", shortest=4)
    with pytest.raises(InputError, match="none of the 0 melodies"):
        read_lines(dataset, "test")
