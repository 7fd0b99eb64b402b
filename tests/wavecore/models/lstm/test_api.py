"""The model that ``wavecore.load`` returns for an LSTM: pieces, primes, meters."""

import pytest
import torch

from wavecore import checkpoint
from wavecore.errors import UsageError
from wavecore.models.base import load
from wavecore.models.lstm.api import meter_of
from wavecore.models.lstm.config import LSTMConfig
from wavecore.models.lstm.model import LSTM
from wavecore.symbolic.note_sequence import NoteLine, read_line
from wavecore.symbolic.song import Meter, Song

TUNE = NoteLine(("60", "64", "67", "rest", "72"), (4, 2, 2, 1, 3))
"""Twelve sixteenths."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An LSTM of random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = LSTM(LSTMConfig(("rest", "60", "62", "64", "67"), (1, 2, 4, 8), embedding=4, hidden=6))
    folder = tmp_path_factory.mktemp("models") / "composer"
    checkpoint.save(network, folder)
    return load(folder)


def test_a_piece_has_its_length_tempo_and_info(model):
    song = model.compose(4, seed=3, device="cpu")
    assert 0 < song.end <= 4 * 4 * 480 and song.meter_at(0) == Meter(0, 4, 4)
    assert song.tempos[0].beats_per_minute == pytest.approx(100, rel=1e-4)
    assert song.info == {"model": "composer", "model_sha256": model.sha256, "seed": 3, "bars": 4}
    assert model.compose(1, device="cpu").info["seed"] != model.compose(1, device="cpu").info["seed"]
    assert "5 symbols, 4 durations" in repr(model)


def test_a_prime_is_kept_with_its_meter_and_tempo(model):
    prime = TUNE.to_song(beats_per_minute=90, meter=(3, 4))
    song = model.compose(3, prime=prime, temperature=0, device="cpu")
    line = read_line(song)
    assert line.symbols[:5] == TUNE.symbols and line.durations[:5] == TUNE.durations and 12 < line.n_steps <= 36
    assert song.meter_at(0) == Meter(0, 3, 4) and song.tempos[0].beats_per_minute == pytest.approx(90, rel=1e-4)
    faster = model.compose(3, prime=prime, tempo=140, device="cpu")
    assert faster.tempos[0].beats_per_minute == pytest.approx(140, rel=1e-4)
    with pytest.raises(UsageError, match="12 steps"):
        model.compose(1, prime=prime, device="cpu")


def test_the_meter_of_a_piece():
    def song(*meters):
        return Song(480, (), (), tuple(Meter(*meter) for meter in meters))

    assert meter_of(None, 4) == ((4, 4), 16) and meter_of(song(), 4) == ((4, 4), 16)
    assert meter_of(song((0, 6, 8), (960, 2, 4)), 4) == ((6, 8), 12)
    assert meter_of(song((0, 3, 64)), 4) == ((4, 4), 16), "three 64ths are no sixteenths"
