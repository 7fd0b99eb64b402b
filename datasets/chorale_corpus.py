"""The four-voice chorales of J. S. Bach in music21's corpus, for people without the benchmark's file.

music21 is slow and needed for preparing data alone; it comes with the extra ``data``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from wavecore.errors import InputError, UsageError
from wavecore.symbolic.chorale import REST, STEPS_PER_QUARTER, VOICES, check

SOURCE = "music21 corpus, bach"
LICENCE = "music of J. S. Bach (public domain); encodings from music21's corpus, see its licence notes"
ODD_SHARE = 0.02
"""Of a chorale's notes that may begin beside the grid of sixteenths: ornaments."""
T = TypeVar("T")


def walk(
    read: Callable[[object, str], T], *, on_progress: Callable[[int, int], None] | None = None
) -> tuple[list[T], list[tuple[str, str]]]:
    """Read all pieces of Bach's in the corpus.

    Parameters
    ----------
    read : callable
        Makes something of a parsed piece and its name.
    on_progress : callable, optional
        Called with (pieces done, pieces in all).

    Returns
    -------
    found : list
        What was made, in the order of the names.
    skipped : list of (str, str)
        Names of the pieces of which nothing could be made, and why.

    Raises
    ------
    UsageError
        If music21 is not installed.
    """
    try:
        from music21 import corpus
    except ImportError as error:
        raise UsageError("the chorales need music21: pip install 'wavecore[data]'") from error
    found, skipped = [], []
    paths = sorted(corpus.getComposer("bach"))
    for number, path in enumerate(paths):
        name = Path(path).stem
        try:
            found.append(read(corpus.parse(path), name))
        except Exception as error:  # music21 raises its own and built-in errors for badly formed scores
            skipped.append((name, f"{type(error).__name__}: {error}"))
        if on_progress is not None:
            on_progress(number + 1, len(paths))
    return found, skipped


def four_parts(piece) -> list:
    """Return the parts of a parsed chorale, ties joined.

    Returns
    -------
    list of music21.stream.Part
        From the soprano to the bass.

    Raises
    ------
    InputError
        If they are not four.
    """
    parts = list(piece.parts)
    if len(parts) != len(VOICES):
        raise InputError(f"{len(parts)} parts, a chorale has {len(VOICES)}")
    return [part.stripTies().flatten() for part in parts]


def read_grids(
    *, on_progress: Callable[[int, int], None] | None = None
) -> tuple[dict[str, np.ndarray], list[tuple[str, str]]]:
    """Read the chorales as grids of sixteenths.

    Parameters
    ----------
    on_progress : callable, optional
        Called with (pieces done, pieces in all).

    Returns
    -------
    grids : dict of str to ndarray, shape (T, 4), int16
        By the pieces' names.
    skipped : list of (str, str)
        Names of the pieces that are no four-voice chorales, and why.

    Raises
    ------
    UsageError
        If music21 is not installed.
    """
    found, skipped = walk(lambda piece, name: (name, grid_of(piece, name)), on_progress=on_progress)
    return dict(found), skipped


def grid_of(piece, name: str) -> np.ndarray:
    """Read a parsed chorale as a grid.

    Returns
    -------
    ndarray, shape (T, 4), int16
        Notes are rounded to sixteenths; a shorter voice rests at the end.  Grace notes are left out.

    Raises
    ------
    InputError
        If it has not four parts, one has no notes, or more than ``ODD_SHARE`` of the notes begin beside the grid.
    """
    lines, odd, n_notes = [], 0, 0
    for part, voice in zip(four_parts(piece), VOICES, strict=True):
        notes = [note for note in part.notes if note.quarterLength > 0]
        if not notes:
            raise InputError(f"{name}: the {voice} has no notes")
        begins = [float(note.offset) * STEPS_PER_QUARTER for note in notes]
        ends = [float(note.offset + note.quarterLength) * STEPS_PER_QUARTER for note in notes]
        odd, n_notes = odd + sum(begin != round(begin) for begin in begins), n_notes + len(notes)
        line = np.full(round(max(ends)), REST, np.int16)
        for note, begin, end in zip(notes, begins, ends, strict=True):
            line[round(begin) : round(end)] = max(int(pitch.midi) for pitch in note.pitches)
        lines.append(line)
    if odd > ODD_SHARE * n_notes:
        raise InputError(f"{name}: {odd} of {n_notes} notes begin beside the grid of sixteenths")
    n_steps = max(map(len, lines))
    return check(
        np.stack([np.pad(line, (0, n_steps - len(line)), constant_values=REST) for line in lines], axis=1), name=name
    )
