"""Probe: the accuracy of a new classifier on fixed latents.

The classifier of adversarial training is no measure of what latents encode, because the encoder was trained to fool
it.  A new one, trained on fixed latents, is.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from wavecore.errors import InputError

CHANNELS = 100
STEPS = 1500
BATCH = 64
LEARNING_RATE = 2e-3


def probe_accuracy(
    latents: np.ndarray, labels: np.ndarray, held_out: np.ndarray, held_out_labels: np.ndarray, *, seed: int = 0
) -> float:
    """Train a domain classifier on latents and test it on held-out ones.

    The probe has the shape of the papers' domain classifier: three layers of 100 channels with ELU on every frame,
    logits averaged over the frames.

    Parameters
    ----------
    latents : ndarray, shape (N, F, C), float
    labels : ndarray, shape (N,), integer
        Their domains, 0 to D - 1.
    held_out : ndarray, shape (M, F, C), float
        Latents of other pieces for the test.
    held_out_labels : ndarray, shape (M,), integer
    seed : int
        Of the initial weights and of the batches.

    Returns
    -------
    float
        Accuracy in [0, 1], the mean over the domains; 1 / D is chance.

    Raises
    ------
    InputError
        If shapes do not fit, a number is not finite, or a domain is missing on either side.
    """
    n_domains = _check(latents, labels, held_out, held_out_labels)
    mean, spread = latents.mean((0, 1)), latents.std((0, 1)) + 1e-6
    x, test = (torch.from_numpy(((part - mean) / spread).astype(np.float32)) for part in (latents, held_out))
    y = torch.from_numpy(labels.astype(np.int64))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        probe = _network(latents.shape[2], n_domains)
        optimizer = torch.optim.Adam(probe.parameters(), LEARNING_RATE)
        for _ in range(STEPS):
            rows = torch.randint(len(x), (BATCH,))
            loss = nn.functional.cross_entropy(probe(x[rows]).mean(1), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.inference_mode():
        predicted = probe(test).mean(1).argmax(-1).numpy()
    return float(np.mean([np.mean(predicted[held_out_labels == domain] == domain) for domain in range(n_domains)]))


def _network(channels: int, n_domains: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for _ in range(3):
        layers += [nn.Linear(channels, CHANNELS), nn.ELU()]
        channels = CHANNELS
    return nn.Sequential(*layers, nn.Linear(channels, n_domains))


def _check(latents, labels, held_out, held_out_labels) -> int:
    """Return the number of domains; raise InputError for latents that cannot be classified."""
    for name, x, y in (("latents", latents, labels), ("held_out", held_out, held_out_labels)):
        if x.ndim != 3 or y.shape != (len(x),) or not len(x):
            raise InputError(f"{name} and labels have shapes {x.shape} and {y.shape}; (N, F, C) and (N,) are needed")
        if not np.isfinite(x).all():
            raise InputError(f"{name} hold {int((~np.isfinite(x)).sum())} numbers that are not finite")
    if latents.shape[2] != held_out.shape[2]:
        raise InputError(f"latents have {latents.shape[2]} channels, those held out {held_out.shape[2]}")
    n_domains = int(max(labels.max(), held_out_labels.max())) + 1
    missing = [d for d in range(n_domains) if not ((labels == d).any() and (held_out_labels == d).any())]
    if missing or n_domains < 2:
        raise InputError(f"two domains or more, each on both sides, are needed; of {n_domains} these lack: {missing}")
    return n_domains
