"""Augmentation of sounds, of a decoder's context, and of constant-Q spectra.

The input of an encoder is transposed, detuned and mixed with noise.  The context of a decoder, the past samples of
teacher forcing, is corrupted: a decoder trained on perfect recordings alone relies on its context and cannot correct
its own errors in free-running generation.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from wavecore.audio import mulaw
from wavecore.nn.encoders import FLOOR_DB
from wavecore.training.config import WaveNetTrainingConfig

SEGMENT_S = (0.25, 0.5)
DETUNE_SEMITONES = 0.5
GAIN_DB = (-9.0, 3.0)
NOISE_DB = (-70.0, -35.0)
CONTEXT_NOISE_DB = (-60.0, -12.0)
TONE_HZ = (60.0, 5000.0)
"""Fundamental of a tone that is added to the context."""
CONTEXT_OFFSET = 0.35
"""Largest constant that is added to the context."""
DROPOUT_S = (0.02, 0.3)
COLOUR_SHARE, COLOUR_DB, COLOUR_POINTS = 0.5, 4.0, 6
"""Share of spectra whose levels change at so many points, interpolated between, and the changes' standard deviation."""
SPECTRUM_GAIN_DB = 1.6
"""Largest change of the level of a whole spectrum."""
NOISE_FLOOR_SHARE, NOISE_FLOOR_DB, NOISE_RIPPLE_DB = 0.4, -36.0, 5.6
"""Share of spectra with a noise floor, its highest level, and the standard deviation of its bins."""


def detune_segment(x: np.ndarray, *, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Shift the pitch of a random segment by up to half a semitone, so that the encoder cannot copy the waveform.

    The segment is resampled in place; over half a second that moves an event by 15 ms at most.

    Parameters
    ----------
    x : ndarray, shape (T,), float32 in [-1, 1]
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (T,), float32 in [-1, 1]

    References
    ----------
    Mor et al., arXiv:1805.07848, section 3.1.
    """
    length = min(len(x), int(rng.uniform(*SEGMENT_S) * sample_rate))
    start = int(rng.integers(0, len(x) - length + 1))
    ratio = 2 ** (rng.uniform(-DETUNE_SEMITONES, DETUNE_SEMITONES) / 12)
    positions = start + length / 2 + (np.arange(length) - length / 2) * ratio
    out = x.copy()
    out[start : start + length] = read_at(x, positions)
    return out


def tape_positions(n_samples: int, *, semitones: tuple[float, float]) -> np.ndarray:
    """Return the positions at which a sound is read to transpose it as a tape of varying speed does.

    Parameters
    ----------
    semitones : tuple of float
        Transposition of the first and of the last sample; linear in between.

    Returns
    -------
    ndarray, shape (n_samples,), float64
        In samples, ascending from 0.
    """
    speed = 2 ** (np.linspace(*semitones, n_samples) / 12)
    return np.cumsum(speed) - speed[0]


def read_at(x: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Read a sound between its samples by Catmull-Rom cubics, held at both ends.

    Parameters
    ----------
    x : ndarray, shape (T,), float32 in [-1, 1]
    positions : ndarray, shape (N,), float64
        In samples.

    Returns
    -------
    ndarray, shape (N,), float32 in [-1, 1]
    """
    whole = np.floor(positions).astype(np.int64)
    f = (positions - whole).astype(np.float32)
    a, b, c, d = (x[np.clip(whole + k, 0, len(x) - 1)] for k in (-1, 0, 1, 2))
    cubic = b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))
    return np.clip(cubic, -1, 1).astype(np.float32)


