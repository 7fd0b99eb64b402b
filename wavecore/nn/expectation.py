"""What a decoder expected, in place of what it drew.

A WaveNet generates by drawing every sample from a distribution over 256 codes.  The draw keeps it
alive, but it is also noise: white, and as strong as the decoder was unsure.  The mean of the
distribution that a code was drawn from is that sample without the draw's noise and without the
codes' coarseness; the past that it follows stays what was drawn, and so does the sound.
"""

from __future__ import annotations

import numpy as np
import torch

from wavecore.audio import mulaw
from wavecore.errors import UsageError


def expected(logits: np.ndarray) -> np.ndarray:
    """Say which sample value each row of logits expects.

    Parameters
    ----------
    logits : ndarray, shape (..., A), float32
        As a generator tells them beside the codes that it drew; finite, 1 <= A <= 256.

    Returns
    -------
    ndarray, shape (...), float32 in [-1, 1]
        Means of the codes' values under the logits' softmax, whatever the temperature of the draw was.

    Raises
    ------
    UsageError
        If the last axis is not that of the codes.
    """
    n_classes = logits.shape[-1] if logits.ndim else 0
    if not 1 <= n_classes <= 256:
        raise UsageError(f"logits of shape {logits.shape}; the last axis must be that of 1 to 256 codes")
    values = torch.from_numpy(mulaw.decode(np.arange(n_classes, dtype=np.uint8)))
    with torch.inference_mode():
        odds = torch.softmax(torch.from_numpy(logits).float(), dim=-1)
        # Not a matrix product: its rounding would depend on how many rows there are.
        return (odds * values).sum(dim=-1).numpy()
