import json

import numpy as np
import pytest

from wavecore import checkpoint
from wavecore.audio import files
from wavecore.datasets.domains.recordings import from_recordings
from wavecore.models.translation.data import BatchSource

SMALL = [
    "--preset",
    "tiny",
    "--set",
    "batch_size=2",
    "--set",
    "crop_frames=2",
    "--set",
    "validation_crops=1",
    "--set",
    "validate_every=2",
    "--set",
    "checkpoint_every=2",
    "--seed",
    "4",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Recordings of noise in three domains; 0.6 s of each are held out."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for name in ("whistle", "strings", "organ"):
        files.write(
            folder / "recordings" / name / "a.wav",
            0.1 * rng.standard_normal(96_000).astype(np.float32),
            16_000,
        )
    from_recordings(folder / "recordings", folder / "set")
    return folder / "set"


@pytest.fixture
def train(cli):
    return lambda *words: cli("train", "translation", *words, "--device", "cpu")


def interrupt_at(monkeypatch, step: int) -> None:
    genuine = BatchSource.training_batch

    def batch(self, number):
        if number == step:
            raise KeyboardInterrupt
        return genuine(self, number)

    monkeypatch.setattr(BatchSource, "training_batch", batch)


def weights(run) -> str:
    return checkpoint.file_sha256(run / "last" / "model.safetensors")


def test_a_run_leaves_model_curves_samples_and_record(train, data, tmp_path):
    run = tmp_path / "runs" / "first"
    done = train("--data", data, "--out", run, *SMALL, "--set", "steps=3", "--targets", "organ,strings")
    assert done.code == 0, done.err
    assert done.out.startswith(f"{run / 'best'}: ") and "bits per sample" in done.out
    assert "3 steps of 0.1 s of sound" in done.err and "step 2: " in done.err and "step 3: " in done.err
    assert checkpoint.load(run).network.config.targets == ("organ", "strings")
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    names = {path.name for path in (run / "samples").iterdir()}
    assert {f"step-0000000{step}__{target}.wav" for step in (2, 3) for target in ("organ", "strings")} <= names
    assert files.probe(run / "samples" / "step-00000003__organ.wav").seconds > 0.1
    record = json.loads((run / "command.json").read_text())
    assert record["command"][:3] == ["wavecore", "train", "translation"] and record["init"] is None
    assert json.loads((run / "settings.json").read_text())["training"]["seed"] == 4


@pytest.mark.parametrize("paired", [True, False])
def test_pairs_that_are_not_used_are_pointed_out(train, data, tmp_path, monkeypatch, paired):
    from wavecore.datasets.domains.reader import DomainsDataset

    genuine = DomainsDataset.open
    monkeypatch.setattr(DomainsDataset, "open", classmethod(lambda cls, path: _as_paired(genuine(path), paired)))
    interrupt_at(monkeypatch, 0)  # what is said before the first step is all that is looked at
    done = train("--data", data, "--out", tmp_path / "run", *SMALL, "--set", "steps=1", "--set", "precision=float32")
    assert done.code == 130
    assert ("paired_probability=0.8" in done.err) == paired
    assert "float32 products" in done.err


def _as_paired(dataset, paired: bool):
    dataset.paired = paired
    return dataset


def test_json_is_one_document(train, data, tmp_path):
    done = train("--data", data, "--out", tmp_path / "run", *SMALL, "--set", "steps=1", "--json", "-q")
    found = json.loads(done.out)
    assert done.code == 0 and done.err == ""
    assert found["model"] == str(tmp_path / "run" / "best") and found["summary"]["steps"] == 1
    assert found["summary"]["samples_per_s"] > 0 and len(found["summary"]["peak_memory_bytes"]) == 1


def test_the_run_is_the_same_whoever_draws_its_batches(train, data, tmp_path, monkeypatch):
    words = ["--data", data, *SMALL, "--set", "steps=3"]
    assert train("--out", tmp_path / "here", *words).code == 0
    drawn_here = []
    genuine = BatchSource.training_batch
    monkeypatch.setattr(
        BatchSource, "training_batch", lambda self, step: drawn_here.append(step) or genuine(self, step)
    )
    done = train("--out", tmp_path / "there", *words, "--workers", "2")
    assert done.code == 0, done.err
    assert not drawn_here and weights(tmp_path / "there") == weights(tmp_path / "here")
    assert train("--out", tmp_path / "none", *words, "--workers", "-1").code == 2


@pytest.mark.slow
def test_interrupted_and_resumed_is_as_if_it_had_not_been(train, data, tmp_path, monkeypatch):
    whole, parted = tmp_path / "whole", tmp_path / "a run"
    words = ["--data", data, *SMALL, "--set", "steps=4"]
    assert train("--out", whole, *words).code == 0
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        done = train("--out", parted, *words)
    assert done.code == 130
    assert f"to go on: wavecore train translation --out '{parted}' --resume" in done.err
    assert train("--out", parted, *words).code == 6  # nothing is replaced
    done = train("--out", parted, "--resume")
    assert done.code == 0, done.err
    assert weights(parted) == weights(whole)


def test_resuming_with_the_same_words_is_fine_and_with_others_is_not(train, data, tmp_path):
    run = tmp_path / "run"
    words = ["--data", data, "--out", run, *SMALL, "--set", "steps=1"]
    assert train(*words).code == 0
    done = train(*words, "--resume")
    assert done.code == 0 and "nothing was left to do" in done.out
    done = train(*words, "--set", "steps=2", "--resume")
    assert done.code == 2 and "other settings" in done.err
    done = train(*words, "--resume", "--preset", "small")
    assert done.code == 2 and "--preset small" in done.err


def test_starting_from_a_model_forks_its_shared_decoder(train, data, network, tmp_path):
    checkpoint.save(network(shared_decoder=True), tmp_path / "shared")
    run = tmp_path / "run"
    words = [word for word in SMALL if word not in ("--preset", "tiny")]
    done = train(
        "--data",
        data,
        "--out",
        run,
        "--init",
        tmp_path / "shared",
        *words,
        "--set",
        "steps=1",
        "--set",
        "learning_rate=1e-9",
    )
    assert done.code == 0, done.err
    config = checkpoint.load(run).network.config
    assert not config.shared_decoder and config.targets == ("strings", "organ")
    forked = network(shared_decoder=True).fork().state_dict()
    for name, tensor in checkpoint.load(run).network.state_dict().items():
        np.testing.assert_allclose(tensor, forked[name], atol=1e-2 if name.startswith("classifier") else 1e-6)
    record = json.loads((run / "command.json").read_text())
    assert record["init"] == str(tmp_path / "shared")
    assert record["init_sha256"] == checkpoint.file_sha256(tmp_path / "shared" / "model.safetensors")


def test_a_run_that_was_stopped_before_it_saved_starts_from_its_model_again(train, data, network, tmp_path):
    checkpoint.save(network(), tmp_path / "m")
    words = [
        "--data",
        data,
        "--init",
        tmp_path / "m",
        *[w for w in SMALL if w not in ("--preset", "tiny")],
        "--set",
        "steps=2",
    ]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train("--out", whole, *words).code == 0
    killed.mkdir()
    for name in ("settings.json", "command.json"):
        (killed / name).write_bytes((whole / name).read_bytes())
    assert train("--out", killed, "--resume").code == 0
    assert weights(killed) == weights(whole)


def test_a_picture_that_fails_does_not_end_the_training(train, data, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device", "curves.png")

    monkeypatch.setattr("wavecore.plots.audio.curves", fail)
    done = train("--data", data, "--out", tmp_path / "run", *SMALL, "--set", "steps=1")
    assert done.code == 0 and "wavecore: warning: curves or samples of step 1" in done.err
    assert "No space left on device" in done.err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "--data DIR"),
        (["--resume"], 3, "no run to resume"),
        (["--data", "."], 3, "manifest.json"),
        (["--data", "{data}", "--set", "stepps=3"], 2, "batch_size"),
        (["--data", "{data}", "--set", "steps=many"], 2, "'many'"),
        (["--data", "{data}", "--set", "paired_probability=0.5"], 2, "paired"),
        (["--data", "{data}", "--targets", "orgna"], 2, "did you mean organ?"),
        (["--data", "{data}", "--init", "nowhere"], 4, "'nowhere'"),
        (["--data", "{data}", "--device", "cuda:63"], 5, "cuda:63"),
        (["--data", "{data}", "--encoder", "mel"], 2, "waveform"),
    ],
)
def test_what_cannot_be_trained(cli, data, tmp_path, monkeypatch, words, code, says):
    monkeypatch.chdir(tmp_path)
    done = cli("train", "translation", "--out", "run", *[word.format(data=data) for word in words])
    assert done.code == code and says in done.err and done.out == ""
    assert list(tmp_path.iterdir()) == []


