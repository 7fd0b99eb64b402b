"""Between grids of four voices and pieces: what MIDI holds of a chorale or a melody, and back."""

from __future__ import annotations

import numpy as np

from wavecore.errors import InputError
from wavecore.symbolic.chorale import REST, STEPS_PER_QUARTER, VOICES, held_notes
from wavecore.symbolic.note_sequence import melody_part
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

BEATS_PER_MINUTE = 80.0
"""Hymns are sung at about this pace; grids do not say it."""
TICKS_PER_BEAT = 480
VELOCITY = 80
CHOIR, RECORDER = 52, 74
"""General MIDI's Choir Aahs, who sang what Bach wrote, and its Recorder, which plays what is written here: of all instruments that have the
range of four voices it is the one whose notes are heard best when they are rendered."""
MOST_STEPS = 4096


def to_song(
    grid: np.ndarray, *, name: str = "", beats_per_minute: float = BEATS_PER_MINUTE, program: int = RECORDER
) -> Song:
    """Write a grid as a piece of four parts.

    Parameters
    ----------
    grid : ndarray, shape (T, 4), integer
    program : int
        General MIDI's, of all four, 0 to 127.

    Returns
    -------
    Song
        In 4/4; a pitch that stays is one note.
    """
    step = TICKS_PER_BEAT // STEPS_PER_QUARTER
    parts = []
    for voice, column in zip(VOICES, np.asarray(grid).T, strict=True):
        events = (Event(note.onset * step, note.pitch, note.n_steps * step, VELOCITY) for note in held_notes(column))
        parts.append(Part(tuple(events), voice, program))
    tempo = Tempo(0, round(60e6 / beats_per_minute))
    return Song(TICKS_PER_BEAT, tuple(parts), (tempo,), (Meter(0, 4, 4),), name)


def melody_line(song: Song) -> np.ndarray:
    """Read a melody: the part of that name, or the one that lies highest, as one line on the grid.

    Returns
    -------
    ndarray, shape (T,), int16
        MIDI numbers, -1 for a rest.

    Raises
    ------
    InputError
        If there is no part but drums, or the melody is longer than ``MOST_STEPS``.
    """
    return _line(song, melody_part(song))


def from_song(song: Song) -> np.ndarray:
    """Read a piece of four parts as a grid.

    Parameters
    ----------
    song : Song
        Its parts from the highest to the lowest voice, or named so.

    Returns
    -------
    ndarray, shape (T, 4), int16

    Raises
    ------
    InputError
        If it has not four parts, or is longer than ``MOST_STEPS``.
    """
    parts = [part for part in song.parts if not part.is_drum]
    if len(parts) != len(VOICES):
        raise InputError(f"{song.name or 'the piece'} has {len(parts)} parts; a chorale has {len(VOICES)}")
    by_name = {part.name.strip().lower(): part for part in parts}
    ordered = [by_name[voice] for voice in VOICES] if set(by_name) == set(VOICES) else parts
    lines = [_line(song, part) for part in ordered]
    n_steps = max(map(len, lines))
    return np.stack([np.pad(line, (0, n_steps - len(line)), constant_values=REST) for line in lines], axis=1)


def _line(song: Song, part: Part) -> np.ndarray:
    """A part on the grid.  Of notes that begin together the highest stays, a later note ends an earlier one; none is shorter than a sixteenth."""
    on_grid = song.regrid(STEPS_PER_QUARTER).parts[song.parts.index(part)]
    n_steps = max((event.end for event in on_grid.events), default=0)
    if n_steps > MOST_STEPS:
        raise InputError(f"{song.name or 'the piece'} has {n_steps:,} sixteenths; {MOST_STEPS:,} are the most")
    line = np.full(n_steps, REST, np.int16)
    for event in on_grid.events:
        line[event.onset :] = REST
        line[event.onset : event.end] = event.pitch
    return line
