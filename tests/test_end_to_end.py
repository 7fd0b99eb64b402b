"""From a person's recordings to a translation, through the installed command, a process for every step."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from wavecore.audio import files

pytestmark = pytest.mark.slow

# The network is small: a second thread would only wait for the first, and on a busy machine for long.
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}
WAVECORE = (sys.executable, "-P", "-m", "wavecore.cli.main")
TRAINING = ("--preset", "tiny", "--seed", "3", "--device", "cpu")
SETTINGS = (
    "steps=12",
    "batch_size=1",
    "crop_frames=2",
    "validate_every=12",
    "validation_crops=1",
    "checkpoint_every=3",
)


def wavecore(*words: str | Path, code: int = 0) -> str:
    """Run a verb in a process of its own and return what it wrote to stdout."""
    command = [*WAVECORE, *map(str, words)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def train(data: Path, out: Path) -> tuple[str | Path, ...]:
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    return ("train", "translation", "--data", data, "--out", out, *TRAINING, *settings)


def tone(seconds: float, sample_rate: int, hz: float, partials: int) -> np.ndarray:
    """A tone that swells and glides, shape (T,): partials make its timbre."""
    t = np.arange(int(seconds * sample_rate)) / sample_rate
    phase = 2 * np.pi * hz * (t + 0.02 * np.sin(2 * np.pi * 0.7 * t))
    sound = sum(np.sin(k * phase) / k for k in range(1, partials + 1))
    return (0.2 * sound * (0.6 + 0.4 * np.sin(2 * np.pi * 1.3 * t))).astype(np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A data set of two domains, from stereo recordings at 44.1 kHz."""
    folder = tmp_path_factory.mktemp("recordings")
    for domain, partials in (("pure", 1), ("rich", 6)):
        (folder / "sounds" / domain).mkdir(parents=True)
        for number, hz in enumerate((220.0, 330.0, 440.0)):
            sound = tone(8.0, 44_100, hz, partials)
            path = folder / "sounds" / domain / f"take {number}.flac"
            files.write(path, np.stack([sound, 0.5 * sound], axis=1), 44_100)
    wavecore("data", "domains", "--recordings", folder / "sounds", "-o", folder / "data")
    return folder / "data"


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    """A run that was never disturbed."""
    out = tmp_path_factory.mktemp("runs") / "undisturbed"
    wavecore(*train(data, out))
    return out


def test_a_run_that_was_killed_ends_as_if_it_had_not_been(data, trained, tmp_path):
    out = tmp_path / "killed"
    command = [*WAVECORE, *map(str, train(data, out))]
    process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while not list(out.glob("checkpoint/[0-9]*")):
        assert process.poll() is None and time.monotonic() < deadline, "it never wrote a checkpoint"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "last").exists()
    assert (out / "settings.json").read_text() == (trained / "settings.json").read_text()
    wavecore("train", "translation", "--out", out, "--resume")
    assert (out / "last/model.safetensors").read_bytes() == (trained / "last/model.safetensors").read_bytes()


def test_a_trained_model_translates_recordings(trained, tmp_path):
    source = tmp_path / "my tune.v2.wav"
    files.write(source, tone(1.37, 22_050, 261.6, 3), 22_050)
    wavecore("models", "verify", trained)
    words = ("translate", source, "--to", "all", "--model", trained, "--seed", "5", "--rate", "native")
    # A few steps teach it next to nothing: what it expects is nearly silent, what it draws is not.
    document = json.loads(wavecore(*words, "--draws", "--json", "-o", tmp_path / "one"))
    assert {output["domain"] for output in document["outputs"]} == {"pure", "rich"}
    length = files.probe(source).frames
    for output in document["outputs"]:
        path = Path(output["path"])
        assert path.name.startswith("my tune.v2__") and path.parent == tmp_path / "one"
        samples, rate = files.read(path)
        assert rate == 22_050 and samples.shape == (length,)
        assert np.isfinite(samples).all() and 0.001 < np.abs(samples).max() <= 1.0

    def made(folder: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (tmp_path / folder).glob("*.wav")}

    wavecore(*words, "--draws", "-o", tmp_path / "two")
    assert len(made("one")) == 2 and made("one") == made("two")
    for folder in ("three", "four"):
        wavecore(*words, "-o", tmp_path / folder)
    assert made("three") == made("four") != made("one")
    wavecore(*words, "-o", tmp_path / "two", code=6)  # nothing is replaced unasked


def test_a_steady_tone_at_the_end_of_the_range_is_sung(tmp_path):
    """C6 with the shipped model: a decoder that has seldom heard a note of its range must not be asked for it."""
    t = np.arange(32_000) / 16_000
    envelope = np.minimum(1, 20 * np.minimum(t, t[-1] - t))
    files.write(tmp_path / "c6.wav", (0.3 * envelope * np.sin(2 * np.pi * 1046.5 * t)).astype(np.float32), 16_000)
    words = ("--model", "universal", "--seed", "1", "--json", "-o", tmp_path / "out")
    found = json.loads(wavecore("translate", tmp_path / "c6.wav", "--to", "strings,harpsichord", *words))
    assert [output["octave_shift"] for output in found["outputs"]] == [-1, -1]
    assert min(output["pitch_accuracy"] for output in found["outputs"]) > 0.8
