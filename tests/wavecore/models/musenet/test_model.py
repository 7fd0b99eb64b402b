"""The network: its sizes, what it hears and what it cannot, one result however it is computed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from wavecore.errors import UsageError
from wavecore.models.musenet.config import PRESETS, MuseNetConfig
from wavecore.models.musenet.features import SIZES
from wavecore.models.musenet.model import MuseNet

SMALL = MuseNetConfig(
    n_layers=3,
    channels=24,
    n_heads=3,
    context=40,
    patterns=("dense", "strided", "fixed"),
    block=4,
    summary=2,
    styles=("bach", "pop"),
    dropout=0.0,
)


def build(config=SMALL, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = MuseNet(config).eval()
        with torch.no_grad():
            for parameter in network.parameters():  # far from the quiet start, where all is nearly even
                parameter += 0.2 * torch.randn_like(parameter)
    return network


def windows(length=23, batch=2, seed=0, config=SMALL):
    rng = np.random.default_rng(seed)
    features = np.stack([rng.integers(0, size, (batch, length)) for size in SIZES.values()], axis=-1)
    return torch.from_numpy(rng.integers(0, config.vocabulary.size, (batch, length))), torch.from_numpy(features)


def count(config):
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in MuseNet(config).parameters())


def test_sizes_of_the_presets():
    assert 3e6 < count(PRESETS["small"]) < 6e6 and count(PRESETS["tiny"]) < 1e6
    published = PRESETS["musenet"]
    assert (published.n_layers, published.n_heads, published.context, set(published.patterns)) == (
        72,
        24,
        4096,
        {"dense"},
    )
    assert 2.0e9 < count(published) < 2.1e9
    assert count(replace(SMALL, critic=True)) - count(SMALL) == 24 * 24 + 24 + 25


def test_a_word_of_a_token_s_vector_is_shared():
    network = build()
    vectors, own = network.tokens().detach(), network.tokens.own.detach()
    shared = vectors - own
    assert vectors.shape == (4141, 24)

    def of(group, pitch):
        return shared[128 * group + pitch]

    torch.testing.assert_close(of(3, 60) - of(3, 61), of(17, 60) - of(17, 61))
    torch.testing.assert_close(of(3, 60) - of(9, 60), of(3, 1) - of(9, 1))
    torch.testing.assert_close(shared[3840], shared[3967])  # drums have no height
    torch.testing.assert_close(network.style_vectors(), vectors[-2:])


def test_the_output_is_compared_with_the_input_s_vectors():
    network, (tokens, features) = build(), windows()
    logits = network(tokens, features)
    assert logits.shape == (2, 23, 4141) and logits.dtype == torch.float32
    hidden = network.hidden(network.embed(tokens, features, network.tokens()))
    torch.testing.assert_close(logits[1, 5, 4000], hidden[1, 5] @ network.tokens()[4000])


@pytest.mark.parametrize("patterns", [("dense",), ("strided",), ("fixed",), SMALL.patterns])
def test_nothing_of_what_is_to_come_is_heard(patterns):
    network, (tokens, features) = build(replace(SMALL, patterns=patterns)), windows()
    x = network.embed(tokens, features, network.tokens()).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network.hidden(x)[:, 11].square().sum(), x)
    heard = gradient.abs().sum((0, 2)) > 0
    assert not heard[12:].any() and heard[11]
    if patterns != ("fixed",):
        assert heard[:12].all()


@pytest.mark.parametrize("patterns", [("dense",), ("strided",), ("fixed",), SMALL.patterns])
def test_a_cache_changes_nothing_at_any_step(patterns):
    network, (tokens, features) = build(replace(SMALL, patterns=patterns)).double(), windows()
    whole, cache = network(tokens, features), network.new_cache()
    for first, last in ((0, 7), *((n, n + 1) for n in range(7, 20)), (20, 23)):
        found = network(tokens[:, first:last], features[:, first:last], cache)
        torch.testing.assert_close(found, whole[:, first:last], atol=1e-5, rtol=1e-5)


def test_what_is_computed_again_has_the_same_gradient():
    gradients = []
    for recompute in (False, True):
        network, (tokens, features) = build(replace(SMALL, dropout=0.3)).train(), windows()
        network.recompute = recompute
        with torch.random.fork_rng():
            torch.manual_seed(5)
            network(tokens, features).logsumexp(-1).sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


@pytest.mark.parametrize("off", list(SIZES))
def test_what_is_switched_off_is_not_told(off):
    kept = tuple(name for name in SIZES if name != off)
    network, (tokens, features) = build(replace(SMALL, embeddings=kept)), windows()
    other = features.clone()
    column = list(SIZES).index(off)
    other[..., column] = (other[..., column] + 1) % SIZES[off]
    assert torch.equal(network(tokens, features), network(tokens, other))
    assert not torch.equal(build()(tokens, features), build()(tokens, other))
    assert off not in network.features


def test_dropout_is_for_training():
    network, (tokens, features) = build(replace(SMALL, dropout=0.5)), windows()
    assert torch.equal(network(tokens, features), network(tokens, features))
    network.train()
    assert not torch.equal(network(tokens, features), network(tokens, features))


def test_the_critic_judges_every_place():
    network, (tokens, features) = build(replace(SMALL, critic=True)), windows()
    assert network.judge(network.hidden(network.embed(tokens, features, network.tokens()))).shape == (2, 23)
    assert network.card() == {
        "styles": ["bach", "pop"],
        "instruments": list(network.card()["instruments"]),
        "ticks_per_beat": 48,
        "context": 40,
        "critic": True,
    }
    with pytest.raises(UsageError, match="no inner critic"):
        build().judge(torch.zeros(1, 24))


def test_it_learns_a_rule():
    """What comes next is a fixed change of what there is."""
    torch.manual_seed(0)
    network = MuseNet(replace(SMALL, n_layers=1, patterns=("dense",))).train()
    optimizer, rng = torch.optim.Adam(network.parameters(), 1e-2), np.random.default_rng(0)
    features = torch.zeros(8, 12, 4, dtype=torch.int64)
    for _ in range(60):
        tokens = torch.from_numpy((rng.integers(0, 5, (8, 1)) + np.arange(13)) % 5 * 700)
        loss = F.cross_entropy(network(tokens[:, :-1], features).flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.1


def test_windows_beyond_the_context_are_refused():
    with pytest.raises(UsageError, match="41 tokens is longer than the context, 40"):
        build()(*windows(41))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_layers": 0}, "0 layers"),
        ({"channels": 25}, "heads divide channels"),
        ({"n_heads": 0}, "0 heads"),
        ({"context": 13}, "context is 13"),
        ({"patterns": ()}, "no attention pattern"),
        ({"patterns": ("round",)}, "'round'"),
        ({"summary": 9}, "summary of 9"),
        ({"embeddings": ("time", "time")}, "each once"),
        ({"embeddings": ("colour",)}, "colour"),
        ({"styles": ("a", "a")}, "names that differ"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"dropout": float("nan")}, "dropout is nan"),
    ],
)
def test_sizes_out_of_range(sizes, message):
    with pytest.raises(UsageError, match=message):
        replace(SMALL, **sizes)


def test_sizes_survive_json():
    for config in (*PRESETS.values(), SMALL):
        assert MuseNetConfig.from_dict(config.to_dict()) == config
    assert isinstance(SMALL.to_dict()["styles"], list)
    with pytest.raises(UsageError, match="no width"):
        MuseNetConfig.from_dict({"width": 3})
