"""The level in rests, for sounds of known level."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.metrics.silence import level_in_rests

RATE = 16_000


def tone(seconds=1.0, level_db=-20.0):
    t = np.arange(int(seconds * RATE)) / RATE
    return (np.sqrt(2) * 10 ** (level_db / 20) * np.sin(2 * np.pi * 440 * t)).astype(np.float32)


def rest(seconds=1.0):
    return np.zeros(int(seconds * RATE), np.float32)


def test_a_sound_in_a_rest_has_its_level():
    reference = np.concatenate([tone(), rest()])
    estimate = np.concatenate([tone(), tone(level_db=-30)])
    assert level_in_rests(estimate, reference, sample_rate=RATE) == pytest.approx(-30, abs=0.1)
    assert level_in_rests(reference, reference, sample_rate=RATE) == -90


def test_the_release_of_a_tone_does_not_count():
    reference = np.concatenate([tone(0.5), rest(0.5)])
    late, later = (np.concatenate([tone(seconds), rest(1 - seconds)]) for seconds in (0.54, 0.6))
    assert level_in_rests(late, reference, sample_rate=RATE) == -90
    assert level_in_rests(later, reference, sample_rate=RATE) > -30


def test_without_rests_there_is_no_level():
    assert level_in_rests(rest(), tone(), sample_rate=RATE) is None
    dip = np.concatenate([tone(0.5), rest(0.08), tone(0.5)])
    assert level_in_rests(tone(1.08), dip, sample_rate=RATE) is None  # four silent frames, two of margin on each side
    assert level_in_rests(np.zeros(0), np.zeros(0), sample_rate=RATE) is None


@given(st.floats(-80, -10))
def test_twice_the_amplitude_is_6_db_more(level_db):
    reference, estimate = rest(), tone(level_db=level_db)
    once, twice = (level_in_rests(factor * estimate, reference, sample_rate=RATE) for factor in (1, 2))
    assert twice - once == pytest.approx(20 * np.log10(2), abs=0.05)
