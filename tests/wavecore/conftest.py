"""Small data sets, tiny networks of every kind, and the command line as a function."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.audio import files, mulaw
from wavecore.cli.main import main
from wavecore.datasets.chorales import write as write_chorales
from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.domains.manifest import Domain, Manifest, Piece, Slice
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.datasets.domains.shards import write_shard
from wavecore.datasets.notes.reader import NotesDataset
from wavecore.models.coconet.config import CoconetConfig
from wavecore.models.coconet.model import Coconet
from wavecore.models.note_classifier.config import NoteClassifierConfig
from wavecore.models.note_classifier.model import NoteClassifier
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.models.translation.config import TranslationConfig
from wavecore.models.translation.evaluate import Clip, choose_clips
from wavecore.models.translation.model import TranslationNetwork
from wavecore.nn.config import EncoderConfig, preset
from wavecore.training.task import build_network

_spec = importlib.util.spec_from_file_location("tiny_models", Path(__file__).with_name("tiny_models.py"))
tiny_models = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny_models)


@pytest.fixture(scope="session")
def make_notes():
    """The function that writes notes with other pitches, lengths or rates."""
    return tiny_models.write_notes


@pytest.fixture(scope="session")
def notes(tmp_path_factory) -> NotesDataset:
    """Notes of half a second by a flute and an organ."""
    return tiny_models.write_notes(tmp_path_factory.mktemp("data") / "notes")


TUNE_S = 1.5
TIMBRES = {
    "whistle": (1.0,),
    "flute": (1.0, 0.3),
    "organ": (1.0, 0.8, 0.6, 0.5, 0.4),
    "strings": (1.0, 0.0, 0.6, 0.0, 0.4),
}
TUNES = {"train": range(8), "valid": range(8, 10), "test": (10, 11, 11, 12)}
"""Numbers of tunes by split; one is there twice."""


@pytest.fixture(scope="session")
def play_tune():
    """Play the tune of a number, four notes, in a domain; a whistle is an octave higher."""

    def play(domain: str, tune: int) -> np.ndarray:
        t = np.arange(int(TUNE_S * 16_000)) / 16_000
        midi = 60 + np.random.default_rng(tune).permutation(12)[:4] + 12 * (domain == "whistle")
        angle = 2 * np.pi * np.cumsum(440 * 2 ** ((midi[(4 * t / TUNE_S).astype(int)] - 69) / 12)) / 16_000
        return 0.1 * sum(a * np.sin((k + 1) * angle) for k, a in enumerate(TIMBRES[domain]))

    return play


@pytest.fixture(scope="session")
def make_tunes(play_tune):
    """Build a data set of the same tunes in several domains."""

    def make(folder: Path, *, domains=("whistle", "flute", "organ"), paired=True, tunes=TUNES) -> DomainsDataset:
        folder.mkdir()
        shards, pieces, length = {}, [], int(TUNE_S * 16_000)
        for split, numbers in tunes.items():
            for name in domains:
                codes = [mulaw.encode(play_tune(name, tune)) for tune in numbers]
                shards[f"{name}-{split}.npy"] = write_shard(
                    folder / f"{name}-{split}.npy", codes, length * len(numbers)
                )
            for row, tune in enumerate(numbers):
                where = {
                    name: Slice(f"{name}-{split}.npy", row * length, length, int(name == "whistle")) for name in domains
                }
                pieces.append(
                    Piece(
                        f"{split}{row}", f"tune{tune}", split, "made", "none", TUNE_S, where, ((0.0, TUNE_S, 60, 90),)
                    )
                )
        described = tuple(Domain(name, "recordings", seconds=TUNE_S * len(pieces)) for name in domains)
        manifests.write(folder, Manifest(16_000, paired, described, tuple(pieces), shards))
        return DomainsDataset.open(folder)

    return make


@pytest.fixture(scope="session")
def tunes(make_tunes, tmp_path_factory) -> DomainsDataset:
    """Tunes that a whistle, a flute and an organ play."""
    return make_tunes(tmp_path_factory.mktemp("tunes") / "data")


@pytest.fixture(scope="session")
def clips(tunes) -> list[Clip]:
    """Those held out, from the whistle to the others."""
    return choose_clips(tunes, "whistle", ["flute", "organ"], split="test", n_clips=9, seconds=9.0)


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
    tone = 0.3 * np.sin(2 * np.pi * np.cumsum(f0_hz) / sample_rate) * np.minimum(1, 20 * np.minimum(t, t[-1] - t))
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
        network = NoteClassifier(NoteClassifierConfig(channels=4))
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


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> DomainsDataset:
    """One tone a piece, in three domains; the whistle sounds an octave higher."""
    return tiny_models.write_tones(tmp_path_factory.mktemp("data") / "tones")


@pytest.fixture(scope="session")
def network_config() -> TranslationConfig:
    """A network of a few thousand weights on the three domains."""
    return tiny_models.translation_config()


@pytest.fixture
def random_network(network_config) -> TranslationNetwork:
    """A network of random weights, also of the output layers, which are zero at first."""
    network = build_network(TranslationNetwork, network_config, seed=1).eval()
    for decoder in network.decoders.values():
        torch.nn.init.normal_(decoder.output.weight, std=0.3, generator=torch.Generator().manual_seed(0))
    return network
