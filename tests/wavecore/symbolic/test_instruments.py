"""Instruments by General MIDI program."""

import pytest

from wavecore.errors import UsageError
from wavecore.symbolic.instruments import INSTRUMENTS, PROGRAM_OF, instrument_of, ordered
from wavecore.symbolic.song import Event, Part


def part(program, pitches=(60,), **options):
    return Part(tuple(Event(0, pitch, 1) for pitch in pitches), program=program, **options)


def test_instruments_of_programs():
    programs = {
        "piano": (0, 19), "violin": (40, 41), "cello": (42,), "bass": (43, 33), "guitar": (25, 105), "flute": (73, 80),
        "clarinet": (71, 22), "trumpet": (57,), "harp": (46, 9),
    }  # fmt: skip
    for name, numbers in programs.items():
        assert {instrument_of(part(number)) for number in numbers} == {name}
    assert {instrument_of(part(program)) for program in range(120)} == set(INSTRUMENTS) - {"drums"}


def test_ensembles_are_assigned_by_mean_pitch():
    assert instrument_of(part(52, (59, 61))) == "violin" and instrument_of(part(52, (59, 60))) == "cello"
    assert instrument_of(part(48, (72,))) == "violin" and instrument_of(part(95, (40,))) == "cello"


def test_drums_and_noises():
    assert instrument_of(part(0, is_drum=True)) == "drums" and instrument_of(part(127, is_drum=True)) == "drums"
    assert [instrument_of(part(program)) for program in (120, 127)] == [None, None]
    assert instrument_of(Part(())) is None


def test_written_programs_are_read_back():
    assert set(PROGRAM_OF) == set(INSTRUMENTS)
    for name, program in PROGRAM_OF.items():
        for pitch in (20, 100):
            assert instrument_of(part(program, (pitch,), is_drum=name == "drums")) == name


def test_ordered():
    assert ordered(["drums", "piano", "harp", "piano"]) == ("piano", "harp", "drums") and ordered(()) == ()
    with pytest.raises(UsageError, match="kazoo"):
        ordered(["piano", "kazoo"])
