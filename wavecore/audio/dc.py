"""Taking away what nobody hears: the offset on which a decoder's sound may drift.

A WaveNet is told nothing of its mean.  An offset uses up the range of a file, thumps where a fade or
a cut meets it, and hides a quiet tone from whoever measures levels.
"""

from __future__ import annotations

import numpy as np
import torch

from wavecore.audio import checks
from wavecore.errors import InputError, UsageError

CUTOFF_HZ = 20.0
"""Of the high-pass: at the lowest note of a double bass, 41 Hz, it takes a quarter of a decibel."""
ORDER = 2


class OffsetFilter:
    """A Butterworth high-pass over signals that come in blocks.

    Parameters
    ----------
    n_signals : int
        How many run side by side, at least 1.
    sample_rate : int
        Hz, more than 40.

    Raises
    ------
    UsageError
        If there is no signal, or the rate is too low.
    """

    def __init__(self, n_signals: int, sample_rate: int):
        if n_signals < 1:
            raise UsageError(f"{n_signals} signals are to be filtered, at least 1 is needed")
        self._sections = _sections(sample_rate)
        # All before the first block is silence.
        self._state = np.zeros((len(self._sections), n_signals, 2))

    def push(self, block: np.ndarray) -> np.ndarray:
        """Filter the next samples.

        Parameters
        ----------
        block : ndarray, shape (n_signals, n), float
            Any n, also 0.

        Returns
        -------
        ndarray, shape (n_signals, n), float32
            The same whatever the blocks.

        Raises
        ------
        InputError
            If the shape is another one.
        """
        from scipy import signal

        if np.ndim(block) != 2 or len(block) != self._state.shape[1]:
            raise InputError(f"a block of shape {np.shape(block)}; ({self._state.shape[1]}, n) is wanted")
        if not block.shape[1]:
            return block.astype(np.float32)
        found, self._state = signal.sosfilt(self._sections, block.astype(np.float64), axis=1, zi=self._state)
        return found.astype(np.float32)


def highpass(x: torch.Tensor, sample_rate: int) -> torch.Tensor:
    """Filter whole signals as ``OffsetFilter`` does, where gradients or a GPU are wanted.

    Parameters
    ----------
    x : Tensor, shape (..., T), float
    sample_rate : int
        Hz, more than 40.

    Returns
    -------
    Tensor, the shape and device of `x`, float32
        Not clipped.

    Raises
    ------
    InputError
        If there are no samples, or they are integers.
    UsageError
        If the rate is too low.
    """
    from torchaudio.functional import lfilter

    sections = _sections(sample_rate)
    if x.ndim == 0 or 0 in x.shape:
        raise InputError(f"there are no samples: the array has shape {tuple(x.shape)}")
    checks.require_float(x)
    # Poles so near to 1 need more than single precision.
    found = x.double()
    for section in torch.from_numpy(sections).to(found):
        found = lfilter(found, section[3:], section[:3], clamp=False)
    return found.float()


def _sections(sample_rate: int) -> np.ndarray:
    """The high-pass as second-order sections, shape (1, 6), float64: numerator, denominator."""
    from scipy import signal

    if checks.require_rate(sample_rate) <= 2 * CUTOFF_HZ:
        raise UsageError(f"at {sample_rate} Hz nothing above {CUTOFF_HZ:g} Hz is left")
    return signal.butter(ORDER, CUTOFF_HZ, "highpass", fs=sample_rate, output="sos")
