"""Sampling from logits."""

from __future__ import annotations

import numpy as np


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
