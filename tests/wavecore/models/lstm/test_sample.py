"""Lines from an LSTM: their length, their beginning, and draws from the predicted distribution."""

import numpy as np
import pytest
import torch
from torch import nn

from wavecore.errors import InputError, UsageError
from wavecore.models.lstm.config import LSTMConfig
from wavecore.models.lstm.model import LSTM
from wavecore.models.lstm.sample import compose, keep_most_likely
from wavecore.symbolic.note_sequence import REST, NoteLine

CONFIG = LSTMConfig((REST, "60", "62", "64"), (1, 2, 5), embedding=6, hidden=8, window=4)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = LSTM(CONFIG).eval()
        with torch.no_grad():
            for head in (network.note_head, network.duration_head):
                head.weight.mul_(20)
    return network


def composed(network, seed=0, **options):
    return compose(network, rng=np.random.default_rng(seed), **options)


class Counting(nn.Module):
    """Predicts the number after the present one, twice as likely as any other, and records its inputs."""

    config = CONFIG

    def __init__(self):
        super().__init__()
        self.anything, self.inputs = nn.Parameter(torch.zeros(1)), []

    def forward(self, notes, durations, state):
        self.inputs.append((notes.tolist()[0], durations.tolist()[0]))
        logits = [
            nn.functional.one_hot((numbers + 1) % n, n).float() * np.log(2)
            for numbers, n in ((notes, 4), (durations, 3))
        ]
        return *logits, 0


class Same(Counting):
    """Predicts the same at every position."""

    def forward(self, notes, durations, state):
        return super().forward(torch.zeros_like(notes), torch.zeros_like(durations), state)


def test_at_temperature_0_the_most_likely_is_taken():
    network = Counting()
    found = composed(network, n_notes=5, temperature=0)
    assert found.symbols == ("60", "62", "64", REST, "60") and found.durations == (2, 5, 1, 2, 5)
    assert network.inputs == [([4], [3]), ([1], [1]), ([2], [2]), ([3], [0]), ([0], [1])]


def test_a_prime_is_kept_and_encoded_as_the_nearest():
    network = Counting()
    found = composed(network, n_notes=3, prime=NoteLine(("61", "90"), (3, 4), (100, 90)), temperature=0)
    assert found.symbols == ("61", "90", REST) and found.durations == (3, 4, 1)
    assert network.inputs == [([4, 1, 3], [3, 1, 2])]


@pytest.mark.parametrize("n_steps", [1, 7, 64])
def test_a_line_ends_at_its_step(network, n_steps):
    calls = []
    found = composed(network, 1, n_steps=n_steps, on_progress=lambda *done: calls.append(done))
    assert found.n_steps == n_steps and set(found.symbols) <= set(CONFIG.symbols)
    assert calls[-1] == (n_steps, n_steps) and len(calls) == len(found.symbols)
    assert set(found.durations[:-1]) <= set(CONFIG.durations)


def test_lines_follow_from_the_seed(network):
    one, two, other = (composed(network, seed, n_notes=30) for seed in (3, 3, 4))
    assert one == two != other


def test_a_line_is_continued_as_it_was_composed(network):
    whole = composed(network, n_notes=20, temperature=0)
    prime = NoteLine(whole.symbols[:9], whole.durations[:9])
    assert composed(network, 5, n_notes=20, temperature=0, prime=prime) == whole
    assert composed(network, 5, n_notes=20, top_k=1) == whole


@pytest.mark.slow
@pytest.mark.parametrize(
    ("temperature", "top_k", "shares"),
    [(1.0, None, (0.2, 0.4, 0.2, 0.2)), (0.5, None, (1 / 7, 4 / 7, 1 / 7, 1 / 7)), (1.0, 2, (1 / 3, 2 / 3, 0, 0))],
)
def test_draws_follow_the_predicted_distribution(temperature, top_k, shares):
    n = 3000
    found = composed(Same(), n_notes=n, temperature=temperature, top_k=top_k)
    counts = np.array([found.symbols.count(symbol) for symbol in CONFIG.symbols]) / n
    np.testing.assert_allclose(counts, shares, atol=0.03)


def test_the_most_likely_are_kept():
    logits = np.array([[1.0, 3.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(keep_most_likely(logits, 2), [[-np.inf, 3, 3, -np.inf], [0, 0, -np.inf, -np.inf]])
    np.testing.assert_array_equal(keep_most_likely(logits, 9), logits)


PRIME = NoteLine(("60",) * 3, (4,) * 3)


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({}, "n_notes"),
        ({"n_steps": 3, "n_notes": 3}, "n_notes"),
        ({"n_notes": 0}, "notes, not 0"),
        ({"n_steps": 10**6}, "steps, not 1000000"),
        ({"n_notes": 3, "temperature": -1}, "-1"),
        ({"n_notes": 3, "temperature": float("nan")}, "nan"),
        ({"n_notes": 3, "top_k": 0}, "top_k .* 0"),
        ({"n_notes": 3, "prime": PRIME}, "3 notes"),
        ({"n_steps": 12, "prime": PRIME}, "12 steps"),
    ],
)
def test_impossible_requests(network, options, value):
    with pytest.raises(UsageError, match=value):
        composed(network, **options)


def test_a_prime_on_another_grid(network):
    with pytest.raises(InputError, match="3 steps"):
        composed(network, n_notes=9, prime=NoteLine(("60",), (1,), (), 3))
