"""MuseNet's ten instruments, and which of them plays a part.

A part is given to an instrument by its General MIDI program:

==========  ======================================================================================
instrument  programs
==========  ======================================================================================
piano       0-7 pianos and harpsichords, 16-20 organs: what has a keyboard
violin      40 violin, 41 viola, 44 tremolo, 110 fiddle
cello       42
bass        32-39 basses, 43 double bass, 47 timpani
guitar      24-31, and the plucked strings 104-107
flute       72-79 pipes, 80-84, 86 and 87 synthesised leads
clarinet    64-71 reeds, 21-23 free reeds, 109 bagpipe, 111 shanai
trumpet     56-63 brass
harp        46, and what is struck and dies away: 8-15 bells and bars, 45 pizzicato, 108, 112-119
==========  ======================================================================================

What has no range of its own (48-55 ensembles and voices, 85 voice lead, 88-95 pads, 96-103 effects)
goes to the violin if its notes lie at `VIOLIN_FROM` or higher on the average, else to the cello.  A part
that is for drums is played by the drums, whatever its program; noises, 120-127, are left out.
"""

from __future__ import annotations

from wavecore.errors import UsageError
from wavecore.symbolic.song import Part

INSTRUMENTS = ("piano", "violin", "cello", "bass", "guitar", "flute", "clarinet", "trumpet", "harp", "drums")
PROGRAM_OF = {
    "piano": 0,
    "violin": 40,
    "cello": 42,
    "bass": 32,
    "guitar": 24,
    "flute": 73,
    "clarinet": 71,
    "trumpet": 56,
    "harp": 46,
    "drums": 0,
}
"""The General MIDI program with which an instrument is written."""
VIOLIN_FROM = 60.0
"""MIDI number, middle C."""

_PLAYED = {
    "piano": (*range(8), *range(16, 21)),
    "violin": (40, 41, 44, 110),
    "cello": (42,),
    "bass": (*range(32, 40), 43, 47),
    "guitar": (*range(24, 32), *range(104, 108)),
    "flute": (*range(72, 85), 86, 87),
    "clarinet": (*range(21, 24), *range(64, 72), 109, 111),
    "trumpet": (*range(56, 64),),
    "harp": (*range(8, 16), 45, 46, 108, *range(112, 120)),
}
_PLAYER = {program: name for name, programs in _PLAYED.items() for program in programs}
_NOISES = range(120, 128)


def instrument_of(part: Part) -> str | None:
    """Say who plays a part.

    Returns
    -------
    str or None
        One of ``INSTRUMENTS``; None if the part is left out: noises, and parts without notes.
    """
    if not part.events or (not part.is_drum and part.program in _NOISES):
        return None
    if part.is_drum:
        return "drums"
    if part.program in _PLAYER:
        return _PLAYER[part.program]
    mean = sum(event.pitch for event in part.events) / len(part.events)
    return "violin" if mean >= VIOLIN_FROM else "cello"


def ordered(names: tuple[str, ...] | list[str] | set[str]) -> tuple[str, ...]:
    """Put instruments in the order of ``INSTRUMENTS``, each once.

    Raises
    ------
    UsageError
        If one is none of the ten.
    """
    unknown = sorted(set(names) - set(INSTRUMENTS))
    if unknown:
        raise UsageError(f"there is no instrument {unknown[0]!r}; MuseNet has {', '.join(INSTRUMENTS)}")
    return tuple(name for name in INSTRUMENTS if name in names)
