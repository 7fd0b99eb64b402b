from __future__ import annotations

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
    """Four notes to train with and two to test."""
    entries = {}
    for split, chosen in {"train": items[:4], "test": items[4:]}.items():
        codes = np.stack([np.full(64_000, i, np.uint8) for i in range(len(chosen))])
        notes = [note for note, _ in chosen]
        entries[split] = write_split(tmp_path / split_folder(split), notes, [codes])
    write_manifest(tmp_path, entries, source="made up", settings={"a": 1})
    return tmp_path


def test_what_is_in_a_data_set(folder, items):
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


def test_reading_needs_numpy_alone(folder):
    code = (
        "import sys\n"
        "from wavecore.datasets.notes.reader import NotesDataset\n"
        f"dataset = NotesDataset.open({str(folder)!r})\n"
        "dataset.codes('train')[0].sum(), dataset.summary()\n"
        "heavy = {'soundfile', 'librosa', 'symusic', 'torch', 'scipy', 'soxr', 'numba', 'fluidsynth'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_split_that_is_not_there(folder):
    dataset = NotesDataset.open(folder)
    for call in (dataset.notes, dataset.codes):
        with pytest.raises(UsageError, match=r"no split 'valid' in .*; it has train, test"):
            call("valid")


def edit(path, change) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def rename_first(document) -> None:
    name = next(iter(document))
    document["zzz"] = document.pop(name)


DAMAGE = {
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "is no finished data set"),
    "manifest of text": (lambda f: (f / "manifest.json").write_text("hello"), "manifest.json cannot be read"),
    "manifest of a list": (lambda f: (f / "manifest.json").write_text("[]"), "holds a list"),
    "another kind": (
        lambda f: edit(f / "manifest.json", lambda d: d.update(kind="domains")),
        "describes 'domains' with codec 'mulaw256' in schema 1",
    ),
    "another schema": (lambda f: edit(f / "manifest.json", lambda d: d.update(schema=2)), "in schema 2"),
    "no splits": (lambda f: edit(f / "manifest.json", lambda d: d.pop("splits")), "is damaged"),
    "no rate": (lambda f: edit(f / "manifest.json", lambda d: d.update(sample_rate=None)), "is damaged"),
    "a strange split": (
        lambda f: edit(f / "manifest.json", lambda d: d["splits"].update(more={"notes": 1})),
        "no split 'more'",
    ),
    "another count": (
        lambda f: edit(f / "manifest.json", lambda d: d["splits"]["test"].update(notes=3)),
        "holds 2 notes and codes of shape .2, 64000., the manifest says 3 notes",
    ),
    "another length": (
        lambda f: edit(f / "manifest.json", lambda d: d.update(n_samples=63_999)),
        "3?63999 samples; build",
    ),
    "another rate": (
        lambda f: edit(f / "manifest.json", lambda d: d.update(sample_rate=8_000)),
        "bass_electronic_007-048-100 is not at 8000 Hz",
    ),
    "no notes": (lambda f: (f / "nsynth-test" / "examples.json").unlink(), "examples.json cannot be read"),
    "a broken note": (
        lambda f: edit(f / "nsynth-test" / "examples.json", lambda d: next(iter(d.values())).pop("pitch")),
        "has no pitch",
    ),
    "another name": (
        lambda f: edit(f / "nsynth-test" / "examples.json", rename_first),
        "not sorted by note_str",
    ),
    "a note less": (
        lambda f: edit(f / "nsynth-train" / "examples.json", lambda d: d.popitem()),
        "holds 3 notes",
    ),
    "no codes": (lambda f: (f / "nsynth-test" / "codes.npy").unlink(), "codes.npy cannot be read"),
    "codes cut off": (
        lambda f: (f / "nsynth-test" / "codes.npy").write_bytes((f / "nsynth-test" / "codes.npy").read_bytes()[:-1]),
        "codes.npy cannot be read",
    ),
    "codes of another type": (
        lambda f: np.save(f / "nsynth-test" / "codes.npy", np.zeros((2, 64_000), np.int8)),
        "holds int8",
    ),
    "pickled codes": (
        lambda f: np.save(f / "nsynth-test" / "codes.npy", np.array([{}, {}]), allow_pickle=True),
        "codes.npy cannot be read",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_data_set_is_refused_by_name(name, folder):
    damage, message = DAMAGE[name]
    damage(folder)
    with pytest.raises(InputError, match=message):
        NotesDataset.open(folder)
