"""Sizes: what follows from a shape, and values out of range."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.errors import UsageError
from wavecore.models.musegan.config import PRESETS, MuseGANConfig
from wavecore.models.musegan.rolls import Track

THREE = (Track("a"), Track("b"), Track("kit", 0, True))


def test_presets_have_the_published_shapes():
    assert PRESETS["seed"].shape == (2, 16, 84, 4) and PRESETS["paper"].shape == (4, 96, 84, 5)
    assert PRESETS["paper"].drums == (False, True, False, False, False) and PRESETS["paper"].lowest == 24
    assert PRESETS["seed"].step_factors == (2, 2, 2, 2) and PRESETS["seed"].pitch_factors == (7, 12)


@pytest.mark.parametrize(
    ("variant", "given", "rows"),
    [
        ("composer", "", ("style", "chords")),
        ("jamming", "", ("groove",) * 3 + ("melody",) * 3),
        ("hybrid", "", ("style", "chords") + ("groove",) * 3 + ("melody",) * 3),
        ("hybrid", "b", ("style", "chords") + ("groove",) * 2 + ("melody",) * 2),
    ],
)
def test_noise_is_common_or_a_tracks_own(variant, given, rows):
    config = MuseGANConfig(THREE, variant, given)
    assert config.noise_rows == rows
    assert (config.n_generated, config.given_index) == ((2, 1) if given else (3, None))


@given(st.integers(1, 200), st.integers(1, 128))
def test_any_shape_has_factors(steps, n_pitches):
    config = MuseGANConfig(THREE, steps=steps, beats=1, n_pitches=n_pitches, lowest=0)
    assert math.prod(config.step_factors) == steps and list(config.step_factors) == sorted(config.step_factors)
    octaves, octave = config.pitch_factors
    assert octaves * octave == n_pitches and 1 <= octave <= 12
    assert n_pitches % 12 or octave == 12


def test_sizes_survive_json():
    config = MuseGANConfig(THREE, "jamming", "a", 3, 12, 3, 40, 25, 7, 6, 2, "bernoulli")
    assert MuseGANConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({"variant": "duet"}, "'duet'"),
        ({"neurons": "hard"}, "'hard'"),
        ({"tracks": ()}, "none"),
        ({"tracks": (Track("a"), Track("a", 3))}, "a, a"),
        ({"given": "c"}, "'c'"),
        ({"tracks": (Track("a"),), "given": "a"}, "'a'"),
        ({"bars": 1}, "bars .* 1"),
        ({"noise": 0}, "noise .* 0"),
        ({"critic_channels": 0}, "critic_channels"),
        ({"channels": 15}, "15"),
        ({"steps": 15}, "15 steps"),
        ({"beats": 0}, "0 beats"),
        ({"lowest": 60}, "84 pitches from 60"),
    ],
)
def test_values_out_of_range(changes, value):
    with pytest.raises(UsageError, match=value):
        replace(MuseGANConfig(THREE), **changes)
