"""``wavecore train musegan`` from start to end, and what it refuses."""

import numpy as np
import pytest

from wavecore import checkpoint
from wavecore.datasets.songs import Piece, write_songs
from wavecore.models.musegan import config as musegan_config
from wavecore.models.musegan.commands import train as train_musegan
from wavecore.models.musegan.tracks import Track
from wavecore.symbolic import chorale_song

SMALL = [
    "--preset",
    "tiny",
    "--set",
    "batch_size=2",
    "--set",
    "validate_every=2",
    "--set",
    "checkpoint_every=2",
    "--seed",
    "4",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(0)
    pieces = {
        split: [
            Piece(chorale_song.to_song(rng.integers(35, 80, (40, 4)), name=f"{split}{number}"), "bach")
            for number in range(2)
        ]
        for split in ("train", "valid", "test")
    }
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces).path


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "musegan", *words, "--device", "cpu")


@pytest.fixture
def trained(train, data, tmp_path):
    """The folder of a run of one step."""
    done = train(
        "--data",
        data,
        "--out",
        tmp_path / "m",
        *SMALL,
        "--set",
        "steps=1",
        "--tracks",
        "alto,bass",
        "--given",
        "alto",
        "--variant",
        "jamming",
    )
    assert done.code == 0, done.err
    return tmp_path / "m"


def test_a_run_leaves_model_and_curves_and_goes_on(train, data, tmp_path):
    run = tmp_path / "run"
    done = train("--data", data, "--out", run, *SMALL, "--set", "steps=3", "--bars", "3", "--steps", "8")
    assert done.code == 0, done.err
    assert "bits between samples and held-out phrases" in done.out
    assert (
        "3 steps of 2 phrases for each update; 2 phrases of 3 bars x 8 steps x 48 pitches; hybrid: soprano, alto, tenor, bass"
        in done.err
    )
    assert "notes out of range" in done.err
    model = checkpoint.load(run, kind="musegan")
    assert model.network.config.shape == (3, 8, 48, 4) and model.network.config.tracks[0] == Track("soprano", 74)
    settings = model.card["training"]["settings"]
    assert (settings["transpose_semitones"], settings["clip_norm"]) == (6.0, 1e4) and (run / "curves.png").is_file()
    again = train("--out", run, "--resume")
    assert again.code == 0 and "nothing was left to do" in again.out


def test_a_model_is_taken_up(train, data, trained, tmp_path):
    config = checkpoint.load(trained, kind="musegan").network.config
    assert (config.track_names, config.given, config.variant) == (("alto", "bass"), "alto", "jamming")
    done = train(
        "--data", data, "--out", tmp_path / "on", "--init", trained, *SMALL, "--set", "steps=1", "--tracks", "alto,bass"
    )
    assert done.code == 0, done.err
    assert "jamming: alto, bass, to go with alto" in done.err
    assert checkpoint.load(tmp_path / "on", kind="musegan").network.config == config


def test_flags_are_those_of_the_network():
    assert train_musegan.VARIANTS == musegan_config.VARIANTS and train_musegan.NEURONS == musegan_config.NEURONS
    assert train_musegan.DEFAULT_PRESET in musegan_config.PRESETS


def test_what_is_refused(train, data, trained, tmp_path):
    for words, code, message in (
        (["--data", data, "--preset", "huge"], 2, "huge"),
        (["--data", data, "--tracks", "flute"], 3, "no piece has a part 'flute'; parts: soprano"),
        (["--data", data, "--preset", "paper"], 3, "family:bass"),
        (["--data", data, "--given", "flute"], 2, "'flute' is to be given"),
        (["--data", data, "--bars", "1"], 2, "at least 2"),
        (["--data", data, "--bars", "40"], 3, "40 bars of 4/4"),
        (["--data", data, "--variant", "trio"], 2, "trio"),
        (["--data", data, *SMALL, "--set", "optimizer=muon"], 2, "muon"),
        (["--data", tmp_path / "nothing"], 3, "no data set of songs"),
        ([], 2, "--data DIR"),
        (["--data", data, "--init", trained, "--bars", "4"], 2, "has 2 where --bars says 4"),
        (["--data", data, "--init", trained, "--tracks", "alto"], 2, "has the tracks alto, bass, not alto"),
        (["--data", data, "--init", trained, "--preset", "seed"], 2, "other widths than --preset seed"),
        (["--data", data, "--init", "universal"], 4, "kind 'translation'"),
        (["--resume"], 3, "no run to resume"),
    ):
        done = train(*words, "--out", tmp_path / "other")
        assert done.code == code and message in done.err, (words, done.err)
    assert not (tmp_path / "other").exists()
