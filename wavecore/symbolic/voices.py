"""Chords taken apart: as few lines as possible, in each of which one note sounds at a time."""

from __future__ import annotations

import heapq

from wavecore.errors import InputError
from wavecore.symbolic.score import Note, Score

MOST_VOICES = 64
"""Notes at once that a score may have."""
TOUCHING_S = 1e-6
"""Rounding of times: what overlaps by less does not."""


def allocate(score: Score, *, release_s: float = 0.0, most_voices: int = MOST_VOICES) -> list[Score]:
    """Give every note to a voice that is free.

    A note goes to the voice whose last pitch lies nearest among those that are free, so that lines hold together;
    a voice is added where none is free.

    Parameters
    ----------
    release_s : float
        For which a voice is not free after a note, to let it die away.

    Returns
    -------
    list of Score
        As many as notes sound at once, releases included; the one whose pitches lie highest on the average first.  None without notes.

    Raises
    ------
    InputError
        If more notes sound at once than there may be voices.
    """
    lines: list[list[Note]] = []
    busy: list[tuple[float, int]] = []  # when a voice is free again, its number
    free: set[int] = set()
    for note in score.notes:
        while busy and busy[0][0] <= note.onset_s + TOUCHING_S:
            free.add(heapq.heappop(busy)[1])
        if free:
            number = min(free, key=lambda voice: (abs(lines[voice][-1].pitch - note.pitch), voice))
            free.remove(number)
        else:
            if len(lines) == most_voices:
                raise InputError(
                    f"{score.name or 'the score'}: more than {most_voices} notes sound at once at {note.onset_s:.2f} s; that is the most that can be played"
                )
            number = len(lines)
            lines.append([])
        lines[number].append(note)
        heapq.heappush(busy, (note.end_s + release_s, number))
    lines.sort(key=lambda notes: -sum(note.pitch for note in notes) / len(notes))
    return [
        Score(tuple(notes), score.name, score.source, score.licence, score.track, score.program, score.is_drum)
        for notes in lines
    ]


def most_at_once(score: Score, *, release_s: float = 0.0) -> int:
    """Count the notes that sound at once.

    Parameters
    ----------
    release_s : float
        By which each sounds on.
    """
    events = [(note.onset_s + TOUCHING_S, 1) for note in score.notes] + [
        (note.end_s + release_s, -1) for note in score.notes
    ]
    most = now = 0
    for _, change in sorted(events):
        now += change
        most = max(most, now)
    return most