def add_noise_and_gain(x: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Change the level and add white noise, as other microphones and rooms would; (T,), float32 in [-1, 1]."""
    gain = 10 ** (rng.uniform(*GAIN_DB) / 20)
    noise = 10 ** (rng.uniform(*NOISE_DB) / 20) * rng.standard_normal(len(x), dtype=np.float32)
    return np.clip(gain * x + noise, -1, 1).astype(np.float32)


def corrupt_context(
    codes: np.ndarray, training: WaveNetTrainingConfig, *, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Corrupt a decoder's context by dropout, a tone, an offset and noise, each with its probability in the settings.

    Parameters
    ----------
    codes : ndarray, shape (T,), uint8
        Mu-law codes of the target.
    training : WaveNetTrainingConfig
        Its ``context_*`` settings.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (T,), uint8
        The same array where nothing is changed.
    """
    noise = rng.random() < training.context_noise_probability
    drop = rng.random() < training.context_dropout_probability
    # Probabilities of zero draw no number, so that the draws of runs from before these settings stay the same.
    tone = training.context_tone_probability and rng.random() < training.context_tone_probability
    offset = training.context_offset_probability and rng.random() < training.context_offset_probability
    if not (noise or drop or tone or offset):
        return codes
    x, loudest_db = mulaw.decode(codes), training.context_noise_db
    if drop:
        x = drop_context(x, sample_rate=sample_rate, rng=rng)
    if tone:
        x = add_context_tone(x, sample_rate=sample_rate, rng=rng, loudest_db=loudest_db)
    if offset:
        x = add_context_offset(x, rng=rng)
    return mulaw.encode(add_context_noise(x, rng=rng, loudest_db=loudest_db) if noise else x)


def add_context_noise(
    x: np.ndarray, *, rng: np.random.Generator, loudest_db: float = CONTEXT_NOISE_DB[1]
) -> np.ndarray:
    """Add white noise of a random level, -60 to ``loudest_db`` dB of full scale, to a context, (T,) float32.

    Under noise a decoder has to take pitch and level from the latent.

    References
    ----------
    Jin et al., "FFTNet: a real-time speaker-dependent neural vocoder", ICASSP 2018, section 2.3.3.
    """
    level = 10 ** (rng.uniform(CONTEXT_NOISE_DB[0], loudest_db) / 20)
    return np.clip(x + level * rng.standard_normal(len(x), dtype=np.float32), -1, 1).astype(np.float32)


def add_context_tone(
    x: np.ndarray, *, sample_rate: int, rng: np.random.Generator, loudest_db: float = CONTEXT_NOISE_DB[1]
) -> np.ndarray:
    """Add a tone of one to six partials, of a random pitch and a level as of ``add_context_noise``, to a context.

    A decoder in free-running generation can get stuck in a tone of its own, which noise does not train it to leave.
    """
    level = 10 ** (rng.uniform(CONTEXT_NOISE_DB[0], loudest_db) / 20)
    f0_hz = np.exp(rng.uniform(np.log(TONE_HZ[0]), np.log(TONE_HZ[1])))
    numbers = np.arange(1, rng.integers(1, 7) + 1)
    numbers = numbers[numbers * f0_hz < sample_rate / 2]
    starts = rng.uniform(0, 2 * np.pi, len(numbers))
    angles = 2 * np.pi * f0_hz / sample_rate * np.arange(len(x))
    tone = sum(np.cos(number * angles + start) / number for number, start in zip(numbers, starts, strict=True))
    return np.clip(x + level * np.sqrt(2) * tone, -1, 1).astype(np.float32)


def add_context_offset(x: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Add a straight line between two random offsets of up to ``CONTEXT_OFFSET`` to a context, (T,) float32.

    No recording shows a decoder how to come back to zero; an offset that it has generated would stay, and drift to
    where the steps of mu-law are coarse.
    """
    return np.clip(x + np.linspace(*rng.uniform(-CONTEXT_OFFSET, CONTEXT_OFFSET, 2), len(x)), -1, 1).astype(np.float32)


def drop_context(x: np.ndarray, *, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Set a random stretch of a context, (T,) float32, to zero.

    Recordings show no silent context under a latent that asks for sound; without this a decoder that fell silent by
    chance would stay silent.
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
