"""NSynth's note qualities, measured from the sound.

The published ones were assigned by people and by rules of the authors; these are measured from the samples alone, and
therefore not the same bits:

=============  ==============================================================
bright         the power spectrum's centroid lies above 1,500 Hz and above
               2 x f0, and at least 1/5 of the power above 2 kHz
dark           less than 1/200 of the power above 1 kHz + f0
fast_decay     just before the key is released (2.8 s to 3 s) the level is 20 dB
               or more below its maximum
long_release   in the last tenth of a second, 0.9 s after the release, the level
               is at most 26 dB below that of 2.8 s to 3 s, which is within 40 dB
               of the maximum
nonlinear_env  after its first 0.2 s and before the release the level rises by
               6 dB or more from an earlier, lower level
percussive     in its first 30 ms the level is within 3 dB of the maximum, and
               1/10 or more of the power of the first 128 ms lies away from the
               harmonics; from f0 = 62 Hz (MIDI 35) up, below which the
               harmonics cannot be resolved in that time
=============  ==============================================================

Not measured, always 0: distortion, multiphonic, reverb and tempo-synced.
"""

from __future__ import annotations

import numpy as np

from wavecore.datasets.nsynth.note import QUALITIES
from wavecore.errors import InputError

HELD_S = 3.0
BRIGHT_CENTROID_HZ, BRIGHT_FROM_HZ, BRIGHT_SHARE = 1_500.0, 2_000.0, 0.2
DARK_FROM_HZ, DARK_SHARE = 1_000.0, 0.005
FAST_DECAY_DB = 20.0
LONG_RELEASE_DB, AUDIBLE_DB = 26.0, 40.0
SWELL_DB, SWELL_AFTER_S = 6.0, 0.2
ATTACK_S, ATTACK_DB, ONSET_S, NOISE_SHARE = 0.03, 3.0, 0.128, 0.1
LOWEST_PERCUSSIVE_HZ = 61.0

_FRAME_S = 0.01
_SMOOTHED_FRAMES = 10  # 100 ms: slower than the period of the lowest notes
_LOBE_BINS = 2  # of a Hann window on either side


def measure(x: np.ndarray, *, pitch: int, sample_rate: int) -> tuple[int, ...]:
    """Measure the qualities of a note of shape (T,), from its onset on, whose key is released at 3 s; T is 4 s.

    Returns
    -------
    tuple of int
        Ten bits in the order of `wavecore.datasets.nsynth.note.QUALITIES`; all 0 for silence.

    Examples
    --------
    >>> t = np.arange(64_000) / 16_000
    >>> bits = measure(np.sin(2 * np.pi * 440 * t) * np.exp(-2 * t), pitch=69, sample_rate=16_000)
    >>> [name for name, bit in zip(QUALITIES, bits, strict=True) if bit]
    ['dark', 'fast_decay']
    """
    if len(x) < (HELD_S + 0.1) * sample_rate:
        raise InputError(f"a note of {len(x)} samples at {sample_rate} Hz is too short; 4 s are needed")
    if not np.any(x):
        return (0,) * len(QUALITIES)
    names = _envelope_qualities(x, sample_rate) | _spectral_qualities(x, pitch, sample_rate)
    return tuple(int(name in names) for name in QUALITIES)


def _frame_power(x: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the mean power of frames of 10 ms, shape (n_frames,)."""
    frame = round(_FRAME_S * sample_rate)
    return np.square(x[: len(x) // frame * frame], dtype=np.float64).reshape(-1, frame).mean(axis=1)


def _envelope_qualities(x: np.ndarray, sample_rate: int) -> set[str]:
    """Return the qualities that depend on the level over time."""
    smooth = np.convolve(_frame_power(x, sample_rate), np.full(_SMOOTHED_FRAMES, 1 / _SMOOTHED_FRAMES), mode="valid")
    level_db = 10 * np.log10(np.maximum(smooth, 1e-12))
    loudest_db = level_db.max()
    held = level_db[round((HELD_S - 0.2) / _FRAME_S) : round(HELD_S / _FRAME_S) - _SMOOTHED_FRAMES].mean()
    names = set()
    if loudest_db - held >= FAST_DECAY_DB:
        names.add("fast_decay")
    if loudest_db - held <= AUDIBLE_DB and held - level_db[-1] <= LONG_RELEASE_DB:
        names.add("long_release")
    inside = level_db[round(SWELL_AFTER_S / _FRAME_S) : round(HELD_S / _FRAME_S) - _SMOOTHED_FRAMES]
    audible = np.maximum(inside, loudest_db - AUDIBLE_DB)
    if (audible - np.minimum.accumulate(audible)).max() >= SWELL_DB:
        names.add("nonlinear_env")
    return names


def _spectral_qualities(x: np.ndarray, pitch: int, sample_rate: int) -> set[str]:
    """Return the qualities that depend on the spectrum, of the whole note or of its onset."""
    f0_hz = 440.0 * 2.0 ** ((pitch - 69) / 12)
    held = x[: round(HELD_S * sample_rate)]
    power = np.abs(np.fft.rfft(held * np.hanning(len(held)))) ** 2
    # A Hann window over three seconds suppresses the attack, which is therefore added.
    power = power + np.abs(np.fft.rfft(held[: len(held) // 8] * np.hanning(len(held) // 8), len(held))) ** 2
    hz = np.fft.rfftfreq(len(held), 1 / sample_rate)
    total = power.sum()
    if total == 0:
        return set()
    centroid_hz = float((hz * power).sum() / total)
    names = set()
    above = power[hz >= BRIGHT_FROM_HZ].sum() / total
    if centroid_hz >= max(BRIGHT_CENTROID_HZ, 2 * f0_hz) and above >= BRIGHT_SHARE:
        names.add("bright")
    if power[hz >= DARK_FROM_HZ + f0_hz].sum() / total < DARK_SHARE:
        names.add("dark")
    if f0_hz >= LOWEST_PERCUSSIVE_HZ and _is_percussive(x, f0_hz, sample_rate):
        names.add("percussive")
    return names


def _is_percussive(x: np.ndarray, f0_hz: float, sample_rate: int) -> bool:
    """Return whether the note begins at full level and with power away from its harmonics."""
    rms = np.sqrt(_frame_power(x, sample_rate))
    if rms[: round(ATTACK_S / _FRAME_S)].max() < 10 ** (-ATTACK_DB / 20) * rms.max():
        return False
    onset = x[: round(ONSET_S * sample_rate)]
    # Only the falling half of a Hann window, since the stroke is at the very start.
    window = np.hanning(2 * len(onset))[len(onset) :]
    power = np.abs(np.fft.rfft(onset * window)) ** 2
    hz = np.fft.rfftfreq(len(onset), 1 / sample_rate)
    away_hz = np.abs(hz - f0_hz * np.maximum(1, np.rint(hz / f0_hz)))
    # Partials of real strings are stretched, and instruments out of tune by some cents.
    tolerance_hz = 2 * _LOBE_BINS / ONSET_S + 0.015 * hz
    audible = hz >= 40
    return power[audible & (away_hz > tolerance_hz)].sum() >= NOISE_SHARE * power[audible].sum()
