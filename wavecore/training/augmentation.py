"""What happens to the encoder's input before it is encoded.

The paper detunes a random segment, so that the encoder cannot carry the
waveform through; noise and level are varied, because people's recordings are.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from wavecore.nn.encoders import FLOOR_DB

SEGMENT_S = (0.25, 0.5)
DETUNE_SEMITONES = 0.5
GAIN_DB = (-9.0, 3.0)
NOISE_DB = (-70.0, -35.0)
HISTORY_NOISE_DB = (-60.0, -12.0)
TONE_HZ = (60.0, 5000.0)
"""Of foreign tones in the past."""
HISTORY_OFFSET = 0.35
"""Of a past that does not lie around zero, at most."""
DROPOUT_S = (0.02, 0.3)
COLOUR_SHARE, COLOUR_DB, COLOUR_POINTS = 0.5, 4.0, 6
"""Share of spectra whose levels change at so many points, interpolated between, and the changes' standard deviation."""
SPECTRUM_GAIN_DB = 1.6
"""Largest change of the level of a whole spectrum."""
NOISE_FLOOR_SHARE, NOISE_FLOOR_DB, NOISE_RIPPLE_DB = 0.4, -36.0, 5.6
"""Share of spectra with a noise floor, its highest level, and the standard deviation of its bins."""


