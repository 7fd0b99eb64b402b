"""The description of an NSynth note, the thirteen keys of ``examples.json``, and filters of notes.

A family, a source and a quality are given both as numbers and as names; both must be there and agree. ``qualities``
holds one bit per name of `QUALITIES`.

References
----------
Engel et al., "Neural audio synthesis of musical notes with WaveNet autoencoders", arXiv 1704.01279, section 3.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from wavecore.errors import InputError, UsageError

SAMPLE_RATE = 16_000  # Hz
N_SAMPLES = 64_000  # four seconds
FAMILIES = ("bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead", "vocal")
SOURCES = ("acoustic", "electronic", "synthetic")
QUALITIES = (
    "bright",
    "dark",
    "distortion",
    "fast_decay",
    "long_release",
    "multiphonic",
    "nonlinear_env",
    "percussive",
    "reverb",
    "tempo-synced",
)


@dataclass(frozen=True)
class Note:
    """The description of one note; `make` and `parse` check it.

    Attributes
    ----------
    note : int
        Its number; unique.
    note_str : str
        Its name, ``family_source_NNN-pitch-velocity``; unique.
    instrument : int
        The instrument's number; unique.
    instrument_str : str
        The instrument's name, ``family_source_NNN``.
    pitch, velocity : int
        MIDI, 0 to 127.
    sample_rate : int
        Hz.
    qualities : tuple of int
        Ten bits in the order of `QUALITIES`.
    qualities_str : tuple of str
        The names of the bits that are set.
    instrument_family, instrument_family_str : int, str
        Index in `FAMILIES`, and the name.
    instrument_source, instrument_source_str : int, str
        Index in `SOURCES`, and the name.
    """

    note: int
    note_str: str
    instrument: int
    instrument_str: str
    pitch: int
    velocity: int
    sample_rate: int
    qualities: tuple[int, ...]
    qualities_str: tuple[str, ...]
    instrument_family: int
    instrument_family_str: str
    instrument_source: int
    instrument_source_str: str

    def document(self) -> dict[str, Any]:
        """Return the note as ``examples.json`` holds it: the thirteen keys with JSON values."""
        return asdict(self) | {"qualities": list(self.qualities), "qualities_str": list(self.qualities_str)}


def make(
    *,
    note: int,
    instrument: int,
    number: int,
    family: str,
    source: str,
    pitch: int,
    velocity: int,
    qualities: tuple[int, ...] = (0,) * len(QUALITIES),
    sample_rate: int = SAMPLE_RATE,
) -> Note:
    """Describe a note and name it as the published ones are named, or raise InputError if a value is out of range.

    Parameters
    ----------
    note, instrument : int
        Their numbers in the data set.
    number : int
        Of the instrument among those of its family and source, 0 to 999.
    qualities : tuple of int
        Ten bits.

    Examples
    --------
    >>> note = make(note=1, instrument=73, number=73, family="flute", source="acoustic", pitch=60, velocity=100)
    >>> note.note_str, note.instrument_family
    ('flute_acoustic_073-060-100', 2)
    """
    for known, name in ((FAMILIES, family), (SOURCES, source)):
        if name not in known:
            raise InputError(f"there is no {name!r}; choose from {', '.join(known)}")
    instrument_str = f"{family}_{source}_{number:03d}"
    return parse(
        {
            "note": note,
            "note_str": f"{instrument_str}-{pitch:03d}-{velocity:03d}",
            "instrument": instrument,
            "instrument_str": instrument_str,
            "pitch": pitch,
            "velocity": velocity,
            "sample_rate": sample_rate,
            "qualities": list(qualities),
            "qualities_str": [name for name, bit in zip(QUALITIES, qualities, strict=True) if bit],
            "instrument_family": FAMILIES.index(family),
            "instrument_family_str": family,
            "instrument_source": SOURCES.index(source),
            "instrument_source_str": source,
        }
    )


def parse(entry: Mapping[str, Any], *, where: str = "") -> Note:
    """Check an entry of ``examples.json``; further keys are ignored, and `where` names the file in messages.

    Raises
    ------
    InputError
        If a key is missing, a value has another type or range, or a number and its name do not agree; the message names
        the note and the key.
    """
    if not isinstance(entry, Mapping):
        raise InputError(f"{where or 'a note'} holds {_short(entry)} where the keys of a note should be")
    name = f"note {entry.get('note_str', '?')!r}" + (f" of {where}" if where else "")
    missing = [field.name for field in fields(Note) if field.name not in entry]
    if missing:
        raise InputError(f"{name} has no {', '.join(missing)}")
    values = {field.name: entry[field.name] for field in fields(Note)}
    for key, value in values.items():
        kind = str if key.endswith("_str") else int
        is_list = isinstance(value, (list, tuple))
        items = value if is_list else [value]
        if is_list != key.startswith("qualities") or any(type(item) is not kind for item in items):
            raise InputError(f"{name}: {key} is {_short(value)}")
    note = Note(**values | {key: tuple(values[key]) for key in ("qualities", "qualities_str")})
    _check(note, name)
    return note


@dataclass(frozen=True)
class NoteFilter:
    """Conditions on a note; None is no condition. The field names are part of the manifests' format.

    Attributes
    ----------
    families, sources : tuple of str or None
        One of these.
    qualities : tuple of str or None
        All of these.
    pitches : tuple of int or None
        Lowest and highest, both included.
    velocities : tuple of int or None
        One of these.
    exclude : frozenset of str
        None of these names.

    Examples
    --------
    >>> note = make(note=1, instrument=73, number=73, family="flute", source="acoustic", pitch=60, velocity=100)
    >>> NoteFilter(families=("flute", "reed"), pitches=(48, 72)).accepts(note)
    True
    """

    families: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    qualities: tuple[str, ...] | None = None
    pitches: tuple[int, int] | None = None
    velocities: tuple[int, ...] | None = None
    exclude: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for key, known in (("families", FAMILIES), ("sources", SOURCES), ("qualities", QUALITIES)):
            unknown = [name for name in getattr(self, key) or () if name not in known]
            if unknown:
                raise UsageError(f"{key}: there is no {unknown[0]!r}; choose from {', '.join(known)}")
        if self.pitches is not None and not 0 <= self.pitches[0] <= self.pitches[1] <= 127:
            raise UsageError(f"pitches are {self.pitches}; they must be two of 0 to 127, the lower one first")
        wrong = [value for value in self.velocities or () if value not in range(128)]
        if wrong:
            raise UsageError(f"there is no velocity {wrong[0]}; MIDI runs from 0 to 127")

    def accepts(self, note: Note) -> bool:
        """Return whether a note meets all conditions."""
        return (
            _is_one_of(note.instrument_family_str, self.families)
            and _is_one_of(note.instrument_source_str, self.sources)
            and _is_one_of(note.velocity, self.velocities)
            and set(self.qualities or ()) <= set(note.qualities_str)
            and (self.pitches is None or self.pitches[0] <= note.pitch <= self.pitches[1])
            and note.note_str not in self.exclude
        )


def read_exclusions(path: str | Path) -> frozenset[str]:
    """Read a list of notes to leave out: a text file with one ``note_str`` per line, or raise InputError.

    Ignored are empty lines, what follows a ``#``, and ``.wav`` at the end of a name.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the list {path}: {error}") from error
    names = (line.partition("#")[0].strip().removesuffix(".wav") for line in lines)
    return frozenset(name for name in names if name)


