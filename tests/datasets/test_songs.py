import json
from pathlib import Path

import numpy as np
import pytest

from wavecore.datasets import songs
from wavecore.datasets.songs import Piece, SongsDataset, read_folder, read_lines, write_songs
from wavecore.errors import InputError, OutputExistsError, UsageError
from wavecore.symbolic import midi
from wavecore.symbolic.note_sequence import REST, NoteLine
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

POP909 = Path(__file__).resolve().parents[3] / "shared" / "data" / "pop909"


def tune(name: str, pitch: int = 60) -> Song:
    parts = (Part((Event(0, pitch, 480), Event(480, pitch + 2, 480)), "MELODY", 73),)
    return Song(480, parts, (Tempo(0, 600_000),), (Meter(0, 3, 4),), name, "made here", "CC0")


def three(style: str = "mine") -> dict[str, list[Piece]]:
    return {
        split: [Piece(tune(f"{style}/{split}", 60 + number), style)]
        for number, split in enumerate(("train", "valid", "test"))
    }


def test_everything_of_a_song_is_kept(tmp_path):
    melody = Part((Event(0, 0, 1, 1), Event(0, 127, 900, 127), Event(5000, 60, 1)), "aé Z", 127)
    drums = Part((Event(3, 36, 1),), is_drum=True)
    meters = (Meter(0, 12, 8), Meter(900, 1, 2))
    songs = [
        Song(96, (melody, drums), (Tempo(0, 1), Tempo(7, 2**24 - 1)), meters, "x/0", "made here", "CC0"),
        Song(480, (drums, melody, drums), (), (), "x/1"),
        Song(480, (drums,), (Tempo(3, 500_000),), (), "x/2"),
    ]
    pieces = {split: [Piece(song, "x")] for split, song in zip(("train", "valid", "test"), songs, strict=True)}
    dataset = write_songs(tmp_path, pieces)
    assert {split: list(group) for split, group in dataset.pieces.items()} == pieces


def test_the_summary_counts_by_split_and_style(tmp_path):
    pieces = three()
    pieces["train"].append(Piece(tune("other/a"), "other"))
    dataset = write_songs(tmp_path / "new" / "set", pieces)
    assert dataset.styles == ("mine", "other")
    summary = json.loads(json.dumps(dataset.summary()))
    assert summary["splits"]["train"] == {"pieces": 2, "notes": 4, "hours": 0.0}
    assert summary["styles"]["other"] == {"pieces": 1, "sources": ["made here"], "licences": ["CC0"]}
    assert summary["styles"]["mine"]["pieces"] == 3


def test_a_data_set_is_replaced_only_on_request(tmp_path):
    write_songs(tmp_path, three())
    with pytest.raises(OutputExistsError):
        write_songs(tmp_path, three("other"))
    assert SongsDataset.open(tmp_path).styles == ("mine",)
    assert write_songs(tmp_path, three("other"), overwrite=True).styles == ("other",)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"train": []}, "train"),
        ({"valid": []}, "valid"),
        ({"test": three()["train"]}, "'mine/train'"),
        ({"test": [Piece(Song(480, (), name="empty"), "mine")]}, "'empty'"),
    ],
)
def test_empty_splits_repeated_names_and_silent_pieces_are_not_written(tmp_path, change, name):
    with pytest.raises(InputError, match=name):
        write_songs(tmp_path, three() | change)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("style", ["", " bach", "bach "])
def test_a_style_has_a_name(style):
    with pytest.raises(UsageError):
        Piece(tune("a"), style)


