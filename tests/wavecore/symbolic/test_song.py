"""Songs in ticks, beats and seconds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError, OutputExistsError
from wavecore.symbolic import midi
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo


def song(**changes):
    part = Part((Event(960, 62, 240, 80), Event(0, 60, 480)), "lead", 40)
    given = {
        "ticks_per_beat": 480,
        "parts": (part,),
        "tempos": (Tempo(480, 1_000_000), Tempo(0, 600_000)),
        "meters": (Meter(0, 3, 4), Meter(1440, 6, 8)),
    }
    return Song(**(given | changes))


def test_seconds_follow_the_tempos():
    np.testing.assert_allclose(song().seconds([0, 240, 480, 960, 1200]), [0, 0.3, 0.6, 1.6, 2.1])
    assert song().duration_s == pytest.approx(2.1) and song().end == 1200
    np.testing.assert_allclose(song(tempos=()).seconds([480]), [0.5])
    np.testing.assert_allclose(song(tempos=(Tempo(480, 250_000),)).seconds([480, 960]), [0.5, 0.75])
    np.testing.assert_allclose(song().beats([0, 240, 960]), [0, 0.5, 2])
    assert Tempo(0, 500_000).beats_per_minute == 120


def test_score_of_a_part():
    score = song().score(song().parts[0])
    assert [note.onset_s for note in score.notes] == pytest.approx([0.0, 1.6])
    assert [(note.pitch, note.velocity) for note in score.notes] == [(60, 90), (62, 80)]
    assert score.notes[1].duration_s == pytest.approx(0.5) and (score.track, score.program) == ("lead", 40)
    assert song().n_notes == 2 and song(parts=()).duration_s == 0 and song(parts=()).end == 0


def test_meter_at():
    assert [song().meter_at(tick).denominator for tick in (0, 1439, 1440, 9999)] == [4, 4, 8, 8]
    assert song(meters=()).meter_at(5) == Meter(0, 4, 4)
    assert song(meters=(Meter(10, 3, 4),)).meter_at(5) == Meter(0, 4, 4)


@pytest.mark.slow
@given(
    events=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 127), st.integers(1, 2000)), max_size=12),
    factor=st.integers(1, 5),
)
def test_finer_grid_is_exact(events, factor):
    before = song(parts=(Part(tuple(Event(*event) for event in events)),))
    finer = before.regrid(480 * factor)
    assert finer.regrid(480) == before
    ticks = np.array([event.onset for event in before.parts[0].events], np.int64)
    np.testing.assert_allclose(finer.seconds(ticks * factor), before.seconds(ticks))


def test_coarser_grid_rounds_and_keeps_every_note():
    coarse = song(parts=(Part((Event(100, 60, 5), Event(0, 60, 700))),)).regrid(4)
    assert [(event.onset, event.duration) for event in coarse.parts[0].events] == [(0, 6), (1, 1)]


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda: Event(-1, 60, 4), "-1"),
        (lambda: Event(0, 60, 0), "duration 0"),
        (lambda: Event(0, 128, 4), "128"),
        (lambda: Event(0, 60, 4, 0), "velocity 0"),
        (lambda: Part((), "x", 128), "128"),
        (lambda: Tempo(0, 0), "0 microseconds"),
        (lambda: Tempo(0, 2**24), "16777216"),
        (lambda: Meter(0, 4, 3), "4/3"),
        (lambda: Meter(0, 0, 4), "0/4"),
        (lambda: song(ticks_per_beat=0), "0 ticks"),
    ],
)
def test_values_out_of_range(make, value):
    with pytest.raises(InputError, match=value):
        make()


def test_repr():
    assert repr(song()) == "Song(1 track, 2 notes, 2.1 s)"
    assert repr(Song(24, (Part(()), Part([Event(0, 60, 24)])))) == "Song(2 tracks, 1 note, 0.5 s)"


def test_write_midi(tmp_path):
    song().write_midi(tmp_path / "a.mid")
    assert midi.read(tmp_path / "a.mid").parts == song().parts
    with pytest.raises(OutputExistsError, match=r"a\.mid"):
        song().write_midi(tmp_path / "a.mid")
    song(tempos=()).write_midi(tmp_path / "a.mid", overwrite=True)
    assert midi.read(tmp_path / "a.mid").duration_s == pytest.approx(1.25)
