"""``wavecore train lstm`` from start to end, and what it refuses."""

import numpy as np
import pytest

from wavecore import checkpoint
from wavecore.datasets.songs import Piece, write_songs
from wavecore.symbolic.note_sequence import NoteLine, symbol_of

SMALL = [
    "--preset", "tiny", "--hidden", "6", "--set", "batch_size=2", "--set", "crop_notes=8", "--set", "validate_every=2", "--set", "checkpoint_every=2",
    "--seed", "4",
]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(0)

    def piece(name):
        symbols = tuple(symbol_of([pitch, pitch + 7]) for pitch in rng.integers(60, 64, 30))
        return Piece(NoteLine(symbols, tuple(rng.choice([2, 4], 30).tolist())).to_song(name=name), "made")

    pieces = {split: [piece(f"{split}{row}") for row in range(3)] for split in ("train", "valid", "test")}
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces).path


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "lstm", *words, "--device", "cpu")


@pytest.fixture
def trained(train, data, tmp_path):
    """The folder of a run of two steps."""
    assert train("--data", data, "--out", tmp_path / "m", *SMALL, "--set", "steps=2").code == 0
    return tmp_path / "m"


def test_a_run_leaves_model_and_curves_and_goes_on(train, data, tmp_path):
    run = tmp_path / "run"
    done = train("--data", data, "--out", run, *SMALL, "--window", "3", "--set", "steps=3")
    assert done.code == 0, done.err
    assert (
        "bits per note, held out" in done.out
        and "3 steps of 2 crops of 8 notes; 3 melodies; 5 symbols, 2 durations; 1 layers x 6" in done.err
    )
    config = checkpoint.load(run, kind="lstm").network.config
    assert (config.symbols, config.durations, config.window) == (("rest", "67", "68", "69", "70"), (2, 4), 3)
    assert (run / "curves.png").is_file()
    again = train("--out", run, "--resume")
    assert again.code == 0 and "nothing was left to do" in again.out


def test_chords_are_learnt_where_wanted(train, data, tmp_path):
    done = train("--data", data, "--out", tmp_path / "run", *SMALL, "--chords", "--set", "steps=1")
    assert done.code == 0, done.err
    config = checkpoint.load(tmp_path / "run", kind="lstm").network.config
    assert config.chords and "60.67" in config.symbols


def test_a_model_is_taken_up(train, data, trained, tmp_path):
    done = train("--data", data, "--out", tmp_path / "on", "--init", trained, *SMALL[4:], "--set", "steps=1")
    assert done.code == 0, done.err
    assert checkpoint.load(tmp_path / "on", kind="lstm").network.config.hidden == 6


def test_what_is_refused(train, data, trained, tmp_path):
    for words, code, message in (
        (["--data", data, "--preset", "huge"], 2, "huge"),
        (["--data", tmp_path / "nothing"], 3, "no data set of songs"),
        ([], 2, "--data DIR"),
        (["--data", data, "--init", trained, "--hidden", "9"], 2, "has 6 where --hidden says 9"),
        (["--data", data, "--init", trained, "--chords"], 2, "has False where --chords"),
        (["--data", data, "--init", "universal"], 4, "kind 'translation'"),
        (["--resume"], 3, "no run to resume"),
    ):
        done = train(*words, "--out", tmp_path / "other")
        assert done.code == code and message in done.err, done.err
    assert not (tmp_path / "other").exists()
