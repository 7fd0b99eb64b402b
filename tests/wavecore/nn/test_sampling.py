"""Sampling from logits, and means of predicted distributions."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio import mulaw
from wavecore.errors import UsageError
from wavecore.nn.config import WaveNetConfig
from wavecore.nn.generate import open_generator
from wavecore.nn.sampling import pick, predicted_mean
from wavecore.nn.wavenet import WaveNet

VALUES = mulaw.decode(np.arange(256, dtype=np.uint8)).astype(np.float64)


def test_pick_follows_the_probabilities():
    logits = np.log(np.array([[0.2, 0.5, 0.3]])).repeat(20_000, axis=0)
    for temperature, probabilities in ((1.0, [0.2, 0.5, 0.3]), (0.5, np.array([4, 25, 9]) / 38)):
        picked = pick(logits, np.random.default_rng(0), temperature)
        np.testing.assert_allclose(np.bincount(picked, minlength=3) / 20_000, probabilities, atol=0.015)
    assert (pick(logits, np.random.default_rng(0), 0) == 1).all()


def test_mean_under_the_softmax():
    logits = 5 * np.random.default_rng(0).standard_normal((3, 7, 256)).astype(np.float32)
    weights = np.exp(logits.astype(np.float64))
    mean = predicted_mean(logits)
    assert mean.dtype == np.float32 and mean.shape == (3, 7)
    np.testing.assert_allclose(mean, (weights @ VALUES) / weights.sum(-1), atol=1e-6)
    np.testing.assert_allclose(predicted_mean(np.zeros((1, 16), np.float32)), VALUES[:16].mean(), atol=1e-7)


@given(code=st.integers(0, 255), scale=st.floats(100, 1e30))
def test_mean_of_a_certain_code_is_its_value(code, scale):
    logits = np.zeros((1, 256), np.float32)
    logits[0, code] = scale
    np.testing.assert_allclose(predicted_mean(logits), VALUES[code], atol=1e-7)


@given(shift=st.floats(-1e3, 1e3), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_mean_is_invariant_to_a_constant(shift, seed):
    logits = np.random.default_rng(seed).standard_normal((4, 256)).astype(np.float32)
    np.testing.assert_allclose(predicted_mean(logits + np.float32(shift)), predicted_mean(logits), atol=1e-4)


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("backend", ["reference", "numba", "auto"])
def test_logits_of_a_generator_are_those_of_teacher_forcing(backend, temperature):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        decoder = WaveNet(WaveNetConfig(2, 3, 2, 6, 6, 6, 8, latent_channels=3, hop_length=5)).eval()
        decoder.output.weight.data.normal_(std=0.5)
    latent = np.random.default_rng(1).standard_normal((2, 9, 3)).astype(np.float32)
    generator = open_generator(
        decoder.state_dict(), decoder.config, batch=2, seed=3, temperature=temperature, backend=backend
    )
    generator.feed(latent)
    codes, logits = generator.generate(41, logits=True)
    with torch.inference_mode():
        forced = decoder(torch.from_numpy(codes.astype(np.int64)), torch.from_numpy(latent)).numpy()
    assert np.abs(predicted_mean(logits) - predicted_mean(forced[:, :41])).max() < 2e-3
    assert np.abs(predicted_mean(logits) - mulaw.decode(codes)).max() > 0.05, "a sample is not the mean"


def test_rows_are_independent():
    logits = np.random.default_rng(2).standard_normal((501, 256)).astype(np.float32)
    together = predicted_mean(logits)
    for rows in (slice(0, 1), slice(3, 10), slice(100, 400)):
        np.testing.assert_array_equal(predicted_mean(logits[rows]), together[rows])


@pytest.mark.parametrize("shape", [(2, 257), (2, 0), ()])
def test_shapes_that_do_not_fit(shape):
    with pytest.raises(UsageError, match=re.escape(str(shape))):
        predicted_mean(np.zeros(shape, np.float32))
