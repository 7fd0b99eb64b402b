"""The probe detects domains that latents encode, and is at chance on noise."""

import numpy as np
import pytest
import torch

from wavecore.errors import InputError
from wavecore.metrics import probe
from wavecore.metrics.probe import probe_accuracy


@pytest.fixture(autouse=True)
def short_training(monkeypatch):
    monkeypatch.setattr(probe, "STEPS", 150)


def _latents(n, rng, *, marked):
    """Return noise of three domains; if marked, the product of two channels has a mean that depends on the domain."""
    labels = np.arange(n) % 3
    x = rng.standard_normal((n, 6, 5))
    if marked:
        x[..., 1] = x[..., 0] * (labels - 1)[:, None] + 0.1 * x[..., 1]
    return x, labels


@pytest.mark.slow
def test_it_detects_a_product_of_channels():
    rng = np.random.default_rng(0)
    assert probe_accuracy(*_latents(300, rng, marked=True), *_latents(90, rng, marked=True)) > 0.9


@pytest.mark.slow
def test_it_is_at_chance_on_noise_and_repeats():
    rng = np.random.default_rng(1)
    data = (*_latents(1500, rng, marked=False), *_latents(900, rng, marked=False))
    before = torch.random.get_rng_state()
    first = probe_accuracy(*data)
    assert abs(first - 1 / 3) < 0.07
    assert probe_accuracy(*data) == first
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.slow
def test_domains_have_equal_weight():
    rng = np.random.default_rng(2)
    x, labels = _latents(300, rng, marked=False)
    held_out, _ = _latents(302, rng, marked=False)
    unbalanced = np.array([0] * 300 + [1, 2])
    x, held_out = x + 10 * (labels == 0)[:, None, None], held_out + 10 * (unbalanced == 0)[:, None, None]
    assert probe_accuracy(x, labels, held_out, unbalanced) < 0.99


@pytest.mark.parametrize(
    ("change", "value"),
    [
        (lambda x, y: (x[0], y), r"\(6, 5\)"),
        (lambda x, y: (x, y[:-1]), r"\(11,\)"),
        (lambda x, y: (x * np.nan, y), "360"),
        (lambda x, y: (x[..., :3], y), "5 channels, .* 3"),
        (lambda x, y: (x, np.minimum(y, 1)), r"of 3 .*\[2\]"),
        (lambda x, y: (x[:0], y[:0]), r"\(0,\)"),
    ],
)
def test_bad_input_is_refused(change, value):
    x, y = _latents(12, np.random.default_rng(3), marked=False)
    with pytest.raises(InputError, match=value):
        probe_accuracy(x, y, *change(x, y))
