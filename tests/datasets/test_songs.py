from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.datasets import songs
from wavecore.datasets.songs import Piece, SongsDataset, read_folder, write_songs
from wavecore.errors import InputError, OutputExistsError, UsageError
from wavecore.symbolic import midi
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

POP909 = Path(__file__).resolve().parents[3] / "shared" / "data" / "pop909"

EVENTS = st.builds(Event, st.integers(0, 5000), st.integers(0, 127), st.integers(1, 900), st.integers(1, 127))
PARTS = st.builds(
    Part,
    st.lists(EVENTS, min_size=1, max_size=6).map(tuple),
    st.text("aé Z", max_size=4),
    st.integers(0, 127),
    st.booleans(),
)
SONGS = st.builds(
    Song,
    st.sampled_from([96, 480]),
    st.lists(PARTS, min_size=1, max_size=3).map(tuple),
    st.lists(st.builds(Tempo, st.integers(0, 900), st.integers(1, 2**24 - 1)), max_size=2).map(tuple),
    st.lists(st.builds(Meter, st.integers(0, 900), st.integers(1, 12), st.sampled_from([2, 4, 8])), max_size=2).map(
        tuple
    ),
    source=st.just("made here"),
    licence=st.just("CC0"),
)


def tune(name: str, pitch: int = 60) -> Song:
    return Song(
        480,
        (Part((Event(0, pitch, 480), Event(480, pitch + 2, 480)), "MELODY", 73),),
        (Tempo(0, 600_000),),
        (Meter(0, 3, 4),),
        name,
        "made here",
        "CC0",
    )


def three(style: str = "mine") -> dict[str, list[Piece]]:
    return {
        split: [Piece(tune(f"{style}/{split}", 60 + number), style)]
        for number, split in enumerate(("train", "valid", "test"))
    }


@settings(max_examples=25, deadline=None)
@given(st.lists(SONGS, min_size=3, max_size=5))
def test_all_of_a_song_survives(tmp_path_factory, drawn):
    pieces = [Piece(replace(song, name=f"x/{number}"), "x") for number, song in enumerate(drawn)]
    given_pieces = {"train": pieces[:-2], "valid": pieces[-2:-1], "test": pieces[-1:]}
    dataset = write_songs(tmp_path_factory.mktemp("songs"), given_pieces)
    assert {split: list(found) for split, found in dataset.pieces.items()} == given_pieces


def test_a_data_set_says_what_it_holds(tmp_path):
    pieces = three()
    pieces["train"].append(Piece(tune("other/a"), "other"))
    dataset = write_songs(tmp_path / "new" / "set", pieces)
    assert dataset.styles == ("mine", "other")
    summary = dataset.summary()
    assert summary["splits"]["train"] == {"pieces": 2, "notes": 4, "hours": 0.0}
    assert summary["styles"]["other"] == {"pieces": 1, "sources": ["made here"], "licences": ["CC0"]}
    assert summary["styles"]["mine"]["pieces"] == 3
    json.dumps(summary)


def test_nothing_is_replaced_unasked(tmp_path):
    write_songs(tmp_path, three())
    with pytest.raises(OutputExistsError, match="holds a data set"):
        write_songs(tmp_path, three("other"))
    assert SongsDataset.open(tmp_path).styles == ("mine",)
    assert write_songs(tmp_path, three("other"), overwrite=True).styles == ("other",)


@pytest.mark.parametrize("missing", ["train", "valid", "test"])
def test_every_split_has_pieces(tmp_path, missing):
    with pytest.raises(InputError, match=f"no pieces for {missing}"):
        write_songs(tmp_path, three() | {missing: []})
    assert list(tmp_path.iterdir()) == []


def test_two_pieces_of_one_name_and_silent_ones_are_refused(tmp_path):
    pieces = three()
    with pytest.raises(InputError, match="two pieces are called 'mine/train'"):
        write_songs(tmp_path, pieces | {"test": pieces["train"]})
    with pytest.raises(InputError, match="'empty' has no notes"):
        write_songs(tmp_path, pieces | {"test": [Piece(Song(480, (), name="empty"), "mine")]})


@pytest.mark.parametrize("style", ["", " bach", "bach "])
def test_a_style_is_a_name(style):
    with pytest.raises(UsageError, match="is no name"):
        Piece(tune("a"), style)


def test_what_is_none_is_said_to_be_none(tmp_path):
    with pytest.raises(InputError, match="wavecore data midi"):
        SongsDataset.open(tmp_path)
    (tmp_path / songs.MANIFEST).write_text("[]")
    with pytest.raises(InputError, match="is no data set of songs"):
        SongsDataset.open(tmp_path)
    (tmp_path / songs.MANIFEST).write_text(json.dumps({"kind": "chorales", "schema": 1}))
    with pytest.raises(InputError, match="kind 'chorales'"):
        SongsDataset.open(tmp_path)


def test_damage_is_found(tmp_path):
    write_songs(tmp_path, three())
    with np.load(tmp_path / songs.NOTES) as arrays:
        notes = arrays["notes"]
    np.savez_compressed(tmp_path / songs.NOTES, notes=np.concatenate([notes, notes[:1]]))
    with pytest.raises(InputError, match="6 notes.* holds 7"):
        SongsDataset.open(tmp_path)
    np.savez_compressed(tmp_path / songs.NOTES, notes=notes[:-1])
    with pytest.raises(InputError, match="6 notes.* holds 5"):
        SongsDataset.open(tmp_path)
    notes[0, 1] = 200
    np.savez_compressed(tmp_path / songs.NOTES, notes=notes)
    with pytest.raises(InputError, match="pitch 200"):
        SongsDataset.open(tmp_path)


def test_a_folder_is_read_to_any_depth_and_split_by_name(tmp_path):
    for number in range(40):
        (tmp_path / "deep").mkdir(exist_ok=True)
        midi.write(tune("x"), tmp_path / "deep" / f"{number}.mid")
    (tmp_path / "text.mid").write_text("not a MIDI file")
    midi.write(tune("x"), tmp_path / "deep" / "0.midi")
    pieces, skipped = read_folder(tmp_path, style="mine", licence="CC0")
    assert sum(map(len, pieces.values())) == 40
    assert len(pieces["train"]) > 20
    assert sorted(item.name for item in skipped) == ["deep/0.midi", "text.mid"]
    first = next(piece for found in pieces.values() for piece in found if piece.song.name == "mine/deep/7")
    assert (first.style, first.song.source, first.song.licence, first.song.parts) == (
        "mine",
        tmp_path.name,
        "CC0",
        tune("x").parts,
    )
    assert read_folder(tmp_path, style="mine", licence="CC0")[0] == pieces


def test_a_folder_without_usable_files_is_refused(tmp_path):
    (tmp_path / "text.mid").write_text("not a MIDI file")
    with pytest.raises(InputError, match="no MIDI file in .* can be used.*cannot be read as MIDI"):
        read_folder(tmp_path, style="mine")


@pytest.mark.slow
@pytest.mark.skipif(not POP909.is_dir(), reason="the 909 songs are not here")
def test_all_songs_survive(tmp_path):
    pieces, skipped = read_folder(POP909, style="pop909", licence="MIT")
    assert not skipped
    assert sum(map(len, pieces.values())) == 909
    dataset = write_songs(tmp_path, pieces)
    assert {split: list(found) for split, found in dataset.pieces.items()} == pieces
