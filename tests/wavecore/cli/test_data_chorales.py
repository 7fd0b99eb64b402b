"""``wavecore data chorales`` from start to end, and what it refuses."""

import json

import numpy as np
import pytest


@pytest.fixture
def benchmark(tmp_path):
    rows = [[60, 57, 52, 48]] * 8
    file = tmp_path / "jsb.json"
    file.write_text(json.dumps({"train": [rows, rows], "valid": [rows], "test": [rows]}))
    return file


def test_a_data_set_is_written_and_kept(cli, benchmark, tmp_path):
    words = ("data", "chorales", "--benchmark", benchmark, "-o", tmp_path / "data", "--licence", "mine")
    done = cli(*words)
    assert done.code == 0, done.err
    assert "train            2 pieces, 16 sixteenths" in done.out
    manifest = json.loads((tmp_path / "data" / "manifest.json").read_text())
    assert (manifest["source"], manifest["licence"]) == ("jsb.json", "mine")
    assert cli(*words).code == 6
    skipped = cli(*words, "--skip-existing", "--json")
    assert json.loads(skipped.out)["splits"]["test"] == {"pieces": 1, "steps": 8}
    assert cli(*words, "--overwrite").code == 0


def test_what_is_refused(cli, tmp_path):
    assert cli("data", "chorales", "-o", tmp_path / "data").code == 2
    assert cli("data", "chorales", "--benchmark", tmp_path / "no.json", "--music21", "-o", tmp_path / "data").code == 2
    missing = cli("data", "chorales", "--benchmark", tmp_path / "no.json", "-o", tmp_path / "data")
    assert missing.code == 3 and "no.json" in missing.err
    assert not (tmp_path / "data").exists()


def test_the_corpus_is_split_by_the_names_of_its_pieces(cli, tmp_path, monkeypatch):
    from wavecore.datasets import chorale_corpus
    from wavecore.datasets.chorales import ChoralesDataset
    from wavecore.datasets.splits import split_of

    grids = {f"bwv{number}": np.full((number, 4), 60) for number in range(1, 41)}
    monkeypatch.setattr(
        chorale_corpus, "read_grids", lambda on_progress: (grids, [("bwv99", "3 parts, a chorale has 4")])
    )
    done = cli("data", "chorales", "--music21", "-o", tmp_path / "data")
    assert done.code == 0 and "bwv99: 3 parts" in done.err
    dataset = ChoralesDataset.open(tmp_path / "data")
    assert "music21" in dataset.source and "public domain" in dataset.licence
    for split, found in dataset.grids.items():
        assert [len(grid) for grid in found] == [
            number for number in range(1, 41) if split_of(f"bach/bwv{number}") == split
        ]
