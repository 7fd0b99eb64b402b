"""Lines of symbols: extracted from songs, written as songs, transposed, cut."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError
from wavecore.symbolic import note_sequence
from wavecore.symbolic.note_sequence import REST, NoteLine, melody_part, pitches_of, read_line, symbol_of
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

LINE = NoteLine((REST, "60", "64", REST, "62"), (2, 4, 1, 3, 6), (0, 80, 90, 0, 70))

pitches = st.integers(0, 127)
lengths = st.integers(1, 40)


def song(*events):
    return Song(480, (Part(tuple(Event(*event) for event in events)),))


@st.composite
def lines(draw, chords=False):
    """Lines without consecutive or final rests."""
    symbol = st.lists(pitches, min_size=1, max_size=4, unique=True).map(symbol_of) if chords else pitches.map(str)
    notes = st.lists(st.tuples(st.booleans(), symbol, lengths, lengths, st.integers(1, 127)), max_size=12)
    entries = []
    for has_rest, pitch, n_steps, rest, velocity in draw(notes):
        entries += [(REST, rest, 0)] if has_rest else []
        entries.append((pitch, n_steps, velocity))
    columns = zip(*entries, strict=True) if entries else ((), (), ())
    return NoteLine(*columns, draw(st.sampled_from([1, 3, 4, 12])))


@pytest.mark.slow
@given(lines(), st.sampled_from([(4, 4), (6, 8)]))
def test_round_trip(line, meter):
    written = line.to_song(beats_per_minute=90, meter=meter)
    if line.symbols:
        assert read_line(written, part=written.parts[0], steps_per_beat=line.steps_per_beat) == line
    assert written.n_notes == line.n_notes
    assert written.end == line.n_steps * 480 // line.steps_per_beat and written.meter_at(0) == Meter(0, *meter)


@pytest.mark.slow
@given(lines(chords=True))
def test_round_trip_of_chords(line):
    written = line.to_song()
    again = read_line(written, part=written.parts[0], steps_per_beat=line.steps_per_beat, chords=True)
    assert again.symbols == line.symbols


@pytest.mark.slow
@given(lines(), st.integers(0, 59))
def test_common_phase_of_onsets_is_removed(line, ticks):
    line = replace(line, steps_per_beat=4)
    written = line.to_song()
    late = tuple(replace(event, onset=event.onset + ticks) for event in written.parts[0].events)
    part = replace(written.parts[0], events=late)
    assert read_line(replace(written, parts=(part,)), part=part) == line


def test_to_song_and_table():
    tune = LINE.to_song(name="tune", beats_per_minute=80, meter=(3, 4), program=73)
    assert tune.parts[0].events == (Event(240, 60, 480, 80), Event(720, 64, 120, 90), Event(1200, 62, 720, 70))
    assert (tune.name, tune.tempos, tune.meters) == ("tune", (Tempo(0, 750_000),), (Meter(0, 3, 4),))
    assert tune.parts[0].program == 73
    assert replace(LINE, velocities=()).to_song().parts[0].events[2].velocity == 90
    assert (LINE.n_steps, LINE.n_notes) == (16, 3)
    assert LINE.table().tolist() == [[2, 60, 4, 80], [6, 64, 1, 90], [10, 62, 6, 70]]
    assert NoteLine(("60.64", REST), (3, 2)).table().tolist() == [[0, 60, 3, 90], [0, 64, 3, 90]]
    assert NoteLine((), ()).table().shape == (0, 4)


def test_top_line_and_chords():
    chords = song((0, 60, 480), (0, 67, 480), (480, 72, 960), (960, 48, 480), (1440, 65, 240), (1560, 64, 360))
    top, full = read_line(chords), read_line(chords, chords=True)
    assert (top.symbols, top.durations) == (("67", "72", "65", "64"), (4, 8, 1, 3))
    assert (full.symbols, full.durations) == (("60.67", "72", "48", "65", "64"), (4, 4, 4, 1, 3))


def test_onsets_without_a_common_phase_are_rounded():
    line = read_line(song((0, 60, 100), (150, 62, 100), (300, 64, 100), (450, 65, 100)))
    assert (line.symbols, line.durations) == (("60", "62", REST, "64", "65"), (1, 1, 1, 1, 1))


def test_melody_part():
    low, high = Part((Event(0, 40, 9),), "MELODY"), Part((Event(0, 80, 9),), "x")
    drums = Part((Event(0, 100, 9),), "drums", is_drum=True)
    assert melody_part(Song(4, (drums, high, low))) is low
    assert melody_part(Song(4, (replace(low, name="bass"), drums, high))) is high
    with pytest.raises(InputError):
        melody_part(Song(4, (drums, Part(()))))


@pytest.mark.slow
@given(lines(), st.integers(-12, 12))
def test_transposing_back(line, semitones):
    numbers = [pitch for symbol in line.symbols for pitch in pitches_of(symbol)]
    if numbers and not 0 <= min(numbers) + semitones <= max(numbers) + semitones <= 127:
        with pytest.raises(InputError):
            line.transposed(semitones)
    else:
        assert line.transposed(semitones).transposed(-semitones) == line


@pytest.mark.slow
@given(lines(), st.integers(0, 200))
def test_cut(line, n_steps):
    cut = line.cut(n_steps)
    assert cut.n_steps == min(n_steps, line.n_steps)
    assert cut.symbols == line.symbols[: len(cut.symbols)]
    assert cut.durations[:-1] == line.durations[: max(0, len(cut.durations) - 1)]


def test_without_long_rests():
    line = NoteLine((REST, "60", REST, "62", REST, "64"), (9, 33, 16, 1, 37, 2), (0, 1, 0, 2, 0, 3))
    shorter = NoteLine(("60", REST, "62", REST, "64"), (33, 16, 1, 5, 2), (1, 0, 2, 0, 3))
    assert note_sequence.without_long_rests(line, 16) == shorter
    assert note_sequence.without_long_rests(NoteLine((REST,), (3,)), 16).symbols == ()


def test_symbols():
    assert pitches_of("60.64.67") == (60, 64, 67) and pitches_of(REST) == ()
    assert symbol_of([67, 60, 67]) == "60.67" and symbol_of([]) == REST
    transposed = note_sequence.transposed
    assert transposed("60.64", 3) == "63.67" and transposed(REST, 3) == REST
    for wrong in ("", ".", "60.", "64.60", "60.60", "128", "-1", "06", "1..2", "c4", "²"):
        with pytest.raises(InputError, match=repr(wrong).replace(".", r"\.")):
            pitches_of(wrong)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ((("60",), ()), "0 durations"),
        ((("60", "61"), (1, 1), (9,)), "1 velocities"),
        ((("60",), (0,)), "duration of 0"),
        ((("60",), (1,), (), 7), "7 steps"),
        ((("60",), (1,), (), 0), "0 steps"),
        ((("60",), (1,), (0,)), "velocity 0"),
        (((REST,), (1,), (5,)), "velocity 5"),
        ((("sixty",), (1,)), "'sixty'"),
    ],
)
def test_invalid_lines(values, match):
    with pytest.raises(InputError, match=match):
        NoteLine(*values)
