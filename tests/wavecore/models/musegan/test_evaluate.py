"""Judging a MuseGAN: what is measured of data and samples, and that copies are seen."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore.datasets.songs import Piece, write_songs
from wavecore.models.musegan import evaluate as evaluate_rolls
from wavecore.models.musegan.evaluate import evaluate
from wavecore.models.musegan.model import MuseGAN, MuseGANConfig
from wavecore.models.musegan.tracks import Track
from wavecore.symbolic.song import Event, Part, Song

CONFIG = MuseGANConfig(
    (Track("high"), Track("low"), Track("kit", 0, True)), bars=2, steps=16, lowest=48, n_pitches=24, noise=4, channels=8, critic_channels=4
)  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Pieces of four notes a bar; those to test are the first one of training a tone higher, and one that is new."""

    def piece(name, pitches):
        lines = [[Event(number, pitch + shift, 1) for number, pitch in enumerate(pitches)] for shift in (7, 0)]
        kit = tuple(Event(4 * bar, 50, 1) for bar in range(len(pitches) // 4))
        return Piece(
            Song(
                1, (Part(tuple(lines[0]), "high"), Part(tuple(lines[1]), "low"), Part(kit, "kit", 0, True)), name=name
            ),
            "s",
        )

    tune = [50, 52, 54, 55] + [57, 55, 54, 52] + [50, 54, 57, 54]
    pieces = {
        "train": [piece("one", tune), piece("two", tune[::-1])],
        "valid": [piece("valid", tune)],
        "test": [piece("copy", [pitch + 2 for pitch in tune]), piece("new", [48, 60, 48, 61] * 3)],
    }
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces)


def build(**changes):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MuseGAN(replace(CONFIG, **changes)).eval()
    for generator in network.generator.bars:
        torch.nn.init.zeros_(generator.layers[-1].convolution.bias)
    return network


def test_data_and_samples_stand_side_by_side(dataset):
    told = []
    found = evaluate(build(), dataset, seed=0, told=lambda *args: told.append(args))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["split"], found["n_phrases"], found["binarise"]) == ("test", 4, "threshold") and told == [(4, 4)]
    data, samples = found["data"], found["samples"]
    assert (
        set(data)
        == set(samples)
        == {"tracks", "tonal_distance", "distance", "overlap", "distinct_bars", "copied_bars", "copied_stretches"}
    )
    # Phrases overlap: of the first piece bars 1, 2, 2, 3 with 4, 4, 4, 3 classes; every bar of the second has 2.
    wanted = {
        "empty_bars": 0.0,
        "pitch_classes": (4 + 4 + 4 + 3 + 4 * 2) / 8,
        "qualified_notes": 1.0,
        "drum_pattern": None,
    }
    assert data["tracks"]["high"] == wanted
    assert data["tracks"]["kit"] == {
        "empty_bars": 0.0,
        "pitch_classes": None,
        "qualified_notes": None,
        "drum_pattern": 1.0,
    }
    assert (
        set(data["tonal_distance"]) == {"high/low", "high/kit", "low/kit"}
        and data["tonal_distance"]["high/kit"] is None
    )
    assert 0 < data["distance"] < samples["distance"] <= 1
    assert evaluate(build(), dataset, seed=0) == found and evaluate(build(), dataset, seed=1) != found


def test_copies_are_seen_through_a_transposition(dataset):
    data = evaluate(build(), dataset, seed=0)["data"]
    # Of two pieces of two phrases each, one is a copy; of the other every bar is the same.
    assert data["copied_bars"] == 0.5 and data["distinct_bars"] == pytest.approx(4 / 8)
    assert data["copied_stretches"] is None, "phrases of eight notes have no stretch of eight moves"


def test_stretches_are_told_by_intervals_and_times(dataset, monkeypatch):
    monkeypatch.setattr(evaluate_rolls, "GRAM", 3)
    assert evaluate(build(), dataset, seed=0)["data"]["copied_stretches"] == 0.5


def test_what_is_given_is_that_of_the_held_out_phrases(dataset):
    found = evaluate(build(given="low"), dataset, seed=0, split="valid", n_phrases=1, binarise="bernoulli")
    assert found["n_phrases"] == 1 and found["samples"]["tracks"]["low"] == found["data"]["tracks"]["low"]
    assert found["samples"]["tracks"]["high"] != found["data"]["tracks"]["high"]


def test_a_silent_network_is_measured(dataset):
    network = build()
    for generator in network.generator.bars:
        torch.nn.init.constant_(generator.layers[-1].convolution.bias, -9.0)
    samples = evaluate(network, dataset, seed=0)["samples"]
    assert samples["tracks"]["high"]["empty_bars"] == 1 and samples["copied_bars"] is None and samples["distance"] > 0.8
    assert np.all([value is None for value in samples["overlap"].values()])
