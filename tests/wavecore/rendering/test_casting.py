"""Who plays what."""

import pytest

from wavecore.errors import InputError, UsageError
from wavecore.rendering.casting import cast, instruments
from wavecore.symbolic.song import Event, Part, Song

RANGES = {"low": (40.0, 64.0), "high": (60.0, 84.0)}


def test_parts_have_their_lines_and_chords_have_several(piece):
    lines = cast(piece, RANGES)
    assert [(line.part, line.instrument, len(line.score.notes)) for line in lines] == [
        ("Tune", "low", 3),
        ("part 2", "low", 1),
        ("part 2", "low", 1),
    ]
    assert [line.score.notes[0].pitch for line in lines] == [72, 50, 43]
    assert lines[0].score.notes[1].onset_s == pytest.approx(0.25)


def test_instruments_are_chosen_by_name_or_number(piece):
    chosen = {"tune ": "high", "2": "low"}
    assert [line.instrument for line in cast(piece, RANGES, instrument="high", chosen=chosen)] == ["high", "low", "low"]
    assert [line.instrument for line in cast(piece, RANGES, instrument="high")] == ["high"] * 3


def test_a_part_is_played_by_who_is_most_like_its_program(piece):
    programs = {"low": 43, "high": 79}
    assert [line.instrument for line in cast(piece, RANGES, programs=programs)] == ["high", "low", "low"]
    assert [line.instrument for line in cast(piece, RANGES, programs=programs, chosen={"tune": "low"})] == ["low"] * 3
    assert [line.instrument for line in cast(piece, RANGES, programs={"high": 80, "low": 64})] == [
        "high",
        "low",
        "low",
    ], "another family is nearer by its number"
    assert [line.instrument for line in cast(piece, RANGES, programs={"high": None, "low": None})] == ["low"] * 3


def test_who_cannot_reach_a_line_plays_it_faster_and_higher():
    def only(*pitches):
        return Song(96, (Part(tuple(Event(96 * i, pitch, 96) for i, pitch in enumerate(pitches))),))

    def placed(*pitches):
        (line,) = cast(only(*pitches), {"high": (60.0, 84.0)})
        return line.octave, round(line.outside, 2)

    assert placed(64, 72, 76) == (0, 0.0)
    assert placed(50, 55, 60) == (1, 0.0)
    assert placed(38, 43, 48) == (2, 0.0)
    assert placed(90, 94) == (-1, 0.0)
    assert placed(50, 72, 96) == (-1, 0.33)
    assert cast(only(20), {"any": None})[0].octave == 0


def test_what_cannot_be_cast_is_refused(piece):
    with pytest.raises(UsageError, match="no instrument 'tuba'; choose from low, high"):
        cast(piece, RANGES, instrument="tuba")
    with pytest.raises(UsageError, match="no instrument 'tuba'"):
        cast(piece, RANGES, chosen={"tune": "tuba"})
    with pytest.raises(UsageError, match="piece has no part 'viola'; it has 1: Tune, 2: without a name, 3: kit"):
        cast(piece, RANGES, chosen={"viola": "low"})
    with pytest.raises(InputError, match="no notes but drums'"):
        cast(Song(96, (Part((Event(0, 36, 96),), is_drum=True),)), RANGES)
    crowd = Song(96, (Part(tuple(Event(0, pitch % 128, 96) for pitch in range(10_000))),))
    with pytest.raises(InputError, match="more than 64 notes"):
        cast(crowd, RANGES)
    many = Song(96, tuple(Part(tuple(Event(0, 40 + pitch, 96) for pitch in range(33))) for _ in range(2)))
    with pytest.raises(InputError, match="needs 66 lines.*64 are the most"):
        cast(many, RANGES)


def test_ranges_are_those_of_the_card():
    assert instruments(("b", "a"), {"a": [40.0, 50], "c": [1, 2]}) == {"b": None, "a": (40.0, 50.0)}
