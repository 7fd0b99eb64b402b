from __future__ import annotations

import json

import numpy as np
import pytest

from wavecore.audio import mulaw
from wavecore.datasets.nsynth import pcm
from wavecore.datasets.nsynth import writer as nsynth_writer
from wavecore.datasets.nsynth.convert import import_nsynth
from wavecore.datasets.nsynth.filter import read_exclusions
from wavecore.datasets.nsynth.reader import NoteFilter
from wavecore.errors import InputError, OutputExistsError


def written(folder, items, kind: str = "folder"):
    if kind == "folder":
        nsynth_writer.write_folder(folder / "nsynth-train", items)
    elif kind == "archive":
        nsynth_writer.write_archive(folder / "nsynth-train.tar.gz", "train", items)
    else:
        # Records may come in any order.
        nsynth_writer.write_tfrecord(folder / "nsynth-train.tfrecord", list(items)[::-1])
    return folder


def expected_codes(items) -> np.ndarray:
    return np.stack([mulaw.encode(pcm.to_float(samples)) for _, samples in items])


@pytest.mark.parametrize("kind", ["folder", "archive", "tfrecord"])
def test_every_container_gives_the_same_data_set(kind, items, tmp_path):
    progress = []
    done = import_nsynth(written(tmp_path, items, kind), tmp_path / "out", on_progress=lambda *x: progress.append(x))
    assert done.dataset.notes("train") == tuple(note for note, _ in items)
    assert np.array_equal(done.dataset.codes("train"), expected_codes(items))
    assert done.skipped == done.noise == () and progress == [(i, 6) for i in range(1, 7)]
    names = sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert names == ["codes.npy", "examples.json", "manifest.json"]


@pytest.mark.parametrize("broken", [(0,), (2, 3), (5,), (0, 1, 2, 3, 4)])
def test_rows_of_broken_notes_are_closed_up(broken, items, tmp_path):
    folder = written(tmp_path, items) / "nsynth-train" / "audio"
    for i in broken:
        (folder / f"{items[i][0].note_str}.wav").write_bytes(b"hello")
    done = import_nsynth(tmp_path, tmp_path / "out")
    kept = [item for i, item in enumerate(items) if i not in broken]
    assert done.dataset.notes("train") == tuple(note for note, _ in kept)
    assert np.array_equal(done.dataset.codes("train"), expected_codes(kept))
    assert [item.name for item in done.skipped] == [items[i][0].note_str for i in broken]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert len(manifest["skipped"]) == len(broken) and "no WAV file" in manifest["skipped"][0][2]


def test_noise_is_found_and_can_be_left_out(items, tmp_path):
    t = np.arange(64_000) / 16_000
    tones = [(note, 0.5 * np.sin(2 * np.pi * 261.6 * t)) for note, _ in items[:4]]
    written(tmp_path / "in", tones + items[4:])  # the samples of the others are random
    done = import_nsynth(tmp_path / "in", tmp_path / "out", check=True)
    assert done.noise == tuple(note.note_str for note, _ in items[4:])
    assert done.dataset.manifest["noise"] == list(done.noise) and len(done.dataset.notes("train")) == 6
    exclude = read_exclusions(tmp_path / "out" / "noise.txt")
    assert exclude == set(done.noise)
    again = import_nsynth(tmp_path / "in", tmp_path / "again", NoteFilter(exclude=exclude), check=True)
    assert len(again.dataset.notes("train")) == 4 and again.noise == ()


def test_filters_and_splits_that_they_empty(items, tmp_path):
    nsynth_writer.write_folder(tmp_path / "nsynth-train", items[:4])
    nsynth_writer.write_folder(tmp_path / "nsynth-test", items[4:])
    done = import_nsynth(tmp_path, tmp_path / "out", NoteFilter(families=("flute",)))
    assert done.dataset.splits == ("train",) and len(done.dataset.notes("train")) == 2
    assert done.dataset.manifest["settings"]["families"] == ["flute"]
    with pytest.raises(InputError, match="no note of .* meets the conditions"):
        import_nsynth(tmp_path, tmp_path / "none", NoteFilter(families=("vocal",)))
    assert not (tmp_path / "none").exists()


def test_damage_on_the_way_leaves_nothing_finished(items, tmp_path):
    folder = written(tmp_path / "in", items) / "nsynth-train" / "audio"
    for note, _ in items:
        (folder / f"{note.note_str}.wav").unlink()
    with pytest.raises(InputError, match="no note of .* has a usable sound; the first: cannot read"):
        import_nsynth(tmp_path / "in", tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    # What was left does not hinder the next run.
    written(tmp_path / "good", items)
    import_nsynth(tmp_path / "good", tmp_path / "out")


def test_nothing_is_written_over(items, tmp_path):
    written(tmp_path, items)
    import_nsynth(tmp_path, tmp_path / "out")
    with pytest.raises(OutputExistsError, match="holds a finished data set"):
        import_nsynth(tmp_path, tmp_path / "out")
    # Least of all the data that are read.
    with pytest.raises(OutputExistsError, match="is not empty"):
        import_nsynth(tmp_path, tmp_path)
    written(tmp_path / "in", items)
    with pytest.raises(OutputExistsError, match=r"is not empty \(audio\)"):
        import_nsynth(tmp_path / "in", tmp_path / "in")
