"""General MIDI programs as NSynth instruments: family, source and split.

=========  ===================================================================
family     programs
=========  ===================================================================
keyboard   0-7: pianos, electric pianos, harpsichord, clavinet
mallet     8-15, 108 kalimba, 114 steel drums: struck or
           plucked bars, bells, plates and the dulcimer
organ      16 drawbar organ, 19, 20
reed       21-23 free reeds (accordion, harmonica, bandoneon), 64-71 saxophones,
           oboe, English horn, bassoon, clarinet, 109 bagpipe, 111 shanai
guitar     24-30, 104 sitar, 105 banjo, 106 shamisen, 107 koto: plucked strings
bass       32-39
string     40-46 (46 is the harp), 48-51 ensembles, 110 fiddle
vocal      52-54, 85 voice lead, 91 choir pad
brass      56-63
flute      72-79
synth_lead 80-84, 87, 90 polysynth
=========  ===================================================================

Left out: 47 timpani, 55 orchestra hit, 88, 89, 92-95 pads, 96-103 effects, 113
agogo, 115-119 percussion and 120-127 noises fit no family.  Left out too, because in
FluidR3 they sound another pitch than their key's: 17 and 18, percussive and rock organ
(an octave lower), 31 guitar harmonics (two octaves higher), 86 lead in fifths and 112
tinkle bell (a semitone).

Some may be learnt from but do not judge: the drawbar and the church organ, which sound octaves
and fifths of the key's pitch with it, and the programs of the translation domains (harpsichord,
reed organ, violin, flute), since the shipped autoencoder starts from the shipped translation model.

Electronic is what has a pickup or tone wheels (electric pianos, guitars and
basses, clavinet, drawbar organ), synthetic what General
MIDI calls a synth, lead or pad; the rest is acoustic.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from wavecore.datasets.nsynth.note import FAMILIES, SPLITS

_MEMBERS = {
    "bass": (*range(32, 40),),
    "brass": (*range(56, 64),),
    "flute": (*range(72, 80),),
    "guitar": (*range(24, 31), 104, 105, 106, 107),
    "keyboard": (*range(8),),
    "mallet": (*range(8, 16), 108, 114),
    "organ": (16, 19, 20),
    "reed": (21, 22, 23, *range(64, 72), 109, 111),
    "string": (*range(40, 47), *range(48, 52), 110),
    "synth_lead": (*range(80, 85), 87, 90),
    "vocal": (52, 53, 54, 85, 91),
}
_ELECTRONIC = {2, 4, 5, 7, 16, *range(26, 31), *range(33, 38)}
_SYNTHETIC = {38, 39, 50, 51, 54, 62, 63, *range(80, 88), 90, 91}
_NEVER_HELD_OUT = {16, 19, 6, 20, 40, 73}
# Chosen by the names it puts into test (harpsichord, French horn, alto saxophone, jazz guitar, ...), before
# anything was trained: other salts test guitars by the sitar and flutes by the whistle.
_SALT = "b"
# Fewer groups than this and one is not taken from training for each of the others.
LEAST_GROUPS = 3


@dataclass(frozen=True)
class Program:
    """A General MIDI program as an NSynth instrument.

    Attributes
    ----------
    number : int
        0 to 119.
    family, source : str
        Of NSynth's.
    """

    number: int
    family: str
    source: str

    @property
    def name(self) -> str:
        """The instrument's name, ``family_source_NNN``; NNN is the program's number."""
        return f"{self.family}_{self.source}_{self.number:03d}"


PROGRAMS = tuple(
    Program(
        number,
        family,
        "electronic" if number in _ELECTRONIC else "synthetic" if number in _SYNTHETIC else "acoustic",
    )
    for family in FAMILIES
    for number in _MEMBERS[family]
)


def assign_splits(groups: Iterable[tuple[int, ...]], *, salt: str = _SALT) -> dict[int, str]:
    """Choose which programs are for training, which to validate and which to test.

    Kin stays together.  Every family that has at least three groups gets one in test and one in
    valid, as far as there are groups that may be held out (no organ may); small groups go first,
    so that training keeps most, and among equals a hash decides.

    Parameters
    ----------
    groups : iterable of tuple of int
        Programs that share recordings, from `wavecore.datasets.notes.soundfont_samples.kin`.
    salt : str
        Another one gives another choice.

    Returns
    -------
    dict of int to str
        ``train``, ``valid`` or ``test`` for every program; the same at every call.
    """
    families = {program.number: program.family for program in PROGRAMS}
    groups = sorted(groups, key=lambda group: (len(group), _digest(salt, group)))
    holds = {group: {families[number] for number in group if number in families} for group in groups}
    split = {group: SPLITS[0] for group in groups}
    n_groups = {family: sum(family in found for found in holds.values()) for family in FAMILIES}
    # Families with few groups choose first: they have the least to choose from.
    for family in sorted(FAMILIES, key=lambda name: (n_groups[name], name)):
        if n_groups[family] < LEAST_GROUPS:
            continue
        for kind in ("test", "valid"):
            free = [group for group in groups if family in holds[group] and _may_be_held_out(group, split)]
            taken = any(family in holds[group] and split[group] == kind for group in groups)
            kept = sum(family in holds[group] and split[group] == SPLITS[0] for group in groups)
            if free and not taken and kept > 1:
                split[free[0]] = kind
    return {number: split[group] for group in groups for number in group}


def _may_be_held_out(group: tuple[int, ...], split: dict[tuple[int, ...], str]) -> bool:
    return split[group] == SPLITS[0] and _NEVER_HELD_OUT.isdisjoint(group)


def _digest(salt: str, group: tuple[int, ...]) -> str:
    return hashlib.sha256(f"{salt} {group}".encode()).hexdigest()
