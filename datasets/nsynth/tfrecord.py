"""TFRecord files without TensorFlow: the frames, and the checksums around them.

A record is its length (8 bytes), the length's masked CRC-32C, the data, and
the data's masked CRC-32C, all little-endian.  What the data mean is
`wavecore.datasets.nsynth.tf_example`'s affair.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from wavecore.datasets.nsynth.crc32c import masked_crc32c
from wavecore.errors import InputError

# An NSynth record has 256 kB; a length beyond this is damage that the checksum happened to pass, or malice.
LARGEST_RECORD = 64 * 2**20


def write_records(file: BinaryIO, records: Iterable[bytes]) -> int:
    """Write records one after the other.

    Returns
    -------
    int
        How many there were.
    """
    count = 0
    for record in records:
        length = struct.pack("<Q", len(record))
        file.write(length + struct.pack("<I", masked_crc32c(length)))
        file.write(record + struct.pack("<I", masked_crc32c(record)))
        count += 1
    return count


def read_records(path: str | Path) -> Iterator[bytes]:
    """Read the records of a file one by one.

    Yields
    ------
    bytes
        A record's data.

    Raises
    ------
    InputError
        If a checksum is wrong or the file ends within a record; the message
        names the file, the record and its place.
    """
    try:
        with Path(path).open("rb") as file:
            number = 0
            while (record := _read_one(file, f"{path}, record {number} at byte {file.tell()}")) is not None:
                yield record
                number += 1
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _read_one(file: BinaryIO, where: str) -> bytes | None:
    """The next record, or None at the end."""
    head = file.read(12)
    if not head:
        return None
    if len(head) < 12:
        raise InputError(f"{where}: the file ends within the length ({len(head)} of 12 bytes); get it again")
    length, check = struct.unpack("<QI", head)
    if masked_crc32c(head[:8]) != check:
        raise InputError(f"{where}: the length's checksum is wrong; this is no TFRecord file, or it is damaged")
    if length > LARGEST_RECORD:
        raise InputError(f"{where}: {length:,} bytes are announced, at most {LARGEST_RECORD:,} are read")
    data, tail = file.read(length), file.read(4)
    if len(data) + len(tail) < length + 4:
        raise InputError(f"{where}: the file ends {length + 4 - len(data) - len(tail)} bytes early; get it again")
    if masked_crc32c(data) != struct.unpack("<I", tail)[0]:
        raise InputError(f"{where}: the data's checksum is wrong; the file is damaged, get it again")
    return data
