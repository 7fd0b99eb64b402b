"""Changing the sampling rate: whole arrays, tensors, and streams.

Every function here returns exactly ``resampled_length`` samples, whatever the
library below it would round to: NumPy arrays go through soxr, tensors through
torchaudio.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import torch

from wavecore.audio import checks
from wavecore.errors import InputError, UsageError

Array = TypeVar("Array", np.ndarray, torch.Tensor)

# torchaudio builds a filter of (reduced rate + width) x reduced rate taps; from
# 44101 Hz to 16000 Hz that is minutes and gigabytes.
MAX_TENSOR_FACTOR = 1500

# A Kaiser window of this width and roll-off keeps what lies below 0.94 of the
# Nyquist frequency within 0.001 of soxr's high quality filter.
_KAISER = {
    "lowpass_filter_width": 64,
    "rolloff": 0.9475937167399596,
    "resampling_method": "sinc_interp_kaiser",
    "beta": 14.769656459379492,
}


def resampled_length(n_samples: int, *, from_rate: int, to_rate: int) -> int:
    """The number of samples after resampling, ``ceil(n * to / from)``.

    Parameters
    ----------
    n_samples : int
        Length before, at least 0.
    from_rate, to_rate : int
        Rates before and after, in Hz.

    Returns
    -------
    int
        Length after.

    Raises
    ------
    UsageError
        If a rate is not a whole number above zero.
    """
    from_rate = checks.require_rate(from_rate, what="from_rate")
    to_rate = checks.require_rate(to_rate, what="to_rate")
    return -(-n_samples * to_rate // from_rate)


def resample(x: Array, *, from_rate: int, to_rate: int) -> Array:
    """Change the sampling rate of a whole signal.

    Parameters
    ----------
    x : ndarray or Tensor, shape (..., T), float
        Signals, time last.  Computed in float32.
    from_rate, to_rate : int
        Rates before and after, in Hz.

    Returns
    -------
    ndarray or Tensor, shape (..., ceil(T * to_rate / from_rate)), float32
        On the device of `x`; a tensor keeps its gradient.  With equal rates
        the values are those of `x`.

    Raises
    ------
    UsageError
        If a rate is not a whole number above zero, or, for tensors only, the
        two rates share too small a factor for a filter of sensible size.
    InputError
        If `x` has no samples, is of an integer type, or is not finite.

    Notes
    -----
    The two libraries use different anti-aliasing filters.  They agree to 1e-3
    of full scale up to 0.9 of the lower Nyquist frequency, away from the ends.
    """
    n_out = resampled_length(x.shape[-1] if x.ndim else 0, from_rate=from_rate, to_rate=to_rate)
    if n_out == 0:
        raise InputError(f"cannot resample an array of shape {tuple(x.shape)}: it holds no samples")
    checks.require_float(x)
    checks.require_finite(x)
    if isinstance(x, torch.Tensor):
        return _resample_tensor(x.float(), from_rate, to_rate)
    return _resample_array(x.astype(np.float32, copy=False), from_rate, to_rate, n_out)


def _resample_array(x: np.ndarray, from_rate: int, to_rate: int, n_out: int) -> np.ndarray:
    import soxr

    if from_rate == to_rate:
        return x
    columns = x.reshape(-1, x.shape[-1]).T  # (T, signals)
    padding = np.zeros((_tail(from_rate, to_rate), columns.shape[1]), np.float32)
    y = soxr.resample(np.concatenate([columns, padding]), from_rate, to_rate)
    return np.ascontiguousarray(y[:n_out].T).reshape(*x.shape[:-1], n_out)


def _resample_tensor(x: torch.Tensor, from_rate: int, to_rate: int) -> torch.Tensor:
    import torchaudio.functional

    if from_rate == to_rate:
        return x
    divisor = math.gcd(from_rate, to_rate)
    if max(from_rate, to_rate) // divisor > MAX_TENSOR_FACTOR:
        raise UsageError(
            f"{from_rate} Hz to {to_rate} Hz reduces to {from_rate // divisor}:{to_rate // divisor}, "
            f"too large a filter for tensors (limit {MAX_TENSOR_FACTOR}); resample a NumPy array instead"
        )
    return torchaudio.functional.resample(x, from_rate, to_rate, **_KAISER)


def _tail(from_rate: int, to_rate: int) -> int:
    """Zeros to append so that soxr, which rounds to nearest, gives ``ceil`` samples or more."""
    return -(-from_rate // to_rate) + 1


class Resampler:
    """Resamples a stream block by block, as if it were one array.

    The outputs of all ``push`` calls and of the final ``finish``, put
    together, are the samples that `resample` gives for the whole array.
    Outputs lag behind their inputs by the filter's delay; memory is bounded
    by the largest block.

    Parameters
    ----------
    from_rate, to_rate : int
        Rates before and after, in Hz.
    channels : int
        Number of channels; blocks are (n,) for one and (n, channels) for more.

    Raises
    ------
    UsageError
        If a rate or the number of channels is not a whole number above zero.
    """

    def __init__(self, from_rate: int, to_rate: int, *, channels: int = 1):
        import soxr

        self.from_rate = checks.require_rate(from_rate, what="from_rate")
        self.to_rate = checks.require_rate(to_rate, what="to_rate")
        if channels < 1:
            raise UsageError(f"channels is {channels}, wanted 1 or more")
        self.channels = channels
        self._n_in = 0
        self._n_out = 0
        self._finished = False
        self._stream = soxr.ResampleStream(self.from_rate, self.to_rate, channels, dtype="float32")

    def push(self, block: np.ndarray) -> np.ndarray:
        """Feed the next samples.

        Parameters
        ----------
        block : ndarray, shape (n,) or (n, channels), float
            Any length, zero included.

        Returns
        -------
        ndarray, shape (m,) or (m, channels), float32
            What is ready, possibly nothing.

        Raises
        ------
        InputError
            If the block has the wrong number of channels, is of an integer
            type, or is not finite.
        UsageError
            If the stream was finished before.
        """
        if self._finished:
            raise UsageError("this stream was finished; make a new Resampler for the next signal")
        wanted = (len(block),) if self.channels == 1 else (len(block), self.channels)
        if block.shape != wanted:
            raise InputError(f"the block has shape {block.shape}, wanted {wanted}")
        checks.require_float(block)
        checks.require_finite(block, offset=self._n_in)
        self._n_in += len(block)
        return self._feed(block.astype(np.float32, copy=False), last=False)

    def finish(self) -> np.ndarray:
        """End the stream.

        Returns
        -------
        ndarray, shape (m,) or (m, channels), float32
            The rest; all outputs together have ``resampled_length`` samples.

        Raises
        ------
        UsageError
            If the stream was finished before.
        """
        if self._finished:
            raise UsageError("this stream was finished already")
        self._finished = True
        shape = (_tail(self.from_rate, self.to_rate),) + ((self.channels,) if self.channels > 1 else ())
        n_left = resampled_length(self._n_in, from_rate=self.from_rate, to_rate=self.to_rate) - self._n_out
        return self._feed(np.zeros(shape, np.float32), last=True)[:n_left]

    def _feed(self, block: np.ndarray, *, last: bool) -> np.ndarray:
        if self.from_rate == self.to_rate:
            out = block
        else:
            out = self._stream.resample_chunk(np.ascontiguousarray(block), last=last)
        self._n_out += len(out)
        return out
