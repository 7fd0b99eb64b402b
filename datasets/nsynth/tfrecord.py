"""TFRecord files of ``tf.train.Example`` without TensorFlow.

A record is its length (8 bytes), the length's masked CRC-32C, the data, and the data's masked CRC-32C, all
little-endian. The data are a dictionary of lists in protobuf's wire format. The extra ``data`` installs the libraries
for both, crc32c and protobuf.

References
----------
TensorFlow, "TFRecord and tf.train.Example", and ``tensorflow/core/example/feature.proto``.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from wavecore.errors import InputError, UsageError

MAX_RECORD = 64 * 2**20
"""Largest record in bytes; NSynth's have 256 kB. A greater length is damage that the checksum missed, or malice."""
MASK_DELTA = 0xA282EAD8

Value = list[bytes] | list[int] | np.ndarray


def read_records(path: str | Path) -> Iterator[bytes]:
    """Yield the data of a file's records, or raise InputError where a checksum is wrong or the file is cut."""
    try:
        with Path(path).open("rb") as file:
            number = 0
            while (record := _read_record(file, f"{path}, record {number} at byte {file.tell()}")) is not None:
                yield record
                number += 1
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def decode_example(data: bytes, *, where: str) -> dict[str, Value]:
    """Read a ``tf.train.Example``, or raise InputError if the bytes are none.

    Returns
    -------
    dict of str to list of bytes, list of int, or ndarray of shape (n,), float32
        By the kind of the feature; one that was never set is an empty list.
    """
    example = example_class()()
    from google.protobuf.message import DecodeError

    try:
        example.ParseFromString(data)
    except DecodeError as error:
        raise InputError(f"{where} is no tf.train.Example: {error}") from error
    features: dict[str, Value] = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        values = getattr(feature, kind).value if kind else ()
        if kind == "float_list":
            # Serialized, the list ends with its packed values; converting 64,000 Python floats is 40 times slower.
            packed = feature.float_list.SerializeToString()
            features[name] = np.frombuffer(packed[len(packed) - 4 * len(values) :], "<f4").astype(np.float32)
        else:
            features[name] = list(values)
    return features


def masked_crc32c(data: bytes) -> int:
    """Compute a CRC-32C as TFRecord stores it: rotated by 15 bits, and a constant added."""
    try:
        from crc32c import crc32c
    except ImportError as error:
        raise UsageError("TFRecord files need crc32c: pip install 'wavecore[data]'") from error
    value = crc32c(data)
    return ((value >> 15 | value << 17) + MASK_DELTA) & 0xFFFFFFFF


@functools.cache
def example_class() -> type[Any]:
    """Build the message class of ``tf.train.Example``, as ``feature.proto`` defines it."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
    except ImportError as error:
        raise UsageError("TFRecord files need protobuf: pip install 'wavecore[data]'") from error
    feature = _message("Feature", bytes_list="BytesList", float_list="FloatList", int64_list="Int64List")
    feature["oneofDecl"] = [{"name": "kind"}]
    for field in feature["field"]:
        field["oneofIndex"] = 0
    entry = _message("FeatureEntry", key="string", value="Feature") | {"options": {"mapEntry": True}}
    messages = [
        _message("BytesList", value="repeated bytes"),
        _message("FloatList", value="repeated float"),
        _message("Int64List", value="repeated int64"),
        feature,
        _message("Features", feature="repeated Features.FeatureEntry") | {"nestedType": [entry]},
        _message("Example", features="Features"),
    ]
    file = {"name": "wavecore/example.proto", "package": "wavecore", "syntax": "proto3", "messageType": messages}
    # A pool of its own: TensorFlow, where it is imported too, registers its messages in the common one.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(json_format.ParseDict(file, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("wavecore.Example"))


def _message(name: str, **fields: str) -> dict[str, Any]:
    """Describe a protobuf message in JSON; its fields are numbered from 1 and have types as in a ``.proto`` file."""
    described = []
    for number, (field, kind) in enumerate(fields.items(), 1):
        label = "LABEL_REPEATED" if kind.startswith("repeated ") else "LABEL_OPTIONAL"
        kind = kind.removeprefix("repeated ")
        described.append({"name": field, "number": number, "label": label, "type": f"TYPE_{kind.upper()}"})
        if kind[0].isupper():
            described[-1] |= {"type": "TYPE_MESSAGE", "typeName": f".wavecore.{kind}"}
    return {"name": name, "field": described}


def _read_record(file: BinaryIO, where: str) -> bytes | None:
    """Read the next record; return None at the end."""
    head = file.read(12)
    if not head:
        return None
    if len(head) < 12:
        raise InputError(f"{where}: the file ends within the length ({len(head)} of 12 bytes); get it again")
    length, check = struct.unpack("<QI", head)
    if masked_crc32c(head[:8]) != check:
        raise InputError(f"{where}: the length's checksum is wrong; this is no TFRecord file, or it is damaged")
    if length > MAX_RECORD:
        raise InputError(f"{where}: a record of {length} bytes; at most {MAX_RECORD} are read")
    data, tail = file.read(length), file.read(4)
    if len(data) + len(tail) < length + 4:
        raise InputError(f"{where}: the file ends {length + 4 - len(data) - len(tail)} bytes early; get it again")
    if masked_crc32c(data) != struct.unpack("<I", tail)[0]:
        raise InputError(f"{where}: the data's checksum is wrong; the file is damaged, get it again")
    return data
