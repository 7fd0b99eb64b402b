"""Which items of a data set are noise: no partial stands out of the spectrum.

The power spectra of half-second frames, each brought to the same total, are
averaged over a note.  Every bin is then compared with its surroundings, the
louder of the medians of the 100 Hz below and above it: a partial towers over
both sides, while the edge of a band of noise towers over one.  The prominence of
an item is the largest such ratio; below 12 dB it is called noise.  Four seconds of
white, pink, brown or band-limited noise stay below 8.1 dB, bursts of 50 ms below
9.6 dB; of 747 notes of all of FluidR3's families, MIDI 24 to 96, the lowest has 16.2 dB,
a pizzicato section.

Flatness, the ratio of the geometric to the arithmetic mean of the averaged
spectrum (1 for white noise, near 0 for notes), is reported beside it and decides
nothing: pink noise is not flat, and a breathy flute is not pure.
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
    """What was measured of an item.

    Attributes
    ----------
    prominence_db : float
        Of the clearest partial over its surroundings; 0 for silence.
    flatness : float
        In [0, 1]; 1 for silence.
    is_noise : bool
        Whether no partial reaches `PROMINENCE_DB`.
    """

    prominence_db: float
    flatness: float
    is_noise: bool


def noisiness(x: np.ndarray, *, sample_rate: int) -> Noisiness:
    """Measure whether a sound has any pitch.

    Parameters
    ----------
    x : ndarray, shape (T,), float
        At least about half a second.
    sample_rate : int
        Hz, 16,000 or more.

    Returns
    -------
    Noisiness
        Silence counts as noise: it has no pitch.

    Raises
    ------
    InputError
        If the sound is shorter than one frame.
    """
    length = round(_FRAME_S * sample_rate)
    if len(x) < length:
        raise InputError(f"{len(x)} samples at {sample_rate} Hz are too few to tell noise, wanted {length}")
    spectrum = _mean_spectrum(np.asarray(x, np.float64), length)
    hz = np.arange(len(spectrum)) / _FRAME_S
    inside = (hz >= _LOW_HZ) & (hz <= _HIGH_HZ)
    if not spectrum[inside].any():
        return Noisiness(0.0, 1.0, True)
    power = spectrum[inside]
    flatness = float(np.exp(np.log(np.maximum(power, 1e-30)).mean()) / power.mean())
    ratio_db = 10 * np.log10(np.maximum(power, 1e-30) / _surroundings(spectrum)[inside])
    # A bin far below the strongest is heard by nobody, whatever it towers over.
    prominence_db = float(ratio_db[power >= power.max() * 10 ** (-_AUDIBLE_DB / 10)].max())
    return Noisiness(prominence_db, flatness, prominence_db < PROMINENCE_DB)


def _mean_spectrum(x: np.ndarray, length: int) -> np.ndarray:
    """The mean of the frames' power spectra, each of total 1, (length // 2 + 1,)."""
    frames = np.lib.stride_tricks.sliding_window_view(x, length)[:: length // _FRAMES_PER_LENGTH]
    power = np.abs(np.fft.rfft(frames * np.hanning(length), axis=1)) ** 2  # (frames, bins)
    total = power.sum(axis=1, keepdims=True)
    # Frames after the sound has gone hold the recording's floor, or nothing.
    heard = total[:, 0] > total.max() * 10 ** (-_AUDIBLE_DB / 10)
    return (power[heard] / total[heard]).mean(axis=0) if heard.any() else np.zeros(power.shape[1])


def _surroundings(spectrum: np.ndarray) -> np.ndarray:
    """The louder of the medians below and above every bin, its own lobe left out."""
    width = round(_SIDE_HZ * _FRAME_S)
    padded = np.pad(spectrum, width + _LOBE_BINS, mode="reflect")
    medians = np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    below = medians[: len(spectrum)]
    above = medians[width + 2 * _LOBE_BINS + 1 :][: len(spectrum)]
    return np.maximum(np.maximum(below, above), 1e-30)
