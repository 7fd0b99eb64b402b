"""Who plays what: the lines of a piece, an instrument for each, and the octave in which it can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wavecore.errors import InputError, UsageError
from wavecore.models.translation.octaves import best_octave, share_outside
from wavecore.symbolic.score import Score
from wavecore.symbolic.song import Part, Song
from wavecore.symbolic.voices import MAX_VOICES, allocate


@dataclass(frozen=True)
class Line:
    """One stream of notes and who plays it.

    Attributes
    ----------
    part : str
        Name of the part that it belongs to.
    score : Score
        One note at a time, in seconds.
    octave : int
        Octaves by which the instrument plays higher and faster; what it played is slowed down again.  As a cello is a larger
        violin, an instrument reaches notes below its own by it.
    outside : float
        Share of the notes that lie beyond the instrument's range even so, 0 to 1.
    """

    part: str
    instrument: str
    score: Score
    octave: int
    outside: float


def cast(
    song: Song,
    ranges: Mapping[str, tuple[float, float] | None],
    *,
    instrument: str | None = None,
    chosen: Mapping[str, str] | None = None,
    programs: Mapping[str, int | None] | None = None,
    release_s: float = 0.0,
) -> list[Line]:
    """Divide a piece into lines and find a player for each.

    Parameters
    ----------
    song : Song
        Parts for drums are left out: nobody here has a pitch for them.
    ranges : mapping of str to (float, float) or None
        The instruments, and the MIDI notes that each knows, if that is known.
    instrument : str, optional
        Who plays what `chosen` does not say; if not given, whoever is most like the part's own program, or the first of `ranges`
        where no programs are known.
    chosen : mapping of str to str, optional
        Instruments by the names of parts, in any case, or by their numbers from 1 on.
    programs : mapping of str to (int or None), optional
        General MIDI programs of the instruments.
    release_s : float
        For which a line is not free for another note after one.

    Returns
    -------
    list of Line
        In the order of the parts; a part of chords has several lines, the highest first.

    Raises
    ------
    InputError
        If nothing is left to play, or more notes sound at once than there can be lines.
    UsageError
        If there is no such instrument, or no such part.
    """
    parts = [(number, part) for number, part in enumerate(song.parts, 1) if part.events and not part.is_drum]
    if not parts:
        raise InputError(
            f"{song.name or 'the piece'} has no notes but drums', which have no pitch that could be played"
        )
    chosen = _by_number(song, chosen or {})
    for name in (*chosen.values(), *((instrument,) if instrument is not None else ())):
        if name not in ranges:
            raise UsageError(f"there is no instrument {name!r}; choose from {', '.join(ranges)}")
    lines = []
    for number, part in parts:
        player = chosen.get(number) or instrument or _most_like(part.program, programs or {}) or next(iter(ranges))
        for score in allocate(song.score(part), release_s=release_s):
            octave, outside = _place(score, ranges[player])
            lines.append(Line(part.name or f"part {number}", player, score, octave, outside))
    if len(lines) > MAX_VOICES:
        raise InputError(
            f"{song.name or 'the piece'} needs {len(lines)} lines to be played; {MAX_VOICES} are the most"
        )
    return lines


def _by_number(song: Song, chosen: Mapping[str, str]) -> dict[int, str]:
    """Instruments by the number of the part."""
    found: dict[int, str] = {}
    for key, player in chosen.items():
        numbers = [number for number, part in enumerate(song.parts, 1) if _is_called(part, number, key)]
        if not numbers:
            names = ", ".join(f"{number}: {part.name or 'without a name'}" for number, part in enumerate(song.parts, 1))
            raise UsageError(f"{song.name or 'the piece'} has no part {key!r}; it has {names}")
        found |= dict.fromkeys(numbers, player)
    return found


def _is_called(part: Part, number: int, key: str) -> bool:
    return part.name.strip().lower() == key.strip().lower() or key.strip() == str(number)


def _most_like(program: int, programs: Mapping[str, int | None]) -> str | None:
    """The instrument of the same General MIDI family, eight programs each, or else the one whose number lies nearest."""
    known = {name: number for name, number in programs.items() if number is not None}
    return min(known, key=lambda name: (known[name] // 8 != program // 8, abs(known[name] - program)), default=None)


def _place(score: Score, known: tuple[float, float] | None) -> tuple[int, float]:
    """The octave in which most notes can be played, and the share that cannot."""
    if known is None:
        return 0, 0.0
    midi = np.array([note.pitch for note in score.notes], np.float64)
    octave = best_octave(midi, *known)
    return octave, share_outside(midi, *known, octave)


def instruments(names: Sequence[str], known: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, float] | None]:
    """Pair instruments with their ranges.

    Parameters
    ----------
    known : mapping of str to (float, float)
        Ranges, as a model's card has them.

    Returns
    -------
    dict of str to (float, float) or None
        In the order of `names`.
    """
    return {name: (float(known[name][0]), float(known[name][1])) if name in known else None for name in names}
