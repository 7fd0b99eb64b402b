import json

import numpy as np
import pytest

from wavecore.audio import mulaw
from wavecore.datasets.nsynth import wav
from wavecore.datasets.nsynth.convert import import_nsynth
from wavecore.datasets.nsynth.note import NoteFilter, read_exclusions
from wavecore.errors import InputError, OutputExistsError


def expected_codes(items) -> np.ndarray:
    return np.stack([mulaw.encode(wav.to_float(samples)) for _, samples in items])


def remove_sounds(folder, items) -> None:
    for note, _ in items:
        (folder / "audio" / f"{note.note_str}.wav").unlink()


@pytest.mark.parametrize("kind", ["folder", "archive", "tfrecord"])
def test_every_container_gives_the_same_data_set(kind, items, write_nsynth, tmp_path):
    # Records may have any order.
    path = write_nsynth(kind, tmp_path, "train", items[::-1] if kind == "tfrecord" else items)
    progress = []
    done = import_nsynth(path, tmp_path / "out", on_progress=lambda *x: progress.append(x))
    assert done.dataset.notes("train") == tuple(note for note, _ in items)
    assert np.array_equal(done.dataset.codes("train"), expected_codes(items))
    assert done.skipped == done.noise == () and progress == [(i, 6) for i in range(1, 7)]
    names = sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert names == ["codes.npy", "examples.json", "manifest.json"]


@pytest.mark.parametrize("damaged", [(0,), (2, 3), (5,), (0, 1, 2, 3, 4)])
def test_the_rows_of_damaged_notes_are_removed(damaged, items, write_nsynth, tmp_path):
    folder = write_nsynth("folder", tmp_path, "train", items)
    for i in damaged:
        (folder / "audio" / f"{items[i][0].note_str}.wav").write_bytes(b"hello")
    done = import_nsynth(tmp_path, tmp_path / "out")
    kept = [item for i, item in enumerate(items) if i not in damaged]
    assert done.dataset.notes("train") == tuple(note for note, _ in kept)
    assert np.array_equal(done.dataset.codes("train"), expected_codes(kept))
    names = [items[i][0].note_str for i in damaged]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [item.name for item in done.skipped] == [name for _, name, _ in manifest["skipped"]] == names


def test_noise_is_listed_and_can_be_excluded(items, write_nsynth, tmp_path):
    tone = wav.to_int16(0.5 * np.sin(2 * np.pi * 261.6 * np.arange(64_000) / 16_000))
    # The samples of the last two are random.
    write_nsynth("folder", tmp_path / "in", "train", [(note, tone) for note, _ in items[:2]] + items[4:])
    done = import_nsynth(tmp_path / "in", tmp_path / "out", check=True)
    assert done.noise == tuple(note.note_str for note, _ in items[4:])
    assert done.dataset.manifest["noise"] == list(done.noise) and len(done.dataset.notes("train")) == 4
    exclude = read_exclusions(tmp_path / "out" / "noise.txt")
    assert exclude == set(done.noise)
    again = import_nsynth(tmp_path / "in", tmp_path / "again", NoteFilter(exclude=exclude), check=True)
    assert len(again.dataset.notes("train")) == 2 and again.noise == ()


def test_filtered_and_silent_splits_are_left_out(items, write_nsynth, tmp_path):
    write_nsynth("folder", tmp_path / "in", "train", items[:4])
    remove_sounds(write_nsynth("folder", tmp_path / "in", "valid", items[2:4]), items[2:4])
    write_nsynth("folder", tmp_path / "in", "test", items[4:])
    done = import_nsynth(tmp_path / "in", tmp_path / "out", NoteFilter(families=("flute",)))
    assert done.dataset.splits == ("train",) and len(done.dataset.notes("train")) == 2
    assert done.dataset.manifest["settings"]["families"] == ["flute"] and len(done.skipped) == 2
    assert not list((tmp_path / "out").glob("nsynth-valid/*"))
    with pytest.raises(InputError, match="vocal"):
        import_nsynth(tmp_path / "in", tmp_path / "none", NoteFilter(families=("vocal",)))
    assert not (tmp_path / "none").exists()


def test_a_failed_or_killed_import_does_not_prevent_the_next(items, write_nsynth, tmp_path):
    folder = write_nsynth("folder", tmp_path / "in", "train", items[:2])
    remove_sounds(folder, items[:2])
    with pytest.raises(InputError, match="cannot read"):
        import_nsynth(tmp_path / "in", tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    leftovers = [tmp_path / "out" / name for name in (".0.partial.json", "nsynth-train/.1.partial.npy")]
    for leftover in leftovers:
        leftover.touch()
    write_nsynth("folder", tmp_path / "good", "train", items[:2])
    import_nsynth(tmp_path / "good", tmp_path / "out")
    assert not any(leftover.exists() for leftover in leftovers)


def test_other_files_are_not_overwritten(items, write_nsynth, tmp_path):
    folder = write_nsynth("folder", tmp_path / "in", "train", items[:1])
    import_nsynth(tmp_path / "in", tmp_path / "out")
    # Least of all the data that are read.
    for out, fact in ((tmp_path / "out", "out"), (folder, "audio"), (tmp_path / "in", "audio")):
        with pytest.raises(OutputExistsError, match=fact):
            import_nsynth(tmp_path / "in", out)
