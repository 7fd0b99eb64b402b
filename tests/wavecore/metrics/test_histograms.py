"""Histograms of lines, their overlap and divergence, and scales."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import InputError
from wavecore.metrics.histograms import NAMES, divergence, histograms, overlap, overlaps, scale_consistency


def where(counts):
    return {int(i): int(counts[i]) for i in np.flatnonzero(counts)}


def test_counts_of_a_known_line():
    line = np.array([[8, 62, 2], [0, 60, 4], [0, 48, 99], [4, 72, 4]])  # a bass note below the first
    counted = histograms([line], longest=16)
    assert tuple(counted) == NAMES
    assert where(counted["pitch_class"]) == {0: 3, 2: 1}
    assert where(counted["interval"]) == {24 + 12: 1, 24 - 10: 1}  # between the highest notes
    assert where(counted["duration"]) == {1: 1, 3: 2, 15: 1}  # the last bin also counts longer notes
    assert where(counted["inter_onset"]) == {3: 2}


def test_lines_are_independent_and_wide_intervals_share_a_bin():
    line = np.array([[0, 10, 1], [40, 100, 1]])
    counted = histograms([line, line, np.zeros((0, 3), int), line[::-1]], longest=8)
    assert where(counted["interval"]) == {48: 3} and where(counted["inter_onset"]) == {7: 3}
    assert where(counted["pitch_class"]) == {4: 3, 10: 3}
    assert not any(counts.any() for counts in histograms([], longest=8).values())


def test_overlap():
    assert overlap(np.array([1.0, 1, 0]), np.array([0.0, 5, 5])) == 0.5
    assert overlap(np.array([1.0, 2]), np.array([10.0, 20])) == 1
    assert overlap(np.array([1.0, 0]), np.array([0.0, 1])) == 0
    assert np.isnan(overlap(np.zeros(2), np.ones(2)))
    one = histograms([np.array([[0, 60, 1]])], longest=4)
    assert overlaps(one, one)["pitch_class"] == 1 and np.isnan(overlaps(one, one)["interval"])


def test_divergence():
    assert divergence(np.array([1.0, 0]), np.array([0.0, 3])) == pytest.approx(1, abs=1e-12)
    assert divergence(np.array([1.0, 3]), np.array([2.0, 6])) == 0
    expected = np.log2(4) * 0.25 + 0.75 * np.log2(4 / 3) - 0.5
    assert divergence(np.array([1.0, 1]), np.array([1.0, 0])) == pytest.approx(expected)
    assert divergence(np.zeros(2), np.ones(2)) == 1 and np.isnan(divergence(np.zeros(2), np.zeros(2)))


COUNTS = st.lists(st.integers(0, 9), min_size=4, max_size=4).filter(any).map(np.array)


@pytest.mark.slow
@given(COUNTS, COUNTS)
def test_the_divergence_is_symmetric_and_bounded_by_the_total_variation(one, other):
    bits, variation = divergence(one, other), 1 - overlap(one, other)
    assert bits == pytest.approx(divergence(other, one), abs=1e-12)
    assert variation**2 / (2 * np.log(2)) - 1e-9 <= bits <= variation + 1e-9


@pytest.mark.parametrize(
    ("lines", "longest", "value"),
    [([np.zeros((2, 4), int)], 8, r"\(2, 4\)"), ([np.array([[0, 60, 0]])], 8, "0 steps"), ([], 0, "0 steps")],
)
def test_bad_lines_are_refused(lines, longest, value):
    with pytest.raises(InputError, match=value):
        histograms(lines, longest=longest)


def pitch_classes(*pitches):
    return np.bincount(np.array(pitches) % 12, minlength=12)


@pytest.mark.parametrize(
    ("counts", "share"),
    [
        (pitch_classes(60, 62, 64, 65, 67, 69, 71), 1),
        (pitch_classes(57, 59, 60, 62, 64, 65, 67), 1),  # a minor
        (pitch_classes(61, 63, 66, 68, 70), 1),  # the black keys
        (np.ones(12), 7 / 12),
        (pitch_classes(60, 62, 64, 65, 67, 69, 71, 61), 7 / 8),
        (pitch_classes(60, 61, 62), 2 / 3),
        (np.zeros(12), np.nan),
    ],
)
def test_scale_consistency_of_known_counts(counts, share):
    assert scale_consistency(counts) == pytest.approx(share, nan_ok=True)
    for other in (counts[:11], counts[:, None], -1 - counts):
        with pytest.raises(InputError, match=r"\(1"):
            scale_consistency(other)


def test_scale_consistency_equals_muspy():
    """The values are ``muspy.scale_consistency`` of muspy 0.5.0, for major and natural minor scales, on these lines."""
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(5):
        pitches = 60 + np.array([0, 2, 4, 5, 7, 9, 11])[rng.integers(0, 7, 40)] + (rng.random(40) < 0.25)
        shares.append(scale_consistency(np.bincount(pitches % 12, minlength=12)))
    assert shares == pytest.approx([0.8, 0.875, 0.85, 0.75, 0.875])
