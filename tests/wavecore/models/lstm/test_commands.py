"""``wavecore compose lstm`` and ``train lstm`` from start to end, and what they refuse."""

import json

import numpy as np
import pytest

from wavecore import checkpoint
from wavecore.datasets.songs import Piece, write_songs
from wavecore.models.lstm import commands
from wavecore.models.lstm.config import PRESETS
from wavecore.symbolic import midi
from wavecore.symbolic.note_sequence import NoteLine, read_line, symbol_of

TUNE = NoteLine(("60", "64", "67", "rest", "72"), (4, 2, 2, 1, 3))
SMALL = [
    "--preset", "tiny", "--hidden", "6", "--set", "batch_size=2", "--set", "crop_notes=8", "--set", "validate_every=2",
    "--set", "checkpoint_every=2", "--seed", "4",
]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Songs of fifths."""
    rng = np.random.default_rng(0)

    def piece(name):
        symbols = tuple(symbol_of([pitch, pitch + 7]) for pitch in rng.integers(60, 64, 30))
        return Piece(NoteLine(symbols, tuple(rng.choice([2, 4], 30).tolist())).to_song(name=name), "made")

    pieces = {split: [piece(f"{split}{row}") for row in range(3)] for split in ("train", "valid", "test")}
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces).path


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "lstm", *words, "--device", "cpu")


@pytest.fixture
def trained(train, data, runs):
    """The folder of a run of three steps."""
    if not (runs / "m").exists():
        done = train("--data", data, "--out", runs / "m", *SMALL, "--window", "3", "--set", "steps=3")
        assert done.code == 0, done.err
        assert "bits per note" in done.out
        assert "3 steps of 2 crops of 8 notes; 3 melodies; 5 symbols, 2 durations; 1 layers x 6" in done.err
    return runs / "m"


@pytest.fixture
def compose(cli, trained):
    return lambda *words: cli("compose", "lstm", "--model", trained, "--device", "cpu", *words)


@pytest.fixture
def tune(tmp_path):
    """A tune of twelve sixteenths."""
    midi.write(TUNE.to_song(beats_per_minute=90), tmp_path / "tune.mid")
    return tmp_path / "tune.mid"


@pytest.mark.slow
def test_a_run_leaves_its_model(trained):
    config = checkpoint.load(trained, kind="lstm").network.config
    assert (config.symbols, config.durations, config.window) == (("rest", "67", "68", "69", "70"), (2, 4), 3)


@pytest.mark.slow
def test_chords_and_initial_weights(train, data, trained, tmp_path):
    chords = train("--data", data, "--out", tmp_path / "run", *SMALL, "--chords", "--dry-run", "--json")
    network = json.loads(chords.out)["network"]
    assert network["chords"] and "60.67" in network["symbols"]
    done = train("--data", data, "--out", tmp_path / "on", "--init", trained, *SMALL[4:], "--set", "steps=1")
    assert done.code == 0, done.err
    assert checkpoint.load(tmp_path / "on", kind="lstm").network.config.hidden == 6


def test_rare_durations_are_not_in_the_vocabulary(tmp_path):
    line = NoteLine(("60",) * 12, (1,) * 7 + (3,) * 5)
    rare = NoteLine((*line.symbols, "60"), (*line.durations, 2))
    pieces = {split: [Piece(rare.to_song(name=split), "made")] for split in ("train", "valid", "test")}
    dataset, command = write_songs(tmp_path / "data", pieces), commands.TrainLSTM()
    config = command.new_network(None, dataset, PRESETS["small"])
    assert (config.symbols, config.durations, config.hidden) == (("rest", "60"), (1, 3), 160)


@pytest.mark.slow
def test_flags_that_contradict_the_initial_model(train, data, trained, tmp_path):
    for words in (["--hidden", "9"], ["--chords"], ["--preset", "lstm"]):
        done = train("--data", data, "--init", trained, *words, "--out", tmp_path / "other")
        assert done.code == 2 and words[0] in done.err, (words, done.err)


@pytest.mark.slow
def test_a_piece_is_written(compose, tune, tmp_path):
    done = compose("--seed", "4", "--bars", "3", "--top-k", "2", "--prime", tune, "--json", "-o", tmp_path / "c.mid")
    assert done.code == 0, done.err
    found, song = json.loads(done.out), midi.read(tmp_path / "c.mid")
    assert (found["model"], found["seed"], found["bars"], found["notes"]) == ("m", 4, 3, song.n_notes)
    assert read_line(song).symbols[:5] == TUNE.symbols
    assert song.tempos[0].beats_per_minute == pytest.approx(90, rel=1e-4)


def test_composing_refuses(compose, tune, tmp_path):
    (tmp_path / "broken.mid").write_bytes(b"no midi")
    out = tmp_path / "out.mid"
    for words, code, fact in (
        (["--prime", tune, "--bars", "0"], 2, "at least 1"),
        (["--prime", tmp_path / "broken.mid"], 3, "broken.mid"),
        (["--prime", tmp_path / "missing.mid"], 3, "missing.mid"),
        (["--top-k", "0"], 2, "at least 1"),
        (["--tempo", "3"], 2, "10 to 400"),
        (["--temperature", "-1"], 2, "temperature"),
        (["--model", tmp_path / "none"], 4, "none"),
    ):
        done = compose(*words, "-o", out)
        assert done.code == code and fact in done.err, (words, done.err)
    before = tune.read_bytes()
    assert compose("-o", tmp_path / "out.wav").code == 2
    assert compose("-o", tune).code == 6 and compose("--skip-existing", "-o", tune).code == 0
    assert tune.read_bytes() == before and not out.exists()
