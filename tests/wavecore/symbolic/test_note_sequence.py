"""Lines of symbols: read from songs, written as songs, moved, cut."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError
from wavecore.symbolic.note_sequence import (
    REST,
    NoteLine,
    melody_part,
    pitches_of,
    read_line,
    symbol_of,
    transposed,
    without_long_rests,
)
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

LINE = NoteLine((REST, "60", "64", REST, "62"), (2, 4, 1, 3, 6), (0, 80, 90, 0, 70))

pitches = st.integers(0, 127)


def song(*events, name="", tpb=480, **more):
    return Song(tpb, (Part(tuple(Event(*event) for event in events), name),), **more)


@st.composite
def lines(draw, chords=False):
    """Lines without a rest behind a rest or at the end."""
    symbol = st.lists(pitches, min_size=1, max_size=4, unique=True).map(symbol_of) if chords else pitches.map(str)
    notes = draw(
        st.lists(
            st.tuples(st.booleans(), symbol, st.integers(1, 40), st.integers(1, 40), st.integers(1, 127)), max_size=12
        )
    )
    found = []
    for rests, sounding, n_steps, rest, velocity in notes:
        found += [(REST, rest, 0)] if rests else []
        found.append((sounding, n_steps, velocity))
    return NoteLine(*(zip(*found, strict=True) if found else ((), (), ())), draw(st.sampled_from([1, 3, 4, 12])))


@given(lines(), st.sampled_from([(4, 4), (6, 8)]))
def test_a_line_survives_a_song(line, meter):
    found = line.to_song(beats_per_minute=90, meter=meter)
    assert (
        read_line(found, part=found.parts[0], steps_per_beat=line.steps_per_beat) == line
        if line.symbols
        else not found.n_notes
    )
    assert found.end == line.n_steps * 480 // line.steps_per_beat and found.meter_at(0) == Meter(0, *meter)


@given(lines(chords=True))
def test_a_line_of_chords_survives_a_song(line):
    found = line.to_song()
    assert (
        read_line(found, part=found.parts[0], steps_per_beat=line.steps_per_beat, chords=True).symbols == line.symbols
    )


@given(lines(), st.integers(0, 59))
def test_a_recording_that_keeps_time_beside_the_grid_is_moved_onto_it(line, ticks):
    assume_room = replace(line, steps_per_beat=4)
    found = assume_room.to_song()
    late = replace(
        found.parts[0], events=tuple(replace(event, onset=event.onset + ticks) for event in found.parts[0].events)
    )
    assert read_line(replace(found, parts=(late,)), part=late) == assume_room


def test_a_line_as_a_song():
    found = LINE.to_song(name="tune", beats_per_minute=80, meter=(3, 4), program=73)
    assert found.parts[0].events == (Event(240, 60, 480, 80), Event(720, 64, 120, 90), Event(1200, 62, 720, 70))
    assert (found.name, found.tempos, found.meters, found.parts[0].program) == (
        "tune",
        (Tempo(0, 750_000),),
        (Meter(0, 3, 4),),
        73,
    )
    assert replace(LINE, velocities=()).to_song().parts[0].events[2].velocity == 90
    assert (LINE.n_steps, LINE.n_notes) == (16, 3)
    assert LINE.table().tolist() == [[2, 60, 4, 80], [6, 64, 1, 90], [10, 62, 6, 70]]
    assert NoteLine(("60.64", REST), (3, 2)).table().tolist() == [[0, 60, 3, 90], [0, 64, 3, 90]] and NoteLine(
        (), ()
    ).table().shape == (0, 4)


def test_a_melody_is_what_lies_on_top():
    chords = song((0, 60, 480), (0, 67, 480), (480, 72, 960), (960, 48, 480), (1440, 65, 240), (1560, 64, 360))
    assert read_line(chords).symbols == ("67", "72", "65", "64")
    assert read_line(chords).durations == (4, 8, 1, 3)
    assert read_line(chords, chords=True).symbols == ("60.67", "72", "48", "65", "64")
    assert read_line(chords, chords=True).durations == (4, 4, 4, 1, 3)


def test_notes_that_lie_anywhere_are_rounded_where_they_are():
    found = read_line(song((0, 60, 100), (150, 62, 100), (300, 64, 100), (450, 65, 100)))
    assert (found.symbols, found.durations) == (("60", "62", REST, "64", "65"), (1, 1, 1, 1, 1))


def test_which_part_is_the_melody():
    low, high = Part((Event(0, 40, 9),), "MELODY"), Part((Event(0, 80, 9),), "x")
    drums = Part((Event(0, 100, 9),), "drums", is_drum=True)
    assert melody_part(Song(4, (drums, high, low))) is low
    assert melody_part(Song(4, (replace(low, name="bass"), drums, high))) is high
    with pytest.raises(InputError, match="no part with notes"):
        melody_part(Song(4, (drums, Part(()))))


@given(lines(), st.integers(-12, 12))
def test_transposing_there_and_back(line, semitones):
    highest = [pitch for symbol in line.symbols for pitch in pitches_of(symbol)]
    if highest and not 0 <= min(highest) + semitones <= max(highest) + semitones <= 127:
        with pytest.raises(InputError, match="no symbol"):
            line.transposed(semitones)
    else:
        assert line.transposed(semitones).transposed(-semitones) == line


@given(lines(), st.integers(0, 200))
def test_a_cut_line_is_as_long_as_asked(line, n_steps):
    found = line.cut(n_steps)
    assert found.n_steps == min(n_steps, line.n_steps)
    assert found.symbols == line.symbols[: len(found.symbols)]
    assert found.durations[:-1] == line.durations[: max(0, len(found.durations) - 1)]


def test_long_rests_lose_whole_bars():
    line = NoteLine((REST, "60", REST, "62", REST, "64"), (9, 33, 16, 1, 37, 2), (0, 1, 0, 2, 0, 3))
    found = without_long_rests(line, 16)
    assert (
        found.symbols == ("60", REST, "62", REST, "64")
        and found.durations == (33, 16, 1, 5, 2)
        and found.velocities == (1, 0, 2, 0, 3)
    )
    assert without_long_rests(NoteLine((REST,), (3,)), 16).symbols == ()


def test_symbols():
    assert (
        pitches_of("60.64.67") == (60, 64, 67)
        and pitches_of(REST) == ()
        and symbol_of([67, 60, 67]) == "60.67"
        and symbol_of([]) == REST
    )
    assert transposed("60.64", 3) == "63.67" and transposed(REST, 3) == REST
    for wrong in ("", ".", "60.", "64.60", "60.60", "128", "-1", "06", "1..2", "c4", "²"):
        with pytest.raises(InputError, match="no symbol"):
            pitches_of(wrong)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((("60",), ()), "1 symbols has 0 durations"),
        ((("60", "61"), (1, 1), (9,)), "1 velocities"),
        ((("60",), (0,)), "duration of 0"),
        ((("60",), (1,), (), 7), "7 steps to a beat"),
        ((("60",), (1,), (), 0), "0 steps to a beat"),
        ((("60",), (1,), (0,)), "velocity 0"),
        (((REST,), (1,), (5,)), "velocity 5"),
        ((("sixty",), (1,)), "'sixty'"),
    ],
)
def test_what_is_no_line(values, message):
    with pytest.raises(InputError, match=message):
        NoteLine(*values)
