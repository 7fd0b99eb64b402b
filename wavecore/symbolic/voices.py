"""Division of chords into monophonic lines."""

from __future__ import annotations

import heapq
from dataclasses import replace

from wavecore.errors import InputError
from wavecore.symbolic.score import ROUNDING_S, Note, Score

MAX_VOICES = 64
"""Limit on simultaneous notes of a score."""


def allocate(score: Score, *, release_s: float = 0.0, max_voices: int = MAX_VOICES) -> list[Score]:
    """Divide a score into as many monophonic voices as notes sound at once, the highest on average first.

    A note goes to the free voice whose last pitch is nearest, so that lines stay coherent.

    Parameters
    ----------
    release_s : float
        Seconds for which a voice stays busy after a note.

    Raises
    ------
    InputError
        If more than `max_voices` notes sound at once.
    """
    lines: list[list[Note]] = []
    busy: list[tuple[float, int]] = []  # time from which a voice is free, its number
    free: set[int] = set()
    for note in score.notes:
        while busy and busy[0][0] <= note.onset_s + ROUNDING_S:
            free.add(heapq.heappop(busy)[1])
        if free:
            number = min(free, key=lambda voice: (abs(lines[voice][-1].pitch - note.pitch), voice))
            free.remove(number)
        else:
            if len(lines) == max_voices:
                name = score.name or "the score"
                raise InputError(f"{name}: at {note.onset_s:.2f} s more than {max_voices} notes sound at once")
            number = len(lines)
            lines.append([])
        lines[number].append(note)
        heapq.heappush(busy, (note.end_s + release_s, number))
    lines.sort(key=lambda notes: -sum(note.pitch for note in notes) / len(notes))
    return [replace(score, notes=tuple(notes)) for notes in lines]
