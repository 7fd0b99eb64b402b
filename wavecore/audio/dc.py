"""Removal of what lies below hearing, such as the offset on which a decoder's output may drift.

The likelihood that a WaveNet is trained on does not constrain the mean of its output.  An offset uses up the range of
a file, thumps at every fade and cut, and masks a quiet tone where levels are measured.
"""

from __future__ import annotations

import numpy as np
import torch

from wavecore.audio import checks
from wavecore.errors import InputError, UsageError

CUTOFF_HZ = 20.0
"""Of the high-pass, which takes a quarter of a decibel from the lowest note of a double bass, 41 Hz."""
ORDER = 2


class OffsetFilter:
    """Butterworth high-pass at 20 Hz over `n_signals` parallel signals that come in blocks, silence before the first.

    Raises UsageError if there is no signal, or the sample rate is 40 Hz or less.
    """

    def __init__(self, n_signals: int, sample_rate: int):
        if n_signals < 1:
            raise UsageError(f"n_signals is {n_signals}; at least 1 is needed")
        self._sections = _sections(sample_rate)
        self._state = np.zeros((len(self._sections), n_signals, 2))

    def push(self, block: np.ndarray) -> np.ndarray:
        """Filter the next n >= 0 samples, shape (n_signals, n), to float32; how a signal is cut into blocks is free."""
        from scipy import signal

        if np.ndim(block) != 2 or len(block) != self._state.shape[1]:
            raise InputError(f"a block has shape {np.shape(block)}, not ({self._state.shape[1]}, n)")
        if not block.shape[1]:
            return block.astype(np.float32)
        filtered, self._state = signal.sosfilt(self._sections, block.astype(np.float64), axis=1, zi=self._state)
        return filtered.astype(np.float32)


def highpass(x: torch.Tensor, sample_rate: int) -> torch.Tensor:
    """Filter whole signals, shape (..., T), as ``OffsetFilter`` does, with gradients and on any device, to float32."""
    from torchaudio.functional import lfilter

    sections = _sections(sample_rate)
    if x.ndim == 0 or 0 in x.shape:
        raise InputError(f"there are no samples: the array has shape {tuple(x.shape)}")
    checks.require_float(x)
    # Poles so near to 1 need more than single precision.
    filtered = x.double()
    for section in torch.from_numpy(sections).to(filtered):
        filtered = lfilter(filtered, section[3:], section[:3], clamp=False)
    return filtered.float()


def _sections(sample_rate: int) -> np.ndarray:
    """Design the high-pass as second-order sections, shape (1, 6), float64: numerator, denominator."""
    from scipy import signal

    if checks.require_rate(sample_rate) <= 2 * CUTOFF_HZ:
        raise UsageError(f"sample_rate is {sample_rate} Hz; nothing above {CUTOFF_HZ:g} Hz is left to keep")
    return signal.butter(ORDER, CUTOFF_HZ, "highpass", fs=sample_rate, output="sos")
