"""Counts of phrases and how far they are apart."""

import numpy as np
import pytest

from wavecore.errors import InputError
from wavecore.models.musegan.roll_distance import distance, profile


def phrases(rng, n=200, *, pitches=(0, 4, 7), kept=0.0):
    """Phrases of two bars of four steps: a note of a step in each of two tracks, a third apart, and strokes."""
    found = np.zeros((n, 2, 4, 24, 3), bool)
    for phrase in found:
        for number, bar in enumerate(phrase):
            step, pitch = rng.integers(4), rng.choice(pitches)
            bar[step, pitch, 0] = bar[step, pitch + 4, 1] = bar[0, 20, 2] = True
            if number and rng.random() < kept:
                bar[:] = phrase[0]
    return found


def counted(found):
    return profile(found, lowest=60, drums=[False, False, True])


def test_what_is_counted():
    one = np.zeros((1, 2, 4, 24, 3), bool)
    one[0, 0, 2:, 0, 0] = one[0, 1, 0, 0, 0] = True  # three steps over the bar line
    one[0, 0, 2, 3, 1] = one[0, 1, 0, 14, 1] = True
    one[0, :, :2, 5, 2] = True
    found = counted(one)
    places = {name: {int(i): int(counts[i]) for i in np.flatnonzero(counts)} for name, counts in found.items()}
    assert places["pitch/0"] == {0: 1} and places["pitch/1"] == {3: 1, 14: 1} and places["pitch/2"] == {5: 4}
    assert places["step/0"] == {2: 1} and places["step/2"] == {0: 2, 1: 2}, "of drums every cell is a stroke"
    assert places["voices/0"] == {0: 5, 1: 3} and places["length/0"] == {2: 1} and places["length/1"] == {0: 2}
    assert places["classes/0"] == {1: 2} and places["kept/2"] == {4: 1} and places["kept/1"] == {0: 1}
    assert places["interval/0/1"] == {3: 1, 2: 1}, "pitch classes, octaves folded"
    assert not {"length/2", "classes/2", "interval/0/2"} & set(found)


def test_a_set_is_at_no_distance_from_itself_and_near_its_like():
    rng = np.random.default_rng(0)
    one, like = counted(phrases(rng)), counted(phrases(rng))
    assert distance(one, one) == 0 and 0 < distance(one, like) < 0.02
    assert distance(one, like) == pytest.approx(distance(like, one))


@pytest.mark.parametrize("spoil", [
    lambda found: np.roll(found, 1, axis=3),  # pitches
    lambda found: np.roll(found, 1, axis=2),  # times
    lambda found: np.stack([found[..., 0], np.roll(found[..., 1], 1, axis=2), found[..., 2]], axis=-1),  # chords
    lambda found: found | np.roll(found, 1, axis=2),  # durations
    lambda found: found | np.roll(found, 5, axis=3),  # voices
    lambda found: np.repeat(found[:, :1], 2, axis=1),  # bars that are the same
    lambda found: np.repeat(found[:1], len(found), axis=0),  # one phrase for all
    lambda found: found & False,
])  # fmt: skip
def test_what_is_different_is_farther_away(spoil):
    rng = np.random.default_rng(0)
    one, like = phrases(rng), phrases(rng)
    assert distance(counted(one), counted(spoil(like))) > 2 * distance(counted(one), counted(like)) + 0.01


def test_silence_is_at_no_distance_from_silence():
    silent = np.zeros((3, 2, 4, 24, 3), bool)
    assert distance(counted(silent), counted(silent)) == 0


def test_what_is_no_phrase():
    with pytest.raises(InputError, match="shape"):
        counted(np.zeros((2, 4, 24, 3), bool))
