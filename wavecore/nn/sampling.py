"""Sampling from logits, and the mean of the distribution that they predict."""

from __future__ import annotations

import numpy as np
import torch

from wavecore.audio import mulaw
from wavecore.errors import UsageError


def pick(logits: np.ndarray, rng: np.random.Generator, temperature: float) -> np.ndarray:
    """Sample one class from each row of logits.

    Parameters
    ----------
    logits : ndarray, shape (n, P), float
    temperature : float
        Divides the logits; 0 takes the largest.

    Returns
    -------
    ndarray, shape (n,), int64

    Examples
    --------
    >>> pick(np.array([[0.0, 3.0], [5.0, 1.0]]), np.random.default_rng(0), temperature=0)
    array([1, 0])
    """
    if temperature == 0:
        return logits.argmax(axis=1)
    weights = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(np.float64) / temperature)
    edges = weights.cumsum(axis=1)
    return (edges <= rng.random((len(edges), 1)) * edges[:, -1:]).sum(axis=1)


def predicted_mean(logits: np.ndarray) -> np.ndarray:
    """Compute the mean sample value of each predicted distribution over mu-law codes.

    It is the sample without the white noise of the random choice and without quantization; the context of the following
    samples remains the codes that were sampled.

    Parameters
    ----------
    logits : ndarray, shape (..., A), float32
        Of 1 to 256 codes, as a generator returns them, whatever its temperature; UsageError is raised for other shapes.

    Returns
    -------
    ndarray, shape (...), float32 in [-1, 1]
    """
    n_classes = logits.shape[-1] if logits.ndim else 0
    if not 1 <= n_classes <= 256:
        raise UsageError(f"logits have shape {logits.shape}; the last axis must be that of 1 to 256 codes")
    values = torch.from_numpy(mulaw.decode(np.arange(n_classes, dtype=np.uint8)))
    with torch.inference_mode():
        probabilities = torch.softmax(torch.from_numpy(logits).float(), dim=-1)
        # Not a matrix product: its rounding would depend on the number of rows.
        return (probabilities * values).sum(dim=-1).numpy()
