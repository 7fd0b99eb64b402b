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
import itertools

import numpy as np

from wavecore.audio import spectra
from wavecore.audio.pitch import midi_to_hz
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
    """Estimate the notes that sound in every frame of a sound, shape (T,), by MIDI number.

    Returns shape (F, 128), bool, F = 1 + T // (0.02 * sample_rate); silence has no notes.  Raises InputError if the
    sound is no single channel of finite samples, or its rate is below 8 kHz.
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
    strengths = _strengths(magnitudes, _templates(sample_rate))  # (notes, F)
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
    """Estimate the strength of every note in every frame, smoothed over frames, (notes, F)."""
    from scipy.ndimage import median_filter
    from sklearn.decomposition import non_negative_factorization

    n_notes, n_variants, n_bins = templates.shape
    templates = templates.reshape(-1, n_bins)
    frames = (magnitudes.T.astype(np.float64) / magnitudes.max()) ** COMPRESSION + 1e-7
    fixed = {"H": templates, "n_components": len(templates), "init": "custom", "update_H": False}
    activations, _, _ = non_negative_factorization(
        frames, **fixed, solver="mu", beta_loss="kullback-leibler", tol=0, max_iter=ITERATIONS
    )
    strengths = activations.reshape(-1, n_notes, n_variants).sum(axis=2)
    return median_filter(strengths, size=(MEDIAN_FRAMES, 1), mode="nearest").T


@functools.lru_cache(maxsize=4)
def _templates(sample_rate: int) -> np.ndarray:
    """Compute harmonic spectra, (notes, variants, bins), each of unit sum."""
    notes, bins = range(LOWEST, HIGHEST + 1), np.arange(N_FFT // 2 + 1)
    templates = []
    for midi, detuning, decay in itertools.product(notes, DETUNINGS, DECAYS):
        f0_hz = midi_to_hz(midi + detuning)
        partials = np.arange(1.0, min(N_PARTIALS, 0.48 * sample_rate / f0_hz) + 1e-9)[:, None]
        lobes = _hann_lobe(bins - partials * f0_hz * N_FFT / sample_rate) * partials**-decay
        templates.append(lobes.sum(axis=0) / lobes.sum())
    return np.array(templates).reshape(len(notes), -1, len(bins))


def _hann_lobe(bins: np.ndarray) -> np.ndarray:
    """Evaluate the main lobe of a Hann window's spectrum at a distance in bins from its centre."""
    lobe = np.sinc(bins) + (np.sinc(bins - 1) + np.sinc(bins + 1)) / 2
    return np.where(np.abs(bins) < 2, lobe, 0.0)
