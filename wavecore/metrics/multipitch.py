"""Polyphonic pitch estimation: the notes that sound in every frame.

A magnitude spectrum is approximated by a sum of harmonic spectra, one group of templates for every semitone, whose
activations are estimated by non-negative matrix factorization (scikit-learn's multiplicative updates) under the
Kullback-Leibler divergence.  A note is a strong local maximum over the semitones.  That suffices to compare two
performances of the same few voices, not to transcribe an orchestra.

References
----------
Smaragdis, Brown, "Non-negative matrix factorization for polyphonic music transcription", WASPAA 2003.
"""

from __future__ import annotations

import functools

import numpy as np

from wavecore.audio import spectra
from wavecore.errors import InputError

LOWEST, HIGHEST = 40, 96
"""MIDI numbers of the lowest and the highest note."""
N_FFT, HOP_S = 2048, 0.02
DETUNINGS = (-0.25, 0.0, 0.25)
"""Semitones beside a note at which it has templates, for instruments out of tune."""
COMPRESSION = 0.8
"""Exponent of the magnitudes, so that a loud partial does not outweigh a note."""
DECAYS = (0.0, 0.5, 1.2, 2.2)
"""Exponents by which a template's partials fall, for bright and for dull instruments."""
N_PARTIALS = 16
ITERATIONS = 60
STRONG, QUIET = 0.4, 0.06
"""Least strength of a note, relative to the strongest of its frame and of the whole sound."""
PARTIALS = (12, 19, 24, 28, 31, 34, 36)
"""Semitones above a note at which its partials lie; a note there must be stronger than the one below."""
MAX_NOTES = 6
"""In a frame."""
MEDIAN_FRAMES = 5
"""Frames of the median filter of strengths; shorter peaks are the noise of an onset."""


def sounding_notes(x: np.ndarray, *, sample_rate: int) -> np.ndarray:
    """Estimate the notes that sound in every frame.

    Parameters
    ----------
    x : ndarray, shape (T,), float in [-1, 1]
    sample_rate : int
        In Hz, at least 8,000.

    Returns
    -------
    ndarray, shape (F, 128), bool
        By MIDI number; F = 1 + T // (0.02 * sample_rate).  Silence has none.

    Raises
    ------
    InputError
        If the sound is no single channel, has a sample that is not finite, or too low a rate.
    """
    x = np.asarray(x, dtype=np.float32)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise InputError(f"the sound has shape {x.shape}; one channel of finite samples is needed")
    if sample_rate < 8_000:
        raise InputError(f"sample_rate is {sample_rate} Hz; at least 8000 Hz are needed")
    hop = round(HOP_S * sample_rate)
    magnitudes = spectra.stft_magnitude(x, n_fft=N_FFT, hop_length=hop)  # (bins, F)
    notes = np.zeros((magnitudes.shape[1], 128), bool)
    if not np.any(magnitudes > 1e-6):
        return notes
    strengths = _smooth(_strengths(magnitudes, _templates(sample_rate)))  # (notes, F)
    strongest = strengths.max(axis=0, keepdims=True)
    padded = np.pad(strengths, ((1, 1), (0, 0)))
    kept = (strengths >= padded[:-2]) & (strengths >= padded[2:])
    kept &= (strengths > STRONG * strongest) & (strengths > QUIET * strengths.max())
    for distance in PARTIALS:
        kept[distance:] &= ~kept[:-distance] | (strengths[distance:] > strengths[:-distance])
    ranks = (-strengths).argsort(axis=0).argsort(axis=0)
    notes[:, LOWEST : HIGHEST + 1] = (kept & (ranks < MAX_NOTES)).T
    return notes


def _strengths(magnitudes: np.ndarray, templates: np.ndarray) -> np.ndarray:
    """Estimate the strength of every note in every frame, (notes, F)."""
    from sklearn.decomposition import non_negative_factorization

    n_notes, n_variants, n_bins = templates.shape
    templates = templates.reshape(-1, n_bins)
    frames = (magnitudes.T.astype(np.float64) / magnitudes.max()) ** COMPRESSION + 1e-7
    fixed = {"H": templates, "n_components": len(templates), "init": "custom", "update_H": False}
    activations, _, _ = non_negative_factorization(
        frames, **fixed, solver="mu", beta_loss="kullback-leibler", tol=0, max_iter=ITERATIONS
    )
    return activations.reshape(-1, n_notes, n_variants).sum(axis=2).T


def _smooth(strengths: np.ndarray) -> np.ndarray:
    """Compute the running median over frames."""
    from scipy.ndimage import median_filter

    return median_filter(strengths, size=(1, MEDIAN_FRAMES), mode="nearest")


@functools.lru_cache(maxsize=4)
def _templates(sample_rate: int) -> np.ndarray:
    """Compute harmonic spectra, (notes, variants, bins), each of unit sum."""
    bins = np.arange(N_FFT // 2 + 1)
    notes = []
    for midi in range(LOWEST, HIGHEST + 1):
        variants = []
        for detuning in DETUNINGS:
            f0_hz = 440 * 2 ** ((midi + detuning - 69) / 12)
            for decay in DECAYS:
                partials = [n for n in range(1, N_PARTIALS + 1) if n * f0_hz < 0.48 * sample_rate]
                lobes = [_lobe(bins - n * f0_hz * N_FFT / sample_rate) * n**-decay for n in partials]
                total = np.sum(lobes, axis=0)
                variants.append(total / total.sum())
        notes.append(variants)
    return np.array(notes)


def _lobe(distance: np.ndarray) -> np.ndarray:
    """Evaluate the main lobe of a Hann window's spectrum at a distance in bins from its centre."""
    inside = np.abs(distance) < 2
    singular = np.abs(np.abs(distance) - 1) <= 1e-6  # where the formula is 0 / 0, and its limit 1 / 2
    d = np.where(inside & ~singular, distance, 0.0)
    lobe = np.where(singular, 0.5, np.sinc(d) / (1 - d**2))
    return np.abs(np.where(inside, lobe, 0.0))
