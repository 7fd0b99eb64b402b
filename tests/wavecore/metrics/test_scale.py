"""Scale consistency by hand."""

import numpy as np
import pytest

from wavecore.errors import InputError
from wavecore.metrics.scale import scale_consistency


def counts(*pitches):
    return np.bincount(np.array(pitches) % 12, minlength=12)


def test_music_in_one_scale_is_wholly_in_it():
    assert scale_consistency(counts(60, 62, 64, 65, 67, 69, 71)) == 1
    assert scale_consistency(counts(57, 59, 60, 62, 64, 65, 67)) == 1, "a minor"
    assert scale_consistency(counts(61, 63, 66, 68, 70)) == 1, "the black keys"


def test_shares_are_those_of_the_best_scale():
    assert scale_consistency(np.ones(12)) == pytest.approx(7 / 12)
    assert scale_consistency(counts(60, 62, 64, 65, 67, 69, 71, 61)) == pytest.approx(7 / 8)
    assert scale_consistency(counts(60, 61, 62)) == pytest.approx(2 / 3)


def test_without_notes_there_is_none_and_what_is_no_count_is_refused():
    assert np.isnan(scale_consistency(np.zeros(12)))
    for wrong in (np.ones(11), np.ones((12, 1)), -np.ones(12)):
        with pytest.raises(InputError, match="counts of pitch classes"):
            scale_consistency(wrong)


def test_it_is_what_muspy_says():
    """``muspy.scale_consistency`` of muspy 0.5.0, which tries major and natural minor scales, on the same five lines."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(5):
        pitches = 60 + np.array([0, 2, 4, 5, 7, 9, 11])[rng.integers(0, 7, 40)] + (rng.random(40) < 0.25)
        found.append(scale_consistency(np.bincount(pitches % 12, minlength=12)))
    assert found == pytest.approx([0.8, 0.875, 0.85, 0.75, 0.875])
