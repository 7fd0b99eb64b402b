"""What NSynth says of a note: the thirteen keys of ``examples.json``, read and checked.

A family, a source and a quality are numbers and names at once; both must be
there and agree.  ``qualities`` holds one bit per name of `QUALITIES`.

References
----------
Engel et al., "Neural audio synthesis of musical notes with WaveNet
autoencoders", arXiv 1704.01279, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from wavecore.errors import InputError

SAMPLE_RATE = 16_000  # Hz
N_SAMPLES = 64_000  # four seconds
SPLITS = ("train", "valid", "test")
FAMILIES = (
    "bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead",
    "vocal",
)  # fmt: skip
SOURCES = ("acoustic", "electronic", "synthetic")
QUALITIES = (
    "bright", "dark", "distortion", "fast_decay", "long_release", "multiphonic", "nonlinear_env",
    "percussive", "reverb", "tempo-synced",
)  # fmt: skip


@dataclass(frozen=True)
class Note:
    """One note of the data set.

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
    pitch : int
        MIDI, 0 to 127.
    velocity : int
        MIDI, 0 to 127.
    sample_rate : int
        Hz.
    qualities : tuple of int
        Ten bits in the order of `QUALITIES`.
    qualities_str : tuple of str
        The names of the bits that are set.
    instrument_family : int
        Index in `FAMILIES`.
    instrument_source : int
        Index in `SOURCES`.
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
        """Return the note as ``examples.json`` holds it.

        Returns
        -------
        dict
            The thirteen keys, JSON values only.
        """
        found = asdict(self)
        return found | {"qualities": list(self.qualities), "qualities_str": list(self.qualities_str)}


def make(
    *, note: int, instrument: int, number: int, family: str, source: str, pitch: int, velocity: int,
    qualities: tuple[int, ...] = (0,) * len(QUALITIES), sample_rate: int = SAMPLE_RATE,
) -> Note:  # fmt: skip
    """Make a note with its names, in the published way.

    Parameters
    ----------
    note, instrument : int
        Their numbers in the data set.
    number : int
        Of the instrument among those of its family and source, 0 to 999.
    family, source : str
        Of `FAMILIES` and `SOURCES`.
    pitch, velocity : int
        MIDI.
    qualities : tuple of int
        Ten bits.
    sample_rate : int
        Hz.

    Raises
    ------
    InputError
        If a value is out of range.
    """
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
            "instrument_family": _index(FAMILIES, family),
            "instrument_family_str": family,
            "instrument_source": _index(SOURCES, source),
            "instrument_source_str": source,
        }
    )


def parse(entry: Mapping[str, Any], *, where: str = "") -> Note:
    """Check an entry of ``examples.json``.

    Parameters
    ----------
    entry : mapping
        JSON values; keys beyond the thirteen are left out.
    where : str
        The file, for messages.

    Raises
    ------
    InputError
        If a key is missing, a value has another type or range, or a number
        and its name do not agree; the message names the note and the key.
    """
    if not isinstance(entry, Mapping):
        raise InputError(f"{where or 'a note'} holds {_short(entry)} where a note was wanted")
    name = f"note {entry.get('note_str', '?')!r}" + (f" of {where}" if where else "")
    missing = [field.name for field in fields(Note) if field.name not in entry]
    if missing:
        raise InputError(f"{name} has no {', '.join(missing)}")
    values = {field.name: entry[field.name] for field in fields(Note)}
    for key, value in values.items():
        kind = str if key.endswith("_str") else int
        many = key.startswith("qualities")
        items = value if many and isinstance(value, (list, tuple)) else [value]
        if many != isinstance(value, (list, tuple)) or any(type(item) is not kind for item in items):
            raise InputError(f"{name}: {key} is {_short(value)}")
    values |= {key: tuple(values[key]) for key in ("qualities", "qualities_str")}
    note = Note(**values)
    _check(note, name)
    return note


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
        raise InputError(f"{name}: qualities are {list(note.qualities)}, wanted {len(QUALITIES)} bits")
    named = {quality for quality, bit in zip(QUALITIES, note.qualities, strict=True) if bit}
    if set(note.qualities_str) != named:
        raise InputError(f"{name}: qualities_str {list(note.qualities_str)} are not the bits of {sorted(named)}")
    for key, known in (("instrument_family", FAMILIES), ("instrument_source", SOURCES)):
        index, text = getattr(note, key), getattr(note, key + "_str")
        if index not in range(len(known)) or known[index] != text:
            raise InputError(f"{name}: {key} {index} is not {text!r}")


def _index(known: tuple[str, ...], name: str) -> int:
    if name not in known:
        raise InputError(f"there is no {name!r}; choose from {', '.join(known)}")
    return known.index(name)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
