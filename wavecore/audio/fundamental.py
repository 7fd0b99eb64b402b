"""A sound's fundamental, followed by its phase.

Heterodyning turns a partial that is known within a semitone into a slowly turning pointer.  Its
angle says where in its period the sound is at every sample, and how fast it turns says the pitch
to the cent, vibrato and all.
"""

from __future__ import annotations

import numpy as np

from wavecore.audio import checks
from wavecore.audio.pitch import midi_to_hz
from wavecore.errors import UsageError

PERIODS = 4
"""Of the fundamental that the pointer is averaged over, under a Hann window, which has its zeros at the
other partials then."""
OFFSET_PERIODS = 3
"""Of the fundamental that every other partial's pointer is averaged over, twice: what is left is zero at the other
partials, and the noise between partials, which has no phase to follow, is left out for the most part."""
QUIET_DB = -40.0
"""Of the loudest frame: below it the pointer turns by chance, and the pitch beside is held."""
FARTHEST = 1.0
"""Semitones that a track leaves the pitch it is looked for at."""


def phase(x: np.ndarray, f0_hz: float, sample_rate: int) -> np.ndarray:
    """Follow the phase of a sound's fundamental.

    Parameters
    ----------
    x : ndarray, shape (T,), float
    f0_hz : float
        About where the fundamental is, within a semitone.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (T,), float64, radians
        Modulo 2 pi: its cosine peaks where the partial does.  In silence the fundamental goes on as told.

    Raises
    ------
    UsageError
        If the fundamental is not between 0 and half of the sample rate.
    InputError
        If ``x`` is no finite signal of one channel.
    """
    turning = 2 * np.pi * f0_hz / sample_rate * np.arange(len(x))
    return turning + np.angle(_pointer(x, f0_hz, sample_rate))


def offsets(x: np.ndarray, fundamental: np.ndarray, f0_hz: float, sample_rate: int, n_partials: int) -> np.ndarray:
    """Follow the phases of a sound's partials.

    Parameters
    ----------
    x : ndarray, shape (T,), float
    fundamental : ndarray, shape (T,), float, radians
        Phase of the fundamental, as ``phase`` returns it.
    f0_hz : float
        About where the fundamental is.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (T, n_partials), float32, radians
        By how much each partial is ahead of as many times the fundamental's phase; about 0 for the
        first.  0 for partials above half of the sample rate.

    Raises
    ------
    UsageError
        If the fundamental is not between 0 and half of the sample rate.
    """
    _check(f0_hz, sample_rate)
    found = np.zeros((len(x), n_partials), np.float32)
    n_audible = min(n_partials, int(sample_rate / 2 / f0_hz))
    turning = np.exp(-1j * fundamental).astype(np.complex64)
    pointers = np.cumprod(np.broadcast_to(turning, (n_audible, len(x))), axis=0) * x.astype(np.float32)
    width = max(1, round(OFFSET_PERIODS * sample_rate / f0_hz))
    for _ in range(2):
        pointers = _moving_mean(pointers, width)
    found[:, :n_audible] = np.angle(pointers).T
    return found


def _moving_mean(rows: np.ndarray, width: int) -> np.ndarray:
    """Means of ``width`` neighbours around every value, zeros beyond the ends."""
    before = width // 2
    padded = np.pad(rows, ((0, 0), (before + 1, width - 1 - before)))
    sums = np.cumsum(padded, axis=1)
    return (sums[:, width:] - sums[:, :-width]) / width


def track(x: np.ndarray, midi: float, *, hop_length: int, sample_rate: int) -> np.ndarray:
    """Follow a sound's pitch, frame by frame, near where it is known to be.

    Parameters
    ----------
    x : ndarray, shape (T,), float
    midi : float
        The sound's pitch, a MIDI note number, within a semitone.
    hop_length : int
        Samples per frame.
    sample_rate : int
        Hz.

    Returns
    -------
    ndarray, shape (ceil(T / hop_length),), float32
        MIDI note numbers.  Where the sound is 40 dB below its loudest frame, the pitch of the
        nearest frame that is not; never more than a semitone from ``midi``.

    Raises
    ------
    UsageError
        If the fundamental is not between 0 and half of the sample rate, or the hop is not positive.
    InputError
        If ``x`` is no finite signal of one channel.
    """
    if hop_length < 1:
        raise UsageError(f"hop_length is {hop_length}, wanted 1 or more")
    f0_hz = float(midi_to_hz(midi))
    pointer = _pointer(x, f0_hz, sample_rate)
    n_frames = -(-len(pointer) // hop_length)
    steps = np.zeros(n_frames * hop_length, complex)
    # Each step counts by its power, so that what is loud within a frame decides.
    steps[1 : len(pointer)] = pointer[1:] * pointer[:-1].conj()
    frames = steps.reshape(n_frames, hop_length).sum(axis=1)
    power = np.abs(frames)
    heard = np.flatnonzero(power > power.max() * 10 ** (QUIET_DB / 10))
    if not len(heard):
        return np.full(n_frames, midi, np.float32)
    found_hz = f0_hz + np.angle(frames[heard]) * sample_rate / (2 * np.pi)
    widest = 2 ** (FARTHEST / 12)
    semitones = 12 * np.log2(np.clip(found_hz / f0_hz, 1 / widest, widest))
    nearest = heard[np.abs(np.arange(n_frames)[:, None] - heard).argmin(axis=1)]
    return (midi + semitones[np.searchsorted(heard, nearest)]).astype(np.float32)


def _pointer(x: np.ndarray, f0_hz: float, sample_rate: int) -> np.ndarray:
    """The fundamental relative to one of just ``f0_hz``, (T,) complex."""
    x = checks.as_signal(x, what="the sound")
    _check(f0_hz, sample_rate)
    window = np.hanning(2 * round(PERIODS / 2 * sample_rate / f0_hz) + 1)
    turned = x * np.exp(-2j * np.pi * f0_hz / sample_rate * np.arange(len(x)))
    size = len(x) + len(window) - 1
    smoothed = np.fft.ifft(np.fft.fft(turned, size) * np.fft.fft(window / window.sum(), size))
    return smoothed[len(window) // 2 :][: len(x)]


def _check(f0_hz: float, sample_rate: int) -> None:
    if not 0 < f0_hz < sample_rate / 2:
        raise UsageError(f"a fundamental of {f0_hz} Hz is not between 0 and half of {sample_rate} Hz")
