"""General MIDI programs as NSynth instruments: family, source and split.

=========  ===================================================================
family     programs
=========  ===================================================================
keyboard   0-7: pianos, electric pianos, harpsichord, clavinet
mallet     8-15, 108 kalimba, 114 steel drums: struck or plucked bars, bells,
           plates and the dulcimer
organ      16 drawbar organ, 19, 20
reed       21-23 free reeds (accordion, harmonica, bandoneon), 64-71 saxophones, oboe,
           English horn, bassoon, clarinet, 109 bagpipe, 111 shanai
guitar     24-30, 104 sitar, 105 banjo, 106 shamisen, 107 koto: plucked strings
bass       32-39
string     40-46 (46 is the harp), 48-51 ensembles, 110 fiddle
vocal      52-54, 85 voice lead, 91 choir pad
brass      56-63
flute      72-79
synth_lead 80-84, 87, 90 polysynth
=========  ===================================================================

Left out: 47 timpani, 55 orchestra hit, 88, 89, 92-95 pads, 96-103 effects, 113 agogo, 115-119 percussion and 120-127
noises fit no family. Left out too, because FluidR3 plays them at another pitch than their key's: 17 and 18, percussive
and rock organ (an octave lower), 31 guitar harmonics (two octaves higher), 86 lead in fifths and 112 tinkle bell (a
semitone).

Electronic is what has a pickup or tone wheels (electric pianos, guitars and basses, clavinet, drawbar organ), synthetic
what General MIDI calls a synth, lead or pad; the rest is acoustic.

Programs of a SoundFont often share recordings: FluidR3's three acoustic pianos do, and its violin and fiddle. A test
instrument that shares recordings with a training instrument is not unseen, so that such programs stay in one split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from wavecore.datasets.nsynth.note import FAMILIES
from wavecore.datasets.splits import SPLITS

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
# The drawbar and the church organ sound octaves and fifths of the key's pitch with it; harpsichord, reed organ, violin
# and flute are domains of the shipped translation model, from which the shipped autoencoder was fine-tuned.
_TRAINING_ONLY = {16, 19, 6, 20, 40, 73}
# Chosen, before any training, by the instruments that it puts into test (harpsichord, French horn, alto saxophone,
# jazz guitar, ...): other salts test guitars by the sitar and flutes by the whistle.
_SALT = "b"
MIN_GROUPS = 3
"""A family with fewer groups is used for training only."""


@dataclass(frozen=True)
class Program:
    """A General MIDI program as an NSynth instrument. The field names are part of the manifests' format.

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


def group_by_recordings(recordings: Mapping[int, frozenset[int]], programs: Iterable[int]) -> list[tuple[int, ...]]:
    """Group programs that share a recording, directly or through others; groups and their members ascend.

    Examples
    --------
    >>> group_by_recordings({0: frozenset({1, 2}), 1: frozenset({2}), 2: frozenset({3})}, [0, 1, 2])
    [(0, 1), (2,)]
    """
    groups: list[tuple[set[int], set[int]]] = []
    for program in sorted(set(programs)):
        members, shared = {program}, set(recordings.get(program, ()))
        separate = []
        for other_members, other_recordings in groups:
            if shared & other_recordings:
                members |= other_members
                shared |= other_recordings
            else:
                separate.append((other_members, other_recordings))
        groups = [*separate, (members, shared)]
    return sorted(tuple(sorted(members)) for members, _ in groups)


def assign_splits(groups: Iterable[tuple[int, ...]], *, salt: str = _SALT) -> dict[int, str]:
    """Choose which programs are for training, for validation and for testing.

    Groups stay together. Every family of at least three groups gets one in test and one in valid, as far as there are
    groups that may be held out (no organ may); small groups are taken first, so that most programs are for training,
    and a hash decides between equals.

    Examples
    --------
    >>> splits = assign_splits([(72,), (73,), (74,), (75,), (76,)])
    >>> sorted(splits.values())
    ['test', 'train', 'train', 'train', 'valid']
    """
    families = {program.number: program.family for program in PROGRAMS}
    groups = sorted(groups, key=lambda group: (len(group), _digest(salt, group)))
    families_of = {group: {families[number] for number in group if number in families} for group in groups}
    split = dict.fromkeys(groups, SPLITS[0])
    n_groups = {family: sum(family in members for members in families_of.values()) for family in FAMILIES}
    # Families with few groups choose first: they have the least to choose from.
    for family in sorted(FAMILIES, key=lambda name: (n_groups[name], name)):
        if n_groups[family] < MIN_GROUPS:
            continue
        for kind in ("test", "valid"):
            of_family = [group for group in groups if family in families_of[group]]
            for_training = [group for group in of_family if split[group] == SPLITS[0]]
            free = [group for group in for_training if _TRAINING_ONLY.isdisjoint(group)]
            if free and len(for_training) > 1 and all(split[group] != kind for group in of_family):
                split[free[0]] = kind
    return {number: split[group] for group in groups for number in group}


def _digest(salt: str, group: tuple[int, ...]) -> str:
    return hashlib.sha256(f"{salt} {group}".encode()).hexdigest()
