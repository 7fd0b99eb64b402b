"""Phrases of pieces: which there are, their transpositions, and that they are those of the rolls."""

import numpy as np
import pytest

from wavecore.datasets.songs import Piece, write_songs
from wavecore.errors import InputError
from wavecore.models.musegan import rolls
from wavecore.models.musegan.config import MuseGANConfig
from wavecore.models.musegan.data import PhraseStore, phrase_starts, transposed, transposition_range
from wavecore.models.musegan.rolls import Track
from wavecore.symbolic.song import Event, Meter, Part, Song

CONFIG = MuseGANConfig((Track("lead"), Track("kit", 0, True)), bars=2, steps=4, lowest=60, n_pitches=12)
FLUTE = (Part((Event(0, 60, 9),), "flute"),)


def piece(name, *notes, parts=None, meters=()):
    kit = Part(tuple(Event(4 * bar, 62, 1) for bar in range(3)), "kit", 0, True)
    lead = Part(tuple(Event(*note) for note in notes), "lead")
    return Piece(Song(1, parts or (lead, kit), (), meters, name), "s")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    waltz = piece("waltz", (0, 60, 12), meters=(Meter(0, 3, 4),))
    pieces = {
        "train": [piece("whole", (0, 62, 4), (5, 64, 2), (9, 75, 1)), waltz, piece("other", parts=FLUTE)],
        "valid": [piece("short", (0, 61, 2))],
        "test": [piece("none", parts=FLUTE)],
    }
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces)


def test_phrases_are_those_of_the_rolls(dataset):
    store = PhraseStore(dataset, "train", CONFIG)
    assert store.starts.tolist() == [[0, 0], [0, 1]]
    assert store.left_out == {"pieces": 1, "bars": 4, "notes": 1}
    cells = rolls.from_song(dataset.pieces["train"][0].song, CONFIG.tracks, CONFIG.grid).cells
    for number in (0, 1):
        np.testing.assert_array_equal(store.phrase(number), cells[number : number + 2])
    assert store.transpositions[0] == (-2, 7)
    lower = store.phrase(0, -2)
    np.testing.assert_array_equal(lower[..., 0], np.roll(cells[:2, ..., 0], -2, axis=2))
    np.testing.assert_array_equal(lower[..., 1], cells[:2, ..., 1])
    assert [len(bars) for bars in store.pieces()] == [3, 0]
    np.testing.assert_array_equal(next(store.pieces()), cells)
    assert store.evenly(9).shape == (2, 2, 4, 12, 2) and store.evenly(1).shape == (1, 2, 4, 12, 2)
    np.testing.assert_array_equal(store.evenly(2)[1], store.phrase(1))


def test_a_split_without_phrases(dataset):
    with pytest.raises(InputError, match="test .* 2 .* 4/4 .*lead, kit"):
        PhraseStore(dataset, "test", CONFIG)


@pytest.mark.parametrize(
    ("follows", "n_bars", "starts"),
    [
        ([False, True, True, False, True], 2, [0, 1, 3]),
        ([False, True, True, False, True], 3, [0]),
        ([False, True, True, False, True], 1, [0, 1, 2, 3, 4]),
        ([False, True], 3, []),
        ([], 2, []),
    ],
)
def test_phrases_have_successive_bars(follows, n_bars, starts):
    assert phrase_starts(np.array(follows, bool), n_bars).tolist() == starts


def test_transposition_moves_all_but_drums():
    cells = np.zeros((1, 2, 5, 2), bool)
    cells[0, 0, 1, 0] = cells[0, 1, 2, 0] = cells[0, 0, 0, 1] = True
    assert transposition_range(cells, [False, True]) == (-1, 2) and transposition_range(cells, [True, True]) == (0, 0)
    higher = transposed(cells, 2, [False, True])
    assert np.argwhere(higher).tolist() == [[0, 0, 0, 1], [0, 0, 3, 0], [0, 1, 4, 0]]
    np.testing.assert_array_equal(transposed(higher, -2, [False, True]), cells)
