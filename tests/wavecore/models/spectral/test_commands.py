"""``wavecore train spectral`` from start to end, and what it refuses."""

import pytest

from wavecore import checkpoint

SMALL = [
    "--base-channels", "2", "--set", "batch_size=2", "--set", "validation_crops=1", "--set", "validate_every=2",
    "--set", "checkpoint_every=1", "--seed", "4",
]  # fmt: skip


@pytest.fixture(scope="module")
def data(make_notes, tmp_path_factory):
    return make_notes(tmp_path_factory.mktemp("data") / "notes", n_samples=3_200).path


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "spectral", *words, "--device", "cpu")


def test_a_run_leaves_a_model_and_goes_on(train, data, tmp_path):
    run = tmp_path / "runs" / "first"
    done = train("--data", data, "--out", run, *SMALL, "--variant", "instantaneous", "--set", "steps=2")
    assert done.code == 0, done.err
    assert "weighted squared error, held out" in done.out
    assert "2 steps of 2 notes" in done.err and "variant instantaneous" in done.err
    model = checkpoint.load(run, kind="spectral")
    assert (model.network.config.variant, model.network.config.base_channels) == ("instantaneous", 2)
    assert (run / "curves.png").is_file()
    again = train("--out", run, "--resume")
    assert again.code == 0 and "nothing was left to do" in again.out
    started = train("--data", data, "--out", tmp_path / "second", "--init", run, *SMALL, "--set", "steps=1")
    assert started.code == 0, started.err
    assert checkpoint.load(tmp_path / "second", kind="spectral").network.config == model.network.config


def test_contradictions_are_refused(train, data, tmp_path):
    run = tmp_path / "run"
    assert train("--data", data, "--out", run, *SMALL, "--set", "steps=1").code == 0
    done = train("--out", run, "--resume", "--variant", "phase")
    assert done.code == 2 and "the run has magnitude where --variant says phase" in done.err
    done = train("--data", data, "--out", tmp_path / "x", "--init", run, "--base-channels", "4")
    assert done.code == 2 and "--base-channels" in done.err
    assert train("--data", data, "--out", run, *SMALL).code == 6
    done = train("--out", tmp_path / "y")
    assert done.code == 2 and "wavecore data soundfont" in done.err
    assert train("--data", data, "--out", tmp_path / "other", *SMALL, "--set", "steps=1").code == 0
    settings = tmp_path / "other" / "settings.json"
    settings.write_text(settings.read_text().replace('"variant"', '"kind"'))
    done = train("--out", tmp_path / "other", "--resume")
    assert done.code == 2 and "another kind of network" in done.err
    assert train("--data", data, "--out", tmp_path / "z", "--variant", "mel").code == 2
