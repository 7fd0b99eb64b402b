"""Windows that are measured, surprise, and what counting achieves."""

import numpy as np
import pytest
import torch

from wavecore.datasets.songs import Piece
from wavecore.models.musenet import measures as musenet_measures
from wavecore.models.musenet.config import MuseNetConfig
from wavecore.models.musenet.data import prepare
from wavecore.models.musenet.measures import bits_per_token, count_baselines, draw_windows, surprise
from wavecore.models.musenet.model import MuseNet
from wavecore.symbolic.song import Event, Part, Song

CONFIG = MuseNetConfig(n_layers=1, channels=16, n_heads=2, context=24, styles=("long", "short"))


@pytest.fixture(scope="module")
def pieces():
    def piece(style, n):
        return Piece(
            Song(48, (Part(tuple(Event(24 * i, 60 + i % 5, 24) for i in range(n))),), name=f"{style}{n}"), style
        )

    return prepare([piece("long", 40), piece("long", 30), piece("short", 3)])


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MuseNet(CONFIG).eval()


def test_every_style_has_as_many_windows_and_they_stay_the_same(pieces):
    found, again = (draw_windows(pieces, CONFIG.vocabulary, 24, 3) for _ in range(2))
    assert found.tokens.shape == (6, 24)
    assert torch.equal(found.tokens, again.tokens) and torch.equal(found.inside, again.inside)
    assert found.inside[:3].sum() > found.inside[3:].sum(), "the short one is over soon"


def test_bits_are_the_mean_over_all_tokens_however_they_are_batched(pieces, network, monkeypatch):
    windows = draw_windows(pieces, CONFIG.vocabulary, 24, 3)
    whole = bits_per_token(network, windows, "cpu")
    with torch.no_grad():
        assert whole == pytest.approx(float(surprise(network, windows)) / np.log(2), rel=1e-5)
    monkeypatch.setattr(musenet_measures, "ROWS", 1)
    assert bits_per_token(network, windows, "cpu") == pytest.approx(whole, rel=1e-5)


def test_counting_pairs_says_more_of_what_repeats(pieces):
    found = count_baselines(pieces, draw_windows(pieces, CONFIG.vocabulary, 24, 3))
    assert 0 < found["bigram_bits"] < found["unigram_bits"] < 5
