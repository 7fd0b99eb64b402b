"""Data sets of chorales: written, read, refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from wavecore.datasets import chorales
from wavecore.datasets.chorales import ChoralesDataset
from wavecore.errors import InputError, OutputExistsError

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "jsb" / "Jsb16thSeparated.json"


@pytest.fixture
def splits():
    rng = np.random.default_rng(0)
    return {
        split: [rng.integers(40, 80, (n, 4)) for n in lengths]
        for split, lengths in (("train", (9, 12)), ("valid", (8,)), ("test", (7,)))
    }


@pytest.fixture
def written(splits, tmp_path):
    return chorales.write(splits, tmp_path / "data", source="somewhere", licence="none")


def test_what_was_written_is_read(written, splits):
    found = ChoralesDataset.open(written.path)
    for split, grids in splits.items():
        assert len(found.grids[split]) == len(grids)
        for one, other in zip(found.grids[split], grids, strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == np.int16
    assert found.summary() == {
        "source": "somewhere",
        "licence": "none",
        "splits": {
            "train": {"pieces": 2, "steps": 21},
            "valid": {"pieces": 1, "steps": 8},
            "test": {"pieces": 1, "steps": 7},
        },
    }
    assert sorted(path.name for path in written.path.iterdir()) == ["chorales.npz", "manifest.json"]


def test_nothing_is_replaced_unasked(written, splits):
    before = (written.path / "chorales.npz").read_bytes()
    with pytest.raises(OutputExistsError, match="data set already"):
        chorales.write(splits, written.path, source="", licence="")
    assert (written.path / "chorales.npz").read_bytes() == before
    splits["train"] = splits["train"][:1]
    again = chorales.write(splits, written.path, source="", licence="", overwrite=True)
    assert len(again.grids["train"]) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"valid": []}, "no chorales for valid"),
        ({"test": [np.zeros((3, 5), int)]}, r"test-000 has shape \(3, 5\)"),
        ({"train": [np.full((3, 4), 200)]}, "train-000: the soprano has 200"),
    ],
)
def test_what_makes_no_data_set(splits, tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        chorales.write(splits | change, tmp_path / "data", source="", licence="")
    assert not (tmp_path / "data").exists()


def test_what_is_no_data_set(written, tmp_path):
    with pytest.raises(InputError, match="`wavecore data chorales` makes one"):
        ChoralesDataset.open(tmp_path / "nothing")
    manifest = json.loads((written.path / "manifest.json").read_text())
    for change, message in (
        ({"kind": "domains"}, "'domains'"),
        ({"schema": 9}, "schema 9"),
        ({"pieces": {}}, "train"),
        ({"pieces": {"train": ["x"]}}, "x"),
    ):
        (written.path / "manifest.json").write_text(json.dumps(manifest | change))
        with pytest.raises(InputError, match=message):
            ChoralesDataset.open(written.path)
    (written.path / "manifest.json").write_text("[]")
    with pytest.raises(InputError, match="no data set of chorales"):
        ChoralesDataset.open(written.path)


def test_the_benchmark_s_form(tmp_path):
    rows = [[60, 57, 52, 48], [60.0, 57.0, -1.0, 48.0]]
    file = tmp_path / "jsb.json"
    file.write_text(json.dumps({"train": [rows], "valid": [rows[:1]], "test": [rows[1:]]}))
    found = chorales.read_benchmark(file)
    assert found["train"][0].tolist() == rows and found["test"][0].tolist() == rows[1:]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"train": [[[1, 2, 3]]], "valid": [], "test": []}',
        '{"train": [[[60.5, 1, 1, 1]]], "valid": [], "test": []}',
        '{"train": []}',
    ],
)
def test_what_is_not_the_benchmark(tmp_path, text):
    file = tmp_path / "jsb.json"
    file.write_text(text)
    with pytest.raises(InputError, match="jsb.json"):
        chorales.read_benchmark(file)
    with pytest.raises(InputError, match="missing.json"):
        chorales.read_benchmark(tmp_path / "missing.json")


@pytest.mark.skipif(not SHARED.is_file(), reason="the benchmark's file is not here")
def test_the_benchmark_s_own_split():
    found = chorales.read_benchmark(SHARED)
    assert {split: len(grids) for split, grids in found.items()} == {"train": 229, "valid": 76, "test": 77}
    whole = np.concatenate([grid for grids in found.values() for grid in grids])
    assert whole.max() == 81 and whole[whole >= 0].min() == 36
