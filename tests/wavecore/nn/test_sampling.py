"""What was expected is the mean of what could have been drawn."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio import mulaw
from wavecore.errors import UsageError
from wavecore.nn.expectation import expected
from wavecore.nn.generate import open_generator
from wavecore.nn.wavenet import WaveNet, WaveNetConfig

VALUES = mulaw.decode(np.arange(256, dtype=np.uint8)).astype(np.float64)


def test_it_is_the_mean_under_the_softmax():
    logits = 5 * np.random.default_rng(0).standard_normal((3, 7, 256)).astype(np.float32)
    odds = np.exp(logits.astype(np.float64))
    found = expected(logits)
    assert found.dtype == np.float32 and found.shape == (3, 7)
    np.testing.assert_allclose(found, (odds @ VALUES) / odds.sum(-1), atol=1e-6)


@given(code=st.integers(0, 255), scale=st.floats(100, 1e30))
def test_where_one_code_is_sure_it_is_its_value(code, scale):
    logits = np.zeros((1, 256), np.float32)
    logits[0, code] = scale
    np.testing.assert_allclose(expected(logits), VALUES[code], atol=1e-7)


@given(shift=st.floats(-1e3, 1e3), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_what_is_added_to_all_logits_changes_nothing(shift, seed):
    logits = np.random.default_rng(seed).standard_normal((4, 256)).astype(np.float32)
    np.testing.assert_allclose(expected(logits + np.float32(shift)), expected(logits), atol=1e-4)


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("backend", ["reference", "numba", "auto"])
def test_what_a_generator_tells_is_what_its_decoder_expects(backend, temperature):
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
        wanted = decoder(torch.from_numpy(codes.astype(np.int64)), torch.from_numpy(latent)).numpy()
    assert np.abs(expected(logits) - expected(wanted[:, :41])).max() < 2e-3
    assert np.abs(expected(logits) - mulaw.decode(codes)).max() > 0.05, "a draw is not what was expected"


def test_rows_do_not_depend_on_each_other():
    logits = np.random.default_rng(2).standard_normal((501, 256)).astype(np.float32)
    together = expected(logits)
    for rows in (slice(0, 1), slice(3, 10), slice(100, 400)):
        np.testing.assert_array_equal(expected(logits[rows]), together[rows])


def test_fewer_codes_are_the_first_ones():
    logits = np.zeros((1, 16), np.float32)
    np.testing.assert_allclose(expected(logits), VALUES[:16].mean(), atol=1e-7)


@pytest.mark.parametrize("shape", [(2, 257), (2, 0), ()])
def test_what_does_not_fit_is_refused(shape):
    with pytest.raises(UsageError, match=re.escape(str(shape))):
        expected(np.zeros(shape, np.float32))
