"""Mixes as they are written on the command line."""

import argparse
from pathlib import Path

import pytest

from wavecore.errors import UsageError
from wavecore.models.nsynth.commands.mixes import points, requested, weights


def request(n=2, **changes):
    sounds = [Path(f"x/{name}.wav") for name in "abcd"[:n]]
    defaults = {"sounds": sounds, "steps": None, "weights": None, "morph": None, "seconds": 4.0, "stretch": 1.0}
    return requested(argparse.Namespace(**defaults | changes))


def test_five_steps_are_the_default():
    mixes = request()
    assert [mix.weights for mix in mixes] == [(1, 0), (0.75, 0.25), (0.5, 0.5), (0.25, 0.75), (0, 1)]
    assert mixes[1].name == "a-075__b-025" and mixes[1].document() == [0.75, 0.25]
    with pytest.raises(UsageError, match="1"):
        request(steps=1)
    with pytest.raises(UsageError, match="1"):
        request(1)


def test_every_row_of_weights_is_a_mix():
    mixes = request(3, weights=weights("2,1,1:0,1,0"))
    assert [mix.name for mix in mixes] == ["a-050__b-025__c-025", "a-000__b-100__c-000"]
    with pytest.raises(UsageError, match="3 weights for 2 sounds"):
        request(weights=weights("1,2,3"))


def test_a_morph_goes_through_all_sounds_or_by_points():
    (mix,) = request(3, morph=[], stretch=2.0)
    assert mix.name == "a__to__b__to__c"
    assert mix.document() == [[0.0, [1, 0, 0]], [4.0, [0, 1, 0]], [8.0, [0, 0, 1]]]
    (mix,) = request(morph=points("0.5=1,0:1.5=0,1"))
    assert mix.weights == {0.5: (1, 0), 1.5: (0, 1)} and mix.document() == [[0.5, [1, 0]], [1.5, [0, 1]]]


@pytest.mark.parametrize("text", ["", "1,x", "1,,2", "0,0", "-1,2", "nan,1", "inf,1", "1,1:"])
def test_texts_that_are_no_weights(text):
    with pytest.raises(argparse.ArgumentTypeError):
        weights(text)


@pytest.mark.parametrize("text", ["", "1,0", "x=1,0", "0=1,0:0=0,1", "1=1,0:0=0,1", "-1=1,0", "nan=1,0", "0=1,x", "0="])
def test_texts_that_are_no_points(text):
    with pytest.raises(argparse.ArgumentTypeError):
        points(text)
