"""Which notes sound at once: several pitches in every frame.

A magnitude spectrum is explained as a sum of harmonic spectra, one group of templates for every
semitone, by multiplicative updates of their strengths under the Kullback-Leibler divergence; what
is strong enough, and stronger than its neighbours, counts as a note.  That suffices to compare two
performances of the same few voices; it is no transcription of an orchestra's score.

References
----------
Lee, Seung, "Algorithms for non-negative matrix factorization", NIPS 2000: the updates.
Smaragdis, Brown, "Non-negative matrix factorization for polyphonic music transcription", WASPAA 2003.
"""

from __future__ import annotations

import functools

import numpy as np

from wavecore.audio import spectra
from wavecore.errors import InputError

LOWEST, HIGHEST = 40, 96
"""MIDI numbers of the notes that are looked for."""
N_FFT, HOP_S = 2048, 0.02
DETUNINGS = (-0.25, 0.0, 0.25)
"""Semitones beside a note at which it has templates, for players who are not quite in tune."""
COMPRESSION = 0.8
"""Power that magnitudes are raised to, so that a loud partial does not outweigh a note."""
DECAYS = (0.0, 0.5, 1.2, 2.2)
"""Exponents by which a template's partials fall, for bright and for dull instruments."""
N_PARTIALS = 16
ITERATIONS, SPARSITY = 60, 0.02
STRONG, QUIET = 0.4, 0.06
"""Least strength of a note, relative to the strongest of its frame and of the whole sound."""
PARTIALS = (12, 19, 24, 28, 31, 34, 36)
OWN = 1.0
"""Semitones at which a note's partials lie; a note there has to be so strong beside it to be one of its own."""
MOST = 6
"""Notes in a frame, at most."""
SMOOTHED = 5
"""Frames of the median over which strengths are taken."""


def sounding_notes(x: np.ndarray, *, sample_rate: int) -> np.ndarray:
    """Find the notes that sound in every frame.

    Parameters
    ----------
    x : ndarray, shape (T,), float in [-1, 1]
    sample_rate : int
        Hz; 8,000 at least.

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
        raise InputError(f"notes are looked for in one channel of finite samples, not in shape {x.shape}")
    if sample_rate < 8_000:
        raise InputError(f"notes are looked for at 8,000 Hz or more, not at {sample_rate}")
    hop = round(HOP_S * sample_rate)
    magnitudes = spectra.stft_magnitude(x, n_fft=N_FFT, hop_length=hop)  # (bins, F)
    found = np.zeros((magnitudes.shape[1], 128), bool)
    if not np.any(magnitudes > 1e-6):
        return found
    strengths = _smooth(_strengths(magnitudes, _templates(sample_rate)))  # (notes, F)
    loudest = strengths.max()
    frame = strengths.max(axis=0, keepdims=True)
    padded = np.pad(strengths, ((1, 1), (0, 0)))
    kept = (
        (strengths >= padded[:-2])
        & (strengths >= padded[2:])
        & (strengths > STRONG * frame)
        & (strengths > QUIET * loudest)
    )
    for distance in PARTIALS:
        kept[distance:] &= ~kept[:-distance] | (strengths[distance:] > OWN * strengths[:-distance])
    ranks = (-strengths).argsort(axis=0).argsort(axis=0)
    found[:, LOWEST : HIGHEST + 1] = (kept & (ranks < MOST)).T
    return found


def _strengths(magnitudes: np.ndarray, templates: np.ndarray) -> np.ndarray:
    """How strong every note is in every frame, (notes, F)."""
    n_notes, n_variants, n_bins = templates.shape
    w = templates.reshape(-1, n_bins).T  # (bins, templates)
    v = (magnitudes.astype(np.float64) / magnitudes.max()) ** COMPRESSION + 1e-7
    h = np.full((w.shape[1], v.shape[1]), v.mean())
    for _ in range(ITERATIONS):
        h *= (w.T @ (v / (w @ h + 1e-9))) / (w.sum(axis=0)[:, None] + SPARSITY)
    return h.reshape(n_notes, n_variants, -1).sum(axis=1)


def _smooth(strengths: np.ndarray) -> np.ndarray:
    """Median over a few frames: what sounds for less is an onset's noise."""
    half = SMOOTHED // 2
    padded = np.pad(strengths, ((0, 0), (half, half)), mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, SMOOTHED, axis=1), axis=2)


@functools.lru_cache(maxsize=4)
def _templates(sample_rate: int) -> np.ndarray:
    """Harmonic spectra, (notes, variants, bins), each of unit sum."""
    bins = np.arange(N_FFT // 2 + 1)
    found = []
    for midi in range(LOWEST, HIGHEST + 1):
        variants = []
        for detuning in DETUNINGS:
            f0_hz = 440 * 2 ** ((midi + detuning - 69) / 12)
            for decay in DECAYS:
                partials = [n for n in range(1, N_PARTIALS + 1) if n * f0_hz < 0.48 * sample_rate]
                lobes = [_lobe(bins - n * f0_hz * N_FFT / sample_rate) * n**-decay for n in partials]
                total = np.sum(lobes, axis=0)
                variants.append(total / total.sum())
        found.append(variants)
    return np.array(found)


def _lobe(distance: np.ndarray) -> np.ndarray:
    """The main lobe of a Hann window's spectrum, so many bins from its middle."""
    inside = np.abs(distance) < 2
    d = np.where(inside & (np.abs(np.abs(distance) - 1) > 1e-6), distance, 0.0)
    lobe = np.sinc(d) / (1 - d**2)
    lobe = np.where(np.abs(np.abs(distance) - 1) <= 1e-6, 0.5, lobe)
    return np.abs(np.where(inside, lobe, 0.0))
