"""A harmonic oscillator at a sound's pitch, as conditioning for a decoder.

A WaveNet that is conditioned on a pitch alone has to derive the period from it, which a narrow network learns late, low
notes last.  The oscillator supplies the phase sample by sample, as in source-filter vocoders (Wang et al., "Neural
source-filter-based waveform model for statistical parametric speech synthesis", ICASSP 2019).

It has 64 partials with the amplitudes of the sound's timbre.  In training they have the phases of the recording; in use
any phases will do, and are fixed.  Neighbouring partials are summed to bands, which keeps the decoder's input narrow.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor

from wavecore.nn.config import N_PARTIALS

HIGHEST = 0.47
"""Share of the sample rate above which partials are silent."""
KNOTS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 48, 64)
"""Partials whose levels are given; the others' are interpolated over log frequency."""
BAND_RATIO = 1.5
"""Ratio of the first partials of neighbouring bands that hold more than one."""
RANGE_DB = 80.0
"""Levels are shares of it: 0 is -80 dB, 1 is a sinusoid at full scale."""
UNIT_LEVEL = 0.75
"""Level of a partial of amplitude 1 in the decoder's input."""
MAX_LEVEL = 1.25
GOLDEN = (math.sqrt(5) - 1) / 2


def midi_to_hz(midi: Tensor) -> Tensor:
    """Convert MIDI note numbers, of any shape, with fractions, to frequencies in Hz."""
    return 440 * 2 ** ((midi - 69) / 12)


def hz_to_midi(f0_hz: Tensor) -> Tensor:
    """Convert frequencies above 0 Hz, of any shape, to MIDI note numbers with fractions."""
    return 69 + 12 * torch.log2(f0_hz / 440)


def upsample(frames: Tensor, hop_length: int) -> Tensor:
    """Interpolate linearly between centres of frames, constant at both ends: (B, F, C) to (B, F * hop_length, C)."""
    # The rounding of nn.functional.interpolate depends on the number of frames before.
    padded = torch.cat([frames[:, :1], frames, frames[:, -1:]], dim=1)
    share = (torch.arange(hop_length, device=frames.device, dtype=frames.dtype) + 0.5) / hop_length - 0.5
    before, after = share.clamp_max(0)[:, None], share.clamp_min(0)[:, None]  # (hop, 1)
    here = padded[:, 1:-1, None]  # (B, F, 1, C)
    lines = here + before * (here - padded[:, :-2, None]) + after * (padded[:, 2:, None] - here)
    return lines.flatten(1, 2)


def phase_of(midi: Tensor, hop_length: int, sample_rate: int) -> tuple[Tensor, Tensor]:
    """Integrate a pitch, MIDI note numbers at the centres of frames, (B, F), to a phase.

    Returns
    -------
    phase : Tensor, shape (B, F * hop_length), float32, radians in [0, 2 pi)
        0 at the first sample.
    f0_hz : Tensor, shape (B, F * hop_length), float32
    """
    f0_hz = midi_to_hz(upsample(midi[..., None].double(), hop_length)[..., 0])
    # In cycles and in double precision: in float32 the phase would be lost after a minute at 2 kHz.
    cycles = torch.cumsum(f0_hz / sample_rate, dim=1)
    cycles = cycles - cycles[:, :1]
    return (2 * math.pi * (cycles - cycles.floor())).float(), f0_hz.float()


def amplitudes(levels: Tensor) -> Tensor:
    """Map levels of the partials ``KNOTS``, shape (B, F, len(KNOTS)), to amplitudes of all, (B, F, N_PARTIALS).

    They are the square roots of the partials' true amplitudes, 1 at -20 dB, so that weak partials, which matter for the
    timbre, are not lost beside strong ones.
    """
    interpolated = levels.clamp_max(MAX_LEVEL) @ _interpolation().to(levels)
    return 10 ** ((interpolated - UNIT_LEVEL) * RANGE_DB / 40)


def bands(n_bands: int) -> list[tuple[int, int]]:
    """Divide the partials into 1 to ``N_PARTIALS`` bands, of the first partial and the one after the last.

    The first partial is alone; each band then begins at ``BAND_RATIO`` times the one before, as partials suffice.
    """
    firsts = [1]
    while len(firsts) < n_bands:
        left = n_bands - len(firsts)
        firsts.append(min(max(firsts[-1] + 1, int(firsts[-1] * BAND_RATIO)), N_PARTIALS + 1 - left))
    return list(zip(firsts, [*firsts[1:], N_PARTIALS + 1], strict=True))


def default_phases() -> Tensor:
    """Return phases in [0, 2 pi) of the partials, shape (N_PARTIALS,), 0 for the first.

    They are spread as in recordings: partials of equal phases would sum to a pulse train.
    """
    numbers = np.arange(1, N_PARTIALS + 1)
    return torch.from_numpy(2 * np.pi * ((numbers**2 - 1) * GOLDEN % 1)).float()


def excite(phase: Tensor, f0_hz: Tensor, sizes: Tensor, offsets: Tensor, n_bands: int, sample_rate: int) -> Tensor:
    """Sum the partials in bands.

    Parameters
    ----------
    phase : Tensor, shape (B, T), float, radians
        Of the fundamental.
    f0_hz : Tensor, shape (B, T) or (B, 1), float
        Partials above ``HIGHEST`` of the sample rate are left out.
    sizes : Tensor, shape (B, T, N_PARTIALS), float
        ``amplitudes`` of every sample.
    offsets : Tensor, shape (N_PARTIALS,) or (B, T, N_PARTIALS), float, radians
        Phase of each partial relative to that multiple of the fundamental's.
    sample_rate : int
        Hz.

    Returns
    -------
    Tensor, shape (B, T, 2 * n_bands), float32
        Cosines and sines of the first band, of the second, and so on.
    """
    signals = []
    for first, end in bands(n_bands):
        numbers = torch.arange(first, end, device=phase.device, dtype=torch.float32)
        angles = phase.float()[..., None] * numbers + offsets[..., first - 1 : end - 1]
        audible = f0_hz.float()[..., None] * numbers < HIGHEST * sample_rate
        amplitude = sizes[..., first - 1 : end - 1] * audible
        signals += [(amplitude * angles.cos()).sum(dim=-1), (amplitude * angles.sin()).sum(dim=-1)]
    return torch.stack(signals, dim=-1)


@functools.cache
def _interpolation() -> Tensor:
    """Return the weights of the knots in every partial: (len(KNOTS), N_PARTIALS)."""
    knots, partials = np.log2(KNOTS), np.log2(np.arange(1, N_PARTIALS + 1))
    with torch.inference_mode(False):  # the cached tensor must be usable for training as well
        return torch.from_numpy(np.stack([np.interp(partials, knots, unit) for unit in np.eye(len(KNOTS))])).float()
