from __future__ import annotations

import json
import tarfile

import numpy as np
import pytest

from wavecore.datasets.nsynth import pcm
from wavecore.datasets.nsynth import writer as nsynth_writer
from wavecore.datasets.nsynth.reader import NSynth
from wavecore.errors import InputError, OutputExistsError, UsageError

WAYS = {
    "folder": lambda out, items, **more: nsynth_writer.write_folder(out / "nsynth-test", items, **more),
    "tar": lambda out, items, **more: nsynth_writer.write_archive(out / "nsynth-test.tar", "test", items, **more),
    "tar.gz": lambda out, items, **more: nsynth_writer.write_archive(
        out / "nsynth-test.jsonwav.tar.gz", "test", items, **more
    ),
    "tfrecord": lambda out, items, **more: nsynth_writer.write_tfrecord(out / "nsynth-test.tfrecord", items, **more),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_written_reads_back_exactly(way, items, tmp_path):
    assert WAYS[way](tmp_path, items) == len(items)
    data = NSynth.open(tmp_path)
    assert data.splits == ("test",) and data.notes("test") == tuple(note for note, _ in items)
    back = list(data.items("test"))
    assert [note for note, _ in back] == [note for note, _ in items]
    for (_, found), (_, samples) in zip(back, items, strict=True):
        assert found.dtype == np.float32 and np.array_equal(found, pcm.to_float(samples))
    assert data.skipped == []


@pytest.mark.parametrize("way", WAYS)
def test_the_same_notes_give_the_same_bytes(way, items, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        # Floats that 16 bits hold are the same sound.
        given = items if name == "a" else ((note, pcm.to_float(samples)) for note, samples in items)
        WAYS[way](tmp_path / name, given)
    files = [sorted(path for path in (tmp_path / name).rglob("*") if path.is_file()) for name in ("a", "b")]
    assert len(files[0]) == (len(items) + 1 if way == "folder" else 1)
    for one, other in zip(*files, strict=True):
        assert one.name == other.name and one.read_bytes() == other.read_bytes()


def test_the_published_layout(items, tmp_path):
    WAYS["folder"](tmp_path, items)
    examples = json.loads((tmp_path / "nsynth-test" / "examples.json").read_text())
    assert list(examples) == [note.note_str for note, _ in items]
    assert examples["bass_electronic_007-048-100"] == items[0][0].document()
    assert (tmp_path / "nsynth-test" / "audio" / "bass_electronic_007-048-100.wav").stat().st_size == 128_044
    WAYS["tar.gz"](tmp_path, items)
    with tarfile.open(tmp_path / "nsynth-test.jsonwav.tar.gz") as archive:
        names = archive.getnames()
        assert {(member.mtime, member.uid, member.uname) for member in archive} == {(0, 0, "")}
    expected = [f"nsynth-test/audio/{note.note_str}.wav" for note, _ in items]
    assert sorted(names) == [*expected, "nsynth-test/examples.json"]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_replaced_unless_asked_and_nothing_is_left_half_done(way, items, tmp_path):
    WAYS[way](tmp_path, items)
    with pytest.raises(OutputExistsError):
        WAYS[way](tmp_path, items)
    WAYS[way](tmp_path, items, overwrite=True)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    for bad, message in (
        ([*items, items[0]], "comes twice"),
        ([(items[0][0], np.zeros(5))], r"shape \(5,\)"),
    ):
        with pytest.raises(InputError, match=message):
            WAYS[way](fresh, bad)
        assert not list(fresh.rglob("examples.json")) and not list(fresh.glob("nsynth-test.*"))
        assert not list(fresh.rglob("*.partial*"))
        for wav in fresh.rglob("*.wav"):
            wav.unlink()


def test_names_of_archives(items, tmp_path):
    with pytest.raises(UsageError, match="no split 'tests'"):
        nsynth_writer.write_archive(tmp_path / "a.tar", "tests", items)
    with pytest.raises(UsageError, match=r"a\.zip is no name of an archive"):
        nsynth_writer.write_archive(tmp_path / "a.zip", "test", items)
