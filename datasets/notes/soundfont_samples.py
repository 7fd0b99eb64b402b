"""Which recordings the programs of a SoundFont share.

Programs of a SoundFont are often one set of recordings under several names:
FluidR3's three acoustic pianos are, and its violin and fiddle.  A test
instrument that shares recordings with a training instrument is not unseen, so
a split must keep such kin together.

References
----------
SoundFont Technical Specification 2.01, section 7: the ``pdta`` chunk's lists of
presets, instruments, their zones and generators.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from wavecore.errors import InputError

_INSTRUMENT, _SAMPLE = 41, 53  # generators that name an instrument, and a recording
_RECORDS = {
    b"phdr": "<20sHHH12x",
    b"pbag": "<HH",
    b"pgen": "<HH",
    b"inst": "<20sH",
    b"ibag": "<HH",
    b"igen": "<HH",
}


def samples_of_programs(path: str | Path, *, bank: int = 0) -> dict[int, frozenset[int]]:
    """List the recordings that each program plays.

    Parameters
    ----------
    path : str or Path
        An .sf2 or .sf3 file.
    bank : int
        MIDI bank.

    Returns
    -------
    dict of int to frozenset of int
        Numbers of recordings, by program.

    Raises
    ------
    InputError
        If the file is no SoundFont.
    """
    try:
        tables = _tables(Path(path))
        return _collect(tables, bank)
    except (OSError, struct.error, KeyError, IndexError) as error:
        raise InputError(f"{path} is not a SoundFont whose programs can be listed ({error!r})") from error


def kin(samples: dict[int, frozenset[int]], programs: Iterable[int]) -> list[tuple[int, ...]]:
    """Group programs that share a recording, directly or through others.

    Parameters
    ----------
    samples : dict of int to frozenset of int
        From `samples_of_programs`.
    programs : iterable of int
        Those to group; one that has no samples is alone.

    Returns
    -------
    list of tuple of int
        Every program in exactly one group; groups and members ascending.
    """
    groups: list[tuple[set[int], set[int]]] = []
    for program in sorted(set(programs)):
        members, recordings = {program}, set(samples.get(program, ()))
        apart = []
        for other_members, other_recordings in groups:
            if recordings & other_recordings:
                members |= other_members
                recordings |= other_recordings
            else:
                apart.append((other_members, other_recordings))
        groups = [*apart, (members, recordings)]
    return sorted(tuple(sorted(members)) for members, _ in groups)


def _tables(path: Path) -> dict[bytes, list[tuple]]:
    """The records of the pdta lists; recordings themselves are skipped over."""
    with path.open("rb") as file:
        form, _, kind = struct.unpack("<4sI4s", file.read(12))
        if (form, kind) != (b"RIFF", b"sfbk"):
            raise KeyError("no RIFF sfbk header")
        while True:
            name, size = struct.unpack("<4sI", file.read(8))
            if name == b"LIST" and file.read(4) == b"pdta":
                return _records(file.read(size - 4))
            file.seek(size - (4 if name == b"LIST" else 0) + size % 2, 1)


def _records(data: bytes) -> dict[bytes, list[tuple]]:
    found, at = {}, 0
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        if name in _RECORDS:
            width = struct.calcsize(_RECORDS[name])
            found[name] = list(struct.iter_unpack(_RECORDS[name], data[at + 8 : at + 8 + size // width * width]))
        at += 8 + size + size % 2
    return found


def _collect(tables: dict[bytes, list[tuple]], bank: int) -> dict[int, frozenset[int]]:
    """Follow presets to instruments to recordings; each list ends in a record that only closes it."""
    instruments = []
    for (_, first), (_, last) in zip(tables[b"inst"], tables[b"inst"][1:], strict=False):
        instruments.append(_named(tables[b"ibag"], tables[b"igen"], first, last, _SAMPLE))
    found: dict[int, frozenset[int]] = {}
    for preset, following in zip(tables[b"phdr"], tables[b"phdr"][1:], strict=False):
        _, program, its_bank, first = preset
        if its_bank == bank:
            used = _named(tables[b"pbag"], tables[b"pgen"], first, following[3], _INSTRUMENT)
            found[program] = frozenset().union(*(instruments[number] for number in used))
    return found


def _named(bags: list[tuple], generators: list[tuple], first: int, last: int, wanted: int) -> frozenset[int]:
    """What the generators of zones `first` to `last` name."""
    return frozenset(amount for kind, amount in generators[bags[first][0] : bags[last][0]] if kind == wanted)
