"""One voice or track in seconds.

The functions here take a score and return another one; nothing is changed in place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from wavecore.errors import InputError, UsageError

MIN_NOTE_S = 0.03
CHORD_S = 0.03
LEGATO_GAP_S = 0.06
ROUNDING_S = 1e-6
"""Tolerance of sums of seconds: notes that overlap by less do not."""


@dataclass(frozen=True)
class Note:
    """One note.

    Attributes
    ----------
    onset_s : float
        Seconds, at least 0.
    duration_s : float
        Seconds, above 0.
    pitch : int
        MIDI note number, 0 to 127; 60 is middle C, 69 is 440 Hz.
    velocity : int
        1 to 127.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    onset_s: float
    duration_s: float
    pitch: int
    velocity: int = 90

    def __post_init__(self):
        # Written so that NaN fails as well.
        if not 0 <= self.onset_s < float("inf"):
            raise InputError(f"a note starts at {self.onset_s} s; onsets are 0 or later")
        if not 0 < self.duration_s < float("inf"):
            raise InputError(f"a note at {self.onset_s} s lasts {self.duration_s} s; durations are above 0")
        if self.pitch not in range(128):
            raise InputError(f"a note at {self.onset_s} s has pitch {self.pitch}; MIDI note numbers are 0 to 127")
        if self.velocity not in range(1, 128):
            raise InputError(f"a note at {self.onset_s} s has velocity {self.velocity}; velocities are 1 to 127")

    @property
    def end_s(self) -> float:
        """End of the note, in seconds."""
        return self.onset_s + self.duration_s


@dataclass(frozen=True)
class Score:
    """The notes of one voice or track in seconds, and where they come from.

    Attributes
    ----------
    notes : tuple of Note
        Sorted by onset, then pitch; any iterable is accepted and sorted.
    name : str
        Title or id of the piece.
    source, licence : str
        Origin of the notes, and what may be done with them.
    track : str
        Name of the track or voice.
    program : int
        General MIDI program, 0 to 127.
    is_drum : bool
        Whether pitches number drums.

    Examples
    --------
    >>> from wavecore.symbolic.score import Note, Score, transpose
    >>> score = Score([Note(0.5, 0.5, 64), Note(0.0, 0.5, 60)])
    >>> score.duration_s
    1.0
    >>> [note.pitch for note in transpose(score, 12).notes]
    [72, 76]
    """

    notes: tuple[Note, ...]
    name: str = ""
    source: str = ""
    licence: str = ""
    track: str = ""
    program: int = 0
    is_drum: bool = False

    def __post_init__(self):
        object.__setattr__(self, "notes", tuple(sorted(self.notes, key=lambda note: (note.onset_s, note.pitch))))

    @property
    def duration_s(self) -> float:
        """Time from 0 to the end of the last note, in seconds; 0 without notes."""
        return max((note.end_s for note in self.notes), default=0.0)


def monophonic(score: Score, *, legato_gap_s: float = LEGATO_GAP_S) -> Score:
    """Reduce a score to its top line, one note at a time.

    Of notes that start together the highest stays.  A note that starts below a sounding one is dropped if that one
    goes on for more than half of it; any other overlap is legato, and the earlier note is cut.  What is then shorter
    than ``MIN_NOTE_S`` is dropped.

    Parameters
    ----------
    legato_gap_s : float
        Longest rest between notes to close, in seconds.
    """
    line: list[Note] = []
    for note in sorted(score.notes, key=lambda note: (note.onset_s, -note.pitch)):
        if not line:
            line.append(note)
            continue
        last = line[-1]
        if note.onset_s - last.onset_s < CHORD_S:
            if note.pitch > last.pitch:
                line[-1] = replace(note, onset_s=last.onset_s, duration_s=note.end_s - last.onset_s)
        elif not (note.pitch < last.pitch and last.end_s - note.onset_s > note.duration_s / 2):
            if last.end_s > note.onset_s or note.onset_s - last.end_s <= legato_gap_s:
                line[-1] = replace(last, duration_s=note.onset_s - last.onset_s)
            line.append(note)
    return replace(score, notes=tuple(note for note in line if note.duration_s >= MIN_NOTE_S))


def is_monophonic(score: Score) -> bool:
    """Return whether no two notes sound at once."""
    return all(a.end_s <= b.onset_s + ROUNDING_S for a, b in pairwise(score.notes))


def transpose(score: Score, semitones: int) -> Score:
    """Transpose every note; raise InputError if one would leave 0 to 127."""
    return replace(score, notes=tuple(replace(note, pitch=note.pitch + semitones) for note in score.notes))


def stretch(score: Score, factor: float) -> Score:
    """Multiply all times by a factor, above 1 for slower; raise UsageError unless it is positive and finite."""
    if not 0 < factor < float("inf"):
        raise UsageError(f"the time factor is {factor}; it must be positive and finite, 1.1 for a tenth slower")
    notes = (replace(n, onset_s=n.onset_s * factor, duration_s=n.duration_s * factor) for n in score.notes)
    return replace(score, notes=tuple(notes))


def crop(score: Score, start_s: float, end_s: float) -> Score:
    """Cut out the notes that start between two times, in seconds; `start_s` becomes 0.

    Notes are cut at `end_s`; those that start before `start_s` are left out.  Raise UsageError unless 0 <= start < end.
    """
    if not 0 <= start_s < end_s:
        raise UsageError(f"cannot crop from {start_s} s to {end_s} s; 0 <= start < end is required")
    kept = []
    for note in score.notes:
        duration_s = min(note.end_s, end_s) - note.onset_s
        if start_s <= note.onset_s < end_s and duration_s > 0:
            kept.append(replace(note, onset_s=note.onset_s - start_s, duration_s=duration_s))
    return replace(score, notes=tuple(kept))


def pitch_range(score: Score) -> tuple[int, int]:
    """Return the lowest and the highest MIDI note number; raise InputError if there are no notes."""
    if not score.notes:
        raise InputError(f"the score {score.name!r} has no notes, so it has no pitch range")
    pitches = [note.pitch for note in score.notes]
    return min(pitches), max(pitches)


def sounding_s(notes: Iterable[Note]) -> float:
    """Return for how many seconds at least one note sounds."""
    total = end = 0.0
    for note in sorted(notes, key=lambda note: note.onset_s):
        total += max(0.0, note.end_s - max(end, note.onset_s))
        end = max(end, note.end_s)
    return total
