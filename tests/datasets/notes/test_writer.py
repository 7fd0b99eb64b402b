from __future__ import annotations

import json

import numpy as np
import pytest

from wavecore.datasets.notes.reader import NotesDataset
from wavecore.datasets.notes.writer import examples_text, write_manifest, write_split
from wavecore.datasets.nsynth.note import parse


def codes_of(items) -> np.ndarray:
    return np.stack([(samples.astype(np.int64) % 256).astype(np.uint8) for _, samples in items])


def test_blocks_of_any_number_of_rows_are_joined(items, tmp_path):
    notes, codes = [note for note, _ in items], codes_of(items)
    for name, blocks in {
        "one": [codes],
        "rows": list(codes),
        "mixed": [codes[:4], codes[4:5], codes[5:]],
    }.items():
        entry = write_split(tmp_path / name / "nsynth-train", notes, blocks)
        assert entry["notes"] == 6
        write_manifest(tmp_path / name, {"train": entry}, source="test", settings={}, more=[1])
        dataset = NotesDataset.open(tmp_path / name)
        assert dataset.notes("train") == tuple(notes) and np.array_equal(dataset.codes("train"), codes)
        assert dataset.manifest["more"] == [1]
    assert not list(tmp_path.rglob("*.partial"))


def test_examples_are_published_json(items):
    found = json.loads(examples_text(note for note, _ in reversed(items)))
    assert list(found) == [note.note_str for note, _ in items]
    assert [parse(entry) for entry in found.values()] == [note for note, _ in items]


def test_rows_that_are_missing_or_out_of_order_are_a_mistake_of_ours(items, tmp_path):
    notes, codes = [note for note, _ in items], codes_of(items)
    with pytest.raises(AssertionError, match="out of order"):
        write_split(tmp_path / "a", notes[::-1], [codes])
    with pytest.raises(AssertionError, match="320000 codes for 6 notes"):
        write_split(tmp_path / "a", notes, [codes[:5]])
    assert not (tmp_path / "a" / "codes.npy").exists()
