"""``wavecore train note-classifier``: its flags, and the run that it starts."""

import json

import pytest
import torch

from wavecore import checkpoint
from wavecore.datasets.nsynth.note import FAMILIES

SETTINGS = ["--set", "batch_size=2", "--set", "steps=1", "--seed", "4", "--device", "cpu"]


@pytest.fixture(scope="module")
def data(make_notes, tmp_path_factory):
    """The folder of notes of 0.2 s."""
    return make_notes(tmp_path_factory.mktemp("data") / "notes", n_samples=3_200).path


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "note-classifier", *words)


@pytest.mark.slow
def test_a_run_has_the_length_and_names_of_its_notes(train, data, tmp_path):
    run, again = tmp_path / "runs" / "ear", tmp_path / "again"
    done = train("--data", data, "--out", run, *SETTINGS, "--channels", "8")
    assert done.code == 0, done.err
    assert "bits per note" in done.out and "1 steps of 2 of 10 notes; 8 channels" in done.err
    model = checkpoint.load(run, kind="note-classifier")
    config = model.network.config
    assert (config.channels, config.n_samples, config.sample_rate, config.families) == (8, 3_200, 16_000, FAMILIES)
    assert train("--data", data, "--out", again, "--init", run, *SETTINGS, "--set", "learning_rate=1e-12").code == 0
    network = checkpoint.load(again, kind="note-classifier").network
    assert network.config == config and torch.allclose(network.heads.weight, model.network.heads.weight, atol=1e-9)
    assert json.loads((again / "command.json").read_text())["init_sha256"] == model.sha256
    for words in (("--out", run, "--resume"), ("--data", data, "--out", tmp_path / "no", "--init", run)):
        done = train(*words, "--channels", "9")
        assert done.code == 2 and "--channels" in done.err and "8" in done.err
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("words", "code", "offending"),
    [
        ([], 2, "wavecore data soundfont"),
        (["--data", "{data}", "--set", "transpose_semitones=1"], 2, "transpose_semitones is 1.0"),
        (["--data", "{data}", "--channels", "0"], 2, "0"),
        (["--data", "{data}", "--init", "{model}"], 4, "'translation'"),
    ],
)
def test_requests_that_make_no_sense(train, data, model, tmp_path, words, code, offending):
    done = train("--out", tmp_path / "run", *[word.format(data=data, model=model) for word in words])
    assert done.code == code and offending in done.err and done.out == "", done.err
    assert not (tmp_path / "run").exists()
