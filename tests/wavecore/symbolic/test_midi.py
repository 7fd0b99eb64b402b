"""MIDI: what is written is read, and files that are none are named."""

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

# Notes of one pitch that overlap are one key pressed twice: no file says which of them ends.
starts = st.lists(
    st.tuples(st.integers(1, 400), st.integers(1, 300), st.integers(0, 127), st.integers(1, 127)),
    min_size=1,
    max_size=8,
)


@st.composite
def parts(draw):
    events, tick = [], 0
    for gap, duration, pitch, velocity in draw(starts):
        events.append(Event(tick, pitch, duration, velocity))
        tick += max(gap, duration)
    return Part(
        tuple(events), draw(st.sampled_from(["", "lead", "drums"])), draw(st.integers(0, 127)), draw(st.booleans())
    )


@given(
    parts=st.lists(parts(), min_size=1, max_size=4),
    tempos=st.lists(
        st.tuples(st.integers(0, 3000), st.integers(1, 2**24 - 1)), max_size=3, unique_by=lambda pair: pair[0]
    ),
    meters=st.lists(
        st.tuples(st.integers(0, 3000), st.integers(1, 12), st.sampled_from([2, 4, 8])),
        max_size=2,
        unique_by=lambda item: item[0],
    ),
    ticks_per_beat=st.sampled_from([1, 24, 220, 480, 32_767]),
)
@settings(deadline=None, max_examples=60)
def test_what_is_written_is_read(tmp_path_factory, parts, tempos, meters, ticks_per_beat):
    path = tmp_path_factory.mktemp("midi") / "piece.mid"
    song = Song(
        ticks_per_beat, tuple(parts), tuple(Tempo(*tempo) for tempo in tempos), tuple(Meter(*meter) for meter in meters)
    )
    midi.write(song, path)
    found = midi.read(path)
    assert found.parts == song.parts
    assert found.ticks_per_beat == ticks_per_beat
    assert found.seconds(range(0, 6000, 500)) == pytest.approx(song.seconds(range(0, 6000, 500)))
    assert [found.meter_at(tick).numerator for tick in range(0, 6000, 500)] == [
        song.meter_at(tick).numerator for tick in range(0, 6000, 500)
    ]


@pytest.mark.slow
@pytest.mark.skipif(not SONGS.is_dir(), reason="the 909 songs are not here")
def test_all_songs_survive(tmp_path):
    files = sorted(SONGS.rglob("*.mid"))
    assert len(files) == 909
    for number, path in enumerate(files):
        song = midi.read(path)
        midi.write(song, tmp_path / "again.mid", overwrite=True)
        again = midi.read(tmp_path / "again.mid")
        assert (again.parts, again.tempos, again.meters, again.ticks_per_beat) == (
            song.parts,
            song.tempos,
            song.meters,
            song.ticks_per_beat,
        ), path
        if number % 100 == 0:
            others = [track for track in symusic.Score(path).to("second").tracks if track.notes]
            for part, other in zip(song.parts, others, strict=True):
                assert sorted(event.pitch for event in part.events) == sorted(note.pitch for note in other.notes)
                assert [note.onset_s for note in song.score(part).notes] == pytest.approx(
                    sorted(note.time for note in other.notes), abs=1e-3
                )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read as MIDI"),
        (b"RIFF" + b"\0" * 40, "cannot be read as MIDI"),
        (header() + b"MTrk\0\0\0\x50\0", "cannot be read as MIDI"),
        (header() + track(), "without notes"),
        (header(0), "without notes"),
        (header(division=0) + track(NOTE), "0 ticks"),
        (header() + track(b"\x00\xff\x51\x03\x00\x00\x00", NOTE), "0 microseconds"),
    ],
)
def test_files_that_are_none(tmp_path, content, message):
    path = tmp_path / "broken.mid"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        midi.read(path)
    assert "broken.mid" in str(error.value)


def test_a_plain_file_is_read(tmp_path):
    path = tmp_path / "one.mid"
    path.write_bytes(header() + track(NOTE))
    song = midi.read(path, source="here", licence="free")
    assert song.parts[0].events == (Event(0, 60, 96, 64),) and (song.name, song.source, song.licence) == (
        "one",
        "here",
        "free",
    )
    assert song.duration_s == pytest.approx(0.1)


def test_too_many_notes(tmp_path, monkeypatch):
    path = tmp_path / "many.mid"
    midi.write(Song(24, (Part(tuple(Event(n, 60, 1) for n in range(30))),)), path)
    monkeypatch.setattr(midi, "MOST_NOTES", 29)
    with pytest.raises(InputError, match="holds 30 notes; 29"):
        midi.read(path)


def test_what_is_not_written(tmp_path):
    song = Song(24, (Part((Event(0, 60, 1),)),), name="x")
    with pytest.raises(UsageError, match="does not end in .mid"):
        midi.write(song, tmp_path / "x.wav")
    with pytest.raises(InputError, match="no notes"):
        midi.write(Song(24, (Part(()),)), tmp_path / "x.mid")
    (tmp_path / "there.mid").write_bytes(b"kept")
    with pytest.raises(OutputExistsError, match="there.mid"):
        midi.write(song, tmp_path / "there.mid")
    assert [path.name for path in tmp_path.iterdir()] == ["there.mid"] and (
        tmp_path / "there.mid"
    ).read_bytes() == b"kept"
    with pytest.raises(InputError, match="no MIDI file"):
        midi.read(tmp_path / "missing.mid")
