"""Mixes of latents: exact laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wavecore.errors import UsageError
from wavecore.models.nsynth import latent_mix

C = 5
LATENTS = arrays.arrays(np.float32, (3, 4, C), elements=st.floats(-8, 8, width=32))
WEIGHTS = arrays.arrays(np.float64, 3, elements=st.floats(0.01, 1))


@given(latents=LATENTS, weights=WEIGHTS)
def test_linear_mixes_are_weighted_means(latents, weights):
    want = np.tensordot(weights / weights.sum(), latents.astype(np.float64), axes=1)
    np.testing.assert_allclose(latent_mix.mix(latents, weights), want, atol=1e-5)
    np.testing.assert_allclose(latent_mix.mix(latents, 7 * weights), want, atol=1e-5)


@pytest.mark.parametrize("method", latent_mix.METHODS)
@given(latents=LATENTS)
def test_the_ends_are_the_sounds(method, latents):
    for i in range(3):
        np.testing.assert_allclose(latent_mix.mix(latents, np.eye(3)[i], method=method), latents[i], atol=1e-5)


@given(latents=arrays.arrays(np.float64, (2, 4, C), elements=st.floats(0.1, 8)), share=st.floats(0, 1))
def test_great_circles_keep_lengths_and_turn_evenly(latents, share):
    a, b = latents
    found = latent_mix.mix(latents, [1 - share, share], method="slerp").astype(np.float64)
    lengths = [np.linalg.norm(x, axis=-1) for x in (a, found, b)]
    np.testing.assert_allclose(lengths[1], (1 - share) * lengths[0] + share * lengths[2], rtol=1e-4)

    def angle(x, y):
        cosine = (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
        return np.arccos(np.clip(cosine, -1, 1))

    np.testing.assert_allclose(angle(a, found), share * angle(a, b), atol=2e-3)


def test_opposite_and_silent_latents_go_straight():
    a = np.array([[[1.0, 0], [0, 0]], [[-1.0, 0], [2, 0]]])
    np.testing.assert_allclose(latent_mix.mix(a, [0.25, 0.75], method="slerp"), [[-0.5, 0], [1.5, 0]])


def test_weights_may_change_on_the_way():
    latents = np.stack([np.zeros((5, C)), np.ones((5, C))])
    way = np.stack([np.linspace(1, 0, 5), np.linspace(0, 1, 5)], axis=1)
    for method in latent_mix.METHODS:
        np.testing.assert_allclose(
            latent_mix.mix(latents, way, method=method)[:, 0], [0, 0.25, 0.5, 0.75, 1], atol=1e-6
        )


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1], r"shape \(1,\)"),
        ([[1, 1]], "shape"),
        ([-1, 2], "not negative"),
        ([np.nan, 1], "finite"),
        ([0, 0], "all weights"),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(UsageError, match=message):
        latent_mix.mix(np.zeros((2, 3, C)), weights)


def test_bad_mixes():
    with pytest.raises(UsageError, match="no method 'cubic'"):
        latent_mix.mix(np.zeros((2, 3, C)), [1, 1], method="cubic")
    with pytest.raises(UsageError, match=r"shape \(2, 3\)"):
        latent_mix.mix(np.zeros((2, 3)), [1, 1])


@pytest.mark.parametrize("method", latent_mix.METHODS)
@given(latents=LATENTS, weights=WEIGHTS)
def test_straight_channels_are_means_and_leave_the_others_alone(method, latents, weights):
    found = latent_mix.mix(latents, weights, method=method, n_straight=2)
    lines = latent_mix.mix(latents, weights)
    assert found.shape == (4, C) and found.dtype == np.float32
    np.testing.assert_array_equal(found[:, -2:], lines[:, -2:])
    np.testing.assert_allclose(found[:, :-2], latent_mix.mix(latents[..., :-2], weights, method=method), atol=1e-6)
