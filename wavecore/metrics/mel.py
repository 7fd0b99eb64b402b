"""How far apart two sounds are to the ear, roughly: their mel spectra in dB."""

from __future__ import annotations

import numpy as np

from wavecore.audio import spectra
from wavecore.errors import InputError

N_MELS = 80
N_FFT, HOP_LENGTH = 1024, 256
RANGE_DB = 80.0
"""Below the loudest value of either sound; what is quieter counts as silence."""


def mel_distance(reference: np.ndarray, estimate: np.ndarray, *, sample_rate: int) -> float:
    """Compare two sounds of the same length by their mel spectra, at the same loudness.

    Parameters
    ----------
    reference, estimate : ndarray, shape (T,), float
    sample_rate : int
        Hz.

    Returns
    -------
    float
        Mean absolute difference, dB.

    Raises
    ------
    InputError
        If the lengths differ or the reference is silent.
    """
    if reference.shape != estimate.shape:
        raise InputError(f"sounds of {reference.shape} and {estimate.shape} samples cannot be compared")
    if not np.any(reference):
        raise InputError("the reference is silent")
    wanted = _levels_db(reference, sample_rate)
    # Silence lies at the floor of what is wanted.
    found = _levels_db(estimate, sample_rate) if np.any(estimate) else np.full_like(wanted, wanted.max() - RANGE_DB)
    return float(np.abs(wanted - found).mean())


def _levels_db(x: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mel levels (n_mels, F) relative to the sound's own loudness."""
    power = float(np.square(x, dtype=np.float64).mean())
    scaled = (x / np.sqrt(power)).astype(np.float32)
    mel = spectra.mel_spectrogram(scaled, sample_rate=sample_rate, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS)
    levels = 20 * np.log10(np.maximum(mel, 1e-10))
    return np.maximum(levels, levels.max() - RANGE_DB)