def detune_segment(x: np.ndarray, *, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Shift the pitch of a random segment by up to half a semitone.

    The segment is read faster or slower and put back in place; over half a
    second that moves an event by 15 ms at most, less than a latent frame.

    Parameters
    ----------
    x : ndarray, shape (T,), float32 in [-1, 1]
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (T,), float32 in [-1, 1]
        A new array.

    References
    ----------
    Mor et al., arXiv:1805.07848, section 3.1.
    """
    length = min(len(x), int(rng.uniform(*SEGMENT_S) * sample_rate))
    start = int(rng.integers(0, len(x) - length + 1))
    ratio = 2 ** (rng.uniform(-DETUNE_SEMITONES, DETUNE_SEMITONES) / 12)
    positions = start + length / 2 + (np.arange(length) - length / 2) * ratio
    out = x.copy()
    out[start : start + length] = _interpolate(x, positions)
    return out


def tape_positions(n_samples: int, *, semitones: tuple[float, float]) -> np.ndarray:
    """Say where to read a sound that is transposed as by a tape, at a speed that may change on the way.

    Parameters
    ----------
    n_samples : int
        To be read.
    semitones : tuple of float
        Up, at the first sample and at the last; in between it changes evenly.

    Returns
    -------
    ndarray, shape (n_samples,), float64
        In samples, from 0 on, ascending.
    """
    speed = 2 ** (np.linspace(*semitones, n_samples) / 12)
    return np.cumsum(speed) - speed[0]


def read_at(x: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Read a sound between its samples.

    Parameters
    ----------
    x : ndarray, shape (T,), float32 in [-1, 1]
    positions : ndarray, shape (N,), float64
        In samples; before the first and behind the last sample the sound stands still.

    Returns
    -------
    ndarray, shape (N,), float32 in [-1, 1]
        A new array, by cubic interpolation.
    """
    return _interpolate(x, positions)


def add_noise_and_gain(x: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Vary the level and add white noise, as other microphones and rooms would.

    Parameters
    ----------
    x : ndarray, shape (T,), float32 in [-1, 1]

    Returns
    -------
    ndarray, shape (T,), float32 in [-1, 1]
    """
    gain = 10 ** (rng.uniform(*GAIN_DB) / 20)
    noise = 10 ** (rng.uniform(*NOISE_DB) / 20) * rng.standard_normal(len(x), dtype=np.float32)
    return np.clip(gain * x + noise, -1, 1).astype(np.float32)


def add_history_noise(
    x: np.ndarray, *, rng: np.random.Generator, loudest_db: float = HISTORY_NOISE_DB[1]
) -> np.ndarray:
    """Blur the past that a decoder is shown in training.

    A decoder that only ever saw perfect recordings leans on its past alone, and
    does not know what to do with its own slips.  Under noise it has to take
    pitch and level from the latent, and learns to come back.

    Parameters
    ----------
    x : ndarray, shape (T,), float32 in [-1, 1]
    loudest_db : float
        Highest level of the noise, dB of full scale.

    Returns
    -------
    ndarray, shape (T,), float32 in [-1, 1]
        White noise of a random level, from -60 dB on, is added.

    References
    ----------
    Jin et al., "FFTNet: a real-time speaker-dependent neural vocoder", ICASSP 2018, section 2.3.3.
    """
    level = 10 ** (rng.uniform(HISTORY_NOISE_DB[0], loudest_db) / 20)
    return np.clip(x + level * rng.standard_normal(len(x), dtype=np.float32), -1, 1).astype(np.float32)


def add_history_tone(
    x: np.ndarray, *, sample_rate: int, rng: np.random.Generator, loudest_db: float = HISTORY_NOISE_DB[1]
) -> np.ndarray:
    """Lay a foreign tone over the past that a decoder is shown in training.

    A decoder that hears itself slips into whistling at a pitch of its own, which noise does not
    teach it to leave: from a past in which something sounds that nobody asked for it has to come
    back to what it is told.

    Parameters
    ----------
    x : ndarray, shape (T,), float32 in [-1, 1]
    sample_rate : int
        Hz.
    loudest_db : float
        Highest level of the tone, dB of full scale.

    Returns
    -------
    ndarray, shape (T,), float32 in [-1, 1]
        A tone of one to six partials at a random pitch, of a random level from -60 dB on, is added.
    """
    level = 10 ** (rng.uniform(HISTORY_NOISE_DB[0], loudest_db) / 20)
    f0_hz = np.exp(rng.uniform(np.log(TONE_HZ[0]), np.log(TONE_HZ[1])))
    numbers = np.arange(1, rng.integers(1, 7) + 1)
    numbers = numbers[numbers * f0_hz < sample_rate / 2]
    starts = rng.uniform(0, 2 * np.pi, len(numbers))
    angles = 2 * np.pi * f0_hz / sample_rate * np.arange(len(x))
    tone = sum(np.cos(number * angles + start) / number for number, start in zip(numbers, starts, strict=True))
    return np.clip(x + level * np.sqrt(2) * tone, -1, 1).astype(np.float32)


def add_history_offset(x: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Lift or lower the past that a decoder is shown in training.

    Nothing in a recording tells a decoder where zero is: once it hears itself beside it, it stays there, and drifts on to where
    mu-law's steps are coarse.

    Parameters
    ----------
    x : ndarray, shape (T,), float32 in [-1, 1]

    Returns
    -------
    ndarray, shape (T,), float32 in [-1, 1]
        A straight line between two random offsets of up to ``HISTORY_OFFSET`` is added.
    """
    return np.clip(x + np.linspace(*rng.uniform(-HISTORY_OFFSET, HISTORY_OFFSET, 2), len(x)), -1, 1).astype(np.float32)


def drop_history(x: np.ndarray, *, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Silence a random stretch of the past that a decoder is shown in training.

    A decoder that fell silent by chance sees a silent past under a latent that
    asks for sound.  Recordings never show that, so it would stay silent.

    Parameters
    ----------
    x : ndarray, shape (T,), float32 in [-1, 1]
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (T,), float32 in [-1, 1]
        A new array.
    """
    length = min(len(x), int(rng.uniform(*DROPOUT_S) * sample_rate))
    # The stretch may begin before the crop does.
    start = int(rng.integers(-length // 2, len(x) - length + 1))
    out = x.copy()
    out[max(start, 0) : start + length] = 0
    return out


def vary_spectra(spectra: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Change spectra as other instruments, microphones and rooms would.

    Parameters
    ----------
    spectra : Tensor, shape (B, n_bins, F), float32 in [0, 1]
        As ``ConstantQEncoder.spectrum`` returns them.

    Returns
    -------
    clean : Tensor, shape (B, n_bins, F), float32 in [0, 1]
        With another spectral envelope and level; bins at zero stay there.
    noisy : Tensor, shape (B, n_bins, F), float32 in [0, 1]
        The same, some of them above a noise floor.
    """
    n_crops, n_bins = spectra.shape[:2]

    def uniform() -> Tensor:
        return torch.rand(n_crops, 1, 1, generator=generator)

    points = torch.randn(n_crops, 1, COLOUR_POINTS, generator=generator) * (COLOUR_DB / -FLOOR_DB)
    colour = nn.functional.interpolate(points, n_bins, mode="linear", align_corners=True).transpose(1, 2)
    level = (2 * uniform() - 1) * (SPECTRUM_GAIN_DB / -FLOOR_DB)
    clean = torch.where(spectra > 0, (spectra + colour * (uniform() < COLOUR_SHARE) + level).clamp(0, 1), spectra)
    floor = uniform() * (1 - NOISE_FLOOR_DB / FLOOR_DB)
    ripple = torch.randn(clean.shape, generator=generator) * (NOISE_RIPPLE_DB / -FLOOR_DB)
    return clean, torch.maximum(clean, (floor + ripple).clamp(0, 1) * (uniform() < NOISE_FLOOR_SHARE))


def _interpolate(x: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Read ``x`` between its samples by Catmull-Rom cubics, held at both ends."""
    whole = np.floor(positions).astype(np.int64)
    f = (positions - whole).astype(np.float32)
    a, b, c, d = (x[np.clip(whole + k, 0, len(x) - 1)] for k in (-1, 0, 1, 2))
    cubic = b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))
    return np.clip(cubic, -1, 1).astype(np.float32)
