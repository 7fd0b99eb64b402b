"""A plain synthesis of a line, to be translated, and the gain that lets a line through while its notes sound.

Every sample depends on the line and its own time alone, so that blocks need no state.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from wavecore.audio.pitch import midi_to_hz
from wavecore.symbolic.score import Note, Score

PARTIALS = 8
"""Of a tone, of amplitude one over their number, so that low notes have overtones in the encoder's range."""
ATTACK_S, RELEASE_S = 0.01, 0.03
REFERENCE_VELOCITY = 90
"""Of a note of unit gain."""
TOP_SHARE = 0.45
"""Of the sample rate: no partial lies higher."""
OPEN_S, CLOSE_S = 0.03, 0.25
"""Rise of the gain before a note, and its fall after the note."""
REPEAT_S = 0.03
"""Fall before a repeated note of the same pitch, and rise after it, or a quarter of the note each if it is short:
nothing else would separate the two."""


def sketch(
    line: Score, begin: int, n_samples: int, *, sample_rate: int, level_db: float, octave: int = 0
) -> np.ndarray:
    """Synthesize a monophonic line from sample `begin` on; before 0 there is silence.

    Parameters
    ----------
    sample_rate : int
        Hz.
    level_db : float
        Root mean square of a note of velocity 90, dB of full scale; amplitudes follow the square of the velocity.
    octave : int
        By how many octaves the line is higher and, like a tape, faster.

    Returns
    -------
    ndarray, shape (n_samples,), float32 in [-1, 1]
    """
    speed = 2.0**octave
    sound = np.zeros(n_samples)
    begin_s, end_s = begin / sample_rate * speed, (begin + n_samples) / sample_rate * speed
    for note, _, end, close in _within(line, begin_s, end_s, before_s=0, after_s=speed * RELEASE_S):
        onset, end, release = note.onset_s / speed, end / speed, min(RELEASE_S, close / speed)
        first = max(0, int(onset * sample_rate) - begin)
        last = max(first, min(n_samples, int((end + release) * sample_rate) + 1 - begin))
        t = (begin + np.arange(first, last)) / sample_rate
        envelope = np.clip((t - onset) / ATTACK_S, 0, 1) * np.clip((end + release - t) / release, 0, 1)
        tone = _tone(midi_to_hz(float(note.pitch)) * speed, t - onset, sample_rate)
        sound[first:last] += 10 ** (level_db / 20) * _gain(note) * envelope * tone
    return np.clip(sound, -1, 1).astype(np.float32)


def gate(line: Score, begin: int, n_samples: int, *, sample_rate: int, by_velocity: bool = False) -> np.ndarray:
    """Compute a line's gain, shape (n_samples,), float32: 1 while notes sound, rising before and falling after them.

    Between two notes of one pitch it closes (``REPEAT_S``), since a decoder that holds the first would not repeat it.
    With `by_velocity` notes have the gain of their velocity, 1 for 90, for decoders that play all of them alike.
    """
    gains = np.zeros(n_samples)
    begin_s, end_s = begin / sample_rate, (begin + n_samples) / sample_rate
    for note, rise, end, close in _within(line, begin_s, end_s, before_s=OPEN_S, after_s=CLOSE_S):
        first = max(0, int((note.onset_s - rise) * sample_rate) - begin)
        last = max(first, min(n_samples, int((end + close) * sample_rate) + 1 - begin))
        t = (begin + np.arange(first, last)) / sample_rate
        gain = np.clip((t - note.onset_s + rise) / rise, 0, 1) * np.clip((end + close - t) / close, 0, 1)
        gains[first:last] = np.maximum(gains[first:last], gain * (_gain(note) if by_velocity else 1.0))
    return gains.astype(np.float32)


class _Sounding(NamedTuple):
    """A note, the seconds of its rise, where its fall begins, and the seconds of its fall."""

    note: Note
    rise_s: float
    end_s: float
    close_s: float


def _within(line: Score, begin_s: float, end_s: float, *, before_s: float, after_s: float) -> list[_Sounding]:
    """Return the notes that sound in a stretch, from `before_s` before to `after_s` after what is written."""
    sounding, rise = [], OPEN_S
    for note, following in pairwise([*line.notes, None]):
        repeated = following is not None and following.pitch == note.pitch and following.onset_s < note.end_s + CLOSE_S
        gap = min(REPEAT_S, note.duration_s / 4)
        end, close = note.end_s, CLOSE_S
        if repeated:
            end = min(end, following.onset_s - 2 * gap)
            close = following.onset_s - gap - end
        if note.onset_s - before_s < end_s and note.end_s + after_s > begin_s:
            sounding.append(_Sounding(note, rise, end, close))
        rise = gap if repeated else OPEN_S
    return sounding


def _gain(note: Note) -> float:
    return (note.velocity / REFERENCE_VELOCITY) ** 2


def _tone(f0_hz: float, t: np.ndarray, sample_rate: int) -> np.ndarray:
    """Sum the partials at times t, (n,), to unit root mean square."""
    highest = max(1, min(PARTIALS, int(TOP_SHARE * sample_rate / f0_hz)))
    numbers = np.arange(1, highest + 1)
    tone = (np.sin(2 * np.pi * f0_hz * numbers[:, None] * t) / numbers[:, None]).sum(axis=0)
    return tone / np.sqrt(0.5 * np.sum(1.0 / numbers**2))
