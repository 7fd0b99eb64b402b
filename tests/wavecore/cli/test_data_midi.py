"""``wavecore data midi`` from start to end, and what it refuses."""

import json

import numpy as np
import pytest

from wavecore.datasets import chorales
from wavecore.datasets.songs import SongsDataset
from wavecore.symbolic import midi
from wavecore.symbolic.song import Event, Part, Song


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "tunes"
    (folder / "deep").mkdir(parents=True)
    for number in range(30):
        midi.write(Song(480, (Part((Event(0, 40 + number, 480),)),)), folder / "deep" / f"{number}.mid")
    for number in range(7):
        (folder / f"text{number}.mid").write_text("not a MIDI file")
    return folder


@pytest.fixture
def bach(tmp_path):
    grid = np.tile(np.array([72, 67, 64, 48]), (32, 1))
    chorales.write(
        {split: [grid] for split in ("train", "valid", "test")}, tmp_path / "jsb", source="made here", licence="CC0"
    )
    return tmp_path / "jsb"


def test_folders_and_chorales_become_one_data_set(cli, folder, bach, tmp_path):
    words = ("data", "midi", folder, f"bach={bach}", "--licence", "mine", "-o", tmp_path / "songs")
    done = cli(*words)
    assert done.code == 0, done.err
    assert "3 of bach, 30 of tunes" in done.out
    assert "skipped 7 files" in done.err and "text0.mid: " in done.err and "and 2 more" in done.err
    dataset = SongsDataset.open(tmp_path / "songs")
    assert dataset.styles == ("bach", "tunes")
    (chorale,) = (piece.song for piece in dataset.pieces["valid"] if piece.style == "bach")
    assert (chorale.name, chorale.source, chorale.licence, len(chorale.parts)) == (
        "bach/valid-000",
        "made here",
        "CC0",
        4,
    )
    assert cli(*words).code == 6
    again = cli(*words, "--skip-existing", "--json")
    assert json.loads(again.out)["styles"]["tunes"] == {"pieces": 30, "sources": ["tunes"], "licences": ["mine"]}
    written = json.loads(cli(*words, "--overwrite", "--json").out)
    assert [item["file"] for item in written["skipped"]] == [f"text{number}.mid" for number in range(7)]


@pytest.mark.parametrize(
    ("sources", "code", "message"),
    [
        (["no"], 3, "there is no folder"),
        (["tunes", "tunes"], 2, "two sources have the style 'tunes'"),
        (["x=tunes", "x=jsb"], 2, "two sources have the style 'x'"),
        (["=tunes"], 2, "does not look like STYLE=FOLDER"),
        (["x="], 2, "does not look like STYLE=FOLDER"),
    ],
)
def test_what_is_refused(cli, folder, bach, tmp_path, monkeypatch, sources, code, message):
    monkeypatch.chdir(tmp_path)
    done = cli("data", "midi", *sources, "-o", "out")
    assert done.code == code and message in done.err
    assert not (tmp_path / "out").exists()


def test_a_folder_with_an_equals_sign_in_its_name(cli, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder.rename(tmp_path / "a=b")
    assert cli("data", "midi", "./a=b", "-o", "out").code == 0
    assert SongsDataset.open(tmp_path / "out").styles == ("a=b",)
