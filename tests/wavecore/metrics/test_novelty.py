"""Shares of copies and of repetitions."""

import numpy as np
import pytest

from wavecore.errors import InputError
from wavecore.metrics import novelty


def bar(*cells, shape=(4, 12, 2)):
    roll = np.zeros(shape, bool)
    for cell in cells:
        roll[cell] = True
    return roll


DRUMS = [False, True]


def keys(*bars):
    return novelty.bar_keys(np.stack(bars), DRUMS)


def test_transposed_bars_have_one_key():
    one, higher = bar((0, 2, 0), (1, 5, 0), (0, 3, 1)), bar((0, 7, 0), (1, 10, 0), (0, 3, 1))
    other_drum, other_time = bar((0, 2, 0), (1, 5, 0), (0, 4, 1)), bar((0, 2, 0), (2, 5, 0), (0, 3, 1))
    inverted = bar((0, 5, 0), (1, 2, 0), (0, 3, 1))
    first, second, *others = keys(one, higher, other_drum, other_time, inverted)
    assert first == second and len({first, *others}) == 4


def test_only_silent_bars_have_an_empty_key():
    silent, stroke, other = keys(bar(), bar((0, 3, 1)), bar((0, 4, 1)))
    assert silent == b"" and stroke and stroke != other


def test_shares():
    assert novelty.distinct([b"a", b"b", b"a", b"a", b""]) == 0.5 and novelty.distinct([b"a"] * 100) == 0.01
    assert novelty.copied([b"a", b"b", b"a", b""], [b"a", b""]) == pytest.approx(2 / 3)
    assert np.isnan(novelty.distinct([b""])) and np.isnan(novelty.copied([b""], [b"a"]))


def test_ngrams():
    assert novelty.ngrams([1, 2, 3], 2) == [(1, 2), (2, 3)] and novelty.ngrams([1], 2) == []
    assert novelty.copied_ngrams([[1, 2, 3, 4]], [[9, 2, 3], [3, 4]], 2) == pytest.approx(2 / 3)
    assert novelty.copied_ngrams([[2, 3], [3, 2]], [[3], [2, 3]], 2) == 0.5  # pieces are separate
    assert np.isnan(novelty.copied_ngrams([[1]], [[1, 2]], 2))
    assert novelty.copied_ngrams([[0, 0]], [[0, 0]], 1) == 1  # an element of zero counts


def test_bad_arguments_are_refused():
    with pytest.raises(InputError, match="n is 0"):
        novelty.ngrams([1], 0)
    for bars in (np.zeros((2, 4, 12), bool), np.zeros((2, 4, 12, 3), bool), np.zeros((2, 4, 12, 2))):
        with pytest.raises(InputError, match=r"\(2, 4, 12"):
            novelty.bar_keys(bars, DRUMS)
