"""Small networks that can play, and a piece for them."""

from __future__ import annotations

import pytest
import torch

from wavecore.models import checkpoint
from wavecore.models.encoders import EncoderConfig
from wavecore.models.translation import TranslationConfig, TranslationNetwork
from wavecore.models.wavenet import preset
from wavecore.symbolic.score import Note, Score
from wavecore.symbolic.song import Event, Part, Song, Tempo

RANGES = {"low": [40.0, 64.0], "high": [60.0, 84.0]}


def make_line(*notes: tuple[float, float, int]) -> Score:
    """A score of (onset, end, pitch)."""
    return Score(tuple(Note(onset, end - onset, pitch) for onset, end, pitch in notes))


@pytest.fixture
def line():
    return make_line


@pytest.fixture(scope="session", params=["", "notes"])
def player(request, tmp_path_factory):
    """A network of random weights that plays two instruments, with and without a bottleneck of notes."""
    encoder = EncoderConfig(hop_length=512, latent_channels=16, channels=8, bottleneck=request.param, bottleneck_context=2 if request.param else 0)
    config = TranslationConfig(("low", "high"), ("low", "high"), encoder, preset("tiny"), classifier_channels=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = TranslationNetwork(config)
        with torch.no_grad():
            for decoder in network.decoders.values():
                decoder.output.weight.normal_(std=0.2)
    folder = tmp_path_factory.mktemp("players") / "player"
    checkpoint.save(network, folder, training={"data": {"level_db": -20.0, "midi_ranges": RANGES}})
    return checkpoint.load(folder)


@pytest.fixture
def piece():
    """A tune over a drone, and drums: 0.8 s."""
    tune = Part((Event(0, 72, 48), Event(48, 74, 48), Event(96, 76, 48, 60)), "Tune", 73)
    drone = Part((Event(0, 43, 96), Event(0, 50, 144)), "", 42)
    return Song(96, (tune, drone, Part((Event(0, 36, 96),), "kit", is_drum=True)), (Tempo(0, 500_000),), name="piece")
