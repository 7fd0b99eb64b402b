"""Pairs of continuations, the critic's loss, and a run that leaves all but the critic as it was."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from wavecore import checkpoint
from wavecore.models.musenet import critic
from wavecore.models.musenet.config import CriticTrainingConfig, MuseNetConfig
from wavecore.models.musenet.critic import (
    HiddenPairs,
    MuseNetCriticTask,
    critic_loss,
    hidden_pairs,
    make_pairs,
    with_critic,
    without_critic,
)
from wavecore.models.musenet.data import tokenize
from wavecore.models.musenet.model import MuseNet
from wavecore.models.musenet.tokens import START, Timeline
from wavecore.training.loop import run_task

NETWORK = MuseNetConfig(n_layers=1, channels=16, n_heads=2, context=24, styles=("fifths", "scales"))
TRAINING = CriticTrainingConfig(
    steps=30, batch_size=4, learning_rate=1e-2, warmup_steps=2, validate_every=30, precision="float32"
)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MuseNet(NETWORK).eval()


@pytest.fixture(autouse=True)
def small_pool(monkeypatch):
    monkeypatch.setattr(critic, "POOL", {"train": 12, "valid": 6})


def test_pairs_have_one_beginning_and_two_ends(network, songs, monkeypatch):
    monkeypatch.setattr(critic, "ROWS", 3)
    pieces, calls = tokenize(songs.pieces["train"]), []
    options = {"rng": np.random.default_rng(0), "on_progress": lambda *done: calls.append(done)}
    pairs = make_pairs(network, pieces, 10, **options)
    assert pairs.tokens.shape == (10, 2, 24) and pairs.judged.shape == (10, 24) and calls[-1] == (10, 10)
    assert pairs.features.shape == (10, 2, 24, 4)
    rows = zip(pairs.tokens.numpy(), pairs.features.numpy(), pairs.judged.numpy(), strict=True)
    for (real, new), (real_features, new_features), judged in rows:
        first, last = np.flatnonzero(judged)[[0, -1]]
        start = real.tolist().index(START) + 1
        assert judged[first : last + 1].all() and start <= first <= start + (24 - start) / 2
        np.testing.assert_array_equal(real[:first], new[:first])
        np.testing.assert_array_equal(real_features[:first], new_features[:first])
        assert (new[start:] < START).all() and (real[first : last + 1] != new[first : last + 1]).any()
        body = real[start : last + 1]
        n = len(body)
        sources = [(p, i) for p in pieces for i in range(len(p.body)) if np.array_equal(p.body[i : i + n], body)]
        assert any(last == 23 or i + n == len(piece.body) for piece, i in sources), "short pieces are judged to the end"
        lines = [(Timeline.of(piece.body, piece.beats_per_minute), i) for piece, i in sources]
        windows = [line.window(i, i + n, n_prefix=start) for line, i in lines]
        assert any(np.array_equal(window, real_features[: last + 1]) for window in windows)


def test_hidden_pairs_are_the_last_layer(network, songs):
    pairs = make_pairs(network, tokenize(songs.pieces["train"]), 3, rng=np.random.default_rng(0))
    hidden = hidden_pairs(network, pairs).hidden
    assert hidden.shape == (3, 2, 24, 16) and hidden.dtype == torch.float16
    expected = network.hidden(network.embed(pairs.tokens[:, 1], pairs.features[:, 1], network.tokens()))
    torch.testing.assert_close(hidden[:, 1].float(), expected.detach(), atol=2e-3, rtol=2e-3)


def test_the_loss_by_hand(network, monkeypatch):
    judged = torch.tensor([[False, True, True], [False, False, True]])
    logits = torch.tensor([[[9.0, 1.0, -2.0], [9.0, 0.0, -3.0]], [[9.0, 9.0, 0.0], [9.0, 9.0, 4.0]]])
    judge = with_critic(network, seed=0)
    monkeypatch.setattr(judge, "critic_logits", lambda hidden: logits)
    nats, right = critic_loss(judge, HiddenPairs(torch.zeros(2, 2, 3, 16), judged))
    real, new = np.array([1.0, -2.0, 0.0]), np.array([0.0, -3.0, 4.0])
    assert float(nats) == pytest.approx(np.concatenate([np.log1p(np.exp(-real)), np.log1p(np.exp(new))]).mean())
    assert float(right) == 0.5


def test_a_critic_is_added_and_removed(network):
    one, two, other = (with_critic(network, seed=seed) for seed in (0, 0, 1))
    heads = [made.critic[0].weight for made in (one, two, other)]
    assert one.config.critic and torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])
    assert torch.equal(with_critic(one, seed=5).critic[0].weight, heads[0]), "one that is there stays"
    bare = without_critic(one)
    assert bare.config == NETWORK
    for name, tensor in network.state_dict().items():
        assert torch.equal(bare.state_dict()[name], tensor) and torch.equal(one.state_dict()[name], tensor)


@pytest.mark.slow
def test_a_run_trains_the_critic_alone_and_resumes_bit_for_bit(songs, network, tmp_path):
    reports = []
    run_task(MuseNetCriticTask(songs, NETWORK, TRAINING, network), tmp_path / "whole", on_progress=reports.append)

    class Stopped(MuseNetCriticTask):
        def batch(self, step):
            if step == 15:
                raise KeyboardInterrupt
            return super().batch(step)

    with pytest.raises(KeyboardInterrupt):
        run_task(Stopped(songs, NETWORK, TRAINING, network), tmp_path / "parted")
    run_task(MuseNetCriticTask(songs, NETWORK, TRAINING, network), tmp_path / "parted", resume=True)
    one, two = (checkpoint.load(tmp_path / name / "last", kind="musenet") for name in ("whole", "parted"))
    assert one.sha256 == two.sha256 and one.network.config == replace(NETWORK, critic=True) and one.card["critic"]
    for name, tensor in network.state_dict().items():
        assert torch.equal(one.network.state_dict()[name], tensor), name
    assert one.card["training"]["data"]["samples"] == {"train": 12, "valid": 6}
    # Samples of an untrained network are easy to tell from scales.
    assert reports[-1].losses["valid/bits"] < 0.9 and reports[-1].losses["valid/right"] > 0.7
