"""Validation of arrays of samples and of sampling rates."""

from __future__ import annotations

import numpy as np
import torch

from wavecore.errors import InputError, UsageError


def require_float(x: np.ndarray | torch.Tensor, *, what: str = "samples") -> None:
    """Raise InputError unless an array is of a floating-point type: integer PCM would be far beyond full scale."""
    floating = x.is_floating_point() if isinstance(x, torch.Tensor) else np.issubdtype(x.dtype, np.floating)
    if not floating:
        raise InputError(
            f"the {what} are {x.dtype}, not floating-point values in [-1, 1]; "
            "divide integer PCM by its full scale (32768 for 16 bits) first"
        )


def require_finite(x: np.ndarray | torch.Tensor, *, what: str = "samples", offset: int = 0) -> None:
    """Raise InputError if an array of any shape holds NaN or infinite values, with their number and first index.

    `offset` is added to that index: the index of the array's first row in the whole signal, for blocks of a stream.
    """
    if bool((torch if isinstance(x, torch.Tensor) else np).isfinite(x).all()):
        return
    values = to_numpy(x)
    bad = ~np.isfinite(values)
    n_nan = int(np.isnan(values).sum())
    n_bad = int(bad.sum())
    first = [int(i) for i in np.unravel_index(int(np.argmax(bad)), values.shape)]
    value = values[tuple(first)] if first else values
    if first:
        first[0] += offset
    where = str(first[0]) if len(first) == 1 else str(tuple(first))
    raise InputError(
        f"{n_bad} of {values.size} {what} are not finite ({n_nan} NaN, {n_bad - n_nan} infinite); "
        f"the first is {value} at index {where}; repair or regenerate the signal"
    )


def to_numpy(x: np.ndarray | torch.Tensor) -> np.ndarray:
    """Return an array of any shape, or a tensor's values on the host, as NumPy; floating-point tensors as float32."""
    if not isinstance(x, torch.Tensor):
        return np.asarray(x)
    host = x.detach().cpu()
    return host.float().numpy() if host.is_floating_point() else host.numpy()  # NumPy has no bfloat16


def as_signal(x: np.ndarray | torch.Tensor, *, what: str = "samples") -> np.ndarray:
    """Return one mono signal, shape (T,), as float32; raise InputError unless it is finite, float and not empty."""
    values = to_numpy(x)
    if values.ndim != 1:
        raise InputError(
            f"the {what} have shape {tuple(values.shape)}, not (T,) of one mono signal; pass the channels one by one"
        )
    if values.size == 0:
        raise InputError(f"there are no {what}: the signal is empty")
    require_float(values, what=what)
    require_finite(values, what=what)
    return values.astype(np.float32, copy=False)


def require_rate(rate: int, *, what: str = "sample_rate") -> int:
    """Return a sampling rate in Hz as a plain ``int``; raise UsageError unless it is a whole number above zero."""
    if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)) or rate < 1:
        raise UsageError(f"{what} is {rate!r}; it must be a whole number of Hz above zero, 16000 for example")
    return int(rate)