def test_an_encoder_is_taught_first_and_the_decoders_are_fitted_to_it(cli, make_tunes, network, tmp_path, monkeypatch):
    from wavecore.models.translation import warm_start

    taught = []

    def briefly(*args, **kwargs):
        start = translation_start_before(*args, **kwargs)
        taught.append(start)
        return start

    translation_start_before = warm_start.with_taught_encoder
    monkeypatch.setattr(warm_start, "with_taught_encoder", briefly)
    tunes = make_tunes(tmp_path / "tunes", domains=("whistle", "strings", "organ", "flute")).path
    checkpoint.save(network(), tmp_path / "old", training={"data": {}})
    words = (
        "train",
        "translation",
        "--data",
        tunes,
        "--out",
        tmp_path / "run",
        "--init",
        tmp_path / "old",
        "--teach-encoder",
        "--bottleneck",
        "notes",
        "--hop",
        "160",
        "--latent-channels",
        "5",
        "--targets",
        "organ,flute",
        "--seed",
        "1",
        "--set",
        "steps=2",
        "--set",
        "batch_size=2",
        "--set",
        "crop_frames=10",
        "--set",
        "validate_every=2",
        "--set",
        "validation_crops=1",
        "--set",
        "freeze_encoder=true",
        "--set",
        "pretraining_steps=12",
    )
    done = cli(*words)
    assert done.code == 0, done.err
    assert "the encoder names the notes with an F1 of" in done.err
    assert (
        f"flute starts from the decoder of {taught[0].origins['flute']}" in done.err and "organ starts" not in done.err
    )
    model = checkpoint.load(tmp_path / "run" / "last").network
    assert model.config.domains == ("whistle", "strings", "organ", "flute") and model.config.targets == (
        "organ",
        "flute",
    )
    assert model.config.encoder.bottleneck == "notes" and model.config.decoder.hop_length == 160
    before = taught[0].network.encoder.state_dict()
    assert all(before[name].equal(tensor) for name, tensor in model.encoder.state_dict().items())
    record = json.loads((tmp_path / "run" / "command.json").read_text())
    assert record["teach_encoder"] is True
    again = cli("train", "translation", "--out", tmp_path / "run", "--resume")
    assert again.code == 0 and len(taught) == 1, "what was taught is not taught again"
