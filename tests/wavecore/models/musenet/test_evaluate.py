"""Likelihood, what counting tokens achieves, and how far styles are apart."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from wavecore.models.musenet import evaluate as evaluation
from wavecore.models.musenet.config import MuseNetConfig
from wavecore.models.musenet.data import Windows, tokenize
from wavecore.models.musenet.evaluate import SMOOTHINGS, bigram, evaluate, negative_log_likelihood, unigram
from wavecore.models.musenet.model import MuseNet

CONFIG = MuseNetConfig(n_layers=1, channels=16, n_heads=2, context=64, styles=("fifths", "scales"), dropout=0.0)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MuseNet(CONFIG).eval()


def test_likelihood_is_reported_beside_counts(network, songs):
    measures = evaluate(network, songs, seed=0, n_samples=0)
    assert set(measures) == {"split", "n_windows", "bits_per_token", "unigram_bits", "bigram_bits"}
    assert (measures["split"], measures["n_windows"]) == ("test", 32)
    # Random weights predict 4,139 tokens nearly uniformly.
    assert measures["bigram_bits"] < measures["unigram_bits"] < 6 < measures["bits_per_token"] < 13


@pytest.mark.slow
def test_styles_differ_in_data_and_samples(network, songs, monkeypatch):
    monkeypatch.setattr(evaluation, "BEATS", 2)
    calls = []
    measures = evaluate(network, songs, seed=0, n_samples=2, on_progress=lambda *done: calls.append(done))
    assert json.loads(json.dumps(measures, allow_nan=False)) == measures and calls == [(2, 4), (4, 4)]
    scales, fifths = (measures["styles"][style]["data"] for style in ("scales", "fifths"))
    assert np.flatnonzero(scales["pitch_classes"]).tolist() == [0, 2, 4, 5] and scales["instruments"] == {"piano": 1.0}
    assert np.flatnonzero(fifths["pitch_classes"]).tolist() == [1, 6], "drums have no pitch class"
    assert set(fifths["instruments"]) == {"violin", "drums"}
    apart = measures["apart"]["fifths/scales"]
    assert [apart[name]["data"] for name in ("pitch_classes", "instruments")] == pytest.approx([1.0, 1.0])
    assert 0 <= apart["instruments"]["samples"] <= 1
    assert sum(measures["styles"]["scales"]["samples"]["pitch_classes"]) == pytest.approx(1)


def windows(share=(1.0, 1.0)):
    rng = np.random.default_rng(0)
    tokens, targets = (torch.from_numpy(rng.integers(0, 4000, (2, 6))) for _ in range(2))
    inside = torch.tensor([[False, True, True, True, True, True], [False, False, True, True, False, False]])
    return Windows(tokens, targets, torch.zeros(2, 6, 4, dtype=torch.int64), inside, torch.tensor(share))


def test_the_likelihood_is_the_mean_over_music(network):
    batch = windows()
    logits = network(batch.tokens, batch.features)
    expected = F.cross_entropy(logits[batch.inside], batch.targets[batch.inside])
    torch.testing.assert_close(negative_log_likelihood(network, batch), expected)


def test_in_mixed_windows_both_targets_count(network):
    batch, vectors = windows((0.7, 1.0)), network.tokens()
    x = network.embed(batch.tokens, batch.features, vectors)
    x = torch.stack([0.7 * x[0] + 0.3 * x[1], x[1]])
    nats = -network.logits(network.hidden(x), vectors).log_softmax(-1)
    own = [nats[row, place, batch.targets[row, place]] for row, place in batch.inside.nonzero().tolist()]
    other = [nats[0, place, batch.targets[1, place]] for place in (2, 3)]
    weights = [0.7] * 5 + [1.0] * 2 + [0.3] * 2
    expected = sum(weight * value for weight, value in zip(weights, own + other, strict=True)) / sum(weights)
    torch.testing.assert_close(negative_log_likelihood(network, batch), expected)


def test_held_out_windows_stay_the_same_and_their_bits_do_not_depend_on_batches(network, songs, monkeypatch):
    pieces = tokenize(songs.pieces["test"])
    drawn, again = (evaluation.held_out_windows(pieces, CONFIG.vocabulary, 24, 3) for _ in range(2))
    assert drawn.tokens.shape == (6, 24) and torch.equal(drawn.tokens, again.tokens)
    whole = evaluation.bits_per_token(network, drawn, "cpu")
    assert whole == pytest.approx(float(negative_log_likelihood(network, drawn).detach()) / np.log(2), rel=1e-5)
    monkeypatch.setattr(evaluation, "ROWS", 1)
    assert evaluation.bits_per_token(network, replace(drawn), "cpu") == pytest.approx(whole, rel=1e-5)


def test_uniform_tokens_cost_their_entropy():
    rng = np.random.default_rng(0)
    train, held = [rng.integers(0, 8, 40_000)], [rng.integers(0, 8, 4_000)]
    assert unigram(train, held, 8)[0] == pytest.approx(3.0, abs=2e-3)
    bits, smoothing = bigram(train, held, 8)
    assert bits == pytest.approx(3.0, abs=5e-3) and smoothing >= 100, "the token before does not matter"


def test_a_certain_successor_costs_nothing():
    train, held = [np.arange(600) % 6], [np.arange(3, 63) % 6]
    assert unigram(train, held, 6)[0] == pytest.approx(np.log2(6), abs=1e-3)
    bits, smoothing = bigram(train, held, 6)
    assert bits < 1e-4 and smoothing == SMOOTHINGS[0]


def test_costs_by_hand():
    train, held = [np.array([9, 0, 0, 1])], [np.array([9, 1])]
    costs = [-np.log2((1 + s) / (3 + 10 * s)) for s in SMOOTHINGS]
    assert unigram(train, held, 10) == pytest.approx((min(costs), SMOOTHINGS[int(np.argmin(costs))]))
    base = (1 + SMOOTHINGS[0]) / (3 + 10 * SMOOTHINGS[0])
    assert bigram(train, held, 10)[0] == pytest.approx(min(-np.log2(s * base / (1 + s)) for s in SMOOTHINGS))
