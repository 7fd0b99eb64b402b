"""``wavecore train spectral``: its flags, and the run that it starts."""

import pytest

from wavecore import checkpoint

SETTINGS = [
    "--set",
    "batch_size=2",
    "--set",
    "validation_crops=1",
    "--set",
    "steps=1",
    "--seed",
    "4",
    "--device",
    "cpu",
]


@pytest.fixture(scope="module")
def data(make_notes, tmp_path_factory):
    return make_notes(tmp_path_factory.mktemp("data") / "notes", n_samples=3_200).path


@pytest.fixture
def train(cli, data):
    return lambda *words: cli("train", "spectral", "--data", data, *words)


@pytest.mark.slow
def test_a_run_has_the_sizes_of_its_flags_and_keeps_them(train, tmp_path):
    run = tmp_path / "runs" / "first"
    done = train("--out", run, *SETTINGS, "--base-channels", "2", "--variant", "instantaneous")
    assert done.code == 0, done.err
    assert "weighted squared error" in done.out and "variant instantaneous" in done.err
    config = checkpoint.load(run, kind="spectral").network.config
    assert (config.variant, config.base_channels) == ("instantaneous", 2)
    assert train("--out", tmp_path / "second", "--init", run, *SETTINGS).code == 0
    assert checkpoint.load(tmp_path / "second", kind="spectral").network.config == config
    for words in (("--out", run, "--resume"), ("--out", tmp_path / "x", "--init", run)):
        done = train(*words, "--variant", "phase")
        assert done.code == 2 and "--variant" in done.err and "instantaneous" in done.err
    assert train("--out", tmp_path / "z", "--variant", "mel").code == 2