def examples_text(notes: Iterable[Note]) -> str:
    """Return ``examples.json`` as published: a dictionary by ``note_str``, sorted."""
    return json.dumps({note.note_str: note.document() for note in notes}, indent=2, sort_keys=True) + "\n"


def _check(note: Note, name: str) -> None:
    for key in ("pitch", "velocity"):
        if getattr(note, key) not in range(128):
            raise InputError(f"{name}: {key} is {getattr(note, key)}, MIDI runs from 0 to 127")
    if note.sample_rate < 1 or note.note < 0 or note.instrument < 0:
        raise InputError(
            f"{name}: note {note.note}, instrument {note.instrument}, sample_rate {note.sample_rate}: "
            "numbers below 0, or a rate below 1"
        )
    # The name becomes a file name.
    if not note.note_str or set(note.note_str) & set("/\\\0") or note.note_str.startswith("."):
        raise InputError(f"{name}: note_str cannot be a file name")
    if len(note.qualities) != len(QUALITIES) or not set(note.qualities) <= {0, 1}:
        raise InputError(f"{name}: qualities are {list(note.qualities)}, not {len(QUALITIES)} bits")
    named = {quality for quality, bit in zip(QUALITIES, note.qualities, strict=True) if bit}
    if set(note.qualities_str) != named:
        raise InputError(f"{name}: qualities_str {list(note.qualities_str)} are not the bits of {sorted(named)}")
    for key, known in (("instrument_family", FAMILIES), ("instrument_source", SOURCES)):
        index, text = getattr(note, key), getattr(note, key + "_str")
        if index not in range(len(known)) or known[index] != text:
            raise InputError(f"{name}: {key} {index} is not {text!r}")


def _is_one_of(value: object, allowed: Collection | None) -> bool:
    return allowed is None or value in allowed


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
