"""``wavecore data chorales`` from start to end, and what it refuses."""

import json

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
    missing = cli("data", "chorales", "--benchmark", tmp_path / "no.json", "-o", tmp_path / "data")
    assert missing.code == 3 and "no.json" in missing.err
    assert not (tmp_path / "data").exists()
