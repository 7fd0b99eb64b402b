"""Conversion of the sampling rate with soxr: whole arrays, and streams.

Every function here returns exactly ``resampled_length`` samples, whatever soxr would round to.
"""

from __future__ import annotations

import numpy as np

from wavecore.audio import checks
from wavecore.errors import InputError, UsageError


def resampled_length(n_samples: int, *, from_rate: int, to_rate: int) -> int:
    """Return the number of samples after resampling ``n_samples``, ``ceil(n_samples * to_rate / from_rate)``.

    Raises UsageError if a rate is not a whole number of Hz above zero.

    Examples
    --------
    >>> resampled_length(44101, from_rate=44100, to_rate=16000)
    16001
    """
    from_rate = checks.require_rate(from_rate, what="from_rate")
    to_rate = checks.require_rate(to_rate, what="to_rate")
    return -(-n_samples * to_rate // from_rate)


def resample(x: np.ndarray, *, from_rate: int, to_rate: int) -> np.ndarray:
    """Convert the sampling rate of whole signals.

    Parameters
    ----------
    x : ndarray, shape (..., T), float
        Signals, time last.  Computed in float32.
    from_rate, to_rate : int
        Rates before and after, in Hz.

    Returns
    -------
    ndarray, shape (..., ceil(T * to_rate / from_rate)), float32
        With equal rates the values are those of `x`.

    Raises
    ------
    UsageError
        If a rate is not a whole number above zero.
    InputError
        If `x` has no samples, is of an integer type, or is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> resample(np.zeros((2, 44100)), from_rate=44100, to_rate=16000).shape
    (2, 16000)
    """
    import soxr

    n_out = resampled_length(x.shape[-1] if x.ndim else 0, from_rate=from_rate, to_rate=to_rate)
    if n_out == 0:
        raise InputError(f"cannot resample an array of shape {tuple(x.shape)}: it holds no samples")
    checks.require_float(x)
    checks.require_finite(x)
    x = x.astype(np.float32, copy=False)
    if from_rate == to_rate:
        return x
    columns = x.reshape(-1, x.shape[-1]).T  # (T, signals)
    padding = np.zeros((_tail(from_rate, to_rate), columns.shape[1]), np.float32)
    y = soxr.resample(np.concatenate([columns, padding]), from_rate, to_rate)
    return np.ascontiguousarray(y[:n_out].T).reshape(*x.shape[:-1], n_out)


def _tail(from_rate: int, to_rate: int) -> int:
    """Return the number of zeros to append so that soxr, which rounds to nearest, gives ``ceil`` samples or more."""
    return -(-from_rate // to_rate) + 1


class Resampler:
    """Streaming resampler: blocks in, blocks out.

    The outputs of all ``push`` calls and of the final ``finish``, put together, are the samples that `resample`
    computes for the whole array.  Outputs lag behind their inputs by the filter's delay; memory is bounded by the
    largest block.

    Parameters
    ----------
    from_rate, to_rate : int
        Rates before and after, in Hz.
    channels : int
        Number of channels, at least 1.

    Raises
    ------
    UsageError
        If a rate is not a whole number above zero, or there are no channels.

    Examples
    --------
    >>> import numpy as np
    >>> stream = Resampler(48000, 16000)
    >>> blocks = [stream.push(np.zeros(1000)) for _ in range(48)] + [stream.finish()]
    >>> sum(map(len, blocks))
    16000
    """

    def __init__(self, from_rate: int, to_rate: int, *, channels: int = 1):
        import soxr

        self.from_rate = checks.require_rate(from_rate, what="from_rate")
        self.to_rate = checks.require_rate(to_rate, what="to_rate")
        if channels < 1:
            raise UsageError(f"channels is {channels}; at least 1 is needed")
        self.channels = channels
        self._n_in = 0
        self._n_out = 0
        self._finished = False
        self._stream = soxr.ResampleStream(self.from_rate, self.to_rate, channels, dtype="float32")

    def push(self, block: np.ndarray) -> np.ndarray:
        """Resample the next samples.

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
            If the block has the wrong number of channels, is of an integer type, or is not finite.
        UsageError
            If the stream was finished before.
        """
        if self._finished:
            raise UsageError("this stream was finished; make a new Resampler for the next signal")
        shape = (len(block),) if self.channels == 1 else (len(block), self.channels)
        if block.shape != shape:
            raise InputError(f"the block has shape {block.shape}, not {shape}")
        checks.require_float(block)
        checks.require_finite(block, offset=self._n_in)
        self._n_in += len(block)
        return self._feed(block.astype(np.float32, copy=False), last=False)

    def finish(self) -> np.ndarray:
        """End the stream and return the rest, shape (m,) or (m, channels), float32; UsageError if it was finished."""
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
