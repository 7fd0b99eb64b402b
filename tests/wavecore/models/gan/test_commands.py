"""``wavecore compose gan`` and ``train gan`` from start to end, and what they refuse."""

import json

import numpy as np
import pytest

from wavecore import checkpoint
from wavecore.datasets.songs import Piece, write_songs
from wavecore.symbolic import midi
from wavecore.symbolic.note_sequence import NoteLine

SMALL = ["--set", "batch_size=2", "--set", "validate_every=2", "--set", "checkpoint_every=2", "--seed", "4"]


@pytest.fixture
def compose(cli):
    return lambda *words: cli("compose", "gan", "--device", "cpu", *words)


def test_a_piece_is_written(compose, tmp_path):
    done = compose("--bars", "9", "--seed", "3", "--tempo", "80", "--json", "-o", tmp_path / "a.mid")
    assert done.code == 0, done.err
    found, song = json.loads(done.out), midi.read(tmp_path / "a.mid")
    assert (found["model"], found["seed"], found["bars"], found["notes"]) == ("gan", 3, 9, song.n_notes)
    assert 8 * 4 * 480 < song.end <= 9 * 4 * 480
    assert song.tempos[0].beats_per_minute == pytest.approx(80, rel=1e-4)


def test_an_unknown_scale(compose, tmp_path):
    done = compose("--scale", "h-major", "-o", tmp_path / "out.mid")
    assert done.code == 2 and "'h-major'" in done.err and not (tmp_path / "out.mid").exists()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(0)

    def piece(name):
        symbols, durations = map(str, rng.integers(60, 80, 30)), rng.choice([2, 4], 30).tolist()
        return Piece(NoteLine(symbols, durations).to_song(name=name), "made")

    pieces = {split: [piece(f"{split}{row}") for row in range(3)] for split in ("train", "valid", "test")}
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces).path


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "gan", *words, "--device", "cpu")


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["tiny", "mogren-tiny"])
def test_a_run_leaves_its_model_from_which_another_starts(train, data, tmp_path, preset):
    run, flags = tmp_path / "run", ["--preset", preset, "--length", "12", "--instance-noise", "0.1"]
    done = train("--data", data, "--out", run, *flags, *SMALL, "--set", "steps=3")
    assert done.code == 0, done.err
    assert "histograms" in done.out and "3 steps of 2 sequences of 12 notes" in done.err
    assert "3 melodies from 60 to 79" in done.err
    config = checkpoint.load(run, kind="gan").network.config
    assert (config.length, config.instance_noise, config.lowest, config.highest) == (12, 0.1, 60, 79)
    done = train("--data", data, "--out", tmp_path / "on", "--init", run, *SMALL, "--set", "steps=1")
    assert done.code == 0 and checkpoint.load(tmp_path / "on", kind="gan").network.config == config, done.err
    done = train("--data", data, "--out", tmp_path / "other", "--init", run, "--length", "9")
    assert done.code == 2 and "--length" in done.err


def test_training_refuses(train, data, tmp_path):
    for words, code, fact in (
        (["--preset", "mogren-tiny", "--features", "2"], 2, "features"),
        (["--label-smoothing", "0.5"], 2, "label_smoothing"),
        (["--preset", "gan"], 3, "100 notes"),
    ):
        done = train("--data", data, *words, "--out", tmp_path / "other")
        assert done.code == code and fact in done.err, (words, done.err)
    assert not (tmp_path / "other").exists()
