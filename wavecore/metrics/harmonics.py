"""Share of a sound's power that belongs to one pitch.

Two instruments at once are two harmonic series; a sound that lies between them is one.  The share of a sound's power
on the partials of a single fundamental distinguishes the two cases, and a second series, found in the remainder of the
first, measures how loud another voice is.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from wavecore.audio import checks
from wavecore.errors import InputError

N_FFT = 8192
SHORTEST = 2048
"""Samples of the shortest sound; below the length of the transform, frequencies are resolved less finely."""
LOWEST_HZ, HIGHEST_HZ = 30.0, 2500.0
CENTS = 5
"""Between the fundamentals that are tried."""
BINS_BESIDE = 3
"""Half width of a partial: that of a Hann window's main lobe, plus one."""
CENTS_BESIDE = 20
"""Half width of a partial that may be out of tune, where that is wider."""
MAX_HALF_WIDTH = 1 / 6
"""Of a partial, relative to the distance to the next: a comb that covers every bin would match every sound."""
LEAST_DB = -40.0
"""Relative to the strongest partial: one of a series' first two must be as strong.  Two pitches are partials of some
lower one that is not in the sound; only where they are a fifth apart are they its second and third."""


@dataclass(frozen=True)
class HarmonicSeries:
    """The fundamentals of the two harmonic series that hold most of a sound's power, and their shares of it, 0 to 1.

    The first fundamental is precise to half a semitone; the second series is that of the remainder of the first.  The
    shares are of the power above the noise floor; the second is what the second series adds.
    """

    f0_hz: float
    share: float
    second_hz: float
    second_share: float


def harmonic_series(x: np.ndarray, sample_rate: int) -> HarmonicSeries:
    """Find the harmonic series that holds most of a sound's power, then that of the remainder.

    The sound has the shape (T,), T at least 2048, better 8192; its loudest frames count most.  Raises InputError if it
    is too short, silent, or no finite signal of one channel.
    """
    x = checks.as_signal(x, what="the sound")
    if len(x) < SHORTEST:
        raise InputError(f"{len(x)} samples are too few to resolve harmonics; {SHORTEST} are needed")
    power = _power(x)
    if not power.any():
        raise InputError("the sound is silent; it has no harmonics")
    power = power / power.sum()
    candidates, combs, lowest = _combs(sample_rate, BINS_BESIDE * N_FFT / min(len(x), N_FFT))
    strong = (lowest * power).max(axis=1) >= power.max() * 10 ** (LEAST_DB / 10)
    candidates, combs = candidates[strong], combs[strong]
    first = _best(power, combs)
    rest = np.where(combs[first], 0.0, power)
    second = _best(rest, combs)
    shares = float(power[combs[first]].sum()), float(rest[combs[second]].sum())
    return HarmonicSeries(float(candidates[first]), shares[0], float(candidates[second]), shares[1])


def _power(x: np.ndarray) -> np.ndarray:
    """Average the power spectra of the loud frames, (n_bins,); 60 dB below the peak and less is set to 0."""
    size = min(len(x), N_FFT)
    n_frames = 1 + (len(x) - size) // (size // 4)
    frames = np.stack([x[i * (size // 4) :][:size] for i in range(n_frames)]).astype(np.float64)
    spectra = np.abs(np.fft.rfft(frames * np.hanning(size), N_FFT)) ** 2
    spectra[:, : BINS_BESIDE * N_FFT // size] = 0  # no tone is that low
    powers = spectra.sum(axis=1)
    mean = spectra[powers >= powers.max() / 100].mean(axis=0)
    return np.where(mean >= mean.max() * 1e-6, mean, 0.0)


@functools.lru_cache(maxsize=4)
def _combs(sample_rate: int, bins_beside: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return fundamentals (n,) in Hz, the bins of all their partials and of the lowest two, (n, n_bins) of bool."""
    f0s_hz = LOWEST_HZ * 2 ** (np.arange(0, 1200 * np.log2(HIGHEST_HZ / LOWEST_HZ), CENTS) / 1200)
    combs, lowest = (
        np.stack([_comb(f0_hz, sample_rate, bins_beside, n_partials) for f0_hz in f0s_hz]) for n_partials in (None, 2)
    )
    return f0s_hz, combs, lowest


def _comb(f0_hz: float, sample_rate: int, bins_beside: float, n_partials: int | None) -> np.ndarray:
    """Mark the bins of a fundamental's partials, or of its first `n_partials`: (n_bins,) of bool."""
    bin_hz = sample_rate / N_FFT
    comb = np.zeros(N_FFT // 2 + 1, bool)
    for partial_hz in np.arange(f0_hz, sample_rate / 2, f0_hz)[:n_partials]:
        beside_hz = max(bins_beside * bin_hz, partial_hz * (2 ** (CENTS_BESIDE / 1200) - 1))
        beside_hz = min(beside_hz, MAX_HALF_WIDTH * f0_hz)
        comb[max(0, round((partial_hz - beside_hz) / bin_hz)) : round((partial_hz + beside_hz) / bin_hz) + 1] = True
    return comb


def _best(power: np.ndarray, combs: np.ndarray) -> int:
    """Return the comb with most power beyond that of white noise on as many bins, which prefers the highest octave."""
    return int((combs @ power - power.sum() * combs.mean(axis=1)).argmax())
