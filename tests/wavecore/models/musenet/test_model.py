"""The network: its vectors, causality, one result however it is computed; attention as its masks define it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from wavecore.errors import UsageError
from wavecore.models.musenet.config import MuseNetConfig, Pattern
from wavecore.models.musenet.model import CausalAttention, LayerCache, MuseNet, attend, attend_masked, attention_mask
from wavecore.models.musenet.tokens import SIZES

MIXED = {"patterns": ("dense", "strided", "fixed"), "block": 4, "summary": 2}
SMALL = MuseNetConfig(n_layers=3, channels=24, n_heads=3, context=40, styles=("bach", "pop"), dropout=0.0, **MIXED)


def build(config=SMALL):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = MuseNet(config).eval()
        with torch.no_grad():
            for parameter in network.parameters():  # initial predictions are nearly uniform
                parameter += 0.2 * torch.randn_like(parameter)
    return network


def windows(length=23, batch=2):
    rng = np.random.default_rng(0)
    features = np.stack([rng.integers(0, size, (batch, length)) for size in SIZES.values()], axis=-1)
    return torch.from_numpy(rng.integers(0, SMALL.vocabulary.size, (batch, length))), torch.from_numpy(features)


def test_vectors_of_tokens_share_kind_and_pitch():
    network = build()
    vectors, own = network.tokens().detach(), network.tokens.own.detach()
    shared = vectors - own
    assert vectors.shape == (4141, 24)

    def of(group, pitch):
        return shared[128 * group + pitch]

    torch.testing.assert_close(of(3, 60) - of(3, 61), of(17, 60) - of(17, 61))
    torch.testing.assert_close(of(3, 60) - of(9, 60), of(3, 1) - of(9, 1))
    torch.testing.assert_close(shared[3840], shared[3967])  # drums have no pitch
    torch.testing.assert_close(network.style_vectors(), vectors[-2:])


def test_the_output_weights_are_the_vectors_of_tokens():
    network, (tokens, features) = build(), windows()
    logits = network(tokens, features)
    assert logits.shape == (2, 23, 4141) and logits.dtype == torch.float32
    hidden = network.hidden(network.embed(tokens, features, network.tokens()))
    torch.testing.assert_close(logits[1, 5, 4000], hidden[1, 5] @ network.tokens()[4000])


@pytest.mark.parametrize("patterns", [("dense",), ("strided",), ("fixed",), SMALL.patterns])
def test_it_is_causal_and_a_cache_changes_nothing(patterns):
    network, (tokens, features) = build(replace(SMALL, patterns=patterns)).double(), windows()
    x = network.embed(tokens, features, network.tokens()).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network.hidden(x)[:, 11].square().sum(), x)
    used = gradient.abs().sum((0, 2)) > 0
    assert not used[12:].any() and used[11] and (used[:12].all() or patterns == ("fixed",))
    whole, cache = network(tokens, features), network.new_cache()
    for first, last in ((0, 7), *((n, n + 1) for n in range(7, 20)), (20, 23)):
        part = network(tokens[:, first:last], features[:, first:last], cache)
        torch.testing.assert_close(part, whole[:, first:last], atol=1e-5, rtol=1e-5)


def test_recomputed_activations_have_the_same_gradient():
    gradients = []
    for recompute in (False, True):
        network, (tokens, features) = build(replace(SMALL, dropout=0.3)).train(), windows()
        network.recompute = recompute
        with torch.random.fork_rng():
            torch.manual_seed(5)
            logits = network(tokens, features)
        logits.logsumexp(-1).sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


@pytest.mark.parametrize("off", list(SIZES))
def test_features_that_are_switched_off_have_no_effect(off):
    kept = tuple(name for name in SIZES if name != off)
    network, (tokens, features) = build(replace(SMALL, embeddings=kept)), windows()
    other = features.clone()
    column = list(SIZES).index(off)
    other[..., column] = (other[..., column] + 1) % SIZES[off]
    assert torch.equal(network(tokens, features), network(tokens, other))
    assert not torch.equal(build()(tokens, features), build()(tokens, other))
    assert off not in network.features


def test_the_critic_scores_every_position():
    network, (tokens, features) = build(replace(SMALL, critic=True)), windows()
    assert network.critic_logits(network.hidden(network.embed(tokens, features, network.tokens()))).shape == (2, 23)
    card = network.card()
    assert card["styles"] == ["bach", "pop"] and card["critic"] is True and len(card["instruments"]) == 10
    assert (card["ticks_per_beat"], card["context"]) == (48, 40)
    with pytest.raises(UsageError, match="--critic"):
        build().critic_logits(torch.zeros(1, 24))


def test_windows_beyond_the_context_are_refused():
    with pytest.raises(UsageError, match="41 tokens.* 40"):
        build()(*windows(41))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"channels": 25}, "25.*n_heads"),
        ({"context": 13}, "context.* 13"),
        ({"patterns": ()}, "patterns"),
        ({"patterns": ("round",)}, "'round'"),
        ({"summary": 9}, "not 9"),
        ({"block": 0, "summary": 0}, "not 0"),
        ({"embeddings": ("time", "time")}, "each once"),
        ({"embeddings": ("colour",)}, "colour"),
        ({"styles": ("a", "a")}, "'a'"),
        ({"dropout": 1.0}, "1.0"),
        ({"dropout": float("nan")}, "nan"),
    ],
)
def test_sizes_out_of_range(sizes, message):
    with pytest.raises(UsageError, match=message):
        replace(SMALL, **sizes)


PATTERNS = [Pattern(), *(Pattern("strided", *sizes) for sizes in ((4,), (1, 1), (50,)))]
PATTERNS += [Pattern("fixed", *sizes) for sizes in ((4, 1), (5, 2), (3, 3))]


def tensors(length, *, batch=2, size=5, dtype=torch.float64):
    torch.manual_seed(length)
    return [torch.randn(batch, 3, length, size, dtype=dtype, requires_grad=True) for _ in range(3)]


def test_masks_are_those_of_the_paper():
    strided = [[j for j in range(12) if row[j]] for row in attention_mask(Pattern("strided", 3), 0, 12).tolist()]
    assert strided[0] == [0] and strided[2] == [0, 1, 2] and strided[10] == [1, 4, 7, 8, 9, 10]
    fixed = [[j for j in range(12) if row[j]] for row in attention_mask(Pattern("fixed", 4, 2), 0, 12).tolist()]
    assert fixed[1] == [0, 1] and fixed[5] == [2, 3, 4, 5] and fixed[10] == [2, 3, 6, 7, 8, 9, 10]
    assert torch.equal(attention_mask(Pattern(), 0, 6), torch.ones(6, 6, dtype=torch.bool).tril())


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@pytest.mark.parametrize("length", [1, 3, 4, 9, 16, 31])
def test_attention_by_pattern_is_that_by_mask(pattern, length):
    inputs = tensors(length)
    cheap, masked = attend(*inputs, pattern), attend_masked(*inputs, attention_mask(pattern, 0, length))
    torch.testing.assert_close(cheap, masked)
    weight = torch.randn_like(cheap)
    gradients = (torch.autograd.grad((result * weight).sum(), inputs) for result in (cheap, masked))
    for got, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("pattern", [Pattern("strided", 32), Pattern("fixed", 32, 4)], ids=str)
def test_sparse_patterns_cost_less(pattern):
    inputs = [x.detach() for x in tensors(1024, batch=1, dtype=torch.float32, size=16)]
    costs = []
    for compute in (lambda: attend(*inputs, pattern), lambda: inputs[0] @ inputs[1].transpose(2, 3) @ inputs[2]):
        with FlopCounterMode(display=False) as counter:
            compute()
        costs.append(counter.get_total_flops())
    assert costs[0] < costs[1] / 5


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_attention_with_a_cache(pattern):
    torch.manual_seed(0)
    layer, x = CausalAttention(12, 3, pattern).double(), torch.randn(2, 13, 12, dtype=torch.float64)
    whole = layer(x)
    for pieces in ([1] * 13, [6] + [1] * 7, [4, 5, 4], [13]):
        cache = LayerCache(13)
        parts = [layer(part, cache) for part in x.split(pieces, dim=1)]
        torch.testing.assert_close(torch.cat(parts, dim=1), whole)
        assert cache.length == 13
    with pytest.raises(UsageError, match="14 positions.* 13"):
        layer(x[:, :1], cache)
