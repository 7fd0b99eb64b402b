"""``wavecore add-domain`` from recordings to a translated tune, and what it refuses."""

import json

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.audio import files
from wavecore.models.translation.train import TranslationTask

SMALL = [
    "--set", "batch_size=2", "--set", "crop_frames=3", "--set", "validation_crops=1", "--set", "validate_every=2",
    "--set", "checkpoint_every=1", "--set", "warmup_steps=1", "--seed", "4", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Two files of a tone that wanders between C4 and A4, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("recordings") / "viola"
    for number, rate in enumerate((16_000, 22_050)):
        t = np.arange(8 * rate) / rate
        midi = np.array([60, 64, 67, 69])[(t / 2).astype(int)]
        angle = 2 * np.pi * np.cumsum(440 * 2 ** ((midi - 69) / 12)) / rate
        sound = 0.05 * (number + 1) * (np.sin(angle) + 0.5 * np.sin(2 * angle))
        files.write(folder / f"take{number}.wav", sound.astype(np.float32), rate)
    (folder / "broken.wav").write_bytes(b"RIFF nothing")
    return folder


@pytest.fixture
def add(cli):
    return lambda *words: cli("add-domain", *words)


@pytest.mark.slow
def test_recordings_become_a_target(add, model, recordings, tmp_path):
    run = tmp_path / "runs" / "viola"
    done = add(model, "--data", recordings, "--name", "viola", "--out", run, *SMALL, "--set", "steps=3")
    assert done.code == 0, done.err
    assert "broken.wav" in done.err and "strings" in done.err
    assert "viola plays MIDI 60 to 69" in done.err
    assert done.out.splitlines()[-2:] == [
        f"{run / 'model'}: strings, organ, viola",
        f"{run / 'samples' / 'ode-to-joy__viola.wav'}: a whistled tune, played by viola",
    ]
    old, new = checkpoint.load(model), checkpoint.load(run / "model")
    state = new.network.state_dict()
    for name, tensor in old.network.state_dict().items():
        if not name.startswith("classifier.layers.6"):
            assert torch.equal(state[name], tensor), name
    ranges = new.card["training"]["data"]["midi_ranges"]
    assert ranges["viola"] == pytest.approx([60, 69], abs=0.3) and ranges["organ"] == [36.0, 78.0]
    assert new.card["training"]["data"]["level_db"] == -20.0
    assert new.card["training"]["added"]["viola"]["steps"] == 3
    record = json.loads((run / "command.json").read_text())
    assert record["name"] == "viola" and record["like"] in ("strings", "organ") and record["init_sha256"] == old.sha256
    assert len(files.read(run / "samples" / "ode-to-joy__viola.wav")[0]) > 16_000


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on(add, model, recordings, tmp_path, monkeypatch):
    words = ["--data", recordings, "--name", "viola", *SMALL, "--set", "steps=4", "--like", "organ"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert add(model, *words, "--out", whole).code == 0
    genuine = TranslationTask.batch

    def interrupt(self, step):
        if step == 2:
            raise KeyboardInterrupt
        return genuine(self, step)

    monkeypatch.setattr(TranslationTask, "batch", interrupt)
    done = add(model, *words, "--out", stopped)
    assert done.code == 130 and f"wavecore add-domain --out {stopped} --resume" in done.err
    monkeypatch.setattr(TranslationTask, "batch", genuine)
    done = add("--out", stopped, "--resume", "--device", "cpu")
    assert done.code == 0, done.err
    first, second = (checkpoint.file_sha256(run / "model" / "model.safetensors") for run in (whole, stopped))
    assert first == second
    done = add("--out", stopped, "--resume", "--name", "cello", "--device", "cpu")
    assert done.code == 2 and "viola" in done.err


@pytest.mark.parametrize(
    ("words", "code", "fact"),
    [
        (["{model}", "--data", "{data}"], 2, "--name NAME"),
        (["{model}", "--data", "{data}", "--name", "My Viola"], 2, "'My Viola'"),
        (["{model}", "--data", "{data}", "--name", "organ"], 2, "'organ'"),
        (["{model}", "--name", "viola"], 2, "--data DIR"),
        (["{model}", "--data", "{data}x", "--name", "viola"], 3, "violax"),
        (["{model}", "--data", "{empty}", "--name", "viola"], 3, "no audio"),
        (["{model}", "--data", "{data}", "--name", "viola", "--like", "kazoo"], 2, "'kazoo'"),
        (["{model}x", "--data", "{data}", "--name", "viola"], 4, "tinyx"),
        (["{model}", "--data", "{data}", "--name", "viola", "--set", "stepz=3"], 2, "'stepz'"),
        (["--resume"], 3, "--resume"),
    ],
)
def test_what_cannot_be_added(add, model, recordings, tmp_path, words, code, fact):
    (tmp_path / "empty").mkdir()
    places = {"model": model, "data": recordings, "empty": tmp_path / "empty"}
    done = add(*(word.format(**places) for word in words), "--out", tmp_path / "run", "--device", "cpu")
    assert done.code == code and fact in done.err, done.err
    assert not (tmp_path / "run" / "settings.json").exists()


def test_another_run_is_not_replaced(add, model, recordings, tmp_path):
    (tmp_path / "settings.json").write_text("{}")
    done = add(model, "--data", recordings, "--name", "viola", "--out", tmp_path)
    assert done.code == 6 and not (tmp_path / "data").exists()
