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
    lengths_by_split = {"train": (9, 12), "valid": (8,), "test": (7,)}
    return {split: [rng.integers(40, 80, (n, 4)) for n in lengths] for split, lengths in lengths_by_split.items()}


@pytest.fixture
def written(splits, tmp_path):
    return chorales.write(splits, tmp_path / "data", source="somewhere", licence="none")


def test_what_is_written_is_read(written, splits):
    dataset = ChoralesDataset.open(written.path)
    for split, grids in splits.items():
        for one, other in zip(dataset.grids[split], grids, strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == np.int16
    sizes = {"train": (2, 21), "valid": (1, 8), "test": (1, 7)}
    expected = {split: {"pieces": pieces, "steps": steps} for split, (pieces, steps) in sizes.items()}
    assert dataset.summary() == {"source": "somewhere", "licence": "none", "splits": expected}
    assert sorted(path.name for path in written.path.iterdir()) == ["chorales.npz", "manifest.json"]


def test_a_data_set_is_replaced_only_on_request(written, splits):
    before = (written.path / "chorales.npz").read_bytes()
    with pytest.raises(OutputExistsError):
        chorales.write(splits, written.path, source="", licence="")
    assert (written.path / "chorales.npz").read_bytes() == before
    splits["train"] = splits["train"][:1]
    again = chorales.write(splits, written.path, source="", licence="", overwrite=True)
    assert len(again.grids["train"]) == 1


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"valid": []}, "valid"),
        ({"test": [np.zeros((3, 5), int)]}, r"test-000.*\(3, 5\)"),
        ({"train": [np.full((3, 4), 200)]}, "train-000.*200"),
    ],
)
def test_incomplete_splits_and_other_arrays_are_not_written(splits, tmp_path, change, place):
    with pytest.raises(InputError, match=place):
        chorales.write(splits | change, tmp_path / "data", source="", licence="")
    assert not (tmp_path / "data").exists()


def test_damaged_data_sets_are_refused(written, tmp_path):
    with pytest.raises(InputError, match="wavecore data chorales"):
        ChoralesDataset.open(tmp_path / "nothing")
    path = written.path / "manifest.json"
    manifest = json.loads(path.read_text())
    for change in ({"kind": "domains"}, {"schema": 9}, {"pieces": {}}, {"pieces": {"train": ["x"]}}, {"pieces": 3}):
        path.write_text(json.dumps(manifest | change))
        with pytest.raises(InputError, match=str(written.path)):
            ChoralesDataset.open(written.path)
    path.write_text(json.dumps(manifest))
    grids = written.path / "chorales.npz"
    grids.write_bytes(grids.read_bytes()[:-30])
    with pytest.raises(InputError, match=str(written.path)):
        ChoralesDataset.open(written.path)


def test_the_benchmark_may_hold_floats(tmp_path):
    rows = [[60, 57, 52, 48], [60.0, 57.0, -1.0, 48.0]]
    file = tmp_path / "jsb.json"
    file.write_text(json.dumps({"train": [rows], "valid": [rows[:1]], "test": [rows[1:]]}))
    grids = chorales.read_benchmark(file)
    assert grids["train"][0].tolist() == rows and grids["test"][0].tolist() == rows[1:]


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
def test_other_files_are_not_the_benchmark(tmp_path, text):
    file = tmp_path / "jsb.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"jsb\.json"):
        chorales.read_benchmark(file)
    with pytest.raises(InputError, match=r"missing\.json"):
        chorales.read_benchmark(tmp_path / "missing.json")


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_file(), reason="the benchmark's file is not here")
def test_the_benchmark_keeps_its_split():
    grids = chorales.read_benchmark(SHARED)
    assert {split: len(group) for split, group in grids.items()} == {"train": 229, "valid": 76, "test": 77}
    notes = np.concatenate([grid for group in grids.values() for grid in group])
    assert notes.max() == 81 and notes[notes >= 0].min() == 36
