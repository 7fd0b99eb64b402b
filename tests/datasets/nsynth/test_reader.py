import json

import numpy as np
import pytest

from wavecore.datasets.nsynth import wav
from wavecore.datasets.nsynth.note import NoteFilter
from wavecore.datasets.nsynth.reader import NSynth
from wavecore.errors import InputError, UsageError

KINDS = ("folder", "archive", "tfrecord")


@pytest.mark.parametrize("kind", KINDS)
def test_notes_and_sounds_are_read_and_filtered(kind, items, write_nsynth, tmp_path):
    data = NSynth(write_nsynth(kind, tmp_path, "valid", items))
    assert data.splits == ("valid",) and data.notes("valid") == tuple(note for note, _ in items)
    for (note, x), (expected, samples) in zip(data.items("valid"), items, strict=True):
        assert note == expected and x.dtype == np.float32 and np.array_equal(x, wav.to_float(samples))
    chosen = NoteFilter(families=("flute", "synth_lead"), pitches=(60, 70))
    filtered = [note for note, _ in data.items("valid", chosen)]
    assert filtered == list(data.notes("valid", chosen)) == [items[3][0], items[5][0]]
    assert data.skipped == []


def test_the_splits_of_a_folder_may_have_different_containers(items, write_nsynth, tmp_path):
    write_nsynth("folder", tmp_path, "test", items[:2])
    write_nsynth("archive", tmp_path, "valid", items[2:4])
    write_nsynth("tfrecord", tmp_path, "train", items[4:])
    write_nsynth("tfrecord", tmp_path, "test", items)  # the folder is preferred
    data = NSynth(tmp_path)
    assert data.splits == ("train", "valid", "test")
    assert [len(data.notes(split)) for split in data.splits] == [2, 2, 2]
    assert sum(len(list(data.items(split))) for split in data.splits) == 6 and not data.skipped


def test_damaged_items_are_named_and_the_others_are_read(items, write_nsynth, tmp_path):
    folder = write_nsynth("folder", tmp_path, "test", items)
    names = [note.note_str for note, _ in items]
    examples = json.loads((folder / "examples.json").read_text())
    del examples[names[1]]["pitch"]
    examples[names[2]]["sample_rate"] = 44_100
    (folder / "examples.json").write_text(json.dumps(examples))
    (folder / "audio" / f"{names[3]}.wav").unlink()
    (folder / "audio" / f"{names[4]}.wav").write_bytes(wav.encode(items[4][1][:-1], 16_000))
    (folder / "audio" / f"{names[5]}.wav").write_bytes(wav.encode(items[5][1], 8_000))
    reasons = dict(zip(names[1:], ["no pitch", "44100", f"{names[3]}.wav", "63999", "8000"], strict=True))
    data = NSynth(tmp_path)
    for _ in range(2):  # a second reading reports nothing twice
        assert [note.note_str for note, _ in data.items("test")] == [names[0]]
    assert sorted(item.name for item in data.skipped) == sorted(reasons)
    assert all(item.split == "test" and reasons[item.name] in item.reason for item in data.skipped)


def test_a_key_that_is_not_the_name_is_damage(items, write_nsynth, tmp_path):
    folder = write_nsynth("folder", tmp_path, "test", items)
    examples = json.loads((folder / "examples.json").read_text())
    examples["../../evil"] = examples.pop(items[0][0].note_str)
    (folder / "examples.json").write_text(json.dumps(examples))
    data = NSynth(tmp_path)
    (skipped,) = data.skipped
    assert skipped.name == "../../evil" and items[0][0].note_str in skipped.reason
    assert len(list(data.items("test"))) == len(items) - 1


@pytest.mark.parametrize(("text", "fact"), [('{"a": {}, "b": 3}', "2 damaged ones: note"), ("{}", "'test'")])
def test_nothing_usable_is_an_error(tmp_path, text, fact):
    (tmp_path / "nsynth-test").mkdir()
    (tmp_path / "nsynth-test" / "examples.json").write_text(text)
    with pytest.raises(InputError, match=fact):
        NSynth(tmp_path)


def test_a_missing_split_is_refused(items, write_nsynth, tmp_path):
    data = NSynth(write_nsynth("archive", tmp_path, "test", items[:1]))
    for call in (data.notes, lambda split: list(data.items(split))):
        with pytest.raises(UsageError, match="'train'.* test"):
            call("train")
