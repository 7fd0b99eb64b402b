import numpy as np
import pytest

from wavecore.datasets.notes.reader import NotesDataset
from wavecore.datasets.notes.writer import write_manifest, write_split


def test_blocks_of_any_number_of_rows_are_joined(items, tmp_path):
    notes = [note for note, _ in items]
    codes = np.stack([(samples.astype(np.int64) % 256).astype(np.uint8) for _, samples in items])
    for number, blocks in enumerate(([codes], list(codes), [codes[:4], codes[4:5], codes[5:]])):
        folder = tmp_path / str(number)
        entry = write_split(folder / "nsynth-train", notes, blocks)
        assert entry["notes"] == 6
        write_manifest(folder, {"train": entry}, source="test", settings={}, more=[1])
        dataset = NotesDataset.open(folder)
        assert dataset.notes("train") == tuple(notes) and np.array_equal(dataset.codes("train"), codes)
        assert dataset.manifest["more"] == [1]
        assert len([path for path in folder.rglob("*") if path.is_file()]) == 3


def test_missing_rows_and_notes_out_of_order_are_not_written(items, tmp_path):
    notes, codes = [note for note, _ in items], np.zeros((5, 64_000), np.uint8)
    for given in (notes[::-1], notes):
        with pytest.raises(AssertionError):
            write_split(tmp_path / "a", given, [codes])
    assert not list(tmp_path.rglob("*.npy"))
