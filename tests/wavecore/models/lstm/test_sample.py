"""Lines from an LSTM: as long as asked, begun as given, drawn from what it says."""

import numpy as np
import pytest
import torch
from torch import nn

from wavecore.errors import InputError, UsageError
from wavecore.models.lstm.config import LSTMConfig
from wavecore.models.lstm.model import LSTM
from wavecore.models.lstm.sample import best, compose
from wavecore.symbolic.note_sequence import REST, NoteLine

CONFIG = LSTMConfig((REST, "60", "62", "64"), (1, 2, 5), embedding=6, hidden=8, window=4)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = LSTM(CONFIG).eval()
        with torch.no_grad():
            for head in (found.note_head, found.duration_head):
                head.weight.mul_(20)
    return found


class Counting(nn.Module):
    """Says that after a symbol comes the next one, twice as unlikely any other; remembers what it heard."""

    config, start = CONFIG, (4, 3)

    def __init__(self):
        super().__init__()
        self.anything, self.heard = nn.Parameter(torch.zeros(1)), []

    def forward(self, notes, durations, state):
        self.heard.append((notes.tolist()[0], durations.tolist()[0]))
        said = [
            nn.functional.one_hot((numbers + 1) % n, n).float() * np.log(2)
            for numbers, n in ((notes, 4), (durations, 3))
        ]
        return *said, 0


def test_the_likeliest_without_chance():
    network = Counting()
    found = compose(network, rng=np.random.default_rng(0), n_notes=5, temperature=0)
    assert found.symbols == ("60", "62", "64", REST, "60") and found.durations == (2, 5, 1, 2, 5)
    assert network.heard == [([4], [3]), ([1], [1]), ([2], [2]), ([3], [0]), ([0], [1])]


def test_a_prime_stays_as_it_is_and_is_heard_as_what_is_nearest():
    network = Counting()
    prime = NoteLine(("61", "90"), (3, 4), (100, 90))
    found = compose(network, rng=np.random.default_rng(0), n_notes=3, prime=prime, temperature=0)
    assert found.symbols == ("61", "90", REST) and found.durations == (3, 4, 1)
    assert network.heard == [([4, 1, 3], [3, 1, 2])]


@pytest.mark.parametrize("n_steps", [1, 7, 64])
def test_a_line_ends_at_its_step(network, n_steps):
    told = []
    found = compose(
        network, rng=np.random.default_rng(1), n_steps=n_steps, on_progress=lambda done, of: told.append((done, of))
    )
    assert found.n_steps == n_steps and set(found.symbols) <= set(CONFIG.symbols)
    assert told[-1] == (n_steps, n_steps) and len(told) == len(found.symbols)
    assert set(found.durations[:-1]) <= set(CONFIG.durations)


def test_the_seed_decides(network):
    one, two, other = (compose(network, rng=np.random.default_rng(seed), n_notes=30) for seed in (3, 3, 4))
    assert one == two != other


def test_a_line_goes_on_as_if_it_had_been_drawn(network):
    whole = compose(network, rng=np.random.default_rng(0), n_notes=20, temperature=0)
    prime = NoteLine(whole.symbols[:9], whole.durations[:9])
    assert compose(network, rng=np.random.default_rng(5), n_notes=20, temperature=0, prime=prime) == whole


def test_one_of_one_is_the_likeliest(network):
    greedy = compose(network, rng=np.random.default_rng(0), n_notes=20, temperature=0)
    assert compose(network, rng=np.random.default_rng(5), n_notes=20, top_k=1) == greedy


@pytest.mark.parametrize(
    ("temperature", "top_k", "shares"),
    [(1.0, None, (0.2, 0.4, 0.2, 0.2)), (0.5, None, (1 / 7, 4 / 7, 1 / 7, 1 / 7)), (1.0, 2, (1 / 3, 2 / 3, 0, 0))],
)
def test_draws_follow_what_is_said(temperature, top_k, shares):
    class Same(Counting):
        def forward(self, notes, durations, state):
            return super().forward(torch.zeros_like(notes), torch.zeros_like(durations), state)

    found = compose(Same(), rng=np.random.default_rng(0), n_notes=6000, temperature=temperature, top_k=top_k)
    counts = np.array([found.symbols.count(symbol) for symbol in CONFIG.symbols]) / 6000
    np.testing.assert_allclose(counts, shares, atol=0.025)


def test_the_best_are_left():
    logits = np.array([[1.0, 3.0, 3.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    np.testing.assert_array_equal(best(logits, 2), [[-np.inf, 3, 3, -np.inf], [0, 0, -np.inf, -np.inf]])
    np.testing.assert_array_equal(best(logits, 9), logits)


def test_what_is_refused(network):
    prime = NoteLine(("60",) * 3, (4,) * 3)
    for options, message in (
        ({}, "by one of them only"),
        ({"n_steps": 3, "n_notes": 3}, "by one of them only"),
        ({"n_notes": 0}, "0 notes"),
        ({"n_steps": 10**6}, "1000000 steps"),
        ({"n_notes": 3, "temperature": -1}, "temperature is -1"),
        ({"n_notes": 3, "temperature": float("nan")}, "temperature is nan"),
        ({"n_notes": 3, "top_k": 0}, "top_k is 0"),
        ({"n_notes": 3, "prime": prime}, "has 3 notes"),
        ({"n_steps": 12, "prime": prime}, "has 12 steps"),
    ):
        with pytest.raises(UsageError, match=message):
            compose(network, rng=np.random.default_rng(0), **options)
    with pytest.raises(InputError, match="3 steps to a beat"):
        compose(network, rng=np.random.default_rng(0), n_notes=9, prime=NoteLine(("60",), (1,), (), 3))
