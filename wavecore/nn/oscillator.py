"""An oscillator at a sound's pitch, for a decoder that need not keep the beat by itself.

A WaveNet that is told a pitch by a number has to turn it into a period of its own accord and to
hold it by its past alone, which a narrow one learns late, and low notes last of all.  An
oscillator tells it the same thing sample by sample: where in the period it is.  Source-filter
vocoders are driven like this (Wang et al., "Neural source-filter-based waveform model for
statistical parametric speech synthesis", ICASSP 2019); here the waveform's past is seen as well.

The oscillator has 64 partials, each as loud as the sound's timbre says, so that the decoder is
handed a draft of the sound, without its noise.  In training the partials have the phases of the
recording, and the decoder learns to trust them; in use any phases will do, and theirs are fixed.
Neighbouring partials come as one band, which keeps the decoder's input narrow.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor

HIGHEST = 0.47
"""Of the sample rate: partials above are silent."""
N_PARTIALS = 64
KNOTS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 48, 64)
"""Partials whose levels are told; straight lines over their logarithm lead to the others."""
BAND_RATIO = 1.5
"""Of the first partials of neighbouring bands, where these hold more than one."""
RANGE_DB = 80.0
"""Levels are shares of it: 0 is -80 dB, 1 is a sinusoid at full scale."""
USUAL = 0.75
"""Level of a partial that moves the decoder's input by 1."""
LOUDEST = 1.25
GOLDEN = (math.sqrt(5) - 1) / 2


def midi_to_hz(midi: Tensor) -> Tensor:
    """Convert pitches to frequencies.

    Parameters
    ----------
    midi : Tensor, any shape, float
        MIDI note numbers, fractions allowed.

    Returns
    -------
    Tensor, the same shape, float, Hz
    """
    return 440 * 2 ** ((midi - 69) / 12)


def hz_to_midi(f0_hz: Tensor) -> Tensor:
    """Convert frequencies to pitches.

    Parameters
    ----------
    f0_hz : Tensor, any shape, float, Hz
        Above 0.

    Returns
    -------
    Tensor, the same shape, float
        MIDI note numbers, fractions allowed.
    """
    return 69 + 12 * torch.log2(f0_hz / 440)


def upsample(frames: Tensor, hop_length: int) -> Tensor:
    """Draw straight lines between the middles of frames, held at both ends.

    Parameters
    ----------
    frames : Tensor, shape (B, F, C), float
    hop_length : int
        Samples per frame.

    Returns
    -------
    Tensor, shape (B, F * hop_length, C), float
    """
    # Not nn.functional.interpolate: its rounding depends on how many frames stand before.
    held = torch.cat([frames[:, :1], frames, frames[:, -1:]], dim=1)
    share = (torch.arange(hop_length, device=frames.device, dtype=frames.dtype) + 0.5) / hop_length - 0.5
    before, after = share.clamp_max(0)[:, None], share.clamp_min(0)[:, None]  # (hop, 1)
    here = held[:, 1:-1, None]  # (B, F, 1, C)
    lines = here + before * (here - held[:, :-2, None]) + after * (held[:, 2:, None] - here)
    return lines.flatten(1, 2)