def test_damage_is_detected(tmp_path):
    with pytest.raises(InputError, match="wavecore data midi"):
        SongsDataset.open(tmp_path)
    write_songs(tmp_path, three())
    with np.load(tmp_path / songs.NOTES) as arrays:
        notes = arrays["notes"]
    beyond = notes.copy()
    beyond[0, 1] = 200
    too_many = np.concatenate([notes, notes[:1]])
    for damaged, fact in ((too_many, r"6 notes.*\(7, 4\)"), (notes[:-1], r"\(5, 4\)"), (notes[:, :3], r"\(6, 3\)")):
        np.savez_compressed(tmp_path / songs.NOTES, notes=damaged)
        with pytest.raises(InputError, match=fact):
            SongsDataset.open(tmp_path)
    np.savez_compressed(tmp_path / songs.NOTES, notes=beyond)
    with pytest.raises(InputError, match="200"):
        SongsDataset.open(tmp_path)
    (tmp_path / songs.NOTES).write_bytes(b"PK\3\4 nonsense")
    with pytest.raises(InputError, match="damaged"):
        SongsDataset.open(tmp_path)


def test_a_folder_is_read_to_any_depth_and_split_by_name(tmp_path):
    (tmp_path / "deep").mkdir()
    for number in range(40):
        midi.write(tune("x"), tmp_path / "deep" / f"{number}.mid")
    (tmp_path / "text.mid").write_text("not a MIDI file")
    midi.write(tune("x"), tmp_path / "deep" / "0.midi")
    pieces, skipped = read_folder(tmp_path, style="mine", licence="CC0")
    assert sum(map(len, pieces.values())) == 40 and len(pieces["train"]) > 20
    assert sorted(item.name for item in skipped) == ["deep/0.midi", "text.mid"]
    seventh = next(piece for group in pieces.values() for piece in group if piece.song.name == "mine/deep/7")
    song = seventh.song
    assert (seventh.style, song.source, song.licence, song.parts) == ("mine", tmp_path.name, "CC0", tune("x").parts)
    assert read_folder(tmp_path, style="mine", licence="CC0")[0] == pieces


def test_a_folder_without_usable_files_is_refused(tmp_path):
    (tmp_path / "text.mid").write_text("not a MIDI file")
    with pytest.raises(InputError, match=r"text\.mid"):
        read_folder(tmp_path, style="mine")


@pytest.mark.slow
@pytest.mark.skipif(not POP909.is_dir(), reason="the 909 songs are not here")
def test_recorded_songs_are_kept(tmp_path):
    files = sorted(POP909.rglob("*.mid"))[::25]
    (tmp_path / "midi").mkdir()
    for file in files:
        (tmp_path / "midi" / file.name).symlink_to(file)
    pieces, skipped = read_folder(tmp_path / "midi", style="pop909", licence="MIT")
    assert not skipped and sum(map(len, pieces.values())) == len(files) > 30
    dataset = write_songs(tmp_path / "set", pieces)
    assert {split: list(group) for split, group in dataset.pieces.items()} == pieces


@pytest.fixture
def dataset(tmp_path):
    def piece(name: str, *parts: Part) -> Piece:
        return Piece(Song(4, parts, name=name), "made")

    melody = Part((Event(30, 60, 4), Event(34, 64, 2), Event(60, 62, 4)), "MELODY")
    chords = Part((Event(0, 50, 4), Event(0, 54, 4), Event(4, 55, 4)), "PIANO")
    drums = Part((Event(0, 36, 1), Event(4, 36, 1)), "drums", is_drum=True)
    train = [piece("a", chords, melody), piece("b", drums), piece("c", chords)]
    return write_songs(tmp_path / "songs", {"train": train, "valid": [piece("d", melody)], "test": [piece("e", drums)]})


def test_melodies_begin_with_a_note_and_rest_for_a_bar_at_most(dataset):
    first, second = read_lines(dataset, "train")
    assert first == NoteLine(("60", "64", REST, "62"), (4, 2, 8, 4), (90, 90, 0, 90))
    assert second.symbols == ("54", "55")
    assert read_lines(dataset, "train", chords=True)[1].symbols == ("50.54", "55")
    assert read_lines(dataset, "train", steps_per_beat=2)[0].durations == (2, 1, 4, 2)


def test_short_melodies_are_left_out(dataset):
    assert [line.n_notes for line in read_lines(dataset, "train", shortest=3)] == [3]
    for split, shortest, n_melodies in (("train", 4, 2), ("test", 2, 0)):
        with pytest.raises(InputError, match=f"{n_melodies} melodies"):
            read_lines(dataset, split, shortest=shortest)
