"""Weights and ways as people write them."""

import argparse
from pathlib import Path

import numpy as np
import pytest

from wavecore.errors import UsageError
from wavecore.models.nsynth.weights import Station, points, requested, station_name, weights


def _args(n=2, **changes):
    sounds = [Path(f"{name}.wav") for name in "abcd"[:n]]
    return argparse.Namespace(
        **({"sounds": sounds, "steps": None, "weights": None, "morph": None, "seconds": 4.0, "stretch": 1.0} | changes)
    )


def test_five_steps_are_usual():
    found = requested(_args())
    assert [station.points[0][1] for station in found] == [(1, 0), (0.75, 0.25), (0.5, 0.5), (0.25, 0.75), (0, 1)]
    assert found[1].name == "a-075__b-025" and found[1].document() == [0.75, 0.25]
    np.testing.assert_array_equal(found[1].weights(7, 0.1), [0.75, 0.25])
    with pytest.raises(UsageError, match="1 steps"):
        requested(_args(steps=1))


def test_weights_are_stations_of_their_own():
    found = requested(_args(3, weights=weights("2,1,1:0,1,0")))
    assert [station.name for station in found] == ["a-050__b-025__c-025", "a-000__b-100__c-000"]
    assert station_name([Path("x/a.wav"), Path("b.flac")], [1, 2]) == "a-033__b-067"


def test_a_morph_is_one_sound_through_all_of_them():
    (found,) = requested(_args(3, morph=[], stretch=2.0))
    assert found.name == "a__to__b__to__c"
    assert found.document() == [[0.0, [1, 0, 0]], [4.0, [0, 1, 0]], [8.0, [0, 0, 1]]]
    drawn = found.weights(80, 0.1)
    assert drawn.shape == (80, 3) and drawn[0, 0] > 0.98 and drawn[-1, 2] > 0.98
    np.testing.assert_allclose(drawn.sum(axis=1), 1)


def test_a_morph_by_points():
    (found,) = requested(_args(morph=points("0.5=1,0:1.5=0,1")))
    np.testing.assert_allclose(found.weights(4, 0.5)[:, 1], [0, 0.25, 0.75, 1])
    assert Station("x", found.points).document() == [[0.5, [1, 0]], [1.5, [0, 1]]]


@pytest.mark.parametrize("text", ["", "1,x", "1,,2", "0,0", "-1,2", "nan,1", "inf,1", "1,1:"])
def test_what_are_no_weights(text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"weights"):
        weights(text)


@pytest.mark.parametrize(
    "text", ["", "1,0", "x=1,0", "0=1,0:0=0,1", "1=1,0:0=0,1", "-1=1,0", "nan=1,0", "0=1,x", "0=0,0", "0="]
)
def test_what_is_no_way(text):
    with pytest.raises(argparse.ArgumentTypeError, match="way|ascend|weights"):
        points(text)
