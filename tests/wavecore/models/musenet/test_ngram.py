"""Counts of tokens: exact costs, and smoothing where it helps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.errors import InputError
from wavecore.models.musenet.ngram import SMOOTHINGS, bigram, unigram


def test_what_is_drawn_evenly_costs_its_entropy():
    rng = np.random.default_rng(0)
    train, held = [rng.integers(0, 8, 40_000)], [rng.integers(0, 8, 4_000)]
    assert unigram(train, held, 8).bits == pytest.approx(3.0, abs=2e-3)
    assert bigram(train, held, 8).bits == pytest.approx(3.0, abs=5e-3)
    assert bigram(train, held, 8).smoothing >= 100, "what came before tells nothing"


def test_what_follows_for_sure_costs_nothing():
    train, held = [np.arange(600) % 6], [np.arange(3, 63) % 6]
    assert unigram(train, held, 6).bits == pytest.approx(np.log2(6), abs=1e-3)
    found = bigram(train, held, 6)
    assert found.bits < 1e-4 and found.smoothing == SMOOTHINGS[0]


def test_costs_by_hand():
    train, held = [np.array([9, 0, 0, 1])], [np.array([9, 1])]
    costs = [-np.log2((1 + s) / (3 + 10 * s)) for s in SMOOTHINGS]
    assert (
        unigram(train, held, 10).bits == pytest.approx(min(costs))
        and unigram(train, held, 10).smoothing == SMOOTHINGS[int(np.argmin(costs))]
    )
    base = (1 + SMOOTHINGS[0]) / (3 + 10 * SMOOTHINGS[0])
    costs = [-np.log2(s * base / (1 + s)) for s in SMOOTHINGS]
    assert bigram(train, held, 10).bits == pytest.approx(min(costs))


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 4), min_size=2, max_size=9), min_size=1, max_size=4),
    st.lists(st.integers(0, 4), min_size=2, max_size=9),
)
def test_no_token_is_impossible(train, held):
    train = [np.array(one) for one in train]
    for found in (unigram(train, [np.array(held)], 5), bigram(train, [np.array(held)], 5)):
        assert np.isfinite(found.bits) and found.bits >= 0 and found.smoothing in SMOOTHINGS


@pytest.mark.parametrize("measure", [unigram, bigram])
def test_what_cannot_be_counted(measure):
    good = [np.array([0, 1])]
    for train, held, message in (
        ([], good, "train holds no sequence"),
        (good, [np.array([1])], "held_out holds no sequence"),
        (good, [np.array([0, 5])], "0 to 5; 0 to 4 are"),
        ([np.array([-1, 2])], good, "from -1 to 2"),
    ):
        with pytest.raises(InputError, match=message):
            measure(train, held, 5)
