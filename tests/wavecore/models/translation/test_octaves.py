"""Which octave a melody is moved to."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wavecore.models.translation import octaves


@given(distance=st.floats(-40, 40), low=st.floats(30, 80), width=st.floats(12, 40))
def test_some_octave_always_fits_a_range_of_an_octave(distance, low, width):
    midi = np.array([low + width / 2 + distance])
    shift = octaves.best_octave(midi, low, low + width)
    assert octaves.share_outside(midi, low, low + width, shift) == 0.0
    assert abs(shift) <= octaves.MAX_OCTAVES


def test_an_input_in_range_stays_where_it_is():
    assert octaves.best_octave(np.array([60.0, 64.0, 67.0]), 40, 90) == 0


def test_a_melody_at_the_very_end_of_the_range_is_moved_inwards():
    """84 is inside of 40 to 84, and yet nothing a decoder knows well."""
    assert octaves.best_octave(np.full(9, 84.0), 40, 84) == -1
    assert octaves.best_octave(np.full(9, 41.0), 40, 84) == 1
    assert octaves.best_octave(np.array([70.0, 72.0, 75.0, 79.0, 84.0]), 40, 84) == 0, "most of it lies well"
    assert octaves.best_octave(np.array([60.0, 90.0]), 58, 90) == 0, "nothing is gained by moving"
