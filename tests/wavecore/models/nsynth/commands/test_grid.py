import argparse
import json

import numpy as np
import pytest

from wavecore.audio import files
from wavecore.errors import InputError
from wavecore.models.nsynth.commands.grid import corner_files, pitch_range

RATE = 16_000


@pytest.fixture
def corners(tmp_path):
    """Four folders of two pitches, and the four files of the first pitch."""
    t = np.arange(3000) / RATE
    for i, name in enumerate("abcd"):
        for pitch in (60, 64):
            x = 0.2 * np.sin(2 * np.pi * (200 + 100 * i + pitch) * t)
            files.write(tmp_path / name / f"{name}-{pitch:03d}-100.wav", x.astype(np.float32), RATE)
    return [tmp_path / name for name in "abcd"]


@pytest.fixture
def grid(cli, nsynth_model):
    return lambda *words: cli("grid", *words, "--model", nsynth_model, "--seconds", "0.2")


def test_a_job_that_was_stopped_goes_on_with_the_same_sounds(grid, corners, tmp_path):
    notes = [folder / f"{folder.name}-060-100.wav" for folder in corners]
    done = grid(*notes, "--size", "3", "-o", tmp_path / "whole", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert len(found["cells"]) == 9 and found["faults"] == 0 and found["size"] == 3
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert names == sorted(["grid.json", *(f"r{r:02d}-c{c:02d}.wav" for r in range(3) for c in range(3))])
    before = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    for name in ("r00-c02.wav", "r02-c01.wav"):
        (tmp_path / "whole" / name).unlink()
    again = grid(*notes, "--size", "3", "-o", tmp_path / "whole")
    assert again.code == 0 and "2 of 9 cells to do" in again.err
    assert {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()} == before


def test_a_surface_for_each_pitch(grid, corners, tmp_path):
    assert grid(*corners, "--pitches", "60:64:4", "--size", "2", "-o", tmp_path / "out").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["060", "064", "grid.json"]
    assert len(list((tmp_path / "out" / "064").glob("r*.wav"))) == 4


def test_another_surface_is_not_mixed_in(grid, corners, tmp_path):
    assert grid(*corners, "--pitches", "60", "--size", "2", "-o", tmp_path / "out").code == 0
    done = grid(*corners, "--pitches", "60", "--size", "3", "-o", tmp_path / "out")
    assert done.code == 6 and "other size" in done.err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    done = grid(*corners, "--pitches", "60", "--size", "2", "-o", tmp_path / "full")
    assert done.code == 6 and "not empty" in done.err
    (tmp_path / "out" / "grid.json").write_text("{")
    assert grid(*corners, "--pitches", "60", "--size", "2", "-o", tmp_path / "out").code == 6


def test_misuse(grid, corners, tmp_path):
    assert grid(*corners[:3], "-o", tmp_path / "out").code == 2
    assert grid(*corners, "--size", "1", "--pitches", "60", "-o", tmp_path / "out").code == 2
    done = grid(*corners, "-o", tmp_path / "out")
    assert done.code == 3 and "folders need --pitches" in done.err
    done = grid(*corners, "--pitches", "61", "-o", tmp_path / "out")
    assert done.code == 3 and "no file of pitch 61" in done.err
    assert not (tmp_path / "out").exists()


def test_corners_are_found_by_pitch(corners, tmp_path):
    assert [path.name for path in corner_files(corners, 64)] == [f"{name}-064-100.wav" for name in "abcd"]
    files.write(tmp_path / "a" / "plain-64.wav", np.zeros(10, np.float32), RATE)
    assert corner_files(corners, 64)[0].name == "a-064-100.wav"
    with pytest.raises(InputError, match="is no folder"):
        corner_files([tmp_path / "a" / "a-060-100.wav"], 60)


@pytest.mark.parametrize(("text", "wanted"), [("24:32:4", [24, 28, 32]), ("60", [60]), ("60:62", [60, 61, 62])])
def test_pitch_ranges(text, wanted):
    assert pitch_range(text) == wanted


@pytest.mark.parametrize("text", ["", "a:b", "60:50:1", "60:70:0", "120:140:4", "1:2:3:4", "-4:4:2"])
def test_bad_pitch_ranges(text):
    with pytest.raises(argparse.ArgumentTypeError, match="range"):
        pitch_range(text)
