"""The LSTM with attention: one pass, passes in pieces and the definition agree."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.errors import UsageError
from wavecore.models.lstm.config import PRESETS, LSTMConfig
from wavecore.models.lstm.model import LSTM

SMALL = LSTMConfig(("rest", "60", "62", "64.67"), (1, 2, 4), embedding=5, hidden=7, n_layers=2, window=4)


def build(config=SMALL, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = LSTM(config).eval()
        with torch.no_grad():  # far from even, so that attention matters
            network.attention.weight.mul_(20)
    return network


def line(n=11, batch=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 5, (batch, n), generator=generator), torch.randint(0, 4, (batch, n), generator=generator)


def by_definition(network, notes, durations):
    """Every position for itself: a softmax over the scores of its past, a weighted sum, two heads."""
    x = torch.cat([network.note_embedding(notes), network.duration_embedding(durations)], dim=-1)
    states, _ = network.lstm(x)
    logits = []
    for position in range(notes.shape[1]):
        first = max(0, position + 1 - network.config.window) if network.config.window else 0
        past = states[:, first : position + 1]
        weights = torch.softmax(torch.tanh(network.attention(past)), dim=1)
        context = (weights * past).sum(dim=1)
        logits.append((network.note_head(context), network.duration_head(context)))
    return [torch.stack(each, dim=1) for each in zip(*logits, strict=True)]


@pytest.mark.parametrize("window", [0, 1, 2, 4, 11, 50])
@torch.no_grad()
def test_one_pass_follows_the_definition(window):
    network = build(replace(SMALL, window=window))
    found = network(*line())
    for got, expected in zip(found[:2], by_definition(network, *line()), strict=True):
        torch.testing.assert_close(got, expected)
    assert found[0].shape == (3, 11, 4) and found[1].shape == (3, 11, 3) and found[0].dtype == torch.float32


@pytest.mark.slow
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.sampled_from([0, 1, 3, 6, 40]))
@settings(deadline=None, max_examples=30)
@torch.no_grad()
def test_pieces_of_any_size_give_the_whole(sizes, window):
    network, given_line = build(replace(SMALL, window=window)), line(sum(sizes))
    whole = network(*given_line)
    state, parts = None, []
    for notes, durations in zip(*(part.split(sizes, dim=1) for part in given_line), strict=True):
        note_logits, duration_logits, state = network(notes, durations, state)
        parts.append((note_logits, duration_logits))
    for got, expected in zip(zip(*parts, strict=True), whole[:2], strict=True):
        torch.testing.assert_close(torch.cat(got, dim=1), expected)


@pytest.mark.parametrize("window", [0, 4])
def test_predictions_depend_on_the_past_alone(window):
    network = build(replace(SMALL, window=window))
    notes, durations = line()
    before = network(notes, durations)[0]
    after = network(torch.cat([notes[:, :6], (notes[:, 6:] + 1) % 5], dim=1), durations)[0]
    assert torch.equal(before[:, :6], after[:, :6]) and not torch.allclose(before[:, 6], after[:, 6])


@pytest.mark.slow
@torch.no_grad()
def test_a_long_line_stays_exact():
    network, given_line = build(replace(SMALL, window=3)), line(3000, batch=1)
    late = network(*given_line)[0][:, -20:]
    torch.testing.assert_close(late, by_definition(network, *given_line)[0][:, -20:])


def test_published_sizes():
    network = LSTM(PRESETS["lstm"])
    assert network.note_embedding.weight.shape == (3, 100) and network.duration_embedding.weight.shape == (2, 100)
    assert (network.lstm.hidden_size, network.lstm.num_layers, network.lstm.input_size) == (256, 2, 200)
    assert network.config.start == (2, 1)
    assert network.card() == {"steps_per_beat": 4, "n_symbols": 2, "n_durations": 1}


@pytest.mark.parametrize(
    "changes",
    [{"embedding": 0}, {"hidden": 0}, {"n_layers": 0}, {"window": -1}, {"symbols": ("60",)}, {"durations": ()}],
)
def test_values_out_of_range(changes):
    with pytest.raises(UsageError, match=next(iter(changes)) if "symbols" not in changes else "rest"):
        replace(SMALL, **changes)
