"""NSynth's note qualities, measured from the sound.

The published ones were given by people and by rules of the authors; these are
measured, so they are the same for everybody but not the same bits:

=============  ==============================================================
bright         the power spectrum's centroid lies above 1,500 Hz and above
               2 x f0, and at least 1/5 of the power above 2 kHz
dark           less than 1/200 of the power above 1 kHz + f0
fast_decay     just before the key is let go (2.8 s to 3 s) the sound is 20 dB
               or more below its loudest
long_release   in the last tenth of a second, 0.9 s after the key was let go, at
               most 26 dB are lost against 2.8 s to 3 s, where the sound is
               within 40 dB of its loudest
nonlinear_env  after its first 0.2 s and before the key is let go the level
               rises by 6 dB or more from an earlier, lower level
percussive     the level is within 3 dB of the loudest in its first 30 ms, and
               1/10 or more of the power of the first 128 ms lies away from the
               harmonics; from f0 = 62 Hz (MIDI 35) up, below which the
               harmonics cannot be told apart in that time
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
    """Measure the qualities of a note.

    Parameters
    ----------
    x : ndarray, shape (T,), float
        The note from its onset on, its key let go at 3 s; T is 4 s.
    pitch : int
        MIDI.
    sample_rate : int
        Hz.

    Returns
    -------
    tuple of int
        Ten bits in the order of `wavecore.datasets.nsynth.note.QUALITIES`; all 0
        for silence.

    Raises
    ------
    InputError
        If the note is shorter than 3.1 s.
    """
    if len(x) < (HELD_S + 0.1) * sample_rate:
        raise InputError(f"a note of {len(x)} samples at {sample_rate} Hz is too short, wanted 4 s")
    if not np.any(x):
        return (0,) * len(QUALITIES)
    found = _of_envelope(x, sample_rate) | _of_spectrum(x, pitch, sample_rate)
    return tuple(int(name in found) for name in QUALITIES)


def _of_envelope(x: np.ndarray, sample_rate: int) -> set[str]:
    """Qualities that lie in the level over time."""
    frame = round(_FRAME_S * sample_rate)
    power = np.square(x[: len(x) // frame * frame], dtype=np.float64).reshape(-1, frame).mean(axis=1)
    smooth = np.convolve(power, np.full(_SMOOTHED_FRAMES, 1 / _SMOOTHED_FRAMES), mode="valid")
    level_db = 10 * np.log10(np.maximum(smooth, 1e-12))
    loudest_db = level_db.max()
    held = level_db[round((HELD_S - 0.2) / _FRAME_S) : round(HELD_S / _FRAME_S) - _SMOOTHED_FRAMES].mean()
    found = set()
    if loudest_db - held >= FAST_DECAY_DB:
        found.add("fast_decay")
    if loudest_db - held <= AUDIBLE_DB and held - level_db[-1] <= LONG_RELEASE_DB:
        found.add("long_release")
    inside = level_db[round(SWELL_AFTER_S / _FRAME_S) : round(HELD_S / _FRAME_S) - _SMOOTHED_FRAMES]
    audible = np.maximum(inside, loudest_db - AUDIBLE_DB)
    if (audible - np.minimum.accumulate(audible)).max() >= SWELL_DB:
        found.add("nonlinear_env")
    return found


def _of_spectrum(x: np.ndarray, pitch: int, sample_rate: int) -> set[str]:
    """Qualities that lie in the spectrum, of the whole note or of its onset."""
    f0_hz = 440.0 * 2.0 ** ((pitch - 69) / 12)
    held = x[: round(HELD_S * sample_rate)]
    power = np.abs(np.fft.rfft(held * np.hanning(len(held)))) ** 2
    # A Hann window over three seconds sees little of the attack, which belongs to the sound.
    power = power + np.abs(np.fft.rfft(held[: len(held) // 8] * np.hanning(len(held) // 8), len(held))) ** 2
    hz = np.fft.rfftfreq(len(held), 1 / sample_rate)
    total = power.sum()
    if total == 0:
        return set()
    centroid_hz = float((hz * power).sum() / total)
    found = set()
    above = power[hz >= BRIGHT_FROM_HZ].sum() / total
    if centroid_hz >= max(BRIGHT_CENTROID_HZ, 2 * f0_hz) and above >= BRIGHT_SHARE:
        found.add("bright")
    if power[hz >= DARK_FROM_HZ + f0_hz].sum() / total < DARK_SHARE:
        found.add("dark")
    if f0_hz >= LOWEST_PERCUSSIVE_HZ and _strikes(x, f0_hz, sample_rate):
        found.add("percussive")
    return found


def _strikes(x: np.ndarray, f0_hz: float, sample_rate: int) -> bool:
    """Whether the note begins at full level and with a sound beside its harmonics."""
    frame = round(_FRAME_S * sample_rate)
    rms = np.sqrt(np.square(x[: len(x) // frame * frame], dtype=np.float64).reshape(-1, frame).mean(axis=1))
    if rms[: round(ATTACK_S / _FRAME_S)].max() < 10 ** (-ATTACK_DB / 20) * rms.max():
        return False
    onset = x[: round(ONSET_S * sample_rate)]
    # Only the falling half of a Hann window: the stroke is at the very start.
    window = np.hanning(2 * len(onset))[len(onset) :]
    power = np.abs(np.fft.rfft(onset * window)) ** 2
    hz = np.fft.rfftfreq(len(onset), 1 / sample_rate)
    away_hz = np.abs(hz - f0_hz * np.maximum(1, np.rint(hz / f0_hz)))
    # Partials of real strings are stretched, and instruments out of tune by some cents.
    tolerance_hz = 2 * _LOBE_BINS / ONSET_S + 0.015 * hz
    audible = hz >= 40
    return power[audible & (away_hz > tolerance_hz)].sum() >= NOISE_SHARE * power[audible].sum()
