"""Which notes of a data set are wanted, and a person's own list of those that are not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wavecore.datasets.nsynth.note import FAMILIES, QUALITIES, SOURCES, Note
from wavecore.errors import InputError, UsageError


@dataclass(frozen=True)
class NoteFilter:
    """Conditions that all must hold; None asks for nothing.

    Attributes
    ----------
    families : tuple of str or None
        One of these.
    sources : tuple of str or None
        One of these.
    qualities : tuple of str or None
        All of these.
    pitches : tuple of int or None
        Lowest and highest, both included.
    velocities : tuple of int or None
        One of these.
    exclude : frozenset of str
        None of these names.
    """

    families: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    qualities: tuple[str, ...] | None = None
    pitches: tuple[int, int] | None = None
    velocities: tuple[int, ...] | None = None
    exclude: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for what, known in (("families", FAMILIES), ("sources", SOURCES), ("qualities", QUALITIES)):
            unknown = [name for name in getattr(self, what) or () if name not in known]
            if unknown:
                raise UsageError(f"{what}: there is no {unknown[0]!r}; choose from {', '.join(known)}")
        if self.pitches is not None and not 0 <= self.pitches[0] <= self.pitches[1] <= 127:
            raise UsageError(f"pitches are {self.pitches}, wanted two of 0 to 127, the lower one first")
        wrong = [value for value in self.velocities or () if value not in range(128)]
        if wrong:
            raise UsageError(f"there is no velocity {wrong[0]}; MIDI runs from 0 to 127")

    def keeps(self, note: Note) -> bool:
        """Tell whether a note meets all conditions."""
        return (
            _one_of(note.instrument_family_str, self.families)
            and _one_of(note.instrument_source_str, self.sources)
            and _one_of(note.velocity, self.velocities)
            and set(self.qualities or ()) <= set(note.qualities_str)
            and (self.pitches is None or self.pitches[0] <= note.pitch <= self.pitches[1])
            and note.note_str not in self.exclude
        )


def read_exclusions(path: str | Path) -> frozenset[str]:
    """Read a list of notes to leave out.

    Parameters
    ----------
    path : str or Path
        A text file, one ``note_str`` per line; empty lines and what follows a ``#``
        are passed over, and ``.wav`` at the end of a name.

    Raises
    ------
    InputError
        If the file cannot be read as text.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the list {path}: {error}") from error
    names = (line.partition("#")[0].strip().removesuffix(".wav") for line in lines)
    return frozenset(name for name in names if name)


def _one_of(value: object, wanted: Iterable | None) -> bool:
    return wanted is None or value in wanted
