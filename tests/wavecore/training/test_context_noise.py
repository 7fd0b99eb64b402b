"""Pasts that are silenced, overlaid and blurred as often as the settings say."""

import numpy as np
import pytest

from wavecore.audio import mulaw
from wavecore.training.config import TrainingConfig
from wavecore.training.context_noise import spoil_history

RATE = 16_000
CLEAN = {f"history_{kind}_probability": 0.0 for kind in ("noise", "tone", "offset", "dropout")}


def codes() -> np.ndarray:
    t = np.arange(3_000) / RATE
    return mulaw.encode((0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32))


def spoil(seed: int = 0, **settings) -> np.ndarray:
    training = TrainingConfig(**(CLEAN | settings))
    return spoil_history(codes(), training, sample_rate=RATE, rng=np.random.default_rng(seed))


def test_without_any_of_it_the_past_is_as_it_was():
    assert np.array_equal(spoil(), codes())


@pytest.mark.parametrize("kind", ["noise", "tone", "offset", "dropout"])
def test_each_kind_changes_it_and_not_its_shape(kind):
    found = spoil(**{f"history_{kind}_probability": 1.0})
    assert found.shape == codes().shape and found.dtype == np.uint8
    assert not np.array_equal(found, codes())


def test_a_stretch_is_silent():
    found = spoil(context_dropout_probability=1.0)
    changed = found != codes()
    assert set(found[changed].tolist()) == {128}


def test_a_tone_is_no_noise():
    """What a tone adds is found in a few bins of its spectrum."""
    added = mulaw.decode(spoil(3, context_tone_probability=1.0)) - mulaw.decode(codes())
    power = np.abs(np.fft.rfft(added * np.hanning(len(added)))) ** 2
    assert np.sort(power)[-40:].sum() > 0.8 * power.sum()


@pytest.mark.parametrize("kind", ["noise", "tone"])
def test_neither_is_louder_than_the_settings_say(kind):
    for seed in range(8):
        found = spoil(seed, context_noise_db=-30.0, **{f"history_{kind}_probability": 1.0})
        added = mulaw.decode(found) - mulaw.decode(codes())
        # Rounding to codes adds a little of its own; a tone of six partials has 1.22 times the level of its first.
        assert np.sqrt(np.mean(added**2)) < 1.5 * 10 ** (-30 / 20) + 0.006


def test_an_offset_is_a_straight_line():
    for seed in range(8):
        added = mulaw.decode(spoil(seed, context_offset_probability=1.0)) - mulaw.decode(codes())
        line = np.polynomial.Polynomial.fit(np.arange(len(added)), added, 1)
        assert np.std(added - line(np.arange(len(added)))) < 0.02, "what is left is rounding to codes"
        assert 0.001 < np.abs(added).max() < 0.45


def test_the_share_is_the_one_asked_for():
    changed = [not np.array_equal(spoil(seed, context_noise_probability=0.5), codes()) for seed in range(200)]
    assert 75 <= sum(changed) <= 125
