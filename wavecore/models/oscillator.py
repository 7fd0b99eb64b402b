"""An oscillator at a sound's pitch, for a decoder that need not keep the beat by itself.

A WaveNet that is told a pitch by a number has to turn it into a period of its own accord and to
hold it by its past alone, which a narrow one learns late, and low notes last of all.  An
oscillator tells it the same thing sample by sample: where in the period it is.  Source-filter
vocoders are driven like this (Wang et al., "Neural source-filter-based waveform model for
statistical parametric speech synthesis", ICASSP 2019); here the waveform's past is seen as well.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

HIGHEST = 0.47
"""Of the sample rate: partials above are silent."""


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


def partials(phase: Tensor, f0_hz: Tensor, n_partials: int, sample_rate: int) -> Tensor:
    """Cosines and sines of the lowest partials.

    Parameters
    ----------
    phase : Tensor, shape (B, T), float, radians
        Of the fundamental.
    f0_hz : Tensor, shape (B, T) or (B, 1), float
        Tells which partials lie too high.
    n_partials : int
    sample_rate : int
        Hz.

    Returns
    -------
    Tensor, shape (B, T, 2 * n_partials), float32 in [-1, 1]
        cos, sin of the first partial, of the second, and so on; 0 above 0.47 of the sample rate.
    """
    numbers = torch.arange(1, n_partials + 1, device=phase.device, dtype=torch.float32)
    angles = phase.float()[..., None] * numbers
    audible = (f0_hz.float()[..., None] * numbers < HIGHEST * sample_rate)[..., None]
    return (torch.stack([angles.cos(), angles.sin()], dim=-1) * audible).flatten(-2)
