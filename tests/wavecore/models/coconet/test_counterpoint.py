"""Counts, against chorales that were made to have them."""

import numpy as np
import pytest

from wavecore.errors import InputError
from wavecore.models.coconet import counterpoint

CLEAN = np.array([[72, 67, 64, 48], [72, 65, 62, 50], [71, 67, 62, 43]])


def with_voices(*rows):
    return np.array(rows)


def test_parallel_fifths_and_octaves():
    fifths = with_voices([67, 60, 52, 45], [69, 62, 52, 45])  # soprano and alto, up a tone
    assert (counterpoint.parallels(fifths, 7), counterpoint.parallels(fifths, 0)) == (1, 0)
    twelfths = with_voices([79, 60, 52, 45], [81, 62, 52, 45])
    assert counterpoint.parallels(twelfths, 7) == 1, "octaves are folded"
    octaves = with_voices([72, 64, 57, 48], [74, 64, 57, 50])
    assert (counterpoint.parallels(octaves, 0), counterpoint.parallels(octaves, 7)) == (1, 0)
    contrary = with_voices([67, 60, 52, 45], [60, 65, 52, 45])
    assert counterpoint.parallels(contrary, 7) == 0
    held = with_voices([67, 60, 52, 45], [67, 60, 52, 45])
    assert counterpoint.parallels(held, 7) == 0, "who stays does not move in parallel"
    resting = with_voices([67, 60, 52, 45], [-1, -1, 52, 45])
    assert counterpoint.parallels(resting, 7) == 0


def test_a_clean_passage_has_none():
    found = counterpoint.count([CLEAN])
    assert (found.parallel_fifths, found.parallel_octaves, found.crossings, found.out_of_range) == (0, 0, 0, 0)
    assert found.moves == pytest.approx(6 / 8)
    assert found.pitches == 3
    assert found.to_dict()["moves"] == found.moves


def test_crossings_and_ranges():
    crossed = CLEAN.copy()
    crossed[1, 1] = 73  # the alto above the soprano
    assert counterpoint.count([crossed]).crossings == pytest.approx(1 / 3)
    crossed[1, 0] = -1  # who rests is not crossed
    assert counterpoint.count([crossed]).crossings == 0
    low = CLEAN.copy()
    low[0, 3] = 36
    assert counterpoint.count([low]).out_of_range == pytest.approx(1 / 12)


def test_pieces_do_not_follow_each_other():
    one, two = np.full((4, 4), 60), np.full((4, 4), 67)
    found = counterpoint.count([one, two])
    assert found.moves == 0 and found.parallel_octaves == 0


def test_nothing_to_count_in():
    with pytest.raises(InputError, match="nothing can be counted"):
        counterpoint.count([CLEAN[:1]])
