"""The level in rests, of sounds whose level is known."""

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


def test_what_goes_on_is_as_loud_as_it_is():
    truth = np.concatenate([tone(), rest()])
    assert level_in_rests(np.concatenate([tone(), tone(level_db=-30)]), truth, sample_rate=RATE) == pytest.approx(
        -30, abs=0.1
    )
    assert level_in_rests(truth, truth, sample_rate=RATE) == -90


def test_a_tone_that_ends_a_little_late_is_not_blamed():
    truth = np.concatenate([tone(0.5), rest(0.5)])
    late = np.concatenate([tone(0.54), rest(0.46)])
    assert level_in_rests(late, truth, sample_rate=RATE) == -90
    later = np.concatenate([tone(0.6), rest(0.4)])
    assert level_in_rests(later, truth, sample_rate=RATE) > -30


def test_without_rests_nothing_is_measured():
    assert level_in_rests(rest(), tone(), sample_rate=RATE) is None
    dip = np.concatenate([tone(0.5), rest(0.08), tone(0.5)])
    assert level_in_rests(tone(1.08), dip, sample_rate=RATE) is None, "four frames are no rest with two around each"
    assert level_in_rests(np.zeros(0), np.zeros(0), sample_rate=RATE) is None


@given(st.floats(-80, -10))
def test_twice_the_sound_is_six_decibels_more(level_db):
    truth, said = rest(), tone(level_db=level_db)
    once, twice = (level_in_rests(factor * said, truth, sample_rate=RATE) for factor in (1, 2))
    assert twice - once == pytest.approx(20 * np.log10(2), abs=0.05)
