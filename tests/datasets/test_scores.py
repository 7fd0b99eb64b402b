import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.datasets import scores
from wavecore.errors import InputError, UsageError
from wavecore.symbolic import midi
from wavecore.symbolic.score import Note, Score, is_monophonic
from wavecore.symbolic.song import Event, Part, Song, Tempo


def write_midi(path, tracks: dict[str, list[tuple[int, int, int, int]]], tempos=()):
    """Write (tick, ticks, pitch, velocity) notes at 480 ticks a quarter, by default 120 quarters a minute."""
    parts = []
    for name, notes in tracks.items():
        events = (Event(onset, pitch, duration, velocity) for onset, duration, pitch, velocity in notes)
        parts.append(Part(tuple(events), name, is_drum=name == "DRUMS"))
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.write(Song(480, tuple(parts), tuple(Tempo(*tempo) for tempo in tempos)), path, overwrite=True)


def line(pitch: int, n: int = 12) -> list[tuple[int, int, int, int]]:
    return [(480 * i, 480, pitch + i % 5, 90) for i in range(n)]


def chords(pitch: int, n: int = 12) -> list[tuple[int, int, int, int]]:
    return [(480 * i, 480, pitch + third, 90) for i in range(n) for third in (0, 4, 7)]


def test_a_folder_gives_its_melody_tracks(tmp_path):
    write_midi(tmp_path / "b.mid", {"PIANO": line(60), "MELODY": line(72)})
    write_midi(tmp_path / "deep" / "a.MID", {"melody": line(80)})
    found = scores.melodies(tmp_path, label="songs", licence="CC0")
    assert [score.name for score in found] == ["songs/b", "songs/deep/a"] and len(found) == 2
    assert [score.notes[0].pitch for score in found] == [72, 80]
    assert {(score.source, score.licence) for score in found} == {("songs", "CC0")}
    assert found.skipped == () and all(is_monophonic(score) for score in found)


def test_accompaniments_are_the_other_tracks_without_drums(tmp_path):
    write_midi(tmp_path / "a.mid", {"MELODY": line(72), "PIANO": chords(48), "DRUMS": line(36)})
    write_midi(tmp_path / "b.mid", {"MELODY": line(72)})
    write_midi(tmp_path / "c.mid", {"MELODY": line(72), "copy": line(72)})
    found = scores.melodies(tmp_path, label="songs", licence="CC0")
    assert set(found.companions) == {"songs/a"}
    companion = found.companions["songs/a"]
    assert {note.pitch for note in companion.notes} == {48, 52, 55}
    assert (companion.name, companion.source, companion.licence) == ("songs/a", "songs", "CC0")


def test_the_folder_names_the_source_by_default_even_if_it_is_called_chorales(tmp_path, monkeypatch):
    write_midi(tmp_path / "chorales" / "a.mid", {"MELODY": line(72)})
    monkeypatch.chdir(tmp_path)
    assert scores.melodies(Path("chorales")).scores[0].name == "chorales/a"


def test_unusable_files_are_named_and_skipped(tmp_path):
    write_midi(tmp_path / "good.mid", {"MELODY": line(72)})
    write_midi(tmp_path / "good.midi", {"MELODY": line(74)})
    write_midi(tmp_path / "short.mid", {"MELODY": line(72, n=3)})
    write_midi(tmp_path / "bass.mid", {"BASS": line(30)})
    (tmp_path / "text.mid").write_text("not a MIDI file")
    found = scores.melodies(tmp_path)
    assert [score.notes[0].pitch for score in found] == [72]
    assert [item.name for item in found.skipped] == ["bass.mid", "good.midi", "short.mid", "text.mid"]
    assert all(item.reason for item in found.skipped) and "only 3 notes" in found.skipped[2].reason


def test_tracks_are_in_seconds_by_the_tempo_map(tmp_path):
    # One quarter at 120 a minute is 0.5 s, at 60 a minute 1 s.
    melody = [(0, 480, 60, 80), (480, 480, 62, 81), (960, 480, 64, 82)]
    tracks = {"empty": [], "DRUMS": [(0, 10, 36, 90)], "Melody ": melody}
    write_midi(tmp_path / "a.mid", tracks, tempos=((0, 500_000), (480, 1_000_000)))
    drums, played = scores.tracks(tmp_path / "a.mid", source="made here", licence="CC0")
    assert (drums.track, drums.is_drum, played.is_drum) == ("DRUMS", True, False)
    found = [(note.onset_s, note.end_s, note.pitch, note.velocity) for note in played.notes]
    assert found == [(0, 0.5, 60, 80), (0.5, 1.5, 62, 81), (1.5, 2.5, 64, 82)]
    assert (played.name, played.source, played.licence) == ("a", "made here", "CC0")


def test_nothing_usable_is_an_error(tmp_path):
    with pytest.raises(InputError, match="missing"):
        scores.melodies(tmp_path / "missing")
    (tmp_path / "a.wav").touch()
    with pytest.raises(InputError, match=r"\.wav"):
        scores.melodies(tmp_path)
    (tmp_path / "a.mid").write_text("x")
    with pytest.raises(InputError, match=r"1 files skipped\n.*a\.mid"):
        scores.melodies(tmp_path)


def test_the_best_track_is_the_single_line_that_plays_throughout(tmp_path):
    tracks = {"DRUMS": line(70, n=40), "bass": line(36, n=40), "chords": chords(64, n=40), "fill": line(84, n=10)}
    write_midi(tmp_path / "a.mid", tracks | {"lead": line(72, n=36)})
    assert scores.best_track(scores.tracks(tmp_path / "a.mid")).track == "lead"


def test_drums_low_and_short_tracks_are_no_melodies(tmp_path):
    write_midi(tmp_path / "a.mid", {"DRUMS": line(70), "bass": line(36), "few": line(72, n=2)})
    with pytest.raises(InputError, match=r"a\.mid"):
        scores.best_track(scores.tracks(tmp_path / "a.mid"), "a.mid")


NOTES = st.builds(Note, st.floats(0, 99), st.floats(0.01, 9), st.integers(0, 127), st.integers(1, 127))
MELODIES = st.lists(NOTES, max_size=5).map(lambda notes: Score(tuple(notes), "n", "s", "l", "t"))


@pytest.mark.slow
@given(st.lists(MELODIES, max_size=3))
@settings(deadline=None, max_examples=20)
def test_the_cache_of_chorales_keeps_everything(tmp_path_factory, melodies):
    path = tmp_path_factory.mktemp("cache") / "c.json"
    kept = scores.Melodies(tuple(melodies), (scores.Skipped("x", "why"),))
    scores._write_cache(path, "alto", kept)
    assert scores.chorales("alto", cache=path) == kept
    if melodies:
        assert scores.melodies("chorales:alto", cache=path) == kept


def test_other_caches_are_refused(tmp_path):
    path = tmp_path / "c.json"
    scores._write_cache(path, "alto", scores.Melodies(()))
    with pytest.raises(InputError, match="alto"):
        scores.chorales("bass", cache=path)
    for document in ([], {"voice": "bass"}, {"voice": "bass", "scores": [{}], "skipped": []}):
        path.write_text(json.dumps(document))
        with pytest.raises(InputError, match=r"c\.json"):
            scores.chorales("bass", cache=path)


def test_unknown_voices_are_refused():
    with pytest.raises(UsageError, match="soprano, alto, tenor, bass"):
        scores.melodies("chorales:violin")
