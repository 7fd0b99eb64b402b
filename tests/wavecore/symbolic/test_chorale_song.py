"""Conversion of grids to songs and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError
from wavecore.symbolic import chorale_song
from wavecore.symbolic.chorale import VOICES
from wavecore.symbolic.song import Event, Part, Song

cells = st.sampled_from([-1, 48, 55, 60, 62])


@pytest.mark.slow
@given(st.lists(st.tuples(cells, cells, cells, cells), min_size=1, max_size=24))
def test_round_trip(rows):
    grid = np.array(rows, np.int16)
    grid[-1], grid[0] = 60, 50  # every voice has notes, up to the end
    np.testing.assert_array_equal(chorale_song.from_song(chorale_song.to_song(grid)), grid)


def test_tempo_names_and_programs():
    grid = np.full((8, 4), 60)
    song = chorale_song.to_song(grid, name="x", beats_per_minute=120)
    assert song.duration_s == pytest.approx(1.0) and tuple(part.name for part in song.parts) == VOICES
    assert song.parts[0].events == (Event(0, 60, 960, 80),)
    assert {part.program for part in song.parts} == {74}
    assert {part.program for part in chorale_song.to_song(grid, program=chorale_song.CHOIR).parts} == {52}


def part(*events, name=""):
    return Part(tuple(Event(*event) for event in events), name)


def test_melody_line():
    """The higher of two notes stays, later notes end earlier ones, times are rounded to sixteenths of one at least."""
    low = part((0, 40, 96), name="left")
    high = part((0, 60, 48), (0, 64, 24), (30, 67, 6), (36, 65, 30))
    line = chorale_song.melody_line(Song(24, (low, high)))
    assert line.tolist() == [64] * 4 + [-1, 67] + [65] * 5
    named = Song(24, (part((0, 40, 96), name="Melody"), high))
    assert chorale_song.melody_line(named).tolist() == [40] * 16
    assert chorale_song.melody_line(Song(24, (part((0, 60, 1), (6, 62, 1)),))).tolist() == [60, 62]


@pytest.mark.parametrize(
    ("names", "pitches"),
    [(("Bass", "soprano", "tenor", "alto"), (48, 72, 60, 65)), (("", "", "", ""), (72, 65, 60, 48))],
)
def test_voices_are_matched_by_name_or_order(names, pitches):
    parts = tuple(part((0, pitch, 24), name=name) for name, pitch in zip(names, pitches, strict=True))
    assert chorale_song.from_song(Song(24, parts))[0].tolist() == [72, 65, 60, 48]


def test_songs_that_are_no_chorales():
    one = part((0, 60, 24))
    with pytest.raises(InputError, match=r"\b3\b"):
        chorale_song.from_song(Song(24, (one,) * 3))
    with pytest.raises(InputError, match="drums"):
        chorale_song.melody_line(Song(24, (Part(one.events, is_drum=True),)))
    with pytest.raises(InputError, match="4,100"):
        chorale_song.melody_line(Song(4, (part((0, 60, 4100)),)))
