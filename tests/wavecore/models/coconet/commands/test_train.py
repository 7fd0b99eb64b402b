"""``wavecore train coconet`` from start to end, and what it refuses."""

import pytest

from wavecore import checkpoint
from wavecore.models.coconet.config import PRESETS

SMALL = [
    "--preset", "tiny", "--channels", "4", "--layers", "5", "--set", "batch_size=2", "--set", "crop_steps=8", "--set", "validate_every=2",
    "--set", "checkpoint_every=2", "--seed", "4",
]  # fmt: skip


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "coconet", *words, "--device", "cpu")


@pytest.fixture
def trained(train, chorales, tmp_path):
    """The folder of a run of two steps."""
    assert train("--data", chorales, "--out", tmp_path / "m", *SMALL, "--set", "steps=2").code == 0
    return tmp_path / "m"


def test_a_run_leaves_model_and_curves_and_goes_on(train, chorales, tmp_path):
    run = tmp_path / "run"
    done = train("--data", chorales, "--out", run, *SMALL, "--set", "steps=3")
    assert done.code == 0, done.err
    assert (
        "bits per cell, held out" in done.out
        and "3 steps of 2 crops of 8 sixteenths; 3 chorales; 5 layers x 4 channels" in done.err
    )
    model = checkpoint.load(run, kind="coconet")
    assert (model.network.config.n_layers, model.network.config.channels) == (5, 4)
    assert model.card["training"]["settings"]["transpose_semitones"] == 6.0
    assert (run / "curves.png").is_file()
    again = train("--out", run, "--resume")
    assert again.code == 0 and "nothing was left to do" in again.out


def test_a_model_is_taken_up(train, chorales, trained, tmp_path):
    done = train("--data", chorales, "--out", tmp_path / "on", "--init", trained, *SMALL[6:], "--set", "steps=1")
    assert done.code == 0, done.err
    assert checkpoint.load(tmp_path / "on", kind="coconet").network.config.channels == 4
    assert PRESETS["tiny"].channels != 4


def test_what_is_refused(train, chorales, trained, tmp_path):
    for words, code, message in (
        (["--data", chorales, "--preset", "huge"], 2, "huge"),
        (["--data", tmp_path / "nothing"], 3, "no data set of chorales"),
        ([], 2, "--data DIR (`wavecore data chorales` builds some)"),
        (["--data", chorales, "--init", trained, "--channels", "9"], 2, "has 4 where --channels says 9"),
        (["--data", chorales, "--init", "universal"], 4, "kind 'translation'"),
        (["--resume"], 3, "no run to resume"),
    ):
        done = train(*words, "--out", tmp_path / "other")
        assert done.code == code and message in done.err, done.err
    assert not (tmp_path / "other").exists()
