"""A second voice under a melody, taken from what accompanies it.

Two voices at once are the least polyphony there is; an encoder that never heard any takes the
second voice for noise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from wavecore.symbolic import score as scores
from wavecore.symbolic.score import CHORD_S, Note, Score

CLOSEST = 3
"""Semitones between the voices, at least."""


def accompaniment(melody: Score, tracks: Iterable[Score]) -> Score:
    """Collect what sounds beside a melody.

    Parameters
    ----------
    tracks : iterable of Score
        Of the same piece; drums, and the melody's own, are left out.

    Returns
    -------
    Score
        The notes of all others; without notes where there are none.
    """
    others = [score for score in tracks if not score.is_drum and score.notes != melody.notes]
    return replace(melody, notes=tuple(note for score in others for note in score.notes), track="")


def second_voice(melody: Score, accompaniment: Score, *, lowest: int) -> Score:
    """Make a line below a melody of its accompaniment.

    Every note keeps its name and its time and moves by octaves to lie as closely below the melody's
    note as ``CLOSEST`` allows.  Of those that start together the nearest to the melody stays.

    Parameters
    ----------
    melody : Score
        Monophonic.
    lowest : int
        MIDI number below which there is no note.

    Returns
    -------
    Score
        Monophonic; without notes where none fits.
    """
    found: list[Note] = []
    for note in accompaniment.notes:
        above = [other.pitch for other in melody.notes if other.onset_s < note.end_s and note.onset_s < other.end_s]
        if not above:
            continue
        highest = min(above) - CLOSEST
        pitch = highest - (highest - note.pitch) % 12
        if pitch < lowest:
            continue
        if found and note.onset_s - found[-1].onset_s < CHORD_S:
            found[-1] = max(found[-1], replace(note, pitch=pitch), key=lambda one: one.pitch)
        else:
            found.append(replace(note, pitch=pitch))
    return scores.monophonic(replace(accompaniment, notes=tuple(found)))
