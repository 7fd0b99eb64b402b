"""Perceptual distance of two sounds, approximately: the difference of their mel spectra in dB."""

from __future__ import annotations

import numpy as np

from wavecore.audio import spectra
from wavecore.errors import InputError

N_MELS = 80
N_FFT, HOP_LENGTH = 1024, 256
RANGE_DB = 80.0
"""Below the loudest value of either sound; lower values are raised to it."""


def mel_distance(reference: np.ndarray, estimate: np.ndarray, *, sample_rate: int) -> float:
    """Compute the mean absolute difference in dB of two sounds' mel spectra, shape (T,), at equal power.

    Raises InputError if the lengths differ or the reference is silent.
    """
    if reference.shape != estimate.shape:
        raise InputError(f"sounds of {reference.shape} and {estimate.shape} samples cannot be compared")
    if not np.any(reference):
        raise InputError("the reference is silent")
    first_db = _levels_db(reference, sample_rate)
    # Silence lies at the floor of the reference.
    floor_db = np.full_like(first_db, first_db.max() - RANGE_DB)
    second_db = _levels_db(estimate, sample_rate) if np.any(estimate) else floor_db
    return float(np.abs(first_db - second_db).mean())


def _levels_db(x: np.ndarray, sample_rate: int) -> np.ndarray:
    """Compute mel levels in dB, (n_mels, F), of a sound scaled to unit power."""
    power = float(np.square(x, dtype=np.float64).mean())
    scaled = (x / np.sqrt(power)).astype(np.float32)
    mel = spectra.mel_spectrogram(scaled, sample_rate=sample_rate, n_fft=N_FFT, hop_length=HOP_LENGTH, n_mels=N_MELS)
    levels = 20 * np.log10(np.maximum(mel, 1e-10))
    return np.maximum(levels, levels.max() - RANGE_DB)
