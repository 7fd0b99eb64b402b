"""MIDI files: round trips, broken files, refused paths."""

from pathlib import Path

import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.errors import InputError, OutputExistsError, UsageError
from wavecore.symbolic import midi
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

SONGS = Path(__file__).resolve().parents[4] / "shared" / "data" / "pop909"
END = b"\x00\xff\x2f\x00"


def header(n_tracks: int = 1, division: int = 480) -> bytes:
    return b"MThd\0\0\0\6\0\1" + n_tracks.to_bytes(2, "big") + division.to_bytes(2, "big")


def track(*events: bytes) -> bytes:
    body = b"".join(events) + END
    return b"MTrk" + len(body).to_bytes(4, "big") + body


NOTE = b"\x00\x90\x3c\x40" + b"\x60\x80\x3c\x40"

ticks = st.integers(0, 3000)


@st.composite
def parts(draw):
    # A file does not tell which of two overlapping notes of one pitch ends first, so there are none.
    events, tick = [], 0
    starts = st.tuples(st.integers(1, 400), st.integers(1, 300), st.integers(0, 127), st.integers(1, 127))
    for gap, duration, pitch, velocity in draw(st.lists(starts, min_size=1, max_size=8)):
        events.append(Event(tick, pitch, duration, velocity))
        tick += max(gap, duration)
    name, program = draw(st.sampled_from(["", "lead", "drums"])), draw(st.integers(0, 127))
    return Part(tuple(events), name, program, draw(st.booleans()))


@pytest.mark.slow
@given(
    parts=st.lists(parts(), min_size=1, max_size=4),
    tempos=st.dictionaries(ticks, st.integers(1, 2**24 - 1), max_size=3),
    meters=st.dictionaries(ticks, st.tuples(st.integers(1, 12), st.sampled_from([2, 4, 8])), max_size=2),
    ticks_per_beat=st.sampled_from([1, 24, 220, 480, 32_767]),
)
@settings(deadline=None, max_examples=60)
def test_round_trip(tmp_path_factory, parts, tempos, meters, ticks_per_beat):
    path = tmp_path_factory.mktemp("midi") / "piece.mid"
    tempos = [Tempo(tick, microseconds) for tick, microseconds in tempos.items()]
    song = Song(ticks_per_beat, parts, tempos, [Meter(tick, *meter) for tick, meter in meters.items()])
    midi.write(song, path)
    again = midi.read(path)
    assert again.parts == song.parts and again.ticks_per_beat == ticks_per_beat
    times = range(0, 6000, 500)
    assert again.seconds(times) == pytest.approx(song.seconds(times))
    assert [again.meter_at(tick).numerator for tick in times] == [song.meter_at(tick).numerator for tick in times]


@pytest.mark.slow
@pytest.mark.skipif(not SONGS.is_dir(), reason="the 909 songs are not here")
def test_round_trip_of_songs(tmp_path):
    files = sorted(SONGS.rglob("*.mid"))
    assert len(files) == 909
    for number, path in enumerate(files[::15]):
        song = midi.read(path)
        midi.write(song, tmp_path / "again.mid", overwrite=True)
        again = midi.read(tmp_path / "again.mid")
        for name in ("parts", "tempos", "meters", "ticks_per_beat"):
            assert getattr(again, name) == getattr(song, name), path
        if number % 10 == 0:
            others = [track for track in symusic.Score(path).to("second").tracks if track.notes]
            for part, other in zip(song.parts, others, strict=True):
                assert sorted(event.pitch for event in part.events) == sorted(note.pitch for note in other.notes)
                onsets = sorted(note.time for note in other.notes)
                assert [note.onset_s for note in song.score(part).notes] == pytest.approx(onsets, abs=1e-3)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "read as MIDI"),
        (b"RIFF" + b"\0" * 40, "read as MIDI"),
        (header() + b"MTrk\0\0\0\x50\0", "read as MIDI"),
        (header() + track(), "without notes"),
        (header(0), "without notes"),
        (header(division=0) + track(NOTE), "0 ticks"),
        (header() + track(b"\x00\xff\x51\x03\x00\x00\x00", NOTE), "0 microseconds"),
    ],
)
def test_broken_files(tmp_path, content, match):
    path = tmp_path / "broken.mid"
    path.write_bytes(content)
    with pytest.raises(InputError, match=match) as error:
        midi.read(path)
    assert "broken.mid" in str(error.value)


def test_file_of_one_note(tmp_path):
    path = tmp_path / "one.mid"
    path.write_bytes(header() + track(NOTE))
    song = midi.read(path, source="here", licence="free")
    assert song.parts[0].events == (Event(0, 60, 96, 64),) and song.duration_s == pytest.approx(0.1)
    assert (song.name, song.source, song.licence) == ("one", "here", "free")


def test_limit_on_notes(tmp_path, monkeypatch):
    path = tmp_path / "many.mid"
    midi.write(Song(24, (Part(tuple(Event(n, 60, 1) for n in range(30))),)), path)
    monkeypatch.setattr(midi, "MAX_NOTES", 29)
    with pytest.raises(InputError, match=r"30.*29"):
        midi.read(path)


def test_paths_that_cannot_be_used(tmp_path):
    song = Song(24, (Part((Event(0, 60, 1),)),), name="x")
    there = tmp_path / "there.mid"
    there.write_bytes(b"kept")
    for path in (tmp_path / "x.wav", tmp_path / "no" / "x.mid"):
        with pytest.raises(UsageError, match=path.name):
            midi.write(song, path)
    with pytest.raises(InputError, match="no notes"):
        midi.write(Song(24, (Part(()),)), tmp_path / "x.mid")
    with pytest.raises(OutputExistsError, match=there.name):
        midi.write(song, there)
    assert list(tmp_path.iterdir()) == [there] and there.read_bytes() == b"kept"
    with pytest.raises(InputError, match=r"missing\.mid"):
        midi.read(tmp_path / "missing.mid")
