"""Conversion between grids of four voices (see ``chorale``) and songs."""

from __future__ import annotations

import numpy as np

from wavecore.errors import InputError
from wavecore.symbolic.chorale import REST, STEPS_PER_QUARTER, VOICES, held_notes
from wavecore.symbolic.note_sequence import melody_part
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

BEATS_PER_MINUTE = 80.0
"""A usual tempo of hymns; a grid has none."""
TICKS_PER_BEAT = 480
VELOCITY = 80
CHOIR = 52
"""General MIDI's Choir Aahs."""
RECORDER = 74
"""General MIDI's Recorder: of the instruments that span four voices it renders most clearly."""
MAX_STEPS = 4096


def to_song(
    grid: np.ndarray, *, name: str = "", beats_per_minute: float = BEATS_PER_MINUTE, program: int = RECORDER
) -> Song:
    """Convert a grid to a song of four parts in 4/4.

    Parameters
    ----------
    grid : ndarray, shape (T, 4), integer
        MIDI note numbers by sixteenth and voice, -1 for a rest.  A pitch that stays becomes one note.
    program : int
        General MIDI program of all four parts, 0 to 127.

    Examples
    --------
    >>> import numpy as np
    >>> from wavecore.symbolic import chorale_song
    >>> grid = np.array([[67, 60, 55, 48]] * 4 + [[65, 62, 57, 50]] * 4)
    >>> chorale_song.to_song(grid)
    Song(4 tracks, 8 notes, 1.5 s)
    """
    step = TICKS_PER_BEAT // STEPS_PER_QUARTER
    parts = []
    for voice, column in zip(VOICES, np.asarray(grid).T, strict=True):
        events = (Event(note.onset * step, note.pitch, note.n_steps * step, VELOCITY) for note in held_notes(column))
        parts.append(Part(tuple(events), voice, program))
    tempo = Tempo(0, round(60e6 / beats_per_minute))
    return Song(TICKS_PER_BEAT, tuple(parts), (tempo,), (Meter(0, 4, 4),), name)


def from_song(song: Song) -> np.ndarray:
    """Convert a song of four parts to a grid.

    Parts are matched by the names of the voices, or else in order from soprano to bass; drums are left out.

    Returns
    -------
    ndarray, shape (T, 4), int16

    Raises
    ------
    InputError
        If there are not four parts, or more than ``MAX_STEPS`` sixteenths.
    """
    parts = [part for part in song.parts if not part.is_drum]
    if len(parts) != len(VOICES):
        raise InputError(f"{song.name or 'the song'} has {len(parts)} parts; a chorale has {len(VOICES)}")
    by_name = {part.name.strip().lower(): part for part in parts}
    ordered = [by_name[voice] for voice in VOICES] if set(by_name) == set(VOICES) else parts
    lines = [_line(song, part) for part in ordered]
    n_steps = max(map(len, lines))
    return np.stack([np.pad(line, (0, n_steps - len(line)), constant_values=REST) for line in lines], axis=1)


def melody_line(song: Song) -> np.ndarray:
    """Convert a song's melody (see ``note_sequence.melody_part``) to one voice of a grid.

    Returns
    -------
    ndarray, shape (T,), int16
        MIDI note numbers by sixteenth, -1 for a rest; InputError is raised as by ``from_song``.
    """
    return _line(song, melody_part(song))


def _line(song: Song, part: Part) -> np.ndarray:
    """Quantize a part: the highest of simultaneous notes stays, later notes end earlier ones, each has a sixteenth."""
    events = song.regrid(STEPS_PER_QUARTER).parts[song.parts.index(part)].events
    n_steps = max((event.end for event in events), default=0)
    if n_steps > MAX_STEPS:
        raise InputError(f"{song.name or 'the song'} has {n_steps:,} sixteenths; the limit is {MAX_STEPS:,}")
    line = np.full(n_steps, REST, np.int16)
    for event in events:
        line[event.onset :] = REST
        line[event.onset : event.end] = event.pitch
    return line
