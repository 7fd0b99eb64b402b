"""Phrases of pieces: which there are, and that they are read as they were drawn."""

import numpy as np
import pytest

from wavecore.datasets.songs import Piece, write_songs
from wavecore.errors import InputError
from wavecore.models.musegan import rolls
from wavecore.models.musegan.config import MuseGANConfig
from wavecore.models.musegan.data import PhraseStore
from wavecore.models.musegan.tracks import Track
from wavecore.symbolic.song import Event, Meter, Part, Song

CONFIG = MuseGANConfig((Track("lead"), Track("kit", 0, True)), bars=2, steps=4, lowest=60, n_pitches=12)


def piece(name, notes, *, part="lead", meters=()):
    kit = Part(tuple(Event(4 * bar, 62, 1) for bar in range(3)), "kit", 0, True)
    return Piece(
        Song(
            1,
            (Part(tuple(Event(*note) for note in notes), part), kit)
            if part == "lead"
            else (Part((Event(0, 60, 9),), part),),
            (),
            meters,
            name,
        ),
        "s",
    )


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    whole = piece("whole", [(0, 62, 4), (5, 64, 2), (9, 75, 1)])
    pieces = {
        "train": [whole, piece("waltz", [(0, 60, 12)], meters=(Meter(0, 3, 4),)), piece("other", [], part="flute")],
        "valid": [piece("short", [(0, 61, 2)])],
        "test": [piece("none", [], part="flute")],
    }
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces)


def test_phrases_are_those_of_the_rolls(dataset):
    store = PhraseStore(dataset, "train", CONFIG)
    assert store.starts.tolist() == [[0, 0], [0, 1]]
    assert store.left_out == {"pieces": 1, "bars": 4, "notes": 1}
    roll = rolls.draw(dataset.pieces["train"][0].song, CONFIG.tracks, CONFIG.grid).roll
    for number in (0, 1):
        np.testing.assert_array_equal(store.phrase(number), roll[number : number + 2])
    assert store.rooms[0] == (-2, 7)
    moved = store.phrase(0, -2)
    np.testing.assert_array_equal(moved[..., 0], np.roll(roll[:2, ..., 0], -2, axis=2))
    np.testing.assert_array_equal(moved[..., 1], roll[:2, ..., 1])
    assert [len(found) for found in store.pieces()] == [3, 0]
    np.testing.assert_array_equal(next(store.pieces()), roll)


def test_phrases_from_all_over(dataset):
    store = PhraseStore(dataset, "train", CONFIG)
    assert store.spread(9).shape == (2, 2, 4, 12, 2) and store.spread(1).shape == (1, 2, 4, 12, 2)
    np.testing.assert_array_equal(store.spread(2)[1], store.phrase(1))


def test_a_split_without_phrases(dataset):
    with pytest.raises(InputError, match="no piece for test has 2 bars of 4/4 .*lead, kit sound"):
        PhraseStore(dataset, "test", CONFIG)
