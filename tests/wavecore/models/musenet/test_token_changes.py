"""Pieces at other heights and volumes, told by their tokens."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.errors import UsageError
from wavecore.models.musenet.token_changes import louder, room, transposed
from wavecore.models.musenet.tokens import PIANO_VELOCITIES, decode, encode
from wavecore.symbolic.song import Event, Part, Song

EVENTS = st.builds(
    Event, st.integers(0, 90), st.integers(50, 70), st.integers(1, 50), st.sampled_from(PIANO_VELOCITIES)
)
PARTS = st.builds(
    Part, st.lists(EVENTS, min_size=1, max_size=8).map(tuple), st.just(""), st.sampled_from([0, 40, 33]), st.booleans()
)
PIECES = st.builds(Song, st.just(48), st.lists(PARTS, min_size=1, max_size=3).map(tuple))


def changed(song, change):
    """A piece whose notes that are not drums are changed one by one."""
    parts = (part if part.is_drum else replace(part, events=tuple(map(change, part.events))) for part in song.parts)
    return replace(song, parts=tuple(parts))


@settings(deadline=None)
@given(PIECES, st.integers(-50, 57))
def test_moved_tokens_are_those_of_the_moved_piece(song, semitones):
    moved = changed(song, lambda event: replace(event, pitch=event.pitch + semitones))
    np.testing.assert_array_equal(transposed(encode(song), semitones), encode(moved))


@settings(deadline=None)
@given(PIECES, st.floats(0.3, 3))
def test_louder_tokens_are_those_of_the_louder_piece(song, factor):
    found = decode(louder(encode(song), factor))
    for part, before in zip(found.parts, decode(encode(song)).parts, strict=True):
        for event, quiet in zip(part.events, before.events, strict=True):
            wanted = quiet.velocity * factor
            if part.name == "piano":
                assert abs(event.velocity - wanted) == min(abs(known - wanted) for known in PIANO_VELOCITIES)
            else:
                assert event.velocity == 80
            assert replace(event, velocity=1) == replace(quiet, velocity=1)


def test_dtype_and_room():
    body = encode(Song(48, (Part((Event(0, 3, 5), Event(0, 120, 5))), Part((Event(0, 0, 1),), is_drum=True))))
    assert room(body) == (-3, 7) and room(body[:0]) == (-127, 127)
    assert transposed(body, 7).dtype == louder(body, 1.3).dtype == np.int16
    np.testing.assert_array_equal(louder(body, 1.0), body)
    for semitones in (-4, 8):
        with pytest.raises(UsageError, match=f"by -3 to 7 semitones, not by {semitones}"):
            transposed(body, semitones)
    for factor in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="cannot be scaled"):
            louder(body, factor)
