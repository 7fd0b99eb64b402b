"""Mel distances of sounds with known differences."""

import numpy as np
import pytest

from wavecore.errors import InputError
from wavecore.metrics.mel import RANGE_DB, mel_distance

RATE = 16_000
T = np.arange(RATE) / RATE


def tone(partials):
    return sum(0.2 / k * np.sin(2 * np.pi * 330 * k * T) for k in partials).astype(np.float32)


def test_the_level_does_not_matter():
    x = tone(range(1, 8))
    assert mel_distance(x, x, sample_rate=RATE) == 0
    assert mel_distance(x, 0.01 * x, sample_rate=RATE) == pytest.approx(0, abs=0.05)


def test_noise_is_farther_than_another_timbre_and_silence_than_noise():
    x = tone(range(1, 8))
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    near, far, silent = (mel_distance(x, y, sample_rate=RATE) for y in (tone((1, 2, 3, 5, 6)), noise, 0 * x))
    assert 0.5 < near < far < RANGE_DB and 5 < silent < RANGE_DB
    assert mel_distance(noise, 0 * x, sample_rate=RATE) > 1.5 * mel_distance(noise, x, sample_rate=RATE)


def test_two_samples_of_noise_are_near_in_either_order():
    a, b = (np.random.default_rng(seed).standard_normal(RATE).astype(np.float32) for seed in (1, 2))
    distance = mel_distance(a, b, sample_rate=RATE)
    assert distance < 6 and distance == pytest.approx(mel_distance(b, a, sample_rate=RATE))


def test_sounds_that_cannot_be_compared():
    with pytest.raises(InputError, match="16000.*15999"):
        mel_distance(T, T[:-1], sample_rate=RATE)
    with pytest.raises(InputError, match="reference"):
        mel_distance(0 * T, T, sample_rate=RATE)
