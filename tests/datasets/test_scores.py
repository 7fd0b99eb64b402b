from __future__ import annotations

import json
from pathlib import Path

import pytest
import symusic
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.datasets import scores
from wavecore.errors import InputError, UsageError
from wavecore.symbolic.score import Note, Score, is_monophonic


def write_midi(path, tracks: dict[str, list[tuple[int, int, int, int]]], tempos=()):
    """Write (tick, ticks, pitch, velocity) notes at 480 ticks a quarter, 120 quarters a minute if no tempos are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    midi = symusic.Score(480)
    for tick, beats_per_minute in tempos:
        midi.tempos.append(symusic.Tempo(tick, beats_per_minute))
    for name, notes in tracks.items():
        track = symusic.Track(name=name, program=0, is_drum=name == "DRUMS")
        for note in notes:
            track.notes.append(symusic.Note(*note))
        midi.tracks.append(track)
    midi.dump_midi(str(path))


def run_of(pitch: int, n: int = 12) -> list[tuple[int, int, int, int]]:
    return [(480 * i, 480, pitch + i % 5, 90) for i in range(n)]


def chords(pitch: int, n: int = 12) -> list[tuple[int, int, int, int]]:
    return [(480 * i, 480, pitch + third, 90) for i in range(n) for third in (0, 4, 7)]


def test_a_folder_gives_its_melody_tracks(tmp_path):
    write_midi(tmp_path / "b.mid", {"PIANO": run_of(60), "MELODY": run_of(72)})
    write_midi(tmp_path / "deep" / "a.MID", {"melody": run_of(80)})
    found = scores.melodies(tmp_path, label="songs", licence="CC0")
    assert [s.name for s in found] == ["songs/b", "songs/deep/a"]
    assert [s.notes[0].pitch for s in found] == [72, 80]
    assert {(s.source, s.licence) for s in found} == {("songs", "CC0")}
    assert found.skipped == ()
    assert all(is_monophonic(score) for score in found)


def test_what_accompanies_a_melody_comes_with_it(tmp_path):
    write_midi(tmp_path / "a.mid", {"MELODY": run_of(72), "PIANO": chords(48), "DRUMS": run_of(36)})
    write_midi(tmp_path / "b.mid", {"MELODY": run_of(72)})
    found = scores.melodies(tmp_path, label="songs")
    assert set(found.companions) == {"songs/a"}
    assert {note.pitch for note in found.companions["songs/a"].notes} == {48, 52, 55}


def test_the_folder_names_the_source_by_default(tmp_path):
    write_midi(tmp_path / "pop" / "a.mid", {"MELODY": run_of(72)})
    assert scores.melodies(tmp_path / "pop").scores[0].name == "pop/a"


def test_a_folder_called_chorales_can_be_read(tmp_path, monkeypatch):
    write_midi(tmp_path / "chorales" / "a.mid", {"MELODY": run_of(72)})
    monkeypatch.chdir(tmp_path)
    assert scores.melodies(Path("chorales")).scores[0].name == "chorales/a"


def test_broken_files_are_named_counted_and_skipped(tmp_path):
    write_midi(tmp_path / "good.mid", {"MELODY": run_of(72)})
    write_midi(tmp_path / "short.mid", {"MELODY": run_of(72, n=3)})
    write_midi(tmp_path / "bass.mid", {"BASS": run_of(30)})
    (tmp_path / "text.mid").write_text("not a MIDI file")
    found = scores.melodies(tmp_path)
    assert len(found) == 1
    assert [item.name for item in found.skipped] == ["bass.mid", "short.mid", "text.mid"]
    lines = found.report().splitlines()
    assert lines[0] == "1 melodies, 3 files skipped"
    assert "only 3 notes" in lines[2]
    assert "cannot be read as MIDI" in lines[3]


def test_tracks_are_in_seconds_by_the_tempo_map(tmp_path):
    # One quarter at 120 a minute is 0.5 s, at 60 a minute 1 s.
    write_midi(
        tmp_path / "a.mid",
        {
            "empty": [],
            "DRUMS": [(0, 10, 36, 90)],
            "Melody ": [(0, 480, 60, 80), (480, 480, 62, 81), (960, 480, 64, 82)],
        },
        tempos=((0, 120.0), (480, 60.0)),
    )
    drums, line = scores.tracks(tmp_path / "a.mid", source="made here", licence="CC0")
    assert (drums.track, drums.is_drum, line.is_drum) == ("DRUMS", True, False)
    assert [(note.onset_s, note.end_s, note.pitch, note.velocity) for note in line.notes] == [
        (0, 0.5, 60, 80),
        (0.5, 1.5, 62, 81),
        (1.5, 2.5, 64, 82),
    ]
    assert (line.name, line.source, line.licence) == ("a", "made here", "CC0")


def test_the_same_name_twice_is_not_taken_for_two_pieces(tmp_path):
    write_midi(tmp_path / "a.mid", {"MELODY": run_of(72)})
    write_midi(tmp_path / "a.midi", {"MELODY": run_of(74)})
    found = scores.melodies(tmp_path)
    assert len(found) == 1
    assert "same name" in found.skipped[0].reason


def test_nothing_usable_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        scores.melodies(tmp_path / "missing")
    (tmp_path / "a.wav").touch()
    with pytest.raises(InputError, match=r"it holds \.wav"):
        scores.melodies(tmp_path)
    (tmp_path / "a.mid").write_text("x")
    with pytest.raises(InputError, match="no usable melody"):
        scores.melodies(tmp_path)


def test_the_best_track_is_the_single_line_that_plays_throughout(tmp_path):
    write_midi(
        tmp_path / "a.mid",
        {
            "DRUMS": run_of(70, n=40),
            "bass": run_of(36, n=40),
            "chords": chords(64, n=40),
            "fill": run_of(84, n=10),
            "lead": run_of(72, n=36),
        },
    )
    assert scores.best_track(tmp_path / "a.mid").track == "lead"


def test_no_track_that_could_be_a_melody(tmp_path):
    write_midi(tmp_path / "a.mid", {"DRUMS": run_of(70), "bass": run_of(36), "few": run_of(72, n=2)})
    with pytest.raises(InputError, match="no track"):
        scores.best_track(tmp_path / "a.mid")


def test_splits_are_what_they_were():
    # Written down once: a change would move pieces between splits of published data.
    assert {number: scores.split_of(f"POP909/{number}") for number in ("001", "004", "009", "010", "023", "024")} == {
        "001": "train",
        "004": "valid",
        "009": "test",
        "010": "valid",
        "023": "test",
        "024": "train",
    }


def test_splits_have_about_the_wanted_sizes():
    drawn = [scores.split_of(str(i)) for i in range(5_000)]
    assert 0.78 < drawn.count("train") / 5_000 < 0.82
    assert 0.085 < drawn.count("valid") / 5_000 < 0.115
    assert {scores.split_of(str(i), fractions=(0, 1, 0)) for i in range(50)} == {"valid"}


@pytest.mark.parametrize("fractions", [(0.5, 0.5, 0.5), (1.2, -0.1, -0.1), (0, 0, 0)])
def test_wrong_fractions_are_refused(fractions):
    with pytest.raises(UsageError, match="add up to 1"):
        scores.split_of("a", fractions=fractions)


MELODY = st.lists(
    st.builds(Note, st.floats(0, 99), st.floats(0.01, 9), st.integers(0, 127), st.integers(1, 127)),
    max_size=5,
).map(lambda notes: Score(tuple(notes), "n", "s", "l", "t"))


@given(st.lists(MELODY, max_size=3))
@settings(deadline=None, max_examples=20)
def test_the_cache_of_chorales_keeps_everything(tmp_path_factory, melodies):
    path = tmp_path_factory.mktemp("cache") / "c.json"
    kept = scores.Melodies(tuple(melodies), (scores.Skipped("x", "why"),))
    scores._write_cache(path, "alto", kept)
    assert scores.chorales("alto", cache=path) == kept
    assert scores.melodies("chorales:alto", cache=path) == kept if melodies else True


def test_a_cache_of_something_else_is_refused(tmp_path):
    path = tmp_path / "c.json"
    scores._write_cache(path, "alto", scores.Melodies(()))
    with pytest.raises(InputError, match="alto of the chorales, not the bass"):
        scores.chorales("bass", cache=path)
    for text in (
        "{",
        "[]",
        json.dumps({"voice": "bass"}),
        json.dumps({"voice": "bass", "scores": [{}], "skipped": []}),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match="no cache of chorales"):
            scores.chorales("bass", cache=path)


def test_unknown_voices_are_refused():
    with pytest.raises(UsageError, match="soprano, alto, tenor, bass"):
        scores.melodies("chorales:violin")


@pytest.mark.slow
def test_a_chorale_of_the_corpus_is_read():
    corpus = pytest.importorskip("music21.corpus", reason="needs music21: pip install 'wavecore[data]'")
    piece = corpus.parse("bach/bwv269")
    soprano = scores._chorale_voice(piece, "bwv269", "soprano")
    bass = scores._chorale_voice(piece, "bwv269", "bass")
    assert (soprano.name, soprano.track) == ("bach/bwv269", "soprano")
    # "Aus meines Herzens Grunde" in G major: g' | g' d'' b' ...
    assert [n.pitch for n in soprano.notes[:4]] == [67, 67, 74, 71]
    assert soprano.notes[1].onset_s == pytest.approx(scores.QUARTER_S)
    assert sum(n.pitch for n in bass.notes) / len(bass.notes) < 60
    assert is_monophonic(soprano)
    assert is_monophonic(bass)
