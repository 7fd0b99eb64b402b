"""``tf.train.Example`` in protobuf's wire format: a dictionary of lists.

Messages, with field numbers::

    Example    { Features features = 1 }
    Features   { map<string, Feature> feature = 1 }   entries { key = 1, value = 2 }
    Feature    { BytesList = 1 | FloatList = 2 | Int64List = 3 }
    *List      { repeated value = 1 }

Lists of numbers may be packed (one field with all) or not (a field each); both
are read, packed ones written.  Unknown fields are passed over, as protobuf asks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

import numpy as np

from wavecore.errors import InputError

Value = list[bytes] | list[int] | np.ndarray

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3


def encode(features: Mapping[str, Value]) -> bytes:
    """Write features as an Example.

    Returns
    -------
    bytes
        The same for the same features: keys are sorted.
    """
    entries = (_field(1, _field(1, name.encode()) + _field(2, _feature(features[name]))) for name in sorted(features))
    return _field(1, b"".join(entries))


def decode(data: bytes, *, where: str) -> dict[str, Value]:
    """Read an Example.

    Parameters
    ----------
    where : str
        For messages.

    Returns
    -------
    dict of str to list of bytes, list of int, or ndarray of shape (n,), float32
        By the kind of the feature; one that was never set is an empty list.

    Raises
    ------
    InputError
        If the bytes are no Example.
    """
    try:
        found = {}
        for number, features in _fields(data, {1: _BYTES}):
            for inner, entry in _fields(features, {1: _BYTES}) if number == 1 else ():
                if inner == 1:
                    name, value = _entry(entry)
                    found[name] = value
        return found
    except (ValueError, struct.error) as error:  # UnicodeDecodeError among them
        raise InputError(f"{where} is no tf.train.Example: {error}") from error


def _feature(value: Value) -> bytes:
    if isinstance(value, np.ndarray):
        return _field(_FLOAT_LIST, _field(1, value.astype("<f4").tobytes()) if value.size else b"")
    if value and isinstance(value[0], bytes):
        return _field(_BYTES_LIST, b"".join(_field(1, item) for item in value))
    packed = b"".join(_varint(item % 2**64) for item in value)
    # An empty list of numbers and one of bytes look alike, as they do in protobuf.
    return _field(_INT64_LIST, _field(1, packed)) if value else b""


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _entry(data: bytes) -> tuple[str, Value]:
    """One entry of the map; a missing half is empty."""
    name, value = "", []
    for number, part in _fields(data, {1: _BYTES, 2: _BYTES}):
        if number == 1:
            name = part.decode("utf-8")
        elif number == 2:
            value = _read_feature(part)
    return name, value


def _read_feature(data: bytes) -> Value:
    found: Value = []
    for number, part in _fields(data, {_BYTES_LIST: _BYTES, _FLOAT_LIST: _BYTES, _INT64_LIST: _BYTES}):
        if number == _BYTES_LIST:
            found = [item for inner, item in _fields(part, {1: _BYTES}) if inner == 1]
        elif number == _FLOAT_LIST:
            found = _read_floats(part)
        elif number == _INT64_LIST:
            found = _read_integers(part)
    return found


def _read_floats(data: bytes) -> np.ndarray:
    """Packed floats and single ones in their order."""
    packed = [item for number, item in _fields(data, {}) if number == 1]
    joined = b"".join(item if isinstance(item, bytes) else struct.pack("<Q", item) for item in packed)
    if any(not isinstance(item, bytes) for item in packed) or len(joined) % 4:
        raise ValueError(f"a list of floats has {len(joined)} bytes")
    return np.frombuffer(joined, "<f4").astype(np.float32)


def _read_integers(data: bytes) -> list[int]:
    """Packed integers and single ones in their order."""
    found = []
    for number, item in _fields(data, {}):
        if number != 1:
            continue
        if isinstance(item, bytes):
            at = 0
            while at < len(item):
                value, at = _read_varint(item, at)
                found.append(value)
        else:
            found.append(item)
    return [value - 2**64 if value >= 2**63 else value for value in found]


def _fields(data: bytes, wanted: Mapping[int, int]) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a message; those in `wanted` must have that wire type."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if number == 0 or wanted.get(number, kind) != kind:
            raise ValueError(f"field {number} has wire type {kind} at byte {at}")
        if kind == _VARINT:
            value, at = _read_varint(data, at)
        else:
            value, at = _read_bytes(data, at, kind)
        yield number, value


def _read_bytes(data: bytes, at: int, kind: int) -> tuple[bytes, int]:
    if kind == _BYTES:
        size, at = _read_varint(data, at)
    elif kind in (_FIXED32, _FIXED64):
        size = 4 if kind == _FIXED32 else 8
    else:
        raise ValueError(f"wire type {kind} at byte {at}")
    if at + size > len(data):
        raise ValueError(f"{size} bytes are announced at byte {at} of {len(data)}")
    return data[at : at + size], at + size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("it ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 2**64:
                raise ValueError(f"a number of more than 64 bits before byte {at}")
            return value, at
    raise ValueError(f"a number of more than ten bytes before byte {at}")
