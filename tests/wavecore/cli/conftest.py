"""A tiny model, a short tune, and the command line as a function."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from wavecore.datasets.chorales import write as write_chorales
from wavecore.datasets.nsynth_note import FAMILIES, QUALITIES, SOURCES

from wavecore.audio import files
from wavecore.cli.main import main
from wavecore.models import checkpoint
from wavecore.models.encoders import EncoderConfig
from wavecore.models.note_classifier import NoteClassifier, NoteClassifierConfig
from wavecore.models.nsynth import NSynthConfig, NSynthNetwork
from wavecore.models.translation import TranslationConfig, TranslationNetwork
from wavecore.models.wavenet import preset
from wavecore.symbolic.coconet import Coconet, CoconetConfig

DATA_SUMMARY = {"data": {"level_db": -20.0, "midi_ranges": {"strings": [48.0, 84.0], "organ": [36.0, 78.0]}}}


@dataclass(frozen=True)
class Outcome:
    """What a call of the command line left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys):
    """Run the command line in this process."""

    def call(*words) -> Outcome:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return Outcome(code, *capsys.readouterr())

    return call


def make_network(*, shared_decoder: bool = False, seed: int = 0) -> TranslationNetwork:
    config = TranslationConfig(
        domains=("whistle", "strings", "organ"),
        targets=("strings", "organ"),
        encoder=EncoderConfig(hop_length=512, latent_channels=16, channels=8),
        decoder=preset("tiny"),
        classifier_channels=8,
        shared_decoder=shared_decoder,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TranslationNetwork(config)
        with torch.no_grad():
            for decoder in network.decoders.values():  # a new output layer is all zeros
                decoder.output.weight.normal_(std=0.2)
    return network


def make_tune(*, seconds: float = 0.6, sample_rate: int = 16_000) -> np.ndarray:
    """A gliding tone around A5 with a soft start and end, (T,) float32."""
    t = np.arange(int(seconds * sample_rate)) / sample_rate
    f0_hz = 880 * 2 ** (np.sin(2 * np.pi * 1.5 * t) / 12)
    tone = (
        0.3
        * np.sin(2 * np.pi * np.cumsum(f0_hz) / sample_rate)
        * np.minimum(1, 20 * np.minimum(t, t[-1] - t))
    )
    return tone.astype(np.float32)


@pytest.fixture(scope="session")
def network():
    return make_network


@pytest.fixture(scope="session")
def nsynth_model(tmp_path_factory) -> Path:
    """The folder of a tiny autoencoder of notes."""
    encoder = EncoderConfig(hop_length=512, latent_channels=16, channels=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = NSynthNetwork(NSynthConfig(encoder, preset("tiny")))
        with torch.no_grad():
            network.decoder.output.weight.normal_(std=0.2)
    folder = tmp_path_factory.mktemp("nsynth") / "notes"
    checkpoint.save(network, folder, training={"data": {"level_db": -15.0}})
    return folder


@pytest.fixture(scope="session")
def ear(tmp_path_factory) -> Path:
    """The folder of a note classifier that was never trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        network = NoteClassifier(NoteClassifierConfig(tuple(FAMILIES), tuple(SOURCES), tuple(QUALITIES), channels=4))
    folder = tmp_path_factory.mktemp("ears") / "ear"
    checkpoint.save(network, folder)
    return folder


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> Path:
    """The folder of a model named `tiny` that generates strings and organ."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    checkpoint.save(make_network(), folder, training=DATA_SUMMARY)
    return folder


@pytest.fixture(scope="session")
def choir(tmp_path_factory) -> Path:
    """The folder of a Coconet of random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Coconet(CoconetConfig(n_layers=5, channels=6, dilations=(1, 2)))
    folder = tmp_path_factory.mktemp("models") / "choir"
    checkpoint.save(network, folder)
    return folder


@pytest.fixture(scope="session")
def chorales(tmp_path_factory) -> Path:
    """The folder of a data set: three chorales of 20 sixteenths for each split."""
    rng = np.random.default_rng(0)
    grids = {split: [rng.integers(45, 75, (20, 4)) for _ in range(3)] for split in ("train", "valid", "test")}
    return write_chorales(grids, tmp_path_factory.mktemp("chorales") / "data", source="", licence="").path


@pytest.fixture
def shipped(model, monkeypatch) -> Path:
    """Let that model be the only one that is shipped."""
    monkeypatch.setattr(checkpoint, "PRETRAINED", model.parent)
    return model


@pytest.fixture
def tune(tmp_path) -> Path:
    path = tmp_path / "tune.wav"
    files.write(path, make_tune(), 16_000)
    return path
