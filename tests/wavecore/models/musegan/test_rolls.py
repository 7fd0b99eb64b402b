"""Pieces as rolls and rolls as pieces: what survives, what is left out and said."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError, UsageError
from wavecore.models.musegan import rolls
from wavecore.models.musegan.rolls import Grid
from wavecore.models.musegan.tracks import Track
from wavecore.symbolic import midi
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

GRID = Grid(steps=8, beats=4, lowest=58, n_pitches=5)
LEAD, KIT = Track("lead", 12), Track("kit", 0, True)
POP = Path(__file__).resolve().parents[5] / "shared" / "data" / "pop909"


def song(*events, ticks=2, drums=(), **changes):
    parts = (
        Part(tuple(Event(*event) for event in events), "lead"),
        Part(tuple(Event(*event) for event in drums), "kit", 0, True),
    )
    return Song(ticks, parts, **changes)


def lit(roll, track=0):
    """Cells that are lit, as (step of the whole, MIDI number)."""
    flat = roll[..., track].reshape(-1, roll.shape[2])
    return [(step, pitch + GRID.lowest) for step, pitch in np.argwhere(flat).tolist()]


def test_cells_lie_where_notes_sound():
    drawn = rolls.draw(song((0, 58, 2), (9, 62, 3, 70), drums=[(3, 60, 4)]), [LEAD, KIT], GRID)
    assert drawn.roll.shape == (2, 8, 5, 2) and drawn.roll.dtype == bool
    assert lit(drawn.roll) == [(0, 58), (1, 58), (9, 62), (10, 62), (11, 62)]
    assert lit(drawn.roll, 1) == [(3, 60)], "of drums only onsets"
    assert drawn.follows.tolist() == [False, True] and drawn.left_out == {} and drawn.outside == 0
    loud = rolls.draw(song((0, 58, 2), (9, 62, 3, 70)), [LEAD], GRID, velocities=True).roll
    assert loud.dtype == np.uint8 and loud[1, 1, 4, 0] == 70 and loud[0, 0, 0, 0] == 90


def test_a_note_struck_again_gives_up_its_last_step():
    roll = rolls.draw(song((0, 60, 4), (4, 60, 2), (6, 60, 1), (7, 60, 1)), [LEAD], GRID).roll
    assert lit(roll) == [(0, 60), (1, 60), (2, 60), (4, 60), (6, 60), (7, 60)], "a note of one step has none to give"
    found = rolls.to_song(roll, [LEAD], GRID).regrid(2).parts[0].events
    assert [(event.onset, event.duration) for event in found] == [(0, 3), (4, 1), (6, 2)]
    overlapping = rolls.draw(song((0, 60, 6), (0, 60, 2), (4, 60, 1)), [LEAD], GRID).roll
    assert lit(overlapping) == [(0, 60), (1, 60), (2, 60), (4, 60)], "a later note ends an earlier one"


def test_times_go_to_the_nearest_step_and_no_note_is_lost():
    drawn = rolls.draw(song((3, 60, 3), (95, 58, 1), ticks=12), [LEAD], GRID)
    assert lit(drawn.roll) == [(1, 60), (16, 58)] and len(drawn.roll) == 3, (
        "the last one begins half a step before a new bar"
    )


def test_parts_of_one_track_are_laid_over_each_other():
    two = Song(2, (Part((Event(0, 58, 1),), "lead"), Part((Event(0, 60, 1),), "Lead ")))
    drawn = rolls.draw(two, [LEAD, Track("other")], GRID)
    assert lit(drawn.roll) == [(0, 58), (0, 60)] and not drawn.roll[..., 1].any(), "a track that is not there is silent"


def test_pitches_beyond_the_grid_are_counted():
    drawn = rolls.draw(song((0, 57, 1), (0, 63, 1), (0, 62, 1)), [LEAD], GRID)
    assert drawn.outside == 2 and lit(drawn.roll) == [(0, 62)]


def test_bars_of_other_lengths_are_left_out_and_counted():
    meters = (Meter(0, 4, 4), Meter(8, 3, 4), Meter(20, 4, 4))
    drawn = rolls.draw(song((0, 60, 30), meters=meters), [LEAD], GRID)
    assert drawn.left_out == {"3/4": 2} and drawn.follows.tolist() == [False, False, True]
    assert len(lit(drawn.roll)) == 8 + 10, "a note that is held from a bar that is left out begins with the next"
    cut = rolls.draw(song((0, 60, 22), meters=(Meter(0, 4, 4), Meter(12, 4, 4))), [LEAD], GRID)
    assert cut.left_out == {"4/4": 1} and cut.follows.tolist() == [False, False, True], (
        "a bar that a new meter cuts short"
    )
    assert rolls.draw(song((0, 60, 8), meters=(Meter(0, 7, 8),)), [LEAD], GRID).roll.shape == (0, 8, 5, 1)


def test_short_bars_are_joined():
    for meter in (Meter(0, 2, 4), Meter(0, 1, 4), Meter(0, 4, 8), Meter(0, 2, 2)):
        drawn = rolls.draw(song((0, 60, 12), meters=(meter,)), [LEAD], GRID)
        assert drawn.left_out == {} and drawn.follows.tolist() == [False, True]
    odd = rolls.draw(song((0, 60, 20), meters=(Meter(0, 2, 4), Meter(12, 4, 4))), [LEAD], GRID)
    assert odd.left_out == {"2/4": 1} and odd.follows.tolist() == [False, False]


def test_a_meter_that_is_said_again_changes_nothing():
    plain = rolls.draw(song((0, 60, 20)), [LEAD], GRID)
    again = rolls.draw(song((0, 60, 20), meters=(Meter(0, 3, 4), Meter(0, 4, 4), Meter(8, 4, 4))), [LEAD], GRID)
    np.testing.assert_array_equal(again.roll, plain.roll)
    assert again.follows.tolist() == plain.follows.tolist() == [False, True, True] and again.left_out == {}


def test_a_song_without_notes_has_no_bars():
    drawn = rolls.draw(song(), [LEAD, KIT], GRID)
    assert drawn.roll.shape == (0, 8, 5, 2) and drawn.follows.shape == (0,)


@st.composite
def notes_that_keep_apart(draw):
    """Notes in steps of which those of one pitch are a step apart or more."""
    found = []
    for pitch in range(58, 63):
        at = 0
        for wait, duration in draw(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 20)), max_size=5)):
            found.append(Event(at + wait, pitch, duration, draw(st.integers(1, 127))))
            at += wait + duration + 1
    return found


@given(
    notes_that_keep_apart(), st.sets(st.tuples(st.integers(0, 30), st.integers(58, 62))), st.sampled_from([1, 3, 240])
)
def test_what_keeps_to_the_convention_survives(events, strokes, ticks_per_step):
    kit = tuple(Event(step, pitch, 1) for step, pitch in strokes)
    whole = Song(2, (Part(tuple(events), "lead"), Part(kit, "kit", 0, True)))
    fine = whole.regrid(2 * ticks_per_step)
    drawn = rolls.draw(fine, [LEAD, KIT], GRID, velocities=True)
    back = rolls.to_song(drawn.roll, [LEAD, KIT], GRID)
    assert [part.events for part in back.regrid(2).parts] == [part.events for part in whole.parts]
    np.testing.assert_array_equal(rolls.draw(back, [LEAD, KIT], GRID, velocities=True).roll, drawn.roll)


cells = st.lists(st.lists(st.booleans(), min_size=10, max_size=10), min_size=1, max_size=24)


@given(cells)
def test_any_roll_survives(rows):
    flat = np.zeros((-(-len(rows) // 8) * 8, 10), bool)
    flat[: len(rows)] = rows
    roll = flat.reshape(-1, 8, 5, 2)
    drawn = rolls.draw(rolls.to_song(roll, [LEAD, KIT], GRID), [LEAD, KIT], GRID).roll
    np.testing.assert_array_equal(drawn, roll[: len(drawn)])
    assert not roll[len(drawn) :].any()


def test_a_piece_says_how_it_is_played():
    found = rolls.to_song(np.zeros((1, 8, 5, 2), bool), [LEAD, KIT], GRID, beats_per_minute=120, name="x")
    assert found.tempos == (Tempo(0, 500_000),) and found.meters == (Meter(0, 4, 4),) and found.name == "x"
    assert [(part.name, part.program, part.is_drum) for part in found.parts] == [("lead", 12, False), ("kit", 0, True)]
    assert Grid(steps=7, beats=1).ticks_per_beat % 7 == 0 and Grid(steps=96).ticks_per_beat == 480
    waltz = rolls.to_song(np.ones((1, 6, 5, 1), bool), [LEAD], Grid(6, 3, 58, 5))
    assert waltz.meters == (Meter(0, 3, 4),) and waltz.end == 3 * waltz.ticks_per_beat


@pytest.mark.parametrize(("follows", "n_bars", "starts"), [
    ([False, True, True, False, True], 2, [0, 1, 3]),
    ([False, True, True, False, True], 3, [0]),
    ([False, True, True, False, True], 1, [0, 1, 2, 3, 4]),
    ([False, True], 3, []),
    ([], 2, []),
])  # fmt: skip
def test_phrases_begin_where_no_bar_is_cut_off(follows, n_bars, starts):
    assert rolls.phrase_starts(np.array(follows, bool), n_bars).tolist() == starts


def test_transposition_moves_all_but_drums():
    roll = rolls.draw(song((0, 59, 1), (1, 60, 1), drums=[(0, 58, 1)]), [LEAD, KIT], GRID).roll
    assert rolls.room(roll, [False, True]) == (-1, 2) and rolls.room(roll, [True, True]) == (0, 0)
    moved = rolls.transposed(roll, 2, [False, True])
    assert lit(moved) == [(0, 61), (1, 62)] and lit(moved, 1) == [(0, 58)]
    np.testing.assert_array_equal(rolls.transposed(moved, -2, [False, True]), roll)


@pytest.mark.parametrize("shape", [(3, 2, 5), (8, 5, 2), (1, 1, 1)])
def test_bits_are_read_as_they_were_stored(shape):
    roll = np.random.default_rng(0).random((3, *shape)) < 0.4
    packed = rolls.pack(roll)
    assert packed.shape == (3, -(-int(np.prod(shape)) // 8))
    np.testing.assert_array_equal(rolls.unpack(packed, shape), roll)
    assert rolls.unpack(rolls.pack(roll[:0]), shape).shape == (0, *shape)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Grid(steps=10, beats=4), UsageError, "4 beats has 10 steps"),
        (lambda: Grid(beats=0), UsageError, "0 beats"),
        (lambda: Grid(lowest=50), UsageError, "84 pitches from 50"),
        (lambda: rolls.to_song(np.zeros((1, 8, 4, 1), bool), [LEAD], GRID), InputError, r"\(1, 8, 4, 1\)"),
        (
            lambda: rolls.to_song(np.zeros((1, 8, 5, 1), bool), [LEAD], GRID, beats_per_minute=0),
            InputError,
            "tempo of 0",
        ),
        (
            lambda: rolls.to_song(np.zeros((1, 8, 5, 1), bool), [LEAD], GRID, beats_per_minute=float("nan")),
            InputError,
            "tempo of nan",
        ),
    ],
)
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.skipif(not POP.is_dir(), reason=f"there are no pieces in {POP}")
def test_real_pieces_keep_their_notes():
    grid, tracks = Grid(steps=96), [Track("MELODY"), Track("BRIDGE"), Track("PIANO")]
    n_checked = 0
    for path in sorted(POP.glob("*.mid"))[::180]:
        piece = midi.read(path)
        drawn = rolls.draw(piece, tracks, grid, velocities=True)
        if drawn.left_out or not drawn.follows[1:].all():
            continue
        n_checked += 1
        back = rolls.to_song(drawn.roll, tracks, grid)
        for part in piece.parts:
            (found,) = [one for one in back.parts if one.name == part.name]
            # On this grid onsets of one pitch that differ by less than a step are one.
            wanted = {
                ((2 * event.onset * 24 + piece.ticks_per_beat) // (2 * piece.ticks_per_beat), event.pitch)
                for event in part.events
            }
            got = {(event.onset // (back.ticks_per_beat // 24), event.pitch) for event in found.events}
            assert got <= wanted and len(got) >= 0.98 * len(wanted), path.name
        again = rolls.draw(back, tracks, grid, velocities=True).roll
        np.testing.assert_array_equal(again > 0, drawn.roll[: len(again)] > 0)
    assert n_checked >= 2
