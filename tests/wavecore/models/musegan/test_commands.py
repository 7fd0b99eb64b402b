"""``wavecore compose musegan`` and ``train musegan`` from start to end, and what they refuse."""

import json

import numpy as np
import pytest

from wavecore import checkpoint
from wavecore.datasets.songs import Piece, write_songs
from wavecore.models.musegan.rolls import Track
from wavecore.symbolic import chorale_song, midi

SMALL = [
    "--preset", "tiny", "--set", "batch_size=2", "--set", "validate_every=2", "--set", "checkpoint_every=2",
    "--seed", "4",
]  # fmt: skip


@pytest.fixture
def compose(cli, models):
    return lambda *words, model="free": cli("compose", "musegan", "--model", models / model, "--device", "cpu", *words)


def test_a_piece_is_written(compose, tmp_path):
    words = ("--bars", "7", "--seed", "3", "--tempo", "90", "--binarise", "bernoulli", "--vary", "0", "--json")
    done = compose(*words, "-o", tmp_path / "a.mid")
    assert done.code == 0, done.err
    found, song = json.loads(done.out), midi.read(tmp_path / "a.mid")
    assert (found["model"], found["seed"], found["bars"]) == ("free", 3, 7)
    assert found["notes"] == {part.name: len(part.events) for part in song.parts}
    assert song.tempos[0].beats_per_minute == pytest.approx(90, abs=0.01)


def test_a_part_is_accompanied(compose, tune, tmp_path):
    midi.write(tune, tmp_path / "tune.mid")
    words = ("--accompany", tmp_path / "tune.mid", "--seed", "1")
    done = compose(*words, "-o", tmp_path / "out.mid", model="band")
    assert done.code == 0 and "2 bars" in done.out, done.err
    assert midi.read(tmp_path / "out.mid").parts[0].program == 73
    done = compose(*words, "--bars", "3", "-o", tmp_path / "other.mid", model="band")
    assert done.code == 2 and "bars (3)" in done.err


def test_composing_refuses(compose, tmp_path):
    for words, code, fact in (
        (["--accompany", tmp_path / "missing.mid"], 3, "missing.mid"),
        (["--tempo", "0"], 3, "not 0"),
        (["--vary", "2"], 2, "0 to 1"),
        (["--binarise", "soft"], 2, "soft"),
    ):
        done = compose(*words, "-o", tmp_path / "out.mid")
        assert done.code == code and fact in done.err, (words, done.err)
    assert not (tmp_path / "out.mid").exists()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Chorales at random."""
    rng = np.random.default_rng(0)

    def piece(name):
        return Piece(chorale_song.to_song(rng.integers(35, 80, (40, 4)), name=name), "bach")

    pieces = {split: [piece(f"{split}{number}") for number in range(2)] for split in ("train", "valid", "test")}
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces).path


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "musegan", *words, "--device", "cpu")


@pytest.fixture
def trained(train, data, tmp_path):
    """The folder of a run of one step."""
    flags = ["--tracks", "alto,bass", "--given", "alto", "--variant", "jamming", "--set", "steps=1"]
    done = train("--data", data, "--out", tmp_path / "m", *SMALL, *flags)
    assert done.code == 0, done.err
    return tmp_path / "m"


@pytest.mark.slow
def test_a_run_leaves_its_model(train, data, tmp_path):
    run = tmp_path / "run"
    done = train("--data", data, "--out", run, *SMALL, "--set", "steps=2", "--bars", "3", "--steps", "8")
    assert done.code == 0, done.err
    assert "bits between samples" in done.out and "notes out of range" in done.err
    assert "2 steps of 2 phrases for each update; 2 phrases of 3 bars x 8 steps x 48 pitches" in done.err
    assert "hybrid: soprano, alto, tenor, bass" in done.err
    config = checkpoint.load(run, kind="musegan").network.config
    assert config.shape == (3, 8, 48, 4) and config.tracks[0] == Track("soprano", 74)


@pytest.mark.slow
def test_a_run_starts_from_another_model(train, data, trained, tmp_path):
    config = checkpoint.load(trained, kind="musegan").network.config
    assert (config.track_names, config.given, config.variant) == (("alto", "bass"), "alto", "jamming")
    flags = ["--init", trained, *SMALL, "--set", "steps=1", "--tracks", "alto,bass"]
    done = train("--data", data, "--out", tmp_path / "on", *flags)
    assert done.code == 0, done.err
    assert "jamming: alto, bass, to go with alto" in done.err
    assert checkpoint.load(tmp_path / "on", kind="musegan").network.config == config
    for flags, fact in (
        (["--bars", "4"], "--bars"),
        (["--tracks", "alto"], "--tracks"),
        (["--given", "bass"], "--given"),
        (["--preset", "seed"], "--preset"),
    ):
        done = train("--data", data, "--init", trained, *flags, "--out", tmp_path / "other")
        assert done.code == 2 and fact in done.err, (flags, done.err)


def test_training_refuses(train, data, tmp_path):
    for words, code, fact in (
        (["--tracks", "flute"], 3, "'flute'"),
        (["--preset", "paper"], 3, "family:bass"),
        (["--given", "flute"], 2, "'flute'"),
        (["--bars", "1"], 2, "at least 2"),
        (["--bars", "40"], 3, "40"),
        (["--variant", "trio"], 2, "trio"),
        ([*SMALL, "--set", "optimizer=muon"], 2, "muon"),
    ):
        done = train("--data", data, *words, "--out", tmp_path / "other")
        assert done.code == code and fact in done.err, (words, done.err)
    assert not (tmp_path / "other").exists()
