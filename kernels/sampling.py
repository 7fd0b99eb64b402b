"""Randomness as an input: the draw of every sample, and how a draw selects a code.

A counter-based generator has no state: its output is a pure function of a key and a counter.  With the seed as the
key and (stream, t) as the counter, the draw of a sample does not depend on the batch it is generated in, on how the
work is cut into calls, or on the backend.

The rule that turns logits ``l`` and a draw ``u`` into a code, which every backend follows:

1. ``e[a] = exp((l[a] - max(l)) / temperature)``
2. ``c[a] = e[0] + ... + e[a]``, summed in float64
3. the code is the number of ``a`` with ``c[a] <= u * c[A - 1]``

Step 1 may be done in float32; that moves the edges between codes by some 1e-7.  Step 2 in float64 makes the sums
independent of their order, so a parallel scan agrees with a loop.  Step 3 never yields a class of probability zero,
because ``u`` is a multiple of 2**-24 below 1 and the product is taken in float64.

References
----------
Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from wavecore.errors import UsageError

# Multipliers and key increments of Philox4x32, from the paper.
MULTIPLIER_0 = np.uint64(0xD2511F53)
MULTIPLIER_1 = np.uint64(0xCD9E8D57)
INCREMENT_0 = np.uint64(0x9E3779B9)
INCREMENT_1 = np.uint64(0xBB67AE85)
ROUNDS = 10

_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)


def philox4x32(counter: Sequence, key: Sequence) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Compute four random 32-bit words, uint32, for every counter and key: Philox4x32-10 of Salmon et al.

    A counter has four words and a key two, lowest first, each in [0, 2**32) and a number or an array; they are
    broadcast against each other.
    """
    c0, c1, c2, c3, k0, k1 = (np.asarray(word, dtype=np.uint64) for word in (*counter, *key))
    for _ in range(ROUNDS):
        product_0, product_1 = MULTIPLIER_0 * c0, MULTIPLIER_1 * c2  # 32 x 32 bits fit 64
        c0, c2 = (product_1 >> _WORD) ^ c1 ^ k0, (product_0 >> _WORD) ^ c3 ^ k1
        c1, c3 = product_1 & _LOW, product_0 & _LOW
        k0, k1 = (k0 + INCREMENT_0) & _LOW, (k1 + INCREMENT_1) & _LOW
    return tuple(word.astype(np.uint32) for word in np.broadcast_arrays(c0, c1, c2, c3))


def philox_uniform(seed: int, stream: int | np.ndarray, t: int | np.ndarray) -> np.ndarray:
    """Draw the uniform numbers, float32 multiples of 2**-24 in [0, 1), of samples `t` of streams.

    All arguments are whole numbers in [0, 2**64), or UsageError is raised; `stream` and `t` are broadcast.
    """
    key = _words(seed, "seed")
    first, _, _, _ = philox4x32((*_words(t, "t"), *_words(stream, "stream")), key)
    return (first >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def sample(logits: np.ndarray, uniforms: np.ndarray, temperature: float) -> np.ndarray:
    """Select a code, uint8, from every row of logits: the inverse CDF of their softmax, in float64.

    Parameters
    ----------
    logits : ndarray, shape (..., A), float
        Finite; 1 <= A <= 256.
    uniforms : ndarray, shape (...), float
        One draw in [0, 1) for each row.
    temperature : float
        Divides the logits.  0 takes the largest logit, and of equal ones the first.

    Raises
    ------
    UsageError
        If the shapes do not fit, or a number is not finite or out of its range.

    Examples
    --------
    >>> logits = np.log([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    >>> sample(logits, np.array([0.6, 0.6]), temperature=1.0)
    array([1, 2], dtype=uint8)
    """
    temperature = check_temperature(temperature)
    logits, uniforms = np.asarray(logits, dtype=np.float64), np.asarray(uniforms, dtype=np.float64)
    if logits.ndim == 0 or logits.shape[:-1] != uniforms.shape or not 1 <= logits.shape[-1] <= 256:
        raise UsageError(
            f"logits of shape {logits.shape} need between 1 and 256 classes in their last axis, and one "
            f"uniform for each row; the uniforms have shape {uniforms.shape}"
        )
    if not np.isfinite(logits).all():
        raise UsageError(f"{int((~np.isfinite(logits)).sum())} of {logits.size} logits are not finite")
    if not ((uniforms >= 0) & (uniforms < 1)).all():
        raise UsageError(f"uniforms must lie in [0, 1); they span [{uniforms.min()}, {uniforms.max()}]")
    if temperature == 0:
        return logits.argmax(axis=-1).astype(np.uint8)
    with np.errstate(over="ignore"):  # a tiny temperature sends all but the largest to exp(-inf) = 0
        weights = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
    edges = np.cumsum(weights, axis=-1)
    threshold = uniforms[..., None] * edges[..., -1:]
    return (edges <= threshold).sum(axis=-1).astype(np.uint8)


def check_temperature(temperature: float) -> float:
    """Return the temperature as a float, or raise UsageError if it is negative, infinite or NaN."""
    value = float(temperature)
    if not (math.isfinite(value) and value >= 0):
        raise UsageError(f"temperature is {temperature}; it must be 0 (the most likely code) or positive")
    return value


def _words(value: int | np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Split 64-bit numbers into their low and high 32-bit words."""
    array = np.asarray(value)
    if array.dtype == object:  # Python ints that numpy has no type for
        fits = all(isinstance(item, int) and 0 <= item < 2**64 for item in array.flat)
    else:
        fits = array.dtype.kind in "iu" and not (array < 0).any()
    if not fits:
        raise UsageError(f"{name} must be a whole number in [0, 2**64), not {value!r}")
    array = array.astype(np.uint64)
    return array & _LOW, array >> _WORD
