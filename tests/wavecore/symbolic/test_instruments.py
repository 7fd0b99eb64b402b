"""Who plays a part: every program has one answer."""

import pytest

from wavecore.errors import UsageError
from wavecore.symbolic.instruments import INSTRUMENTS, PROGRAM_OF, instrument_of, ordered
from wavecore.symbolic.song import Event, Part


def part(program, pitches=(60,), **options):
    return Part(tuple(Event(0, pitch, 1) for pitch in pitches), program=program, **options)


@pytest.mark.parametrize(
    ("program", "name"),
    [(0, "piano"), (19, "piano"), (40, "violin"), (41, "violin"), (42, "cello"), (43, "bass"), (33, "bass"), (25, "guitar"), (105, "guitar"),
     (73, "flute"), (80, "flute"), (71, "clarinet"), (22, "clarinet"), (57, "trumpet"), (46, "harp"), (9, "harp")],
)  # fmt: skip
def test_programs_have_players(program, name):
    assert instrument_of(part(program)) == name


def test_voices_go_by_their_height():
    assert instrument_of(part(52, (59, 61))) == "violin" and instrument_of(part(52, (59, 60))) == "cello"
    assert instrument_of(part(48, (72,))) == "violin" and instrument_of(part(95, (40,))) == "cello"


def test_drums_are_drums_and_noises_are_left_out():
    assert instrument_of(part(0, is_drum=True)) == "drums" and instrument_of(part(127, is_drum=True)) == "drums"
    assert [instrument_of(part(program)) for program in (120, 127)] == [None, None]
    assert instrument_of(Part(())) is None


def test_every_program_has_an_answer_and_what_is_written_is_read_again():
    assert {instrument_of(part(program)) for program in range(120)} == set(INSTRUMENTS) - {"drums"}
    assert set(PROGRAM_OF) == set(INSTRUMENTS)
    for name, program in PROGRAM_OF.items():
        for pitch in (20, 100):
            assert instrument_of(part(program, (pitch,), is_drum=name == "drums")) == name


def test_instruments_have_one_order():
    assert ordered(["drums", "piano", "harp", "piano"]) == ("piano", "harp", "drums") and ordered(()) == ()
    with pytest.raises(UsageError, match="no instrument 'kazoo'"):
        ordered(["piano", "kazoo"])
