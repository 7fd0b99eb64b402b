"""Images of sounds: arrays of brightness and colour over time and pitch.

Row 0 is C2 (65.4 Hz); ``wavecore.plots.audio`` puts these arrays on axes.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch

from wavecore.audio import checks, spectra
from wavecore.audio.resample import resample
from wavecore.errors import UsageError

# The rainbowgram's parameters are those of NSynth's authors.
RAINBOW_RATE = 16000
RAINBOW_HOP = 256
RAINBOW_BINS_PER_OCTAVE = 40
RAINBOW_OCTAVES = 6
RAINBOW_RANGE_DB = 70.0
_FILTER_SCALE = 0.8

SPECTRUM_BINS_PER_OCTAVE = 36
SPECTRUM_RANGE_DB = 80.0
_SPECTRUM_MAX_RATE = 22050
# The highest filters must end below half the rate.
_SPECTRUM_TOP = 0.46


def rainbow(x: np.ndarray | torch.Tensor, *, sample_rate: int) -> np.ndarray:
    """Compute the rainbowgram of a sound.

    A constant-Q transform over six octaves: brightness is the magnitude in dB below the maximum, over a range of 70 dB,
    and colour the instantaneous frequency, that is the change of the unwrapped phase from frame to frame.  A steady
    tone has one colour, noise has all.

    Parameters
    ----------
    x : ndarray or Tensor, shape (T,), float
        The sound, finite and not empty, else InputError; resampled to 16 kHz first.

    Returns
    -------
    ndarray, shape (240, frames, 3), float32
        Red, green and blue in [0, 1]; 40 rows to the octave, one column per 256 samples at 16 kHz.

    References
    ----------
    Engel et al., "Neural audio synthesis of musical notes with WaveNet autoencoders", arXiv 1704.01279, 2017.
    """
    transform = spectra.constant_q(
        resample(checks.as_signal(x), from_rate=sample_rate, to_rate=RAINBOW_RATE),
        sample_rate=RAINBOW_RATE,
        hop_length=RAINBOW_HOP,
        n_bins=RAINBOW_OCTAVES * RAINBOW_BINS_PER_OCTAVE,
        bins_per_octave=RAINBOW_BINS_PER_OCTAVE,
        filter_scale=_FILTER_SCALE,
    )
    phase = np.unwrap(np.angle(transform), axis=1)
    frequency = np.diff(phase, axis=1, prepend=0.0) / math.pi  # half turns per frame, in [-1, 1]
    hue = np.mod((frequency + 1.0) * 128.0, 256.0).astype(np.uint8)
    return _ring()[hue] * _level(np.abs(transform), RAINBOW_RANGE_DB)[..., None]


def note_spectrum(x: np.ndarray | torch.Tensor, *, sample_rate: int) -> np.ndarray:
    """Compute the level of a sound over time and pitch, up to just below half its rate.

    Parameters
    ----------
    x : ndarray or Tensor, shape (T,), float
        The sound, finite and not empty, else InputError; resampled to 22,050 Hz first where its rate is higher.
    sample_rate : int
        Its rate in Hz, at least 300, else UsageError: the lowest octave ends there.

    Returns
    -------
    ndarray, shape (bins, frames), float32
        From 0, 80 dB or more below the maximum, to 1; 36 rows to the octave.
    """
    rate = min(checks.require_rate(sample_rate), _SPECTRUM_MAX_RATE)
    octaves = math.log2(_SPECTRUM_TOP * rate / spectra.C2_HZ)
    if octaves < 1:
        raise UsageError(f"a sound at {sample_rate} Hz has no octave above C2; at least 300 Hz are needed")
    transform = spectra.constant_q(
        resample(checks.as_signal(x), from_rate=sample_rate, to_rate=rate),
        sample_rate=rate,
        n_bins=int(octaves * SPECTRUM_BINS_PER_OCTAVE),
        bins_per_octave=SPECTRUM_BINS_PER_OCTAVE,
        filter_scale=_FILTER_SCALE,
    )
    return _level(np.abs(transform), SPECTRUM_RANGE_DB)


def _level(magnitude: np.ndarray, range_db: float) -> np.ndarray:
    """Map dB below the maximum to 0, at the bottom of the range, to 1."""
    return 1.0 + spectra.log_magnitude(magnitude, range_db=range_db) / np.float32(range_db)


@functools.cache
def _ring() -> np.ndarray:
    """Compute a cycle of 256 hues of equal lightness, a circle in Oklab (Ottosson 2020), (256, 3), float32 in [0, 1].

    No hue looks brighter than another, so brightness shows the level alone.
    """
    angle = np.linspace(0.0, 2.0 * math.pi, 256, endpoint=False)
    lightness, chroma = 0.76, 0.155
    a, b = chroma * np.cos(angle), chroma * np.sin(angle)
    cones = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    to_rgb = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    linear = np.clip(to_rgb @ cones**3, 0.0, 1.0)
    gamma = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return gamma.T.astype(np.float32)
