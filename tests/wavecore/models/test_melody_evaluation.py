"""Evaluation of composers of melodies beside held-out ones."""

import json

import numpy as np
import pytest
import torch

from wavecore.datasets.songs import Piece, write_songs
from wavecore.models import melody_evaluation
from wavecore.models.gan.config import GANConfig
from wavecore.models.gan.model import GAN
from wavecore.models.lstm.config import LSTMConfig
from wavecore.models.lstm.model import LSTM
from wavecore.models.melody_evaluation import evaluate
from wavecore.symbolic.note_sequence import NoteLine

TUNE = [60, 62, 64, 65, 67, 69, 71, 72, 71, 69, 67, 65]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Of the two to test one is the training tune a tone higher, the other is new."""

    def piece(name, pitches):
        return Piece(NoteLine(map(str, pitches), (2,) * len(pitches)).to_song(name=name), "s")

    held_out = [piece("copy", [pitch + 2 for pitch in TUNE]), piece("new", [60, 70] * 6)]
    pieces = {"train": [piece("one", TUNE)], "valid": [piece("v", TUNE)], "test": held_out}
    return write_songs(tmp_path_factory.mktemp("songs") / "data", pieces)


def build(network_class, config):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return network_class(config).eval()


def test_an_lstm_is_measured_beside_the_data(dataset, monkeypatch):
    monkeypatch.setattr(melody_evaluation, "N_NOTES", 20)
    symbols, calls = ("rest", *map(str, range(58, 76))), []
    network = build(LSTM, LSTMConfig(symbols, (1, 2, 4), embedding=4, hidden=6, n_layers=1, window=4))
    found = evaluate(network, dataset, seed=0, n_samples=3, on_progress=lambda *done: calls.append(done))
    assert json.loads(json.dumps(found, allow_nan=False)) == found and calls == [(1, 3), (2, 3), (3, 3)]
    assert (found["split"], found["n_pieces"], found["n_samples"]) == ("test", 2, 3)
    # Random weights are at chance: about the logarithms of 19 symbols and 3 durations.
    assert found["note_bits"] == pytest.approx(np.log2(19), abs=0.6)
    assert found["duration_bits"] == pytest.approx(np.log2(3), abs=0.4)
    assert found["bits_per_note"] == pytest.approx(found["note_bits"] + found["duration_bits"])
    data = found["data"]
    # Each tune has 4 stretches of 8 moves of its 11; those of the transposed one are copies, of the other two differ.
    assert data["copied_stretches"] == pytest.approx(0.5) and data["distinct_stretches"] == pytest.approx(6 / 8)
    assert data["overlap"]["duration"] == 1.0 and 0 < data["overlap"]["interval"] < 1
    assert found["samples"]["copied_stretches"] == 0.0 and found["samples"]["distinct_stretches"] == 1.0
    assert evaluate(network, dataset, seed=0, n_samples=3) == found != evaluate(network, dataset, seed=1, n_samples=3)


@pytest.mark.parametrize("features", [1, 2])
def test_a_gan_is_measured_in_its_own_features(dataset, features):
    widths = {"latent": 5, "generator": (8,), "discriminator": (6,), "hidden": 5}
    config = GANConfig(features=features, length=12, **widths, lowest=55, highest=79, durations=(1, 2, 4))
    found = evaluate(build(GAN, config), dataset, seed=0, n_samples=5)
    assert json.loads(json.dumps(found, allow_nan=False)) == found and "bits_per_note" not in found
    assert found["data"]["copied_stretches"] == pytest.approx(0.5)
    names = {"overlap", "scale_consistency", "distinct_stretches", "copied_stretches"}
    assert set(found["samples"]) == set(found["data"]) == names
    assert 7 / 12 - 1e-9 <= found["samples"]["scale_consistency"] <= 1
