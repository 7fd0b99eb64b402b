"""Mixes of latents, along lines and along great circles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wavecore.errors import UsageError

METHODS = ("linear", "slerp")


def mix(
    latents: np.ndarray, weights: np.ndarray | Sequence[float], *, method: str = "linear", n_straight: int = 0
) -> np.ndarray:
    """Mix latents.

    Parameters
    ----------
    latents : ndarray, shape (n, F, C), float
    weights : array_like, shape (n,) or (F, n), float
        Non-negative, not all zero; scaled to a sum of 1.  With frames, the mix changes on the way.
    method : {"linear", "slerp"}
        Along straight lines, or along great circles: directions turn and lengths change evenly.
        Of more than two sounds, the third is mixed with the mix of the first two, and so on.
    n_straight : int
        So many channels, the last ones, go along straight lines whatever the method: a pitch is no direction.

    Returns
    -------
    ndarray, shape (F, C), float32

    Raises
    ------
    UsageError
        If shapes do not fit, a weight is negative or not finite, all of a frame's are zero, or
        there is no such method.
    """
    latents = np.asarray(latents, np.float64)
    if latents.ndim != 3:
        raise UsageError(f"latents have shape {latents.shape}; (n, F, C) is needed")
    if method not in METHODS:
        raise UsageError(f"there is no method {method!r}; choose one of {', '.join(METHODS)}")
    weights = checked_weights(weights, len(latents), latents.shape[1])
    lines = np.einsum("fn,nfc->fc", weights, latents).astype(np.float32)
    if method == "linear":
        return lines
    n_turned = latents.shape[2] - n_straight
    latents = latents[..., :n_turned]
    found, total = latents[0], weights[:, 0]
    for latent, weight in zip(latents[1:], weights.T[1:], strict=True):
        total = total + weight
        share = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0)
        found = _slerp(found, latent, share[:, None])
    return np.concatenate([found.astype(np.float32), lines[:, n_turned:]], axis=1)


def checked_weights(weights: np.ndarray | Sequence[float], n: int, n_frames: int) -> np.ndarray:
    """Bring weights into one form.

    Parameters
    ----------
    weights : array_like, shape (n,) or (F, n), float
        Non-negative, not all zero.
    n, n_frames : int
        How many sounds, and F.

    Returns
    -------
    ndarray, shape (F, n), float64
        Sums of 1.

    Raises
    ------
    UsageError
        If the shape does not fit, a weight is negative or not finite, or all of a frame's are zero.
    """
    weights = np.asarray(weights, np.float64)
    if weights.shape == (n,):
        weights = np.broadcast_to(weights, (n_frames, n))
    if weights.shape != (n_frames, n):
        raise UsageError(f"weights have shape {weights.shape}; ({n},) or ({n_frames}, {n}) is needed")
    if not np.isfinite(weights).all() or weights.min() < 0:
        raise UsageError(f"weights must be finite and not negative, not {weights[0].tolist()}")
    sums = weights.sum(axis=1, keepdims=True)
    if sums.min() <= 0:
        raise UsageError("all weights of a frame are zero; one sound at least must be heard")
    return weights / sums


def _slerp(a: np.ndarray, b: np.ndarray, share: np.ndarray) -> np.ndarray:
    """From a (F, C) to b along the great circle, lengths linearly; share (F, 1) of b."""
    length_a, length_b = (np.linalg.norm(x, axis=-1, keepdims=True) for x in (a, b))
    tiny = 1e-12
    unit_a, unit_b = a / np.maximum(length_a, tiny), b / np.maximum(length_b, tiny)
    angle = np.arccos(np.clip((unit_a * unit_b).sum(-1, keepdims=True), -1, 1))
    # Where there is no plane to turn in (nearly parallel, opposite, or no direction at all) the line serves.
    straight = (np.sin(angle) < 1e-6) | (length_a < tiny) | (length_b < tiny)
    sine = np.where(straight, 1, np.sin(angle))
    turned = (np.sin((1 - share) * angle) * unit_a + np.sin(share * angle) * unit_b) / sine
    return np.where(straight, (1 - share) * a + share * b, turned * ((1 - share) * length_a + share * length_b))
