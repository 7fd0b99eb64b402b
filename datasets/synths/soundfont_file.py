"""Which recordings the programs of a SoundFont play.

References
----------
SoundFont Technical Specification 2.01, section 7: the ``pdta`` chunk's lists of presets, instruments, their zones and
generators.
"""

from __future__ import annotations

import struct
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


def recordings_by_program(path: str | Path, *, bank: int = 0) -> dict[int, frozenset[int]]:
    """Return the numbers of the recordings that each program of a bank plays, or raise InputError."""
    try:
        return _collect(_read_tables(Path(path)), bank)
    except (OSError, struct.error, LookupError) as error:
        raise InputError(f"{path} is not a SoundFont whose programs can be listed ({error!r})") from error


def _read_tables(path: Path) -> dict[bytes, list[tuple]]:
    """Read the records of the pdta lists; the recordings themselves are skipped."""
    with path.open("rb") as file:
        form, _, kind = struct.unpack("<4sI4s", file.read(12))
        if (form, kind) != (b"RIFF", b"sfbk"):
            raise KeyError("no RIFF sfbk header")
        while True:
            name, size = struct.unpack("<4sI", file.read(8))
            if name == b"LIST" and file.read(4) == b"pdta":
                return _parse_records(file.read(size - 4))
            file.seek(size - (4 if name == b"LIST" else 0) + size % 2, 1)


def _parse_records(data: bytes) -> dict[bytes, list[tuple]]:
    tables, position = {}, 0
    while position + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, position)
        if name in _RECORDS:
            width = struct.calcsize(_RECORDS[name])
            body = data[position + 8 : position + 8 + size // width * width]
            tables[name] = list(struct.iter_unpack(_RECORDS[name], body))
        position += 8 + size + size % 2
    return tables


def _collect(tables: dict[bytes, list[tuple]], bank: int) -> dict[int, frozenset[int]]:
    """Follow presets to instruments to recordings; the last record of each list only closes it."""
    instruments = []
    for (_, first), (_, last) in zip(tables[b"inst"], tables[b"inst"][1:], strict=False):
        instruments.append(_amounts(tables[b"ibag"], tables[b"igen"], first, last, _SAMPLE))
    recordings: dict[int, frozenset[int]] = {}
    for preset, following in zip(tables[b"phdr"], tables[b"phdr"][1:], strict=False):
        _, program, its_bank, first = preset
        if its_bank == bank:
            used = _amounts(tables[b"pbag"], tables[b"pgen"], first, following[3], _INSTRUMENT)
            recordings[program] = frozenset().union(*(instruments[number] for number in used))
    return recordings


def _amounts(bags: list[tuple], generators: list[tuple], first: int, last: int, kind: int) -> frozenset[int]:
    """Return the amounts of all generators of one kind in the zones `first` to `last`."""
    return frozenset(amount for number, amount in generators[bags[first][0] : bags[last][0]] if number == kind)
