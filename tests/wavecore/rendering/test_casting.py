"""Instruments of parts and lines."""

import pytest

from wavecore.errors import InputError, UsageError
from wavecore.rendering.casting import cast
from wavecore.symbolic.song import Event, Part, Song

RANGES = {"low": (40.0, 64.0), "high": (60.0, 84.0)}


def players(*args, **options):
    return [line.instrument for line in cast(*args, **options)]


def test_chords_have_several_lines(piece):
    lines = cast(piece, RANGES)
    assert [(line.part, line.instrument, len(line.score.notes)) for line in lines] == [
        ("Tune", "low", 3),
        ("part 2", "low", 1),
        ("part 2", "low", 1),
    ]
    assert [line.score.notes[0].pitch for line in lines] == [72, 50, 43]
    assert lines[0].score.notes[1].onset_s == pytest.approx(0.25)


def test_instruments_by_name_number_or_default(piece):
    assert players(piece, RANGES, instrument="high", parts={"tune ": "high", "2": "low"}) == ["high", "low", "low"]
    assert players(piece, RANGES, instrument="high") == ["high"] * 3


@pytest.mark.parametrize(
    ("programs", "parts", "expected"),
    [
        ({"low": 43, "high": 79}, None, ["high", "low", "low"]),
        ({"low": 43, "high": 79}, {"tune": "low"}, ["low"] * 3),
        ({"high": 80, "low": 64}, None, ["high", "low", "low"]),  # no instrument of the family: the nearest number
        ({"high": None, "low": None}, None, ["low"] * 3),
    ],
)
def test_instruments_by_program(piece, programs, parts, expected):
    assert players(piece, RANGES, programs=programs, parts=parts) == expected


@pytest.mark.parametrize(
    ("pitches", "octave", "outside"),
    [
        ((64, 72, 76), 0, 0.0),
        ((50, 55, 60), 1, 0.0),
        ((38, 43, 48), 2, 0.0),
        ((90, 94), -1, 0.0),
        ((50, 72, 96), -1, 1 / 3),
    ],
)
def test_octave_of_a_line(pitches, octave, outside):
    song = Song(96, (Part(tuple(Event(96 * i, pitch, 96) for i, pitch in enumerate(pitches))),))
    (line,) = cast(song, {"high": (60.0, 84.0)})
    assert (line.octave, line.outside) == (octave, pytest.approx(outside))
    assert cast(song, {"any": None})[0].octave == 0


def test_songs_that_cannot_be_cast(piece):
    for options, match in (
        ({"instrument": "tuba"}, "'tuba'.*low, high"),
        ({"parts": {"tune": "tuba"}}, "'tuba'"),
        ({"parts": {"viola": "low"}}, "piece.*'viola'.*1: Tune, 2: without a name, 3: kit"),
    ):
        with pytest.raises(UsageError, match=match):
            cast(piece, RANGES, **options)
    with pytest.raises(InputError, match="drums"):
        cast(Song(96, (Part((Event(0, 36, 96),), is_drum=True),)), RANGES)
    with pytest.raises(InputError, match="64"):
        cast(Song(96, (Part(tuple(Event(0, pitch % 128, 96) for pitch in range(10_000))),)), RANGES)
    part = Part(tuple(Event(0, 40 + pitch, 96) for pitch in range(33)))
    with pytest.raises(InputError, match="66.*64"):
        cast(Song(96, (part, part)), RANGES)
