"""Grids as pieces and pieces as grids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError
from wavecore.symbolic import chorale_song
from wavecore.symbolic.song import Event, Part, Song

cells = st.sampled_from([-1, 48, 55, 60, 62])


@given(st.lists(st.tuples(cells, cells, cells, cells), min_size=1, max_size=24))
def test_a_grid_survives_as_a_piece(rows):
    grid = np.array(rows, np.int16)
    grid[-1], grid[0] = 60, 50  # every voice sounds, to the end
    found = chorale_song.from_song(chorale_song.to_song(grid))
    np.testing.assert_array_equal(found, grid)


def test_a_sixteenth_lasts_as_the_tempo_says():
    song = chorale_song.to_song(np.full((8, 4), 60), name="x", beats_per_minute=120)
    assert song.duration_s == pytest.approx(1.0) and [part.name for part in song.parts] == [
        "soprano",
        "alto",
        "tenor",
        "bass",
    ]
    assert song.parts[0].events == (Event(0, 60, 960, 80),)
    assert {part.program for part in song.parts} == {74}, "recorders"
    assert {part.program for part in chorale_song.to_song(np.full((8, 4), 60), program=chorale_song.CHOIR).parts} == {
        52
    }


def part(*events, name=""):
    return Part(tuple(Event(*event) for event in events), name)


def test_a_melody_is_one_line():
    low = part((0, 40, 96), name="left")
    high = part((0, 60, 48), (0, 64, 24), (30, 67, 6), (36, 65, 30))
    line = chorale_song.melody_line(Song(24, (low, high)))
    assert line.tolist() == [64] * 4 + [-1, 67] + [65] * 5, (
        "the higher of two, later notes end earlier ones, times go to the nearest sixteenth"
    )
    named = Song(24, (part((0, 40, 96), name="Melody"), high))
    assert chorale_song.melody_line(named).tolist() == [40] * 16


def test_short_notes_get_a_sixteenth():
    assert chorale_song.melody_line(Song(24, (part((0, 60, 1), (6, 62, 1)),))).tolist() == [60, 62]


def test_voices_are_known_by_name_or_by_order():
    voices = [
        part((0, pitch, 24), name=name) for pitch, name in ((48, "Bass"), (72, "soprano"), (60, "tenor"), (65, "alto"))
    ]
    assert chorale_song.from_song(Song(24, tuple(voices)))[0].tolist() == [72, 65, 60, 48]
    nameless = [part((0, pitch, 24)) for pitch in (72, 65, 60, 48)]
    assert chorale_song.from_song(Song(24, tuple(nameless)))[0].tolist() == [72, 65, 60, 48]


def test_what_is_no_chorale(monkeypatch):
    one = part((0, 60, 24))
    with pytest.raises(InputError, match="3 parts; a chorale has 4"):
        chorale_song.from_song(Song(24, (one,) * 3))
    with pytest.raises(InputError, match="not for drums"):
        chorale_song.melody_line(Song(24, (Part(one.events, is_drum=True),)))
    with pytest.raises(InputError, match="4,100 sixteenths"):
        chorale_song.melody_line(Song(4, (part((0, 60, 4100)),)))
