"""How much of a sound belongs to one pitch.

Two instruments at once are two harmonic series; a sound that lies between them is one.  The
share of a sound's power that lies on the partials of a single fundamental tells them apart, and
a second series, looked for in what the first leaves over, tells how loud another voice is.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from wavecore.audio import checks
from wavecore.errors import InputError

N_FFT = 8192
SHORTEST = 2048
"""Samples; what is shorter than the transform is told apart less finely."""
LOWEST_HZ, HIGHEST_HZ = 30.0, 2500.0
CENTS = 5
"""Between the fundamentals that are tried."""
BINS_BESIDE = 3
"""That still belong to a partial: half the width of a Hann window's main lobe, and one."""
CENTS_BESIDE = 20
"""Out of tune that a partial may be, where that is wider."""
WIDEST = 1 / 6
"""Of the distance to the next partial: a comb that covers everything would explain everything."""

LEAST_DB = -40.0
"""Of the strongest partial: one of a series' first two must be as strong.  Two pitches are partials of some
lower one, which nobody hears; where they are a fifth apart, though, its second and third."""


@dataclass(frozen=True)
class HarmonicSeries:
    """The two fundamentals that explain most of a sound.

    Attributes
    ----------
    f0_hz : float
        Of the series that explains most, within half a semitone.
    share : float
        Of the power above the floor, 0 to 1: what the first series explains.
    second_hz : float
        Of the series that explains most of what is left.
    second_share : float
        Of the whole power, 0 to 1: what it explains beside the first.
    """

    f0_hz: float
    share: float
    second_hz: float
    second_share: float


def harmonic_series(x: np.ndarray, sample_rate: int) -> HarmonicSeries:
    """Explain a sound by two harmonic series, one after the other.

    Parameters
    ----------
    x : ndarray, shape (T,), float
        At least 2048 samples, better 8192; the loudest stretches count most.
    sample_rate : int
        Hz.

    Raises
    ------
    InputError
        If the sound is too short, silent, or no finite signal of one channel.
    """
    x = checks.as_signal(x, what="the sound")
    if len(x) < SHORTEST:
        raise InputError(f"{len(x)} samples are too few to tell harmonics; {SHORTEST} at least")
    power = _power(x)
    if not power.any():
        raise InputError("the sound is silent; it has no harmonics")
    power = power / power.sum()
    candidates, combs, lowest = _combs(sample_rate, BINS_BESIDE * N_FFT / min(len(x), N_FFT))
    heard = (lowest * power).max(axis=1) >= power.max() * 10 ** (LEAST_DB / 10)
    candidates, combs = candidates[heard], combs[heard]
    first = _best(power, combs)
    rest = np.where(combs[first], 0.0, power)
    second = _best(rest, combs)
    return HarmonicSeries(
        float(candidates[first]), float(power[combs[first]].sum()),
        float(candidates[second]), float(rest[combs[second]].sum()),
    )  # fmt: skip


def _power(x: np.ndarray) -> np.ndarray:
    """Mean power spectrum of the loud frames; what is 60 dB below its peak is left out."""
    size = min(len(x), N_FFT)
    n_frames = 1 + (len(x) - size) // (size // 4)
    frames = np.stack([x[i * (size // 4) :][:size] for i in range(n_frames)]).astype(np.float64)
    spectra = np.abs(np.fft.rfft(frames * np.hanning(size), N_FFT)) ** 2
    spectra[:, : BINS_BESIDE * N_FFT // size] = 0  # no tone is that low
    loud = spectra.sum(axis=1)
    mean = spectra[loud >= loud.max() / 100].mean(axis=0)
    return np.where(mean >= mean.max() * 1e-6, mean, 0.0)


@functools.lru_cache(maxsize=4)
def _combs(sample_rate: int, bins_beside: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fundamentals (n,) in Hz, the bins of their partials and those of the lowest two, (n, bins) of bool."""
    f0s_hz = LOWEST_HZ * 2 ** (np.arange(0, 1200 * np.log2(HIGHEST_HZ / LOWEST_HZ), CENTS) / 1200)
    n_bins = N_FFT // 2 + 1
    return (
        f0s_hz,
        np.stack([_comb(f0_hz, sample_rate, n_bins, bins_beside) for f0_hz in f0s_hz]),
        np.stack([_comb(f0_hz, sample_rate, n_bins, bins_beside, n_partials=2) for f0_hz in f0s_hz]),
    )


def _comb(
    f0_hz: float, sample_rate: int, n_bins: int, bins_beside: float, *, n_partials: int | None = None
) -> np.ndarray:  # fmt: skip
    """Which bins belong to a fundamental's partials, or to the first of them: (n_bins,) of bool."""
    bin_hz = sample_rate / N_FFT
    found = np.zeros(n_bins, bool)
    for partial_hz in np.arange(f0_hz, sample_rate / 2, f0_hz)[:n_partials]:
        beside_hz = max(bins_beside * bin_hz, partial_hz * (2 ** (CENTS_BESIDE / 1200) - 1))
        beside_hz = min(beside_hz, WIDEST * f0_hz)
        found[max(0, round((partial_hz - beside_hz) / bin_hz)) : round((partial_hz + beside_hz) / bin_hz) + 1] = True
    return found


def _best(power: np.ndarray, combs: np.ndarray) -> int:
    """Index of the comb that explains most beside what its width alone would, so that the highest of octaves wins."""
    return int((combs @ power - power.sum() * combs.mean(axis=1)).argmax())
