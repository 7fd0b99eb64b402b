"""MuseNet's ten instruments, and which of them plays a part by its General MIDI program."""

from __future__ import annotations

from collections.abc import Iterable

from wavecore.errors import UsageError
from wavecore.symbolic.song import Part

INSTRUMENTS = ("piano", "violin", "cello", "bass", "guitar", "flute", "clarinet", "trumpet", "harp", "drums")
PROGRAM_OF = dict(zip(INSTRUMENTS, (0, 40, 42, 32, 24, 73, 71, 56, 46, 0), strict=True))
"""The General MIDI program with which an instrument is written."""
VIOLIN_FROM = 60.0
"""MIDI note number, middle C: parts for ensembles, voices, pads and effects (48-55, 85, 88-103), which have no register
of their own, are played by the violin if their mean pitch is this or higher, else by the cello."""

_PROGRAMS = {
    "piano": (*range(8), *range(16, 21)),  # pianos, harpsichords, organs
    "violin": (40, 41, 44, 110),  # with viola, tremolo strings and fiddle
    "cello": (42,),
    "bass": (*range(32, 40), 43, 47),  # with double bass and timpani
    "guitar": (*range(24, 32), *range(104, 108)),  # with other plucked strings
    "flute": (*range(72, 85), 86, 87),  # with pipes and synthesized leads
    "clarinet": (*range(21, 24), *range(64, 72), 109, 111),  # with reeds, free reeds, bagpipe and shanai
    "trumpet": (*range(56, 64),),  # all brass
    "harp": (*range(8, 16), 45, 46, 108, *range(112, 120)),  # with struck sounds that decay: bells, bars, pizzicato
}
_INSTRUMENT_OF = {program: name for name, programs in _PROGRAMS.items() for program in programs}
_NOISES = range(120, 128)


def instrument_of(part: Part) -> str | None:
    """Return the instrument that plays a part; None for a part of sound effects or without notes."""
    if not part.events or (not part.is_drum and part.program in _NOISES):
        return None
    if part.is_drum:
        return "drums"
    if part.program in _INSTRUMENT_OF:
        return _INSTRUMENT_OF[part.program]
    mean = sum(event.pitch for event in part.events) / len(part.events)
    return "violin" if mean >= VIOLIN_FROM else "cello"


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Sort instruments as in ``INSTRUMENTS``, each once; raise UsageError for an unknown one."""
    names = set(names)
    unknown = sorted(names - set(INSTRUMENTS))
    if unknown:
        raise UsageError(f"there is no instrument {unknown[0]!r}; MuseNet has {', '.join(INSTRUMENTS)}")
    return tuple(name for name in INSTRUMENTS if name in names)
