"""Notes in seconds: what a MIDI file holds once its tempo map is applied.

A `Score` is one voice or one track.  The functions here take a score and
return another one; nothing is changed in place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from wavecore.errors import InputError, UsageError

MIN_NOTE_S = 0.03
CHORD_S = 0.03
LEGATO_GAP_S = 0.06


@dataclass(frozen=True)
class Note:
    """One note.

    Attributes
    ----------
    onset_s : float
        Start in seconds, at least 0.
    duration_s : float
        Length in seconds, above 0.
    pitch : int
        MIDI number, 0 to 127; 60 is middle C, 69 is 440 Hz.
    velocity : int
        MIDI velocity, 1 to 127.

    Raises
    ------
    InputError
        If a value leaves its range.
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
            raise InputError(f"a note at {self.onset_s} s has pitch {self.pitch}; MIDI numbers run from 0 to 127")
        if self.velocity not in range(1, 128):
            raise InputError(f"a note at {self.onset_s} s has velocity {self.velocity}; velocities run from 1 to 127")

    @property
    def end_s(self) -> float:
        """Where the note stops, in seconds."""
        return self.onset_s + self.duration_s


@dataclass(frozen=True)
class Score:
    """The notes of one voice or track, and where they come from.

    Attributes
    ----------
    notes : tuple of Note
        Sorted by onset, then pitch; any iterable is accepted and sorted.
    name : str
        The piece's id.
    source, licence : str
        Where the notes come from and what may be done with them.
    track : str
        The track's or voice's name, empty where it has none.
    program : int
        General MIDI program, 0 to 127, as the file names it.
    is_drum : bool
        Pitches name drums and not heights.
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
        """From 0 to where the last note stops, in seconds; 0 without notes."""
        return max((note.end_s for note in self.notes), default=0.0)


def monophonic(score: Score, *, legato_gap_s: float = LEGATO_GAP_S) -> Score:
    """Make one clean line: the top of chords, no overlaps, no slivers.

    Notes that start together leave the highest.  A note that starts under a
    sounding higher one is dropped when that one goes on for more than half of
    it; any other overlap is a player's legato, and the earlier note stops where
    the later one starts.  Gaps up to `legato_gap_s` are closed and what is left
    below 30 ms is dropped.

    Parameters
    ----------
    legato_gap_s : float
        Longest gap to close, in seconds.

    Returns
    -------
    Score
        Every note ends where the next one starts, or before.
    """
    line: list[Note] = []
    for note in sorted(score.notes, key=lambda note: (note.onset_s, -note.pitch)):
        if not line:
            line.append(note)
            continue
        last = line[-1]
        if note.onset_s - last.onset_s < CHORD_S:
            # The later of two that start together wins only when it is higher.
            if note.pitch > last.pitch:
                line[-1] = replace(note, onset_s=last.onset_s, duration_s=note.end_s - last.onset_s)
        elif not (note.pitch < last.pitch and last.end_s - note.onset_s > note.duration_s / 2):
            line[-1] = _ending_by(last, note.onset_s, legato_gap_s)
            line.append(note)
    return replace(score, notes=tuple(note for note in line if note.duration_s >= MIN_NOTE_S))


def is_monophonic(score: Score) -> bool:
    """Whether no two notes sound at once."""
    # A microsecond of rounding in sums of seconds is no overlap.
    return all(a.end_s <= b.onset_s + 1e-6 for a, b in zip(score.notes, score.notes[1:], strict=False))


def transpose(score: Score, semitones: int) -> Score:
    """Move every note.

    Parameters
    ----------
    semitones : int
        Upward when positive.

    Raises
    ------
    InputError
        If a note would leave 0 to 127.
    """
    return replace(score, notes=tuple(replace(note, pitch=note.pitch + semitones) for note in score.notes))


def stretch(score: Score, factor: float) -> Score:
    """Multiply every time.

    Parameters
    ----------
    factor : float
        Above 1 is slower.

    Raises
    ------
    UsageError
        If the factor is not positive and finite.
    """
    if not 0 < factor < float("inf"):
        raise UsageError(f"the time factor is {factor}; it must be above 0, 1.1 for a tenth slower")
    notes = (replace(n, onset_s=n.onset_s * factor, duration_s=n.duration_s * factor) for n in score.notes)
    return replace(score, notes=tuple(notes))


def crop(score: Score, start_s: float, end_s: float) -> Score:
    """Cut out a stretch and let it start at 0.

    Parameters
    ----------
    start_s, end_s : float
        The stretch, in seconds.  Notes that start in it are kept and cut at its
        end; what sounds into it from before is left out.

    Raises
    ------
    UsageError
        If the stretch is empty or starts before 0.
    """
    if not 0 <= start_s < end_s:
        raise UsageError(f"cannot crop from {start_s} s to {end_s} s; wanted 0 <= start < end")
    kept = []
    for note in score.notes:
        duration_s = min(note.end_s, end_s) - note.onset_s
        if start_s <= note.onset_s < end_s and duration_s > 0:
            kept.append(replace(note, onset_s=note.onset_s - start_s, duration_s=duration_s))
    return replace(score, notes=tuple(kept))


def pitch_range(score: Score) -> tuple[int, int]:
    """Return the lowest and the highest MIDI number.

    Raises
    ------
    InputError
        If there are no notes.
    """
    if not score.notes:
        raise InputError(f"the score {score.name!r} has no notes, so it has no pitch range")
    pitches = [note.pitch for note in score.notes]
    return min(pitches), max(pitches)


def sounding_s(notes: Iterable[Note]) -> float:
    """Return for how long at least one note sounds.

    Returns
    -------
    float
        Seconds.
    """
    total = end = 0.0
    for note in sorted(notes, key=lambda note: note.onset_s):
        total += max(0.0, note.end_s - max(end, note.onset_s))
        end = max(end, note.end_s)
    return total


def _ending_by(note: Note, onset_s: float, legato_gap_s: float) -> Note:
    """The note, cut at the next onset or drawn out to it where the gap is small."""
    if note.end_s > onset_s or onset_s - note.end_s <= legato_gap_s:
        return replace(note, duration_s=onset_s - note.onset_s)
    return note
