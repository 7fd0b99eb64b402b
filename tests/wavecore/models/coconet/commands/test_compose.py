"""``wavecore compose coconet`` from start to end, and what it refuses."""

import json

import numpy as np
import pytest

from wavecore.symbolic import chorale_song, midi
from wavecore.symbolic.song import Event, Part, Song


@pytest.fixture
def compose(cli, choir):
    return lambda *words: cli("compose", "coconet", "--model", choir, "--device", "cpu", *words)


@pytest.fixture
def piece(tmp_path):
    """A chorale of three bars, and its grid."""
    grid = np.random.default_rng(0).integers(45, 75, (48, 4)).astype(np.int16)
    midi.write(chorale_song.to_song(grid), tmp_path / "piece.mid")
    return tmp_path / "piece.mid", grid


def grid_of(path):
    return chorale_song.from_song(midi.read(path))


def test_from_nothing_as_long_as_asked_and_the_same_for_a_seed(compose, tmp_path):
    for name in ("a", "b"):
        done = compose("--bars", "2", "--steps", "5", "--seed", "3", "-o", tmp_path / f"{name}.mid")
        assert done.code == 0, done.err
    assert "2 bars, 128 of 128 cells written" in done.out
    assert grid_of(tmp_path / "a.mid").shape == (32, 4)
    assert (tmp_path / "a.mid").read_bytes()[-500:] == (tmp_path / "b.mid").read_bytes()[-500:]
    other = compose("--bars", "2", "--method", "ancestral", "--seed", "3", "--json", "-o", tmp_path / "c.mid")
    found = json.loads(other.out)
    assert (found["model"], found["seed"], found["bars"], found["cells"]) == ("choir", 3, 2, 128)


def test_a_melody_is_kept_exactly(compose, tmp_path):
    events = [Event(0, 67, 24), Event(24, 69, 12), Event(48, 71, 48)]
    midi.write(Song(24, (Part(tuple(events), "tune"),)), tmp_path / "tune.mid")
    done = compose("--melody", tmp_path / "tune.mid", "--steps", "3", "-o", tmp_path / "out.mid")
    assert done.code == 0, done.err
    assert grid_of(tmp_path / "out.mid")[:, 0].tolist() == [67] * 4 + [69] * 2 + [-1] * 2 + [71] * 8


def test_voices_and_bars_that_stay(compose, piece, tmp_path):
    path, grid = piece
    assert compose("--prime", path, "--keep", "alto,bass", "--steps", "3", "-o", tmp_path / "kept.mid").code == 0
    kept = grid_of(tmp_path / "kept.mid")
    np.testing.assert_array_equal(kept[:, [1, 3]], grid[:, [1, 3]])
    assert (kept[:, 0] != grid[:, 0]).any()
    assert (
        compose("--prime", path, "--bridge", "2", "--keep", "bass", "--steps", "3", "-o", tmp_path / "bridged.mid").code
        == 0
    )
    bridged = grid_of(tmp_path / "bridged.mid")
    changed = (bridged != grid).any(axis=1)
    assert not changed[:16].any() and not changed[32:].any() and changed[16:32].any()
    np.testing.assert_array_equal(bridged[:, 3], grid[:, 3])


def test_what_is_refused(compose, cli, piece, tmp_path):
    path, _ = piece
    high = tmp_path / "high.mid"
    midi.write(Song(24, (Part((Event(0, 100, 24),)),)), high)
    (tmp_path / "broken.mid").write_bytes(b"no midi")
    out = tmp_path / "out.mid"
    for words, code, message in (
        (["--melody", path, "--prime", path], 2, "choose one"),
        (["--keep", "alto"], 2, "--prime FILE.mid"),
        (["--prime", path], 2, "--keep or --bridge"),
        (["--melody", path, "--bars", "3"], 2, "leave it out"),
        (["--steps", "3", "--method", "ancestral"], 2, "--method gibbs"),
        (["--prime", path, "--bridge", "x"], 2, "5:8"),
        (["--prime", path, "--bridge", "3:4"], 2, "bars 1 to 3"),
        (["--prime", path, "--keep", "baritone"], 2, "baritone"),
        (["--melody", high], 3, "100 to 100"),
        (["--melody", tmp_path / "broken.mid"], 3, "cannot be read as MIDI"),
        (["--melody", tmp_path / "missing.mid"], 3, "missing.mid"),
    ):
        done = compose(*words, "-o", out)
        assert done.code == code and message in done.err, (words, done.err)
    assert compose("-o", tmp_path / "out.wav").code == 2
    assert compose("-o", path).code == 6
    assert cli("compose", "coconet", "--model", tmp_path / "none", "-o", out).code == 4
    assert not out.exists()
