"""Histograms of lines, their overlap and divergence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError
from wavecore.metrics.histograms import NAMES, divergence, histograms, overlap, overlaps


def where(counts):
    return {int(place): int(counts[place]) for place in np.flatnonzero(counts)}


def test_what_is_counted():
    line = np.array([[8, 62, 2], [0, 60, 4], [0, 48, 99], [4, 72, 4]])  # a bass note below the first
    found = histograms([line], longest=16)
    assert tuple(found) == NAMES
    assert where(found["pitch_class"]) == {0: 3, 2: 1}
    assert where(found["interval"]) == {24 + 12: 1, 24 - 10: 1}, "from highest note to highest note"
    assert where(found["duration"]) == {1: 1, 3: 2, 15: 1}, "what is longer than the longest counts as that"
    assert where(found["inter_onset"]) == {3: 2}


def test_lines_do_not_follow_each_other_and_wide_leaps_are_one():
    line = np.array([[0, 10, 1], [40, 100, 1]])
    found = histograms([line, line, np.zeros((0, 3), int), line[::-1]], longest=8)
    assert where(found["interval"]) == {48: 3} and where(found["inter_onset"]) == {7: 3}
    assert where(found["pitch_class"]) == {4: 3, 10: 3}
    assert not any(counts.any() for counts in histograms([], longest=8).values())


def test_overlap():
    assert overlap(np.array([1.0, 1, 0]), np.array([0.0, 5, 5])) == 0.5
    assert (
        overlap(np.array([1.0, 2]), np.array([10.0, 20])) == 1 and overlap(np.array([1.0, 0]), np.array([0.0, 1])) == 0
    )
    assert np.isnan(overlap(np.zeros(2), np.ones(2)))
    one = histograms([np.array([[0, 60, 1]])], longest=4)
    assert overlaps(one, one)["pitch_class"] == 1 and np.isnan(overlaps(one, one)["interval"])


def test_divergence():
    assert (
        divergence(np.array([1.0, 0]), np.array([0.0, 3])) == 1
        and divergence(np.array([1.0, 3]), np.array([2.0, 6])) == 0
    )
    wanted = np.log2(4) * 0.25 + 0.75 * np.log2(4 / 3) - 0.5
    assert divergence(np.array([1.0, 1]), np.array([1.0, 0])) == pytest.approx(wanted)
    assert divergence(np.zeros(2), np.ones(2)) == 1 and np.isnan(divergence(np.zeros(2), np.zeros(2)))


counts = (
    st.lists(st.integers(0, 9), min_size=4, max_size=4)
    .map(lambda found: np.array(found, float))
    .filter(lambda found: found.any())
)


@given(counts, counts)
def test_laws(one, other):
    assert (
        divergence(one, other) == pytest.approx(divergence(other, one)) and -1e-9 <= divergence(one, other) <= 1 + 1e-9
    )
    # The total variation is 1 less the overlap; the divergence lies between its square's and its own bounds.
    variation = 1 - overlap(one, other)
    assert variation**2 / (2 * np.log(2)) - 1e-9 <= divergence(one, other) <= variation + 1e-9


@pytest.mark.parametrize(
    ("lines", "longest", "message"),
    [
        ([np.zeros((2, 4), int)], 8, r"\(2, 4\)"),
        ([np.array([[0, 60, 0]])], 8, "lasts 0 steps"),
        ([], 0, "0 steps"),
    ],
)
def test_what_is_no_line(lines, longest, message):
    with pytest.raises(InputError, match=message):
        histograms(lines, longest=longest)