def phase_of(midi: Tensor, hop_length: int, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Run an oscillator along a pitch.

    Parameters
    ----------
    midi : Tensor, shape (B, F), float
        MIDI note numbers at the middles of frames.
    hop_length : int
        Samples per frame.
    sample_rate : int
        Hz.

    Returns
    -------
    phase : Tensor, shape (B, F * hop_length), float32, radians in [0, 2 pi)
        0 at the first sample.
    f0_hz : Tensor, shape (B, F * hop_length), float32
    """
    f0_hz = midi_to_hz(upsample(midi[..., None].double(), hop_length)[..., 0])
    # In cycles and in double precision: after a minute at 2 kHz a float32 would have lost its place.
    cycles = torch.cumsum(f0_hz / sample_rate, dim=1)
    cycles = cycles - cycles[:, :1]
    return (2 * math.pi * (cycles - cycles.floor())).float(), f0_hz.float()


def amplitudes(levels: Tensor) -> Tensor:
    """Say how far each partial is to move the decoder's input.

    Parameters
    ----------
    levels : Tensor, shape (B, F, len(KNOTS)), float
        Of the partials ``KNOTS``, as shares of ``RANGE_DB``.

    Returns
    -------
    Tensor, shape (B, F, N_PARTIALS), float
        The square root of the partials' amplitudes, 1 at -20 dB: in their true proportions the
        weak ones, which make a timbre, would be lost beside the strong.
    """
    every = levels.clamp_max(LOUDEST) @ _lines_between_knots().to(levels)
    return 10 ** ((every - USUAL) * RANGE_DB / 40)


def bands(n_bands: int) -> list[tuple[int, int]]:
    """Divide the partials.

    Parameters
    ----------
    n_bands : int
        1 to ``N_PARTIALS``.

    Returns
    -------
    list of tuple of int
        The first partial of each band and the one after its last: the lowest alone, and then
        half as many again from band to band, as far as partials go round; the last band holds all that are left.
    """
    firsts = [1]
    while len(firsts) < n_bands:
        left = n_bands - len(firsts)
        firsts.append(min(max(firsts[-1] + 1, int(firsts[-1] * BAND_RATIO)), N_PARTIALS + 1 - left))
    return list(zip(firsts, [*firsts[1:], N_PARTIALS + 1], strict=True))


def usual_offsets() -> Tensor:
    """Choose phases for partials that have none of their own.

    Returns
    -------
    Tensor, shape (N_PARTIALS,), float32, radians in [0, 2 pi)
        0 for the first.  Spread like those of recordings: were they all 0, their sum would be a train of pulses.
    """
    numbers = np.arange(1, N_PARTIALS + 1)
    return torch.from_numpy(2 * np.pi * ((numbers**2 - 1) * GOLDEN % 1)).float()


def excite(phase: Tensor, f0_hz: Tensor, sizes: Tensor, offsets: Tensor, n_bands: int, sample_rate: int) -> Tensor:
    """Let the partials sound.

    Parameters
    ----------
    phase : Tensor, shape (B, T), float, radians
        Of the fundamental.
    f0_hz : Tensor, shape (B, T) or (B, 1), float
        Tells which partials lie too high.
    sizes : Tensor, shape (B, T, N_PARTIALS), float
        Of ``amplitudes``, for every sample.
    offsets : Tensor, shape (N_PARTIALS,) or (B, T, N_PARTIALS), float, radians
        By how much each partial is ahead of as many times the fundamental's phase.
    sample_rate : int
        Hz.

    Returns
    -------
    Tensor, shape (B, T, 2 * n_bands), float32
        The cosines and the sines of the first band, of the second, and so on, partials above 0.47
        of the sample rate left out.
    """
    found = []
    for first, end in bands(n_bands):
        numbers = torch.arange(first, end, device=phase.device, dtype=torch.float32)
        angles = phase.float()[..., None] * numbers + offsets[..., first - 1 : end - 1]
        audible = f0_hz.float()[..., None] * numbers < HIGHEST * sample_rate
        loud = sizes[..., first - 1 : end - 1] * audible
        found += [(loud * angles.cos()).sum(dim=-1), (loud * angles.sin()).sum(dim=-1)]
    return torch.stack(found, dim=-1)


@functools.cache
def _lines_between_knots() -> Tensor:
    """Shares of the knots in every partial: (len(KNOTS), N_PARTIALS)."""
    knots, partials = np.log2(KNOTS), np.log2(np.arange(1, N_PARTIALS + 1))
    with torch.inference_mode(False):  # who asks first may not learn, and who asks next may
        return torch.from_numpy(np.stack([np.interp(partials, knots, unit) for unit in np.eye(len(KNOTS))])).float()
