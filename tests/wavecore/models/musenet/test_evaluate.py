"""Judging a MuseNet."""

import json

import numpy as np
import pytest
import torch

from wavecore.datasets.songs import Piece, write_songs
from wavecore.models.musenet import evaluate as evaluate_musenet
from wavecore.models.musenet.config import MuseNetConfig
from wavecore.models.musenet.evaluate import evaluate
from wavecore.models.musenet.model import MuseNet
from wavecore.symbolic.song import Event, Part, Song


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Scales on C by a piano, fifths on F sharp by a violin with drums."""

    def piece(number, style):
        if style == "scales":
            parts = (Part(tuple(Event(24 * i, 60 + (0, 2, 4, 5)[i % 4], 24) for i in range(20 + number)), program=0),)
        else:
            parts = (
                Part(tuple(Event(48 * i, pitch, 48) for i in range(12 + number) for pitch in (66, 73)), program=40),
                Part((Event(0, 36, 12),), is_drum=True),
            )
        return Piece(Song(48, parts, name=f"{style}{number}"), style)

    numbers = {"train": range(4), "valid": [4], "test": [5, 6]}
    return write_songs(
        tmp_path_factory.mktemp("songs") / "data",
        {split: [piece(n, style) for n in found for style in ("fifths", "scales")] for split, found in numbers.items()},
    )


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MuseNet(
            MuseNetConfig(n_layers=1, channels=16, n_heads=2, context=64, styles=("fifths", "scales"))
        ).eval()


def test_likelihood_stands_beside_counting(network, dataset):
    found = evaluate(network, dataset, seed=0, n_samples=0)
    assert (found["split"], found["n_windows"]) == ("test", 32) and set(found) == {
        "split",
        "n_windows",
        "bits_per_token",
        "unigram_bits",
        "bigram_bits",
    }
    assert found["bigram_bits"] < found["unigram_bits"] < 6 < found["bits_per_token"] < 13, (
        "random weights know nothing of 4,139 tokens"
    )


def test_styles_are_told_apart_in_data_and_samples(network, dataset, monkeypatch):
    monkeypatch.setattr(evaluate_musenet, "BEATS", 2)
    told = []
    found = evaluate(network, dataset, seed=0, n_samples=2, told=lambda *done: told.append(done))
    assert json.loads(json.dumps(found, allow_nan=False)) == found and told == [(2, 4), (4, 4)]
    scales, fifths = (found["styles"][style]["data"] for style in ("scales", "fifths"))
    assert np.flatnonzero(scales["pitch_classes"]).tolist() == [0, 2, 4, 5] and scales["instruments"] == {"piano": 1.0}
    assert np.flatnonzero(fifths["pitch_classes"]).tolist() == [1, 6], "drums have no pitch class"
    assert set(fifths["instruments"]) == {"violin", "drums"}
    apart = found["apart"]["fifths/scales"]
    assert [apart[statistic]["data"] for statistic in ("pitch_classes", "instruments")] == pytest.approx([1.0, 1.0]), (
        "nothing in common"
    )
    assert 0 <= apart["instruments"]["samples"] <= 1
    assert sum(found["styles"]["scales"]["samples"]["pitch_classes"]) == pytest.approx(1)
