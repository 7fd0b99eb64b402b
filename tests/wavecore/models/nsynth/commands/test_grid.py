import json

import numpy as np
import pytest

from wavecore.audio import files
from wavecore.errors import InputError
from wavecore.models.nsynth.commands.grid import corner_files

RATE = 16_000


@pytest.fixture(scope="module")
def corners(tmp_path_factory):
    """Four folders with notes of two pitches each."""
    folder, t = tmp_path_factory.mktemp("corners"), np.arange(2000) / RATE
    for i, name in enumerate("abcd"):
        for pitch in (60, 64):
            x = 0.2 * np.sin(2 * np.pi * (200 + 100 * i + pitch) * t)
            files.write(folder / name / f"{name}-{pitch:03d}-100.wav", x.astype(np.float32), RATE)
    return [folder / name for name in "abcd"]


@pytest.fixture
def grid(cli, nsynth_model):
    return lambda *words: cli("grid", *words, "--model", nsynth_model, "--seconds", "0.1")


@pytest.mark.slow
def test_a_job_that_was_stopped_is_resumed_with_the_same_sounds(grid, corners, tmp_path):
    notes, out = [folder / f"{folder.name}-060-100.wav" for folder in corners], tmp_path / "whole"
    done = grid(*notes, "--size", "3", "-o", out, "--json")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert len(document["cells"]) == 9 and document["faults"] == 0 and document["size"] == 3
    cells = [f"r{r:02d}-c{c:02d}.wav" for r in range(3) for c in range(3)]
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(before) == sorted(["grid.json", *cells])
    for name in ("r00-c02.wav", "r02-c01.wav"):
        (out / name).unlink()
    again = grid(*notes, "--size", "3", "-o", out)
    assert again.code == 0 and "2 of 9 cells" in again.err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.slow
def test_a_surface_for_each_pitch_that_is_not_mixed_with_another(grid, corners, tmp_path):
    words = (*corners, "--pitches", "60:64:4", "--size")
    assert grid(*words, "2", "-o", tmp_path / "out").code == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["060", "064", "grid.json"]
    assert len(list((tmp_path / "out" / "064").glob("r*.wav"))) == 4
    done = grid(*words, "3", "-o", tmp_path / "out")
    assert done.code == 6 and "other size" in done.err
    (tmp_path / "out" / "grid.json").write_text("{")
    assert grid(*words, "2", "-o", tmp_path / "out").code == 6
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    assert grid(*words, "2", "-o", tmp_path / "full").code == 6


@pytest.mark.parametrize(
    ("words", "code", "offending"),
    [
        (["--size", "1", "--pitches", "60"], 2, "1"),
        (["--pitches", "60:50"], 2, "60:50"),
        ([], 3, "--pitches"),
        (["--pitches", "61"], 3, "61"),
    ],
)
def test_misuse(grid, corners, tmp_path, words, code, offending):
    done = grid(*corners, *words, "-o", tmp_path / "out")
    assert done.code == code and offending in done.err
    assert grid(*corners[:3], "-o", tmp_path / "out").code == 2 and not (tmp_path / "out").exists()


def test_corners_are_found_by_pitch(corners, tmp_path):
    assert [path.name for path in corner_files(corners, 64)] == [f"{name}-064-100.wav" for name in "abcd"]
    with pytest.raises(InputError, match="a-060-100.wav"):
        corner_files([corners[0] / "a-060-100.wav"], 60)
