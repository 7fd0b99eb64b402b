"""Detecting noise: sounds of whose spectrum no partial stands out.

The power spectra of half-second frames, each normalized to the same total, are averaged. Every bin is then compared
with its surroundings, the greater of the medians of the 100 Hz below and above it: a partial exceeds both sides, the
edge of a band of noise only one. The prominence of a sound is the largest such ratio; below 12 dB it is noise. Four
seconds of white, pink, brown or band-limited noise stay below 8.1 dB, bursts of 50 ms below 9.6 dB; of 747 notes of all
of FluidR3's families, MIDI 24 to 96, the lowest has 16.2 dB, a pizzicato section.

Flatness, the ratio of the geometric to the arithmetic mean of the averaged spectrum (1 for white noise, near 0 for
notes), is reported but not used: pink noise is not flat, and a breathy flute is not pure.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wavecore.errors import InputError

PROMINENCE_DB = 12.0

_FRAME_S = 0.512
_FRAMES_PER_LENGTH = 4  # frames overlap by three quarters
_LOW_HZ, _HIGH_HZ = 20.0, 7_500.0
_SIDE_HZ = 100.0
_LOBE_BINS = 3  # of a Hann window on either side, and one to spare
_AUDIBLE_DB = 60.0


class Noisiness(NamedTuple):
    """The measures of a sound.

    Attributes
    ----------
    prominence_db : float
        Of the most prominent partial over its surroundings; 0 for silence.
    flatness : float
        In [0, 1]; 1 for silence.
    is_noise : bool
        Whether no partial reaches `PROMINENCE_DB`.
    """

    prominence_db: float
    flatness: float
    is_noise: bool


def noisiness(x: np.ndarray, *, sample_rate: int) -> Noisiness:
    """Measure whether a sound of shape (T,), at least about half a second, has a pitch; silence counts as noise.

    Examples
    --------
    >>> t = np.arange(16_000) / 16_000
    >>> noisiness(np.sin(2 * np.pi * 440 * t), sample_rate=16_000).is_noise
    False
    >>> noisiness(np.random.default_rng(0).standard_normal(16_000), sample_rate=16_000).is_noise
    True
    """
    length = round(_FRAME_S * sample_rate)
    if len(x) < length:
        raise InputError(f"{len(x)} samples at {sample_rate} Hz are too few to detect noise; {length} are needed")
    spectrum = _mean_spectrum(np.asarray(x, np.float64), length)
    hz = np.arange(len(spectrum)) / _FRAME_S
    inside = (hz >= _LOW_HZ) & (hz <= _HIGH_HZ)
    if not spectrum[inside].any():
        return Noisiness(0.0, 1.0, True)
    power = spectrum[inside]
    flatness = float(np.exp(np.log(np.maximum(power, 1e-30)).mean()) / power.mean())
    ratio_db = 10 * np.log10(np.maximum(power, 1e-30) / _surroundings(spectrum)[inside])
    # Bins far below the strongest are inaudible, however prominent.
    prominence_db = float(ratio_db[power >= power.max() * 10 ** (-_AUDIBLE_DB / 10)].max())
    return Noisiness(prominence_db, flatness, prominence_db < PROMINENCE_DB)


def _mean_spectrum(x: np.ndarray, length: int) -> np.ndarray:
    """Return the mean of the frames' normalized power spectra, shape (length // 2 + 1,)."""
    frames = np.lib.stride_tricks.sliding_window_view(x, length)[:: length // _FRAMES_PER_LENGTH]
    power = np.abs(np.fft.rfft(frames * np.hanning(length), axis=1)) ** 2  # (frames, bins)
    total = power.sum(axis=1, keepdims=True)
    # Frames after the end of the sound hold the recording's noise floor, or nothing.
    audible = total[:, 0] > total.max() * 10 ** (-_AUDIBLE_DB / 10)
    return (power[audible] / total[audible]).mean(axis=0) if audible.any() else np.zeros(power.shape[1])


def _surroundings(spectrum: np.ndarray) -> np.ndarray:
    """Return the greater of the medians below and above every bin, its own lobe left out."""
    width = round(_SIDE_HZ * _FRAME_S)
    padded = np.pad(spectrum, width + _LOBE_BINS, mode="reflect")
    medians = np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    below = medians[: len(spectrum)]
    above = medians[width + 2 * _LOBE_BINS + 1 :][: len(spectrum)]
    return np.maximum(np.maximum(below, above), 1e-30)
