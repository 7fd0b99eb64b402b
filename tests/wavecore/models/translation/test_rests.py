"""Rests: where they lie, how they begin and end."""

import numpy as np

from wavecore.models.translation import rests

RATE, N = 16_000, 8_000


def gains(n, n_samples=N):
    rng = np.random.default_rng(0)
    return np.stack([rests.rest_gain(n_samples, sample_rate=RATE, rng=rng) for _ in range(n)])


def test_a_rest_is_one_silent_stretch_with_ends_that_fade():
    for gain in gains(200):
        assert gain.dtype == np.float32 and gain.shape == (N,) and gain.min() >= 0 and gain.max() <= 1
        silent = np.flatnonzero(gain == 0)
        assert len(silent) and len(silent) == silent[-1] - silent[0] + 1
        assert np.abs(np.diff(gain)).max() <= 1.01 / (rests.FADE_S * RATE), "no clicks"
        inner = silent[0] > 0 and silent[-1] < N - 1
        if inner:
            assert rests.SHORTEST_S * RATE - 2 <= len(silent) <= rests.LONGEST_S * RATE + 2


def test_every_place_rests_equally_often():
    share = (gains(4_000) == 0).mean(axis=0)
    assert share.max() - share.min() < 0.06 and 0.4 < share.mean() < 0.6


def test_a_passage_shorter_than_a_rest():
    found = gains(300, n_samples=900)
    assert (found == 0).all(axis=1).any() and not (found == 0).all()
