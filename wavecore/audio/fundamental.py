"""Phase and pitch of a sound's fundamental, where its note is known.

Multiplying a sound by a complex exponential near its fundamental (heterodyning) turns that partial into a slowly
rotating phasor.  Its angle is the phase of the sound at every sample; the speed of its rotation is the pitch to the
cent, vibrato included.
"""

from __future__ import annotations

import numpy as np

from wavecore.audio import checks
from wavecore.audio.pitch import midi_to_hz
from wavecore.errors import UsageError

PERIODS = 4
"""Of the fundamental under the Hann window that averages the phasor: its zeros lie at the other partials then."""
OFFSET_PERIODS = 3
"""Of the fundamental in the moving average, applied twice, of every other partial's phasor: it is zero at the other
partials and suppresses most of the noise between them."""
QUIET_DB = -40.0
"""Relative to the loudest frame: below it the phasor is noise, and the pitch of the nearest louder frame is held."""
MAX_DEVIATION = 1.0
"""Semitones that a track may lie from the nominal pitch."""


def phase(x: np.ndarray, f0_hz: float, sample_rate: int) -> np.ndarray:
    """Compute the phase of a sound's fundamental at every sample.

    Parameters
    ----------
    x : ndarray, shape (T,), float
    f0_hz : float
        The fundamental within a semitone, above 0 and below half the sample rate, else UsageError.

    Returns
    -------
    ndarray, shape (T,), float64, radians
        Modulo 2 pi; its cosine peaks where the partial does.  In silence it advances at `f0_hz`.
    """
    nominal = 2 * np.pi * f0_hz / sample_rate * np.arange(len(x))
    return nominal + np.angle(_phasor(x, f0_hz, sample_rate))


def offsets(x: np.ndarray, fundamental: np.ndarray, f0_hz: float, sample_rate: int, n_partials: int) -> np.ndarray:
    """Compute by how much the phase of partial k leads k times the fundamental's phase.

    Parameters
    ----------
    x : ndarray, shape (T,), float
    fundamental : ndarray, shape (T,), float, radians
        As ``phase`` returns it.
    f0_hz : float
        The fundamental, above 0 and below half the sample rate, else UsageError.

    Returns
    -------
    ndarray, shape (T, n_partials), float32, radians
        About 0 for the first partial; 0 for partials above half the sample rate.
    """
    _check(f0_hz, sample_rate)
    leads = np.zeros((len(x), n_partials), np.float32)
    n_audible = min(n_partials, int(sample_rate / 2 / f0_hz))
    rotation = np.exp(-1j * fundamental).astype(np.complex64)
    phasors = np.cumprod(np.broadcast_to(rotation, (n_audible, len(x))), axis=0) * x.astype(np.float32)
    width = max(1, round(OFFSET_PERIODS * sample_rate / f0_hz))
    for _ in range(2):
        phasors = _moving_mean(phasors, width)
    leads[:, :n_audible] = np.angle(phasors).T
    return leads


def _moving_mean(rows: np.ndarray, width: int) -> np.ndarray:
    """Average ``width`` neighbours around every value of each row, zeros beyond the ends."""
    before = width // 2
    padded = np.pad(rows, ((0, 0), (before + 1, width - 1 - before)))
    sums = np.cumsum(padded, axis=1)
    return (sums[:, width:] - sums[:, :-width]) / width


def track(x: np.ndarray, midi: float, *, hop_length: int, sample_rate: int) -> np.ndarray:
    """Track a sound's pitch within a semitone of its note.

    Parameters
    ----------
    x : ndarray, shape (T,), float
    midi : float
        MIDI number of the note.

    Returns
    -------
    ndarray, shape (ceil(T / hop_length),), float32
        MIDI numbers with fractions.  A frame 40 dB below the loudest takes the pitch of the nearest louder one;
        silence takes `midi`.

    Raises
    ------
    UsageError
        If the fundamental is not between 0 and half the sample rate, or the hop is not positive.
    InputError
        If ``x`` is no finite signal of one channel.
    """
    if hop_length < 1:
        raise UsageError(f"hop_length is {hop_length}; at least 1 is needed")
    f0_hz = float(midi_to_hz(midi))
    phasor = _phasor(x, f0_hz, sample_rate)
    n_frames = -(-len(phasor) // hop_length)
    steps = np.zeros(n_frames * hop_length, complex)
    # The product weights each step by its power, so that the loud part of a frame decides.
    steps[1 : len(phasor)] = phasor[1:] * phasor[:-1].conj()
    frames = steps.reshape(n_frames, hop_length).sum(axis=1)
    power = np.abs(frames)
    loud = np.flatnonzero(power > power.max() * 10 ** (QUIET_DB / 10))
    if not len(loud):
        return np.full(n_frames, midi, np.float32)
    measured_hz = f0_hz + np.angle(frames[loud]) * sample_rate / (2 * np.pi)
    limit = 2 ** (MAX_DEVIATION / 12)
    semitones = 12 * np.log2(np.clip(measured_hz / f0_hz, 1 / limit, limit))
    nearest = loud[np.abs(np.arange(n_frames)[:, None] - loud).argmin(axis=1)]
    return (midi + semitones[np.searchsorted(loud, nearest)]).astype(np.float32)


def _phasor(x: np.ndarray, f0_hz: float, sample_rate: int) -> np.ndarray:
    """Compute the fundamental relative to an exponential at ``f0_hz``, shape (T,), complex."""
    x = checks.as_signal(x, what="the sound")
    _check(f0_hz, sample_rate)
    window = np.hanning(2 * round(PERIODS / 2 * sample_rate / f0_hz) + 1)
    shifted = x * np.exp(-2j * np.pi * f0_hz / sample_rate * np.arange(len(x)))
    size = len(x) + len(window) - 1
    smoothed = np.fft.ifft(np.fft.fft(shifted, size) * np.fft.fft(window / window.sum(), size))
    return smoothed[len(window) // 2 :][: len(x)]


def _check(f0_hz: float, sample_rate: int) -> None:
    if not 0 < f0_hz < sample_rate / 2:
        raise UsageError(f"the fundamental is {f0_hz} Hz; it must lie between 0 and half of {sample_rate} Hz")
