"""``wavecore train note-classifier`` from start to end, and what it refuses."""

import json

import pytest
import torch

from wavecore import checkpoint
from wavecore.datasets.nsynth.note import FAMILIES
from wavecore.models.note_classifier.train import ClassifierTask

SMALL = [
    "--channels", "8", "--set", "batch_size=2", "--set", "validate_every=2", "--set", "checkpoint_every=2",
    "--seed", "4",
]  # fmt: skip
UNSIZED = SMALL[2:]


@pytest.fixture(scope="module")
def data(make_notes, tmp_path_factory):
    """The folder of notes of 0.2 s."""
    return make_notes(tmp_path_factory.mktemp("data") / "notes", n_samples=3_200).path


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "note-classifier", *words, "--device", "cpu")


@pytest.fixture
def trained(train, data, tmp_path):
    """The folder of a run of one step."""
    assert train("--data", data, "--out", tmp_path / "m", *SMALL, "--set", "steps=1").code == 0
    return tmp_path / "m"


def weights(run):
    return checkpoint.file_sha256(run / "last" / "model.safetensors")


def test_a_run_leaves_model_curves_and_record(train, data, tmp_path):
    run = tmp_path / "runs" / "ear"
    done = train("--data", data, "--out", run, *SMALL, "--set", "steps=3")
    assert done.code == 0, done.err
    assert done.out.startswith(f"{run / 'best'}: ") and "bits per note, held out" in done.out
    assert "3 steps of 2 of 10 notes; 8 channels" in done.err and "step 3: " in done.err
    model = checkpoint.load(run, kind="note-classifier")
    config = model.network.config
    assert (config.channels, config.n_samples, config.sample_rate, config.families) == (8, 3_200, 16_000, FAMILIES)
    assert model.card["training"]["data"]["name"] == "notes"
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    record = json.loads((run / "command.json").read_text())
    assert record["command"][:3] == ["wavecore", "train", "note-classifier"] and record["init"] is None


def test_interrupted_and_resumed_is_as_if_it_had_not_been(train, data, tmp_path, monkeypatch):
    whole, parted = tmp_path / "whole", tmp_path / "a run"
    words = ["--data", data, *SMALL, "--set", "steps=4"]
    assert train("--out", whole, *words).code == 0
    genuine = ClassifierTask.batch

    def batch(self, number):
        if number == 3:
            raise KeyboardInterrupt
        return genuine(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(ClassifierTask, "batch", batch)
        done = train("--out", parted, *words)
    assert done.code == 130
    assert f"to go on: wavecore train note-classifier --out '{parted}' --resume" in done.err
    assert train("--out", parted, *words).code == 6  # nothing is replaced
    done = train("--out", parted, "--resume")
    assert done.code == 0, done.err
    assert weights(parted) == weights(whole)


def test_resuming_with_the_same_words_is_fine_and_with_others_is_not(train, data, trained):
    words = ["--data", data, "--out", trained, *SMALL, "--set", "steps=1", "--resume"]
    before = weights(trained)
    done = train(*words)
    assert done.code == 0 and "nothing was left to do" in done.out
    for more, says in (
        (["--set", "steps=2"], "other settings"),
        (["--channels", "9"], "the run has 8 where --channels says 9"),
    ):
        done = train(*words, *more)
        assert done.code == 2 and says in done.err, done.err
    assert weights(trained) == before


def test_starting_from_a_model(train, data, trained, tmp_path):
    run = tmp_path / "run"
    done = train(
        "--data", data, "--out", run, "--init", trained, *UNSIZED, "--set", "steps=1", "--set", "learning_rate=1e-12"
    )  # fmt: skip
    assert done.code == 0, done.err
    first, second = (checkpoint.load(folder, kind="note-classifier") for folder in (trained, run))
    assert second.network.config == first.network.config
    assert torch.allclose(second.network.heads.weight, first.network.heads.weight, atol=1e-9)
    assert json.loads((run / "command.json").read_text())["init_sha256"] == first.sha256
    done = train("--data", data, "--out", tmp_path / "no", "--init", trained, "--channels", "9")
    assert done.code == 2 and "the model of --init has 8 where --channels says 9" in done.err
    assert not (tmp_path / "no").exists()


def test_a_model_or_a_run_of_another_kind_is_refused(train, data, model, trained, tmp_path):
    done = train("--data", data, "--out", tmp_path / "run", "--init", model, *UNSIZED)
    assert done.code == 4 and "kind 'translation', not 'note-classifier'" in done.err
    settings = json.loads((trained / "settings.json").read_text())
    settings["network"] = checkpoint.load(model).network.config.to_dict()
    (trained / "settings.json").write_text(json.dumps(settings))
    done = train("--out", trained, "--resume")
    assert done.code == 2 and "another kind of network" in done.err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "`wavecore data soundfont` builds some"),
        (["--resume"], 3, "no run to resume"),
        (["--data", "."], 3, "manifest.json"),
        (["--data", "{data}", "--set", "stepps=3"], 2, "batch_size"),
        (["--data", "{data}", "--set", "transpose_semitones=1"], 2, "transpose_semitones is 1.0"),
        (["--data", "{data}", "--channels", "0"], 2, "channels must be a whole number of at least 1, not 0"),
        (["--data", "{data}", "--channels", "few"], 2, "few"),
        (["--data", "{data}", "--init", "nowhere"], 4, "'nowhere'"),
        (["--data", "{data}", "--device", "cuda:63"], 5, "cuda:63"),
    ],
)
def test_what_cannot_be_trained(cli, data, tmp_path, monkeypatch, words, code, says):
    monkeypatch.chdir(tmp_path)
    done = cli("train", "note-classifier", "--out", "run", *[word.format(data=data) for word in words])
    assert done.code == code and says in done.err and done.out == "", done.err
    assert list(tmp_path.iterdir()) == []
