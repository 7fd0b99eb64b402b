"""The probe finds what is there, and nothing where nothing is."""

import numpy as np
import pytest
import torch

from wavecore.errors import InputError
from wavecore.metrics.probe import probe_accuracy


def _latents(n, rng, *, marked):
    """Noise of three domains; if marked, each domain's products of two channels differ in sign or size."""
    labels = np.arange(n) % 3
    x = rng.standard_normal((n, 6, 5))
    if marked:
        x[..., 1] = x[..., 0] * (labels - 1)[:, None] + 0.1 * x[..., 1]
    return x, labels


def test_it_finds_what_no_single_channel_shows():
    rng = np.random.default_rng(0)
    assert probe_accuracy(*_latents(300, rng, marked=True), *_latents(90, rng, marked=True)) > 0.9


def test_it_is_at_chance_on_noise_and_repeats():
    rng = np.random.default_rng(1)
    data = (*_latents(1500, rng, marked=False), *_latents(900, rng, marked=False))
    before = torch.random.get_rng_state()
    first = probe_accuracy(*data)
    assert abs(first - 1 / 3) < 0.07
    assert probe_accuracy(*data) == first
    assert torch.equal(torch.random.get_rng_state(), before)


def test_domains_count_alike():
    """Held-out latents that are nearly all of one domain do not decide."""
    rng = np.random.default_rng(2)
    x, labels = _latents(300, rng, marked=False)
    held_out, _ = _latents(302, rng, marked=False)
    unbalanced = np.array([0] * 300 + [1, 2])
    assert (
        probe_accuracy(
            x + 10 * (labels == 0)[:, None, None], labels, held_out + 10 * (unbalanced == 0)[:, None, None], unbalanced
        )
        < 0.99
    )


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda x, y: (x[0], y), "shape"),
        (lambda x, y: (x, y[:-1]), "shape"),
        (lambda x, y: (x * np.nan, y), "not finite"),
        (lambda x, y: (x[..., :3], y), "channels"),
        (lambda x, y: (x, np.minimum(y, 1)), r"lack latents: \[2\]"),
        (lambda x, y: (x[:0], y[:0]), "shape"),
    ],
)
def test_bad_input_is_refused(change, message):
    x, y = _latents(12, np.random.default_rng(3), marked=False)
    with pytest.raises(InputError, match=message):
        probe_accuracy(x, y, *change(x, y))
