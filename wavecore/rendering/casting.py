"""Assignment of instruments: a song's lines, an instrument for each, and the octave in which it can play them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wavecore.errors import InputError, UsageError
from wavecore.models.translation.survey import best_octave, share_outside
from wavecore.symbolic.score import Score
from wavecore.symbolic.song import Part, Song
from wavecore.symbolic.voices import MAX_VOICES, allocate

Range = tuple[float, float] | None
"""MIDI note numbers of an instrument's lowest and highest note, if known."""


@dataclass(frozen=True)
class Line:
    """A monophonic line and its instrument.

    Attributes
    ----------
    part : str
        Name of the part that it belongs to.
    score : Score
        One note at a time, in seconds.
    octave : int
        By which it is played higher and faster, and slowed down again, to reach notes outside the instrument's range.
    outside : float
        Share of the notes that lie outside the range even so, 0 to 1.
    """

    part: str
    instrument: str
    score: Score
    octave: int
    outside: float


def cast(
    song: Song,
    ranges: Mapping[str, Range],
    *,
    instrument: str | None = None,
    parts: Mapping[str, str] | None = None,
    programs: Mapping[str, int | None] | None = None,
    release_s: float = 0.0,
) -> list[Line]:
    """Divide a song into lines and choose an instrument for each; drums are left out.

    Parameters
    ----------
    ranges : mapping of str to (float, float) or None
        The instruments and their ranges.
    instrument : str, optional
        Plays what `parts` does not assign; by default the instrument whose program is most like the part's, or the
        first of `ranges` where no programs are known.
    parts : mapping of str to str, optional
        Instruments by the names of parts, in any case, or by their numbers from 1 on.
    programs : mapping of str to (int or None), optional
        General MIDI programs of the instruments.
    release_s : float
        Seconds for which a line stays busy after a note.

    Returns
    -------
    list of Line
        In the order of the parts; a part of chords has several lines, the highest first.

    Raises
    ------
    InputError
        If there is nothing to play, or more than ``MAX_VOICES`` lines are needed.
    UsageError
        If there is no such instrument, or no such part.
    """
    name = song.name or "the song"
    pitched = [(number, part) for number, part in enumerate(song.parts, 1) if part.events and not part.is_drum]
    if not pitched:
        raise InputError(f"{name} has no notes in parts other than drums, so there is nothing to play")
    assigned = _by_number(song, parts or {})
    for player in (*assigned.values(), instrument):
        if player is not None and player not in ranges:
            raise UsageError(f"there is no instrument {player!r}; choose from {', '.join(ranges)}")
    lines = []
    for number, part in pitched:
        player = assigned.get(number) or instrument or _most_like(part.program, programs or {}) or next(iter(ranges))
        for score in allocate(song.score(part), release_s=release_s):
            octave, outside = _octave(score, ranges[player])
            lines.append(Line(part.name or f"part {number}", player, score, octave, outside))
    if len(lines) > MAX_VOICES:
        raise InputError(f"{name} needs {len(lines)} lines; {MAX_VOICES} are the most that can be played")
    return lines


def _by_number(song: Song, parts: Mapping[str, str]) -> dict[int, str]:
    """Resolve the instruments of parts by the parts' numbers."""
    assigned: dict[int, str] = {}
    for key, player in parts.items():
        numbers = [number for number, part in enumerate(song.parts, 1) if _is_named(part, number, key)]
        if not numbers:
            names = ", ".join(f"{number}: {part.name or 'without a name'}" for number, part in enumerate(song.parts, 1))
            raise UsageError(f"{song.name or 'the song'} has no part {key!r}; it has {names}")
        assigned |= dict.fromkeys(numbers, player)
    return assigned


def _is_named(part: Part, number: int, key: str) -> bool:
    return part.name.strip().lower() == key.strip().lower() or key.strip() == str(number)


def _most_like(program: int, programs: Mapping[str, int | None]) -> str | None:
    """Return the instrument of the same General MIDI family, eight programs each, or else of the nearest number."""
    known = {name: number for name, number in programs.items() if number is not None}
    return min(known, key=lambda name: (known[name] // 8 != program // 8, abs(known[name] - program)), default=None)


def _octave(score: Score, limits: Range) -> tuple[int, float]:
    """Return the octave shift in which most notes can be played, and the share that cannot."""
    if limits is None:
        return 0, 0.0
    midi = np.array([note.pitch for note in score.notes], np.float64)
    octave = best_octave(midi, *limits)
    return octave, share_outside(midi, *limits, octave)
