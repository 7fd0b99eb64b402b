"""Small networks that can play, and a piece for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.models.nsynth.model import NSynthNetwork
from wavecore.models.translation.config import TranslationConfig
from wavecore.models.translation.model import TranslationNetwork
from wavecore.nn.config import EncoderConfig, preset
from wavecore.rendering.bank import Bank, Instrument
from wavecore.symbolic.score import Note, Score
from wavecore.symbolic.song import Event, Part, Song, Tempo

ENCODER = EncoderConfig(hop_length=512, latent_channels=16, channels=8)
RANGES = {"low": [40.0, 64.0], "high": [60.0, 84.0]}


@pytest.fixture
def line():
    """The function that makes a score of (onset, end, pitch)."""
    return lambda *notes: Score(tuple(Note(onset, end - onset, pitch) for onset, end, pitch in notes))


def seeded(seed, build):
    """A network of random weights whose outputs are not uniform."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = build()
        decoders = network.decoders.values() if hasattr(network, "decoders") else [network.decoder]
        for decoder in decoders:
            decoder.output.weight.normal_(std=0.2)
    return network


@pytest.fixture(scope="session", params=["", "notes"])
def player(request, tmp_path_factory):
    """A network of random weights that plays two instruments, with and without a bottleneck of notes."""
    bottleneck = {"bottleneck": "notes", "bottleneck_context": 2} if request.param else {}
    encoder = replace(ENCODER, **bottleneck)
    config = TranslationConfig(("low", "high"), ("low", "high"), encoder, preset("tiny"), classifier_channels=8)
    folder = tmp_path_factory.mktemp("players") / "player"
    network = seeded(0, lambda: TranslationNetwork(config))
    checkpoint.save(network, folder, training={"data": {"level_db": -20.0, "midi_ranges": RANGES}})
    return checkpoint.load(folder)


@pytest.fixture(scope="session")
def noter(tmp_path_factory):
    """An autoencoder of notes of random weights, with an oscillator."""
    decoder = replace(preset("tiny"), hop_length=1, latent_channels=8 + 2 * 2)
    config = NSynthConfig(ENCODER, decoder, condition_channels=8, harmonics=2)
    folder = tmp_path_factory.mktemp("noters") / "noter"
    checkpoint.save(seeded(1, lambda: NSynthNetwork(config)), folder, training={"data": {"level_db": -20.0}})
    return checkpoint.load(folder, kind="nsynth")


@pytest.fixture(scope="session")
def nsynth_without_pitch(tmp_path_factory):
    """An autoencoder of notes without the pitch in its latent."""
    folder = tmp_path_factory.mktemp("noters") / "plain"
    checkpoint.save(seeded(1, lambda: NSynthNetwork(NSynthConfig(ENCODER, preset("tiny")))), folder)
    return checkpoint.load(folder, kind="nsynth")


@pytest.fixture(scope="session")
def bank(noter):
    """Two instruments: four frames held, three of release."""
    rng = np.random.default_rng(0)

    def instrument(program, *pitches):
        latents = rng.normal(size=(len(pitches), 7, 16)).astype(np.float32)
        return Instrument("made here", program, np.array(pitches), latents)

    instruments = {"pipe": instrument(73, 60, 72, 84), "drone": instrument(42, 40, 52)}
    return Bank(instruments, 4, 512 / 16_000, noter.sha256, "made here, CC0")


@pytest.fixture
def piece():
    """A tune over a drone, and drums: 0.8 s."""
    tune = Part((Event(0, 72, 48), Event(48, 74, 48), Event(96, 76, 48, 60)), "Tune", 73)
    drone = Part((Event(0, 43, 96), Event(0, 50, 144)), "", 42)
    return Song(96, (tune, drone, Part((Event(0, 36, 96),), "kit", is_drum=True)), (Tempo(0, 500_000),), name="piece")
