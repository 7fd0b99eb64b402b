"""A small paired data set and the sizes of a network that trains in seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.audio import mulaw
from wavecore.datasets import manifest as manifests
from wavecore.datasets.domains import DomainsDataset
from wavecore.datasets.manifest import Domain, Manifest, Piece, Slice
from wavecore.datasets.shards import write_shard
from wavecore.models.encoders import Encoder, EncoderConfig, build_encoder
from wavecore.models.translation import TranslationConfig, TranslationNetwork
from wavecore.models.wavenet import WaveNetConfig
from wavecore.training.melody_spectra import Lessons, collect
from wavecore.training.trainer import build_network

RATE, HOP, SECONDS = 16_000, 160, 1.0
HARMONICS = {"whistle": 1, "flute": 2, "organ": 5}
PITCHES = {"train": (60, 62, 64, 65, 67), "valid": (66, 69), "test": (63,)}


def _tone(midi: float, harmonics: int) -> np.ndarray:
    t = np.arange(int(SECONDS * RATE)) / RATE
    f0_hz = 440 * 2 ** ((midi - 69) / 12)
    return sum(0.2 / k * np.sin(2 * np.pi * k * f0_hz * t) for k in range(1, harmonics + 1)).astype(np.float32)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> DomainsDataset:
    """One tone a piece, in three domains; the whistle sounds an octave higher."""
    folder = tmp_path_factory.mktemp("data") / "tones"
    folder.mkdir()
    length = int(SECONDS * RATE)
    shards = {}
    for split, pitches in PITCHES.items():
        for name, harmonics in HARMONICS.items():
            codes = [mulaw.encode(_tone(midi + 12 * (name == "whistle"), harmonics)) for midi in pitches]
            shards[f"{name}-{split}.npy"] = write_shard(folder / f"{name}-{split}.npy", codes, length * len(codes))
    pieces = tuple(
        Piece(
            f"{split}{number}", f"{split}{number}", split, "made", "none", SECONDS,
            {name: Slice(f"{name}-{split}.npy", number * length, length, int(name == "whistle")) for name in HARMONICS},
            ((0.0, SECONDS, midi, 90),),
        )
        for split, pitches in PITCHES.items()
        for number, midi in enumerate(pitches)
    )
    domains = tuple(Domain(name, "recordings", seconds=SECONDS * len(pieces)) for name in HARMONICS)
    manifests.write(folder, Manifest(RATE, True, domains, pieces, shards))
    return DomainsDataset.open(folder)


@pytest.fixture(scope="session")
def network_config() -> TranslationConfig:
    """A network of a few thousand weights on the three domains."""
    encoder = EncoderConfig("cqt", 4, HOP, channels=8, n_bins=96, fmin_hz=130.8)
    decoder = WaveNetConfig(1, 5, 2, 8, 8, 8, 16, latent_channels=4, hop_length=HOP)
    return TranslationConfig(tuple(HARMONICS), ("flute", "organ"), encoder, decoder, classifier_channels=8)


@pytest.fixture
def speaking_network(network_config) -> TranslationNetwork:
    """A network whose decoders do not say all codes alike, as new ones do."""
    network = build_network(network_config, seed=1).eval()
    for decoder in network.decoders.values():
        torch.nn.init.normal_(decoder.output.weight, std=0.3, generator=torch.Generator().manual_seed(0))
    return network


@pytest.fixture
def encoder(network_config) -> Encoder:
    """An encoder that is to be taught."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_encoder(replace(network_config.encoder, latent_channels=6, channels=24))


@pytest.fixture
def known(network_config) -> Encoder:
    """One whose latent decoders know, of half as many frames."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return build_encoder(replace(network_config.encoder, hop_length=320)).eval()


@pytest.fixture
def lessons(dataset, encoder) -> Lessons:
    """What it is taught from."""
    return collect(dataset, encoder)
