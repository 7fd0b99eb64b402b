"""Tracks of a roll: which parts of a piece they are, and how they are played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from wavecore.errors import InputError, UsageError
from wavecore.symbolic.song import Part, Song

FAMILIES = (
    "piano", "chromatic", "organ", "guitar", "bass", "strings", "ensemble", "brass", "reed", "pipe", "lead", "pad", "effects", "ethnic",
    "percussive", "sounds",
)  # fmt: skip
"""General MIDI's, of eight programs each."""
DRUMS = "drums"
"""A family as well: all parts for drums, whatever their program."""


@dataclass(frozen=True)
class Track:
    """One track of a roll.

    Attributes
    ----------
    name : str
        Which parts it takes: ``family:strings+ensemble`` those of some families of General MIDI or ``drums``, ``part:0`` the first one,
        anything else those of that name, in capitals or not.
    program : int
        With which it is played: General MIDI, 0 to 127.

    Raises
    ------
    UsageError
        If the name says nothing, or the program is none.
    """

    name: str
    program: int = 0
    is_drum: bool = False

    def __post_init__(self):
        kind, colon, rest = self.name.partition(":")
        if not self.name.strip():
            raise UsageError("a track has an empty name; name a part, family:NAME or part:NUMBER")
        if colon and kind == "family":
            unknown = [family for family in rest.split("+") if family not in (*FAMILIES, DRUMS)]
            if unknown:
                raise UsageError(
                    f"there is no family {unknown[0]!r} (in the track {self.name!r}); there are {', '.join((*FAMILIES, DRUMS))}"
                )
        if colon and kind == "part" and not rest.isdecimal():
            raise UsageError(f"the track {self.name!r} names no part; parts are counted from 0 on: part:0")
        if not 0 <= self.program <= 127:
            raise UsageError(f"the track {self.name!r} has program {self.program}; programs run from 0 to 127")

    @property
    def label(self) -> str:
        """What the part is called where the track is written: the name without its kind."""
        kind, colon, rest = self.name.partition(":")
        return rest if colon and kind == "family" else self.name

    def to_dict(self) -> dict:
        """Return the track as JSON has it."""
        return asdict(self)


def parts_of(song: Song, name: str) -> list[Part]:
    """Find the parts that a track takes.

    Parameters
    ----------
    name : str
        As of ``Track``.

    Returns
    -------
    list of Part
        None where the piece has no such part.
    """
    kind, colon, rest = name.partition(":")
    if colon and kind == "part":
        return list(song.parts[int(rest) : int(rest) + 1])
    if colon and kind == "family":
        families = rest.split("+")
        return [part for part in song.parts if _family(part) in families]
    return [part for part in song.parts if part.name.strip().casefold() == name.strip().casefold()]


def find_tracks(songs: Sequence[Song], names: Sequence[str]) -> tuple[Track, ...]:
    """Learn from pieces how tracks are played.

    Parameters
    ----------
    names : sequence of str
        As of ``Track``.

    Returns
    -------
    tuple of Track
        With the program that most of its parts have; for drums where most of them are.

    Raises
    ------
    UsageError
        If a name is none, or comes twice.
    InputError
        If no piece has such a part.
    """
    found = []
    for name in names:
        Track(name)  # what is no name is told before pieces are searched
        kinds = Counter((part.program, part.is_drum) for song in songs for part in parts_of(song, name) if part.events)
        if not kinds:
            known = Counter(part.name for song in songs for part in song.parts if part.name).most_common(12)
            listed = ", ".join(name for name, _ in known) or "none that has a name; use family:NAME or part:NUMBER"
            raise InputError(f"no piece has a part {name!r}; parts: {listed}")
        program, is_drum = min(kinds, key=lambda kind: (-kinds[kind], kind))
        found.append(Track(name, program, is_drum))
    if len(set(names)) < len(names):
        raise UsageError(f"the tracks {', '.join(names)} name one part twice")
    return tuple(found)


def _family(part: Part) -> str:
    return DRUMS if part.is_drum else FAMILIES[part.program // 8]
