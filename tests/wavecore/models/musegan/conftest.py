"""Models of random weights, and a tune to accompany."""

import pytest
import torch

from wavecore import checkpoint
from wavecore.models.musegan.config import MuseGANConfig
from wavecore.models.musegan.model import MuseGAN
from wavecore.models.musegan.rolls import Track
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

TRACKS = (Track("lead", 65), Track("low", 33), Track("kit", 0, True))


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Folders of MuseGANs of random weights, one without and one with a given track."""
    folder = tmp_path_factory.mktemp("models")
    for name, given in (("free", ""), ("band", "lead")):
        sizes = {"steps": 8, "n_pitches": 24, "lowest": 48, "noise": 4, "channels": 8, "critic_channels": 3}
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = MuseGAN(MuseGANConfig(TRACKS, given=given, **sizes))
        for generator in network.generator.bars:
            torch.nn.init.constant_(generator.layers[-1].convolution.bias, 0.0)
        checkpoint.save(network, folder / name)
    return folder


@pytest.fixture
def tune():
    """A piece of two bars of 4/4 in 2/4, on a grid of its own, at two tempos."""
    events = (Event(0, 60, 96), Event(100, 64, 30), Event(400, 67, 100))
    parts = (Part(events, "Lead", 73), Part((Event(0, 50, 10),), "other"))
    return Song(96, parts, (Tempo(0, 400_000), Tempo(192, 600_000)), (Meter(0, 2, 4),))
