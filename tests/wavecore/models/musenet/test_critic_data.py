"""Windows that go on in two ways: what they share, what is judged, and what the critic is told of them."""

import numpy as np
import pytest
import torch

from wavecore.datasets.songs import Piece
from wavecore.models.musenet.config import MuseNetConfig
from wavecore.models.musenet.critic_data import hear, make_pairs
from wavecore.models.musenet.data import prepare
from wavecore.models.musenet.features import measured
from wavecore.models.musenet.model import MuseNet
from wavecore.models.musenet.tokens import START
from wavecore.symbolic.song import Event, Part, Song

NETWORK = MuseNetConfig(n_layers=1, channels=16, n_heads=2, context=24, styles=("chords", "scale"))


def piece(number, style="scale"):
    notes = tuple(Event(24 * i, 60 + (i + number) % 12, 24, 72) for i in range(3 + 7 * number))
    parts = (Part(notes), Part(notes, program=40)) if style == "chords" else (Part(notes),)
    return Piece(Song(48, parts, name=f"{style}{number}"), style)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MuseNet(NETWORK).eval()


def test_pairs_have_one_beginning_and_two_ends(network):
    told, pieces = [], prepare([piece(n, style) for n in (0, 4) for style in NETWORK.styles])
    pairs = make_pairs(
        network, pieces, 10, rng=np.random.default_rng(0), rows=3, on_progress=lambda *done: told.append(done)
    )
    assert (
        pairs.tokens.shape == (10, 2, 24) and pairs.features.shape == (10, 2, 24, 4) and pairs.judged.shape == (10, 24)
    )
    assert told[-1] == (10, 10)
    for (real, new), (told_real, told_new), judged in zip(
        pairs.tokens.numpy(), pairs.features.numpy(), pairs.judged.numpy(), strict=True
    ):
        first, last = np.flatnonzero(judged)[[0, -1]]
        start = real.tolist().index(START) + 1
        assert judged[first : last + 1].all() and start <= first <= start + (24 - start) / 2
        np.testing.assert_array_equal(real[:first], new[:first])
        np.testing.assert_array_equal(told_real[:first], told_new[:first])
        assert (new[start:] < START).all() and (real[first : last + 1] != new[first : last + 1]).any()
        body = real[start : last + 1]
        found = [
            (one, i)
            for one in pieces
            for i in range(len(one.body))
            if np.array_equal(one.body[i : i + len(body)], body)
        ]
        assert any(last == 23 or i + len(body) == len(one.body) for one, i in found), (
            "short pieces are judged as far as they go"
        )
        assert any(
            np.array_equal(
                measured(one.body, one.beats_per_minute).window(i, i + len(body), n_prefix=start), told_real[: last + 1]
            )
            for one, i in found
        )


def test_the_seed_decides(network):
    pieces = prepare([piece(4)])
    one, two, other = (make_pairs(network, pieces, 4, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.tokens, two.tokens) and not torch.equal(one.tokens, other.tokens)


def test_what_is_heard_is_the_last_layer(network):
    pairs = make_pairs(network, prepare([piece(4)]), 3, rng=np.random.default_rng(0))
    heard = hear(network, pairs)
    assert (
        heard.hidden.shape == (3, 2, 24, 16)
        and heard.hidden.dtype == torch.float16
        and torch.equal(heard.judged, pairs.judged)
    )
    wanted = network.hidden(network.embed(pairs.tokens[:, 1], pairs.features[:, 1], network.tokens()))
    torch.testing.assert_close(heard.hidden[:, 1].float(), wanted.detach(), atol=2e-3, rtol=2e-3)
    assert torch.equal(heard.rows([2, 0]).hidden, heard.hidden[[2, 0]])
