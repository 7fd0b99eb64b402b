"""``wavecore compose coconet`` and ``wavecore train coconet`` from start to end, and what they refuse."""

import json

import numpy as np
import pytest

from wavecore import checkpoint
from wavecore.models import base
from wavecore.symbolic import chorale_song, midi
from wavecore.symbolic.song import Event, Part, Song

SMALL = ["--preset", "tiny", "--channels", "4", "--layers", "5", "--seed", "4"]
SHORT = ["--set", "batch_size=2", "--set", "crop_steps=8", "--set", "validate_every=2", "--set", "checkpoint_every=2"]


@pytest.fixture
def compose(cli, choir):
    return lambda *words: cli("compose", "coconet", "--model", choir, "--device", "cpu", *words)


@pytest.fixture
def piece(tmp_path):
    """A chorale of three bars."""
    grid = np.random.default_rng(0).integers(45, 75, (48, 4)).astype(np.int16)
    midi.write(chorale_song.to_song(grid), tmp_path / "piece.mid")
    return tmp_path / "piece.mid"


@pytest.mark.slow
def test_compose_writes_what_the_model_composes(compose, choir, tmp_path):
    done = compose("--bars", "2", "--steps", "5", "--seed", "3", "-o", tmp_path / "a.mid")
    assert done.code == 0 and "2 bars, 128 of 128 cells" in done.out, done.err
    song = base.load(choir).compose(2, n_steps=5, seed=3, device="cpu")
    assert midi.read(tmp_path / "a.mid").parts == song.parts
    other = compose("--bars", "1", "--method", "ancestral", "--seed", "3", "--json", "-o", tmp_path / "b.mid")
    document = json.loads(other.out)
    assert [document[key] for key in ("model", "seed", "bars", "cells")] == ["choir", 3, 1, 64]


def test_compose_takes_a_melody_or_a_piece(compose, piece, tmp_path):
    midi.write(Song(24, (Part((Event(0, 67, 24), Event(24, 69, 24)), "tune"),)), tmp_path / "tune.mid")
    done = compose("--melody", tmp_path / "tune.mid", "--steps", "3", "-o", tmp_path / "harmony.mid")
    assert done.code == 0, done.err
    assert chorale_song.from_song(midi.read(tmp_path / "harmony.mid"))[:, 0].tolist() == [67] * 4 + [69] * 4
    words = ("--bridge", "2", "--keep", "bass", "--steps", "3")
    assert compose("--prime", piece, *words, "-o", tmp_path / "bridged.mid").code == 0
    before, after = (chorale_song.from_song(midi.read(path)) for path in (piece, tmp_path / "bridged.mid"))
    changed = (before != after).any(axis=1)
    assert not changed[:16].any() and not changed[32:].any() and changed[16:32].any()


def test_what_compose_refuses(compose, cli, piece, tmp_path):
    high, out = tmp_path / "high.mid", tmp_path / "out.mid"
    midi.write(Song(24, (Part((Event(0, 100, 24),)),)), high)
    (tmp_path / "broken.mid").write_bytes(b"no midi")
    for words, code, message in (
        (["--melody", piece, "--prime", piece], 2, "--prime"),
        (["--melody", piece, "--keep", "alto"], 2, "--keep"),
        (["--keep", "alto"], 2, "piece"),
        (["--prime", piece], 2, "bridge"),
        (["--prime", piece, "--keep", "alto", "--bars", "3"], 2, "bars"),
        (["--melody", piece, "--bars", "3"], 2, "--bars"),
        (["--steps", "3", "--method", "ancestral"], 2, "gibbs"),
        (["--prime", piece, "--bridge", "x"], 2, "5:8"),
        (["--prime", piece, "--bridge", "3:4"], 2, "1 to 3"),
        (["--prime", piece, "--keep", "baritone"], 2, "baritone"),
        (["--melody", high], 3, "100 to 100"),
        (["--melody", tmp_path / "broken.mid"], 3, "broken.mid"),
        (["--melody", tmp_path / "missing.mid"], 3, "missing.mid"),
    ):
        done = compose(*words, "-o", out)
        assert done.code == code and message in done.err, (words, done.err)
    assert compose("-o", tmp_path / "out.wav").code == 2
    assert compose("-o", piece).code == 6
    assert cli("compose", "coconet", "--model", tmp_path / "none", "-o", out).code == 4
    assert not out.exists()


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "coconet", *words, "--device", "cpu")


@pytest.mark.slow
def test_a_run_leaves_model_and_curves_and_is_continued(train, chorales, tmp_path):
    run = tmp_path / "run"
    done = train("--data", chorales, "--out", run, *SMALL, *SHORT, "--set", "steps=3")
    assert done.code == 0 and "bits per cell" in done.out, done.err
    assert all(fact in done.err for fact in ("3 steps of 2 crops of 8", "3 chorales", "5 layers x 4 channels"))
    model = checkpoint.load(run, kind="coconet")
    assert (model.network.config.n_layers, model.network.config.channels) == (5, 4)
    assert model.card["training"]["settings"]["transpose_semitones"] == 6.0
    assert (run / "curves.png").is_file()
    assert train("--out", run, "--resume").code == 0
    on = train("--data", chorales, "--out", tmp_path / "on", "--init", run, *SHORT, "--set", "steps=1", "--seed", "1")
    assert on.code == 0, on.err
    assert checkpoint.load(tmp_path / "on", kind="coconet").network.config == model.network.config


def test_what_train_refuses(train, chorales, choir, tmp_path):
    for words, code, message in (
        (["--data", chorales, "--preset", "huge"], 2, "huge"),
        (["--data", tmp_path / "nothing"], 3, "nothing"),
        ([], 2, "wavecore data chorales"),
        (["--data", chorales, "--init", choir, "--channels", "9"], 2, "--channels"),
        (["--data", chorales, "--init", "universal"], 4, "translation"),
        (["--resume"], 3, "--resume"),
    ):
        done = train(*words, "--out", tmp_path / "other")
        assert done.code == code and message in done.err, done.err
    assert not (tmp_path / "other").exists()


@pytest.mark.slow
def test_evaluate_composes_only_if_asked(cli, choir, chorales):
    words = ("evaluate", "symbolic", choir, "--data", chorales, "--crop", "16", "--pieces", "2", "--orderings", "1")
    done = cli(*words, "--device", "cpu", "--json")
    assert done.code == 0, done.err
    keys = "model model_sha256 data split crop framewise_nll framewise_nll_alone standard_error n_frames n_pieces"
    assert set(json.loads(done.out)) == {*keys.split(), "orderings"}
    done = cli(*words, "--device", "cpu", "--samples", "1")
    assert "nats per frame" in done.out and "parallel fifths" in done.out and "ancestral samples" in done.out
