"""The losses of the translation network, in flat named form."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

LN2 = math.log(2.0)


def reconstruction(logits: Tensor, codes: Tensor, *, skip_samples: int = 0) -> Tensor:
    """Cross-entropy of the codes, mean over samples.

    Parameters
    ----------
    logits : Tensor, shape (B, T, A), float
    codes : Tensor, shape (B, T), int64 in [0, A)
    skip_samples : int
        Samples at the start that do not count.

    Returns
    -------
    Tensor, shape (), float
        Nats per sample.
    """
    kept = logits[:, skip_samples:]
    return F.cross_entropy(kept.reshape(-1, kept.shape[-1]).float(), codes[:, skip_samples:].reshape(-1))


def domain(classifier_logits: Tensor, domains: Tensor) -> Tensor:
    """Cross-entropy of the domain classifier.

    Parameters
    ----------
    classifier_logits : Tensor, shape (B, D), float
    domains : Tensor, shape (B,), int64

    Returns
    -------
    Tensor, shape (), float
        Nats.
    """
    return F.cross_entropy(classifier_logits.float(), domains)


def accuracy(classifier_logits: Tensor, domains: Tensor) -> Tensor:
    """Share of latents whose domain was named rightly.

    Parameters
    ----------
    classifier_logits : Tensor, shape (B, D), float
    domains : Tensor, shape (B,), int64

    Returns
    -------
    Tensor, shape (), float32 in [0, 1]
    """
    return (classifier_logits.argmax(-1) == domains).float().mean()


def bits(nats: float | Tensor) -> float:
    """Convert nats to bits."""
    return float(torch.as_tensor(nats)) / LN2
