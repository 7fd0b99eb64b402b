"""The checks that every array of samples passes at the boundary."""

from __future__ import annotations

import numpy as np
import torch

from wavecore.errors import InputError, UsageError


def require_float(x: np.ndarray | torch.Tensor, *, what: str = "samples") -> None:
    """Refuse an array that is not of a floating-point type.

    Integer PCM in [-32768, 32767] would be taken for audio at full scale
    everywhere, so it is refused and not guessed at.

    Parameters
    ----------
    x : ndarray or Tensor, any shape
        The array to look at.
    what : str
        What the array holds, for the message.

    Raises
    ------
    InputError
        If the type is not a floating-point type.
    """
    floating = x.is_floating_point() if isinstance(x, torch.Tensor) else np.issubdtype(x.dtype, np.floating)
    if not floating:
        raise InputError(
            f"the {what} are {x.dtype}, wanted floating-point values in [-1, 1]; "
            "divide integer PCM by its full scale (32768 for 16 bits) first"
        )


def require_finite(x: np.ndarray | torch.Tensor, *, what: str = "samples", offset: int = 0) -> None:
    """Refuse an array that holds NaN or infinite values.

    Parameters
    ----------
    x : ndarray or Tensor, any shape, float
        The array to look at; a tensor is looked at on its own device.
    what : str
        What the array holds, for the message.
    offset : int
        Index of the first row in the whole signal, for blocks of a stream;
        it is added to the first index in the message.

    Raises
    ------
    InputError
        If any value is not finite; the message says how many and where the
        first one is.
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
    """Return the values as a NumPy array.

    Parameters
    ----------
    x : ndarray or Tensor, any shape
        A tensor is detached and copied to the host; NumPy knows no bfloat16,
        so floating-point tensors become float32.

    Returns
    -------
    ndarray, the shape of `x`
    """
    if not isinstance(x, torch.Tensor):
        return np.asarray(x)
    host = x.detach().cpu()
    return host.float().numpy() if host.is_floating_point() else host.numpy()


def as_signal(x: np.ndarray | torch.Tensor, *, what: str = "samples") -> np.ndarray:
    """Return one mono signal as a NumPy array, after all checks.

    Parameters
    ----------
    x : ndarray or Tensor, shape (T,), float
        The signal; a tensor is copied to the host.
    what : str
        What the array holds, for the message.

    Returns
    -------
    ndarray, shape (T,), float32

    Raises
    ------
    InputError
        If it is not one-dimensional, empty, of an integer type, or not
        finite.
    """
    values = to_numpy(x)
    if values.ndim != 1:
        raise InputError(
            f"the {what} have shape {tuple(values.shape)}, wanted one mono signal (T,); pass them one by one"
        )
    if values.size == 0:
        raise InputError(f"there are no {what}: the signal is empty")
    require_float(values, what=what)
    require_finite(values, what=what)
    return values.astype(np.float32, copy=False)


def require_rate(rate: int, *, what: str = "sample_rate") -> int:
    """Refuse a sampling rate that is not a positive whole number.

    Parameters
    ----------
    rate : int
        The rate in Hz.
    what : str
        The name of the parameter, for the message.

    Returns
    -------
    int
        The rate as a plain ``int``.

    Raises
    ------
    UsageError
        If it is not a whole number above zero.
    """
    if isinstance(rate, bool) or not isinstance(rate, (int, np.integer)) or rate < 1:
        raise UsageError(f"{what} is {rate!r}, wanted a whole number of Hz above zero, 16000 for example")
    return int(rate)
