"""``wavecore train gan`` from start to end, and what it refuses."""

import numpy as np
import pytest

from wavecore import checkpoint
from wavecore.datasets.songs import Piece, write_songs
from wavecore.symbolic.note_sequence import NoteLine

SMALL = ["--set", "batch_size=2", "--set", "validate_every=2", "--set", "checkpoint_every=2", "--seed", "4"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(0)

    def piece(name):
        return Piece(
            NoteLine(tuple(map(str, rng.integers(60, 80, 30))), tuple(rng.choice([2, 4], 30).tolist())).to_song(
                name=name
            ),
            "made",
        )

    pieces = {split: [piece(f"{split}{row}") for row in range(3)] for split in ("train", "valid", "test")}
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces).path


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "gan", *words, "--device", "cpu")


@pytest.mark.parametrize("preset", ["tiny", "mogren-tiny"])
def test_a_run_leaves_model_and_curves_goes_on_and_is_taken_up(train, data, tmp_path, preset):
    run = tmp_path / "run"
    done = train(
        "--data",
        data,
        "--out",
        run,
        "--preset",
        preset,
        "--length",
        "12",
        "--instance-noise",
        "0.1",
        *SMALL,
        "--set",
        "steps=3",
    )
    assert done.code == 0, done.err
    assert (
        "not shared with melodies, held out" in done.out
        and "3 steps of 2 sequences of 12 notes" in done.err
        and "3 melodies from 60 to 79" in done.err
    )
    config = checkpoint.load(run, kind="gan").network.config
    assert (config.length, config.instance_noise, config.lowest, config.highest) == (12, 0.1, 60, 79)
    assert (run / "curves.png").is_file()
    again = train("--out", run, "--resume")
    assert again.code == 0 and "nothing was left to do" in again.out
    done = train("--data", data, "--out", tmp_path / "on", "--init", run, *SMALL, "--set", "steps=1")
    assert done.code == 0 and checkpoint.load(tmp_path / "on", kind="gan").network.config == config, done.err
    done = train("--data", data, "--out", tmp_path / "other", "--init", run, "--length", "9")
    assert done.code == 2 and "has 12 where --length says 9" in done.err


def test_what_is_refused(train, data, tmp_path):
    for words, code, message in (
        (["--data", data, "--preset", "huge"], 2, "huge"),
        (["--data", data, "--preset", "mogren-tiny", "--features", "2"], 2, "4 features, not 2"),
        (["--data", data, "--label-smoothing", "0.5"], 2, "label_smoothing"),
        (["--data", data, "--preset", "gan"], 3, "has 100 notes or more"),
        (["--data", tmp_path / "nothing"], 3, "no data set of songs"),
        ([], 2, "--data DIR"),
        (["--data", data, "--init", "universal"], 4, "kind 'translation'"),
        (["--resume"], 3, "no run to resume"),
    ):
        done = train(*words, "--out", tmp_path / "other")
        assert done.code == code and message in done.err, done.err
    assert not (tmp_path / "other").exists()
