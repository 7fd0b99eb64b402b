"""A line of notes as a plain sound, to be translated; and when it is to be heard.

Every sample follows from the line and its own time alone, so that a stretch of any length can be
had from anywhere: nothing is carried from block to block.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from wavecore.audio.pitch import midi_to_hz
from wavecore.symbolic.score import Note, Score

PARTIALS = 8
"""Of a tone, each falling as one over its number: bright enough that an encoder hears low notes by their overtones."""
ATTACK_S, RELEASE_S = 0.01, 0.03
REFERENCE_VELOCITY = 90
"""Of a note that is as loud as asked."""
TOP_SHARE = 0.45
"""Of the sample rate: no partial lies higher."""
OPEN_S, CLOSE_S = 0.03, 0.25
"""How long before a note a line is let through, and over which time after it it is faded out."""
STRUCK_S = 0.03
"""In which a note is damped when its pitch is struck anew, and in which the line opens again, or a quarter of the note each if it is short:
nothing else would tell the two apart."""


def sketch(
    line: Score, begin: int, n_samples: int, *, sample_rate: int, level_db: float, octave: int = 0
) -> np.ndarray:
    """Sound a stretch of a line.

    Parameters
    ----------
    line : Score
        One note at a time.
    begin : int
        The first sample; before 0 there is silence.
    sample_rate : int
        Hz.
    level_db : float
        Root mean square of a note of velocity 90, dB of full scale.  Amplitudes go with the square of the velocity.
    octave : int
        Octaves by which the line is higher than written and, as a tape that runs faster, two to that power faster.

    Returns
    -------
    ndarray, shape (n_samples,), float32 in [-1, 1]
    """
    speed = 2.0**octave
    found = np.zeros(n_samples)
    for note, _, end, close in _within(
        line,
        begin / sample_rate * speed,
        (begin + n_samples) / sample_rate * speed,
        opens_s=0,
        lasts_s=speed * RELEASE_S,
    ):
        onset, end, release = note.onset_s / speed, end / speed, min(RELEASE_S, close / speed)
        first = max(0, int(onset * sample_rate) - begin)
        last = max(first, min(n_samples, int((end + release) * sample_rate) + 1 - begin))
        t = (begin + np.arange(first, last)) / sample_rate
        shape = np.clip((t - onset) / ATTACK_S, 0, 1) * np.clip((end + release - t) / release, 0, 1)
        found[first:last] += (
            10 ** (level_db / 20)
            * _gain(note)
            * shape
            * _tone(midi_to_hz(float(note.pitch)) * speed, t - onset, sample_rate)
        )
    return np.clip(found, -1, 1).astype(np.float32)


def gate(line: Score, begin: int, n_samples: int, *, sample_rate: int, by_velocity: bool = False) -> np.ndarray:
    """Say when a line is to be heard: while it sounds, a little before, and for a fading moment after.

    Between two notes of one pitch it closes (``STRUCK_S``), for a decoder that holds the first would go on with it.

    Parameters
    ----------
    line : Score
        One note at a time.
    begin, n_samples, sample_rate
        As of ``sketch``.
    by_velocity : bool
        Whether a note is let through as loud as its velocity says, and not as it was played.

    Returns
    -------
    ndarray, shape (n_samples,), float32
        At least 0; 1 for a note as it was played, or of velocity 90.
    """
    found = np.zeros(n_samples)
    for note, opening, end, close in _within(
        line, begin / sample_rate, (begin + n_samples) / sample_rate, opens_s=OPEN_S, lasts_s=CLOSE_S
    ):
        first = max(0, int((note.onset_s - opening) * sample_rate) - begin)
        last = max(first, min(n_samples, int((end + close) * sample_rate) + 1 - begin))
        t = (begin + np.arange(first, last)) / sample_rate
        opened = np.clip((t - note.onset_s + opening) / opening, 0, 1) * np.clip((end + close - t) / close, 0, 1)
        found[first:last] = np.maximum(found[first:last], opened * (_gain(note) if by_velocity else 1.0))
    return found.astype(np.float32)


class _Sounding(NamedTuple):
    """A note, the seconds in which it is let in, where it begins to fade and for how long."""

    note: Note
    opening_s: float
    end_s: float
    close_s: float


def _within(line: Score, begin_s: float, end_s: float, *, opens_s: float, lasts_s: float) -> list[_Sounding]:
    """Notes that are heard in a stretch, each from `opens_s` earlier and by `lasts_s` longer than written."""
    found, opening = [], OPEN_S
    for note, following in pairwise([*line.notes, None]):
        struck = following is not None and following.pitch == note.pitch and following.onset_s < note.end_s + CLOSE_S
        damped = min(STRUCK_S, note.duration_s / 4)
        end, close = note.end_s, CLOSE_S
        if struck:
            end = min(end, following.onset_s - 2 * damped)
            close = following.onset_s - damped - end
        if note.onset_s - opens_s < end_s and note.end_s + lasts_s > begin_s:
            found.append(_Sounding(note, opening, end, close))
        opening = damped if struck else OPEN_S
    return found


def _gain(note: Note) -> float:
    return (note.velocity / REFERENCE_VELOCITY) ** 2


def _tone(f0_hz: float, t: np.ndarray, sample_rate: int) -> np.ndarray:
    """Partials of unit root mean square together."""
    highest = max(1, min(PARTIALS, int(TOP_SHARE * sample_rate / f0_hz)))
    numbers = np.arange(1, highest + 1)
    tone = (np.sin(2 * np.pi * f0_hz * numbers[:, None] * t) / numbers[:, None]).sum(axis=0)
    return tone / np.sqrt(0.5 * np.sum(1.0 / numbers**2))
