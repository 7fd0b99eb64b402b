"""Tracks, and pieces as rolls and rolls as pieces: what survives, what is left out and counted."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError, UsageError
from wavecore.models.musegan import rolls
from wavecore.models.musegan.rolls import DRUMS, FAMILIES, Grid, Track, find_tracks, parts_of
from wavecore.symbolic import midi
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

NOTE = (Event(0, 60, 4),)
SAX, BASS, PAD, KIT_PART, HARP = (
    Part(NOTE, "Lead: one", 65), Part(NOTE, "low", 33), Part(NOTE, "", 50), Part(NOTE, "kit", 33, True),
    Part(NOTE, "LOW ", 46),
)  # fmt: skip
BAND = Song(4, (SAX, BASS, PAD, KIT_PART, HARP))


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Low", [BASS, HARP]), ("lead: one", [SAX]), ("nobody", []), ("family:bass", [BASS]),
        ("family:drums", [KIT_PART]), ("family:strings+ensemble", [PAD, HARP]), ("family:brass", []),
        ("part:0", [SAX]), ("part:4", [HARP]), ("part:5", []),
    ],
)  # fmt: skip
def test_the_parts_of_a_track(name, parts):
    assert parts_of(BAND, name) == parts


def test_every_program_has_one_family():
    song = Song(4, tuple(Part(NOTE, "x", program) for program in range(128)))
    taken = [parts_of(song, f"family:{family}") for family in (*FAMILIES, DRUMS)]
    assert [part.program for parts in taken for part in parts] == list(range(128)) and not taken[-1]


def test_labels_are_names_without_their_kind():
    labels = {"low": "low", "family:bass": "bass", "lead: one": "lead: one", "part:3": "part:3"}
    assert {name: Track(name).label for name in labels} == labels


def test_tracks_have_the_program_of_most_pieces():
    other = Song(4, (Part(NOTE, "low", 35), Part((), "low", 99), Part(NOTE, "kit", 0, True)))
    found = find_tracks([BAND, other, other], ["low", "family:drums"])
    assert found == (Track("low", 35), Track("family:drums", 0, True))


@pytest.mark.parametrize(
    ("make", "error", "value"),
    [
        (lambda: Track(" "), UsageError, "empty"),
        (lambda: Track("family:harps"), UsageError, "'harps'"),
        (lambda: Track("family:bass+"), UsageError, "''"),
        (lambda: Track("part:one"), UsageError, "'part:one'"),
        (lambda: Track("low", 128), UsageError, "128"),
        (lambda: find_tracks([BAND], ["alto"]), InputError, "'alto'.* Lead: one"),
        (lambda: find_tracks([Song(4, (PAD,))], ["alto"]), InputError, "'alto'.* family:NAME"),
        (lambda: find_tracks([BAND], ["low", "low"]), UsageError, "low, low"),
    ],
)
def test_impossible_tracks(make, error, value):
    with pytest.raises(error, match=value):
        make()


GRID = Grid(steps=8, beats=4, lowest=58, n_pitches=5)
LEAD, KIT = Track("lead", 12), Track("kit", 0, True)
POP = Path(__file__).resolve().parents[5] / "shared" / "data" / "pop909"


def song(*events, ticks=2, drums=(), **changes):
    lead = Part(tuple(Event(*event) for event in events), "lead")
    return Song(ticks, (lead, Part(tuple(Event(*event) for event in drums), "kit", 0, True)), **changes)


def roll_of(*events, tracks=(LEAD,), **options):
    return rolls.from_song(song(*events, **options), tracks, GRID)


def active(roll, track=0):
    """Active cells, as (step of the whole, MIDI number)."""
    return [(step, pitch + GRID.lowest) for step, pitch in np.argwhere(roll.cells[..., track].reshape(-1, 5)).tolist()]


def test_cells_lie_where_notes_sound():
    roll = roll_of((0, 58, 2), (9, 62, 3, 70), drums=[(3, 60, 4)], tracks=[LEAD, KIT])
    assert roll.cells.shape == (2, 8, 5, 2) and roll.cells.dtype == bool
    assert active(roll) == [(0, 58), (1, 58), (9, 62), (10, 62), (11, 62)]
    assert active(roll, 1) == [(3, 60)], "of drums only onsets"
    assert roll.follows.tolist() == [False, True] and roll.left_out == {} and roll.outside == 0


def test_a_repeated_note_gives_up_its_last_step():
    roll = roll_of((0, 60, 4), (4, 60, 2), (6, 60, 1), (7, 60, 1))
    assert active(roll) == [(0, 60), (1, 60), (2, 60), (4, 60), (6, 60), (7, 60)], "a note of one step has none to give"
    found = rolls.to_song(roll.cells, [LEAD], GRID).regrid(2).parts[0].events
    assert [(event.onset, event.duration) for event in found] == [(0, 3), (4, 1), (6, 2)]
    overlapping = roll_of((0, 60, 6), (0, 60, 2), (4, 60, 1))
    assert active(overlapping) == [(0, 60), (1, 60), (2, 60), (4, 60)], "a later note ends an earlier one"


def test_times_go_to_the_nearest_step_and_no_note_is_lost():
    roll = roll_of((3, 60, 3), (95, 58, 1), ticks=12)
    assert active(roll) == [(1, 60), (16, 58)]
    assert len(roll.cells) == 3, "the last note begins half a step before a new bar"


def test_parts_of_one_track_are_superimposed():
    two = Song(2, (Part((Event(0, 58, 1),), "lead"), Part((Event(0, 60, 1),), "Lead ")))
    roll = rolls.from_song(two, [LEAD, Track("other")], GRID)
    assert active(roll) == [(0, 58), (0, 60)] and not roll.cells[..., 1].any(), "a track that is not there is silent"


def test_pitches_beyond_the_grid_are_counted():
    roll = roll_of((0, 57, 1), (0, 63, 1), (0, 62, 1))
    assert roll.outside == 2 and active(roll) == [(0, 62)]


def test_bars_of_other_lengths_are_left_out_and_counted():
    roll = roll_of((0, 60, 30), meters=(Meter(0, 4, 4), Meter(8, 3, 4), Meter(20, 4, 4)))
    assert roll.left_out == {"3/4": 2} and roll.follows.tolist() == [False, False, True]
    assert len(active(roll)) == 8 + 10, "a note held from a bar that is left out begins with the next"
    cut = roll_of((0, 60, 22), meters=(Meter(0, 4, 4), Meter(12, 4, 4)))  # a new meter cuts a bar short
    assert cut.left_out == {"4/4": 1} and cut.follows.tolist() == [False, False, True]
    assert roll_of((0, 60, 8), meters=(Meter(0, 7, 8),)).cells.shape == (0, 8, 5, 1)
    assert roll_of().cells.shape == (0, 8, 5, 1) and roll_of().follows.shape == (0,)


def test_short_bars_are_joined():
    for meter in (Meter(0, 2, 4), Meter(0, 1, 4), Meter(0, 4, 8), Meter(0, 2, 2)):
        roll = roll_of((0, 60, 12), meters=(meter,))
        assert roll.left_out == {} and roll.follows.tolist() == [False, True]
    odd = roll_of((0, 60, 20), meters=(Meter(0, 2, 4), Meter(12, 4, 4)))
    assert odd.left_out == {"2/4": 1} and odd.follows.tolist() == [False, False]


def test_a_repeated_meter_changes_nothing():
    plain, again = roll_of((0, 60, 20)), roll_of((0, 60, 20), meters=(Meter(0, 3, 4), Meter(0, 4, 4), Meter(8, 4, 4)))
    np.testing.assert_array_equal(again.cells, plain.cells)
    assert again.follows.tolist() == plain.follows.tolist() == [False, True, True] and again.left_out == {}


@st.composite
def notes_that_keep_apart(draw):
    """Notes in steps of which those of one pitch are a step apart or more."""
    events = []
    for pitch in range(58, 63):
        at = 0
        for wait, duration in draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 20)), max_size=5)):
            events.append(Event(at + wait, pitch, duration, rolls.VELOCITY))
            at += wait + duration + 1
    return events


@pytest.mark.slow
@given(
    notes_that_keep_apart(), st.sets(st.tuples(st.integers(0, 30), st.integers(58, 62))), st.sampled_from([1, 3, 240])
)
def test_pieces_that_follow_the_convention_survive(events, strokes, ticks_per_step):
    kit = tuple(Event(step, pitch, 1, rolls.VELOCITY) for step, pitch in strokes)
    whole = Song(2, (Part(tuple(events), "lead"), Part(kit, "kit", 0, True)))
    cells = rolls.from_song(whole.regrid(2 * ticks_per_step), [LEAD, KIT], GRID).cells
    back = rolls.to_song(cells, [LEAD, KIT], GRID)
    assert [part.events for part in back.regrid(2).parts] == [part.events for part in whole.parts]


@pytest.mark.slow
@given(st.lists(st.lists(st.booleans(), min_size=10, max_size=10), min_size=1, max_size=24))
def test_any_roll_survives(rows):
    flat = np.zeros((-(-len(rows) // 8) * 8, 10), bool)
    flat[: len(rows)] = rows
    cells = flat.reshape(-1, 8, 5, 2)
    back = rolls.from_song(rolls.to_song(cells, [LEAD, KIT], GRID), [LEAD, KIT], GRID).cells
    np.testing.assert_array_equal(back, cells[: len(back)])
    assert not cells[len(back) :].any()


def test_a_piece_of_a_roll_has_tempo_meter_and_programs():
    found = rolls.to_song(np.zeros((1, 8, 5, 2), bool), [LEAD, KIT], GRID, beats_per_minute=120)
    assert found.tempos == (Tempo(0, 500_000),) and found.meters == (Meter(0, 4, 4),)
    assert [(part.name, part.program, part.is_drum) for part in found.parts] == [("lead", 12, False), ("kit", 0, True)]
    assert Grid(steps=7, beats=1).ticks_per_beat % 7 == 0 and Grid(steps=96).ticks_per_beat == 480
    waltz = rolls.to_song(np.ones((1, 6, 5, 1), bool), [LEAD], Grid(6, 3, 58, 5))
    assert waltz.meters == (Meter(0, 3, 4),) and waltz.end == 3 * waltz.ticks_per_beat
    for tempo in (0, float("nan")):
        with pytest.raises(InputError, match=str(tempo)):
            rolls.to_song(np.zeros((1, 8, 5, 1), bool), [LEAD], GRID, beats_per_minute=tempo)


@pytest.mark.slow
@pytest.mark.skipif(not POP.is_dir(), reason=f"there are no pieces in {POP}")
def test_real_pieces_keep_their_notes():
    grid, tracks = Grid(steps=96), [Track("MELODY"), Track("BRIDGE"), Track("PIANO")]
    n_checked = 0
    for path in sorted(POP.glob("*.mid"))[::180]:
        piece = midi.read(path)
        roll = rolls.from_song(piece, tracks, grid)
        if roll.left_out or not roll.follows[1:].all():
            continue
        n_checked += 1
        back = rolls.to_song(roll.cells, tracks, grid)
        for part in piece.parts:
            (found,) = [one for one in back.parts if one.name == part.name]
            # On this grid onsets of one pitch that differ by less than a step are one.
            expected = {
                ((2 * event.onset * 24 + piece.ticks_per_beat) // (2 * piece.ticks_per_beat), event.pitch)
                for event in part.events
            }
            got = {(event.onset // (back.ticks_per_beat // 24), event.pitch) for event in found.events}
            assert got <= expected and len(got) >= 0.98 * len(expected), path.name
        again = rolls.from_song(back, tracks, grid).cells
        np.testing.assert_array_equal(again, roll.cells[: len(again)])
    assert n_checked >= 2
