from __future__ import annotations

import json

import numpy as np
import pytest

from wavecore.datasets.nsynth import pcm
from wavecore.datasets.nsynth import writer as nsynth_writer
from wavecore.datasets.nsynth.reader import NoteFilter, NSynth
from wavecore.errors import InputError, UsageError

KINDS = ("folder", "archive", "tfrecord")


def write(kind: str, out, split: str, items):
    if kind == "folder":
        nsynth_writer.write_folder(out / f"nsynth-{split}", items)
        return out / f"nsynth-{split}"
    path = out / f"nsynth-{split}{'.tar.gz' if kind == 'archive' else '.tfrecord'}"
    if kind == "archive":
        nsynth_writer.write_archive(path, split, items)
    else:
        nsynth_writer.write_tfrecord(path, items)
    return path


def damaged(items, tmp_path) -> dict[str, str]:
    """A folder in which every note but the first is broken in another way; the names and their reasons."""
    folder = write("folder", tmp_path, "test", items)
    names = [note.note_str for note, _ in items]
    examples = json.loads((folder / "examples.json").read_text())
    del examples[names[1]]["pitch"]
    examples[names[2]]["sample_rate"] = 44_100
    (folder / "examples.json").write_text(json.dumps(examples))
    (folder / "audio" / f"{names[3]}.wav").unlink()
    (folder / "audio" / f"{names[4]}.wav").write_bytes(pcm.wav_bytes(items[4][1][:-1], 16_000))
    (folder / "audio" / f"{names[5]}.wav").write_bytes(pcm.wav_bytes(items[5][1], 8_000))
    reasons = ["has no pitch", "44100 Hz, wanted 16000", "cannot read", "63999 samples", "8000 Hz"]
    return dict(zip(names[1:], reasons, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_filter_chooses_notes_and_sounds(kind, items, tmp_path):
    data = NSynth.open(write(kind, tmp_path, "valid", items))
    chosen = NoteFilter(families=("flute", "synth_lead"), pitches=(60, 70))
    found = list(data.items("valid", chosen))
    assert tuple(note for note, _ in found) == data.notes("valid", chosen)
    assert [note.note_str for note, _ in found] == [items[3][0].note_str, items[5][0].note_str]
    assert np.array_equal(found[0][1], pcm.to_float(items[3][1]))


def test_splits_of_a_folder_may_come_in_different_containers(items, tmp_path):
    write("folder", tmp_path, "test", items[:2])
    write("archive", tmp_path, "valid", items[2:4])
    write("tfrecord", tmp_path, "train", items[4:])
    write("tfrecord", tmp_path, "test", items)  # the folder is preferred
    data = NSynth.open(tmp_path)
    assert data.splits == ("train", "valid", "test")
    assert [len(data.notes(split)) for split in data.splits] == [2, 2, 2]
    assert sum(len(list(data.items(split))) for split in data.splits) == 6 and not data.skipped


def test_broken_items_are_named_and_the_others_are_read(items, tmp_path):
    reasons = damaged(items, tmp_path)
    data = NSynth.open(tmp_path)
    for _ in range(2):  # a second reading counts nothing twice
        assert [note.note_str for note, _ in data.items("test")] == [items[0][0].note_str]
    assert {item.name for item in data.skipped} == set(reasons) and len(data.skipped) == len(reasons)
    for item in data.skipped:
        assert item.split == "test" and reasons[item.name] in item.reason


def test_a_key_that_is_not_the_name_is_broken(items, tmp_path):
    folder = write("folder", tmp_path, "test", items)
    examples = json.loads((folder / "examples.json").read_text())
    examples["../../evil"] = examples.pop(items[0][0].note_str)
    (folder / "examples.json").write_text(json.dumps(examples))
    data = NSynth.open(tmp_path)
    assert data.skipped[0].name == "../../evil" and "the key is '../../evil'" in data.skipped[0].reason
    assert len(list(data.items("test"))) == len(items) - 1


def test_nothing_usable_is_an_error(items, tmp_path):
    folder = write("folder", tmp_path, "test", items)
    (folder / "examples.json").write_text('{"a": {}, "b": 3}')
    with pytest.raises(InputError, match="no usable note of the split 'test'; the first of 2 broken ones: note"):
        NSynth.open(tmp_path)
    (folder / "examples.json").write_text("{}")
    with pytest.raises(InputError, match="no usable note"):
        NSynth.open(tmp_path)


def test_a_split_that_is_not_there(items, tmp_path):
    data = NSynth.open(write("archive", tmp_path, "test", items))
    for call in (data.notes, lambda split: list(data.items(split))):
        with pytest.raises(UsageError, match="no split 'train' in .* it has test"):
            call("train")


@pytest.mark.parametrize("kind", ["archive", "tfrecord"])
def test_a_container_that_is_cut_is_refused(kind, items, tmp_path):
    path = write(kind, tmp_path, "test", items)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=path.name):
        NSynth.open(tmp_path)
