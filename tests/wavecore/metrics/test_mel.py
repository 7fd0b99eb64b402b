"""Mel distances of sounds that differ in known ways."""

import numpy as np
import pytest

from wavecore.errors import InputError
from wavecore.metrics.mel import RANGE_DB, mel_distance

RATE = 16_000
T = np.arange(RATE) / RATE


def tone(partials):
    return sum(0.2 / k * np.sin(2 * np.pi * 330 * k * T) for k in partials).astype(np.float32)


def test_a_sound_is_where_it_is_however_loud():
    x = tone(range(1, 8))
    assert mel_distance(x, x, sample_rate=RATE) == 0
    assert mel_distance(x, 0.01 * x, sample_rate=RATE) == pytest.approx(0, abs=0.05)


def test_timbre_moves_a_sound_and_noise_moves_it_further():
    x = tone(range(1, 8))
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    near, far = (mel_distance(x, y, sample_rate=RATE) for y in (tone((1, 2, 3, 5, 6)), noise))
    assert 0.5 < near < far < RANGE_DB


def test_noise_of_other_draws_is_near():
    a, b = (np.random.default_rng(seed).standard_normal(RATE).astype(np.float32) for seed in (1, 2))
    assert mel_distance(a, b, sample_rate=RATE) < 6


def test_distances_are_symmetric():
    a, b = tone((1, 2)), tone((1, 3, 5))
    assert mel_distance(a, b, sample_rate=RATE) == pytest.approx(mel_distance(b, a, sample_rate=RATE))


def test_what_cannot_be_compared():
    with pytest.raises(InputError, match="cannot be compared"):
        mel_distance(T, T[:-1], sample_rate=RATE)
    with pytest.raises(InputError, match="the reference is silent"):
        mel_distance(0 * T, T, sample_rate=RATE)


def test_silence_is_further_than_noise():
    x = tone(range(1, 8))
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert mel_distance(noise, 0 * x, sample_rate=RATE) > 1.5 * mel_distance(noise, x, sample_rate=RATE)
    assert 5 < mel_distance(x, 0 * x, sample_rate=RATE) < RANGE_DB
