"""The four-voice chorales of J. S. Bach in music21's corpus, for users without the benchmark's file.

music21 is slow and needed for preparing data only; the extra ``data`` installs it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from wavecore.errors import InputError, UsageError
from wavecore.symbolic.chorale import REST, STEPS_PER_QUARTER, VOICES, check
from wavecore.symbolic.score import Note, Score, monophonic

SOURCE = "music21 corpus, bach"
LICENCE = "music of J. S. Bach (public domain); encodings from music21's corpus, see its licence notes"
OFF_GRID_SHARE = 0.02
"""Largest share of a chorale's notes that may begin beside the grid of sixteenths: ornaments."""
QUARTER_S = 60.0 / 80.0
"""Length of a quarter in seconds: the corpus has no tempos, and hymns are sung at about 80 quarters a minute."""
T = TypeVar("T")
Progress = Callable[[int, int], None]


def read_all(
    read: Callable[[object, str], T], *, on_progress: Progress | None = None
) -> tuple[list[T], list[tuple[str, str]]]:
    """Apply a function to every parsed piece by Bach and its name.

    The result is a list, and the names and exceptions of the pieces that failed. UsageError is raised if music21 is not
    installed.
    """
    try:
        from music21 import corpus
    except ImportError as error:
        raise UsageError("the chorales need music21: pip install 'wavecore[data]'") from error
    results, skipped = [], []
    paths = sorted(corpus.getComposer("bach"))
    for number, path in enumerate(paths):
        name = Path(path).stem
        try:
            results.append(read(corpus.parse(path), name))
        except Exception as error:  # music21 raises its own and built-in errors for badly formed scores
            skipped.append((name, f"{type(error).__name__}: {error}"))
        if on_progress is not None:
            on_progress(number + 1, len(paths))
    return results, skipped


def read_grids(*, on_progress: Progress | None = None) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """Read the chorales as grids of sixteenths, or raise UsageError if music21 is not installed.

    Returns
    -------
    grids : dict of str to ndarray, shape (T, 4), int16
        By the pieces' names.
    skipped : list of (str, str)
        Names of the pieces that are not four-voice chorales, and why.
    """
    named, skipped = read_all(lambda piece, name: (name, grid_of(piece, name)), on_progress=on_progress)
    return dict(named), skipped


def grid_of(piece, name: str) -> np.ndarray:
    """Convert a parsed chorale to a grid of shape (T, 4), int16.

    Notes are rounded to sixteenths, grace notes left out, and shorter voices padded with rests. InputError is raised
    if there are not four parts, one has no notes, or more than `OFF_GRID_SHARE` of the notes begin beside the grid.
    """
    lines, n_off_grid, n_notes = [], 0, 0
    for part, voice in zip(_four_parts(piece), VOICES, strict=True):
        notes = [note for note in part.notes if note.quarterLength > 0]
        if not notes:
            raise InputError(f"{name}: the {voice} has no notes")
        onsets = [float(note.offset) * STEPS_PER_QUARTER for note in notes]
        ends = [float(note.offset + note.quarterLength) * STEPS_PER_QUARTER for note in notes]
        n_off_grid += sum(onset != round(onset) for onset in onsets)
        n_notes += len(notes)
        line = np.full(round(max(ends)), REST, np.int16)
        for note, onset, end in zip(notes, onsets, ends, strict=True):
            line[round(onset) : round(end)] = _highest(note)
        lines.append(line)
    if n_off_grid > OFF_GRID_SHARE * n_notes:
        raise InputError(f"{name}: {n_off_grid} of {n_notes} notes begin beside the grid of sixteenths")
    n_steps = max(map(len, lines))
    padded = [np.pad(line, (0, n_steps - len(line)), constant_values=REST) for line in lines]
    return check(np.stack(padded, axis=1), name=name)


def voice_of(piece, name: str, voice: str, *, shortest: int) -> Score:
    """Convert one voice of a parsed chorale to a monophonic score at 80 quarters a minute.

    InputError is raised if there are not four parts, or the voice has fewer than `shortest` notes.
    """
    notes = []
    for note in _four_parts(piece)[VOICES.index(voice)].notes:
        length_s = float(note.quarterLength) * QUARTER_S
        if length_s > 0:  # grace notes have no length of their own
            notes.append(Note(float(note.offset) * QUARTER_S, length_s, _highest(note)))
    line = monophonic(Score(tuple(notes), f"bach/{name}", SOURCE, LICENCE, voice))
    if len(line.notes) < shortest:
        raise InputError(f"only {len(line.notes)} notes, {shortest} are needed")
    return line


def _four_parts(piece) -> list:
    """Return the parts of a parsed chorale from soprano to bass, ties joined."""
    parts = list(piece.parts)
    if len(parts) != len(VOICES):
        raise InputError(f"{len(parts)} parts, a chorale has {len(VOICES)}")
    return [part.stripTies().flatten() for part in parts]


def _highest(note) -> int:
    """Return the highest MIDI number of a music21 note or chord."""
    return max(int(pitch.midi) for pitch in note.pitches)
