import json
import subprocess
import sys

import numpy as np
import pytest

from wavecore.datasets.notes.reader import NotesDataset, split_folder
from wavecore.datasets.notes.writer import write_manifest, write_split
from wavecore.errors import InputError, UsageError


@pytest.fixture
def folder(items, tmp_path):
    """A data set of four notes for training and two for testing."""
    entries = {}
    for split, chosen in {"train": items[:4], "test": items[4:]}.items():
        codes = np.stack([np.full(64_000, i, np.uint8) for i in range(len(chosen))])
        notes = [note for note, _ in chosen]
        entries[split] = write_split(tmp_path / split_folder(split), notes, [codes])
    write_manifest(tmp_path, entries, source="made up", settings={"a": 1})
    return tmp_path


def test_notes_and_codes_are_read(folder, items):
    dataset = NotesDataset.open(str(folder))
    assert dataset.splits == ("train", "test")
    assert (dataset.sample_rate, dataset.n_samples) == (16_000, 64_000)
    assert dataset.notes("test") == tuple(note for note, _ in items[4:])
    codes = dataset.codes("train")
    assert isinstance(codes, np.memmap) and codes.shape == (4, 64_000) and codes.dtype == np.uint8
    assert [int(row[0]) for row in codes] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="read-only"):
        codes[0, 0] = 1


def test_the_summary_is_json(folder):
    summary = json.loads(json.dumps(NotesDataset.open(folder).summary()))
    assert summary["notes"] == {"train": 4, "test": 2} and summary["instruments"] == {"train": 2, "test": 1}
    assert summary["families"] == ["bass", "flute", "synth_lead"] and summary["source"] == "made up"
    assert len(summary["codes_sha256"]["train"]) == 64


@pytest.mark.slow
def test_reading_needs_numpy_alone(folder):
    script = f"""
import sys
for name in ("fluidsynth", "librosa", "music21", "numba", "scipy", "soundfile", "soxr", "symusic", "torch"):
    sys.modules[name] = None
from wavecore.datasets.notes.reader import NotesDataset
dataset = NotesDataset.open({str(folder)!r})
print(dataset.codes("train")[1].sum(), dataset.summary()["notes"])
"""
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True)
    assert done.stdout == "64000 {'train': 4, 'test': 2}\n", done.stderr


def test_a_missing_split_is_refused(folder):
    dataset = NotesDataset.open(folder)
    for call in (dataset.notes, dataset.codes):
        with pytest.raises(UsageError, match="'valid'.* train, test"):
            call("valid")


def edit(path, change) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def rename_first(document) -> None:
    name = next(iter(document))
    document["zzz"] = document.pop(name)


def damage_manifest(**entries):
    return lambda folder: edit(folder / "manifest.json", lambda document: document.update(entries))


def damage_split(document) -> None:
    document["splits"]["test"]["notes"] = 3


DAMAGE = {
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "manifest.json"),
    "another schema": (damage_manifest(schema=2), "'schema': 2"),
    "no splits": (damage_manifest(splits=None), "manifest.json is damaged"),
    "no rate": (damage_manifest(sample_rate=None), "sample_rate"),
    "an unknown split": (damage_manifest(splits={"more": {"notes": 1}}), "'more'"),
    "another count": (lambda f: edit(f / "manifest.json", damage_split), "2 notes .*2, 64000.*3 notes"),
    "another length": (damage_manifest(n_samples=63_999), "63999 samples"),
    "another rate": (damage_manifest(sample_rate=8_000), "bass_electronic_007-048-100 .*8000 Hz"),
    "no notes": (lambda f: (f / "nsynth-test" / "examples.json").unlink(), "examples.json"),
    "a damaged note": (
        lambda f: edit(f / "nsynth-test" / "examples.json", lambda d: next(iter(d.values())).pop("pitch")),
        "no pitch",
    ),
    "another name": (lambda f: edit(f / "nsynth-test" / "examples.json", rename_first), "not sorted"),
    "a note less": (lambda f: edit(f / "nsynth-train" / "examples.json", lambda d: d.popitem()), "3 notes"),
    "no codes": (lambda f: (f / "nsynth-test" / "codes.npy").unlink(), "codes.npy"),
    "codes of another type": (
        lambda f: np.save(f / "nsynth-test" / "codes.npy", np.zeros((2, 64_000), np.int8)),
        "int8",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_data_set_is_refused(name, folder):
    damage, fact = DAMAGE[name]
    damage(folder)
    with pytest.raises(InputError, match=fact):
        NotesDataset.open(folder)
