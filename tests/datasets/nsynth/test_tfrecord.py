import struct
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.datasets.nsynth import tfrecord
from wavecore.datasets.nsynth.tfrecord import MAX_RECORD, decode_example, masked_crc32c, read_records
from wavecore.errors import InputError, UsageError

pytest.importorskip("crc32c", reason="needs crc32c: pip install 'wavecore[data]'")
pytest.importorskip("google.protobuf", reason="needs protobuf: pip install 'wavecore[data]'")

RECORDS = [b"", b"one", bytes(40)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.tfrecord"


@pytest.mark.parametrize(
    ("data", "expected"),
    [(bytes(range(32)), 0x46DD794E), (b"123456789", 0xE3069283), (b"", 0)],  # RFC 3720, B.4
)
def test_the_masked_checksum_is_the_published_one_rotated_and_shifted(data, expected):
    rotated = (masked_crc32c(data) - 0xA282EAD8) % 2**32
    assert (rotated >> 17 | rotated << 15) % 2**32 == expected


@settings(deadline=None, max_examples=30)
@given(records=st.lists(st.binary(max_size=700), max_size=5))
def test_any_records_are_read(records, frame_records, tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "a.tfrecord"
    path.write_bytes(frame_records(*records))
    assert list(read_records(path)) == records


def test_a_file_that_is_cut_anywhere_is_refused(path, frame_records):
    data = frame_records(*RECORDS)
    ends = [0, 16, 35, len(data)]  # between records nothing is missing
    for end in range(len(data)):
        path.write_bytes(data[:end])
        if end in ends:
            assert list(read_records(path)) == RECORDS[: ends.index(end)]
        else:
            number = sum(end > one for one in ends) - 1
            with pytest.raises(InputError, match=rf"a\.tfrecord, record {number} at byte {ends[number]}"):
                list(read_records(path))


def test_a_changed_byte_anywhere_is_refused(path, frame_records):
    data = frame_records(b"hello", b"world")
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        path.write_bytes(changed)
        with pytest.raises(InputError, match=f"record {at // 21} at byte {at // 21 * 21}: the .* checksum"):
            list(read_records(path))


def test_a_huge_length_is_refused_before_it_is_read(path):
    length = struct.pack("<Q", MAX_RECORD + 1)
    path.write_bytes(length + struct.pack("<I", masked_crc32c(length)))
    with pytest.raises(InputError, match="67108865"):
        list(read_records(path))


def test_a_missing_file_is_named(path):
    with pytest.raises(InputError, match=r"a\.tfrecord"):
        list(read_records(path))


INTEGERS = st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5)
TEXTS = st.lists(st.binary(max_size=20), max_size=4)
FLOATS = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=40).map(lambda x: np.array(x, np.float32))


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(features=st.dictionaries(st.text(max_size=12), INTEGERS | TEXTS | FLOATS, max_size=6))
def test_any_features_are_read(features, encode_example):
    decoded = decode_example(encode_example(features), where="a")
    assert decoded.keys() == features.keys()
    for name, values in features.items():
        assert type(decoded[name]) is type(values) and list(decoded[name]) == list(values)
        assert not isinstance(values, np.ndarray) or decoded[name].dtype == np.float32


# Example{features{feature{key:"a" value{...}}}}, by the wire format's own rules.
WIRE = [
    ("0a0e 0a0c 0a0161 1207 1a05 0a03 03ac02", [3, 300]),
    ("0a0d 0a0b 0a0161 1206 1a04 0803 0805", [3, 5]),  # numbers that are not packed
    ("0a13 0a11 0a0161 120c 120a 0d0000803f 0d00000040", [1.0, 2.0]),  # not packed
    ("0a0d 0a0b 0a0161 1206 0a04 0a02 7879", [b"xy"]),
    ("0a07 0a05 0a0161 1200", []),
    ("1005 1a03616263 0a0e 0a0c 0a0161 1207 1a05 0a03 03ac02", [3, 300]),  # unknown fields first
]


@pytest.mark.parametrize(("data", "values"), WIRE)
def test_the_wire_format_is_protobufs(data, values):
    decoded = decode_example(bytes.fromhex(data.replace(" ", "")), where="a")
    assert {name: list(found) for name, found in decoded.items()} == {"a": values}
    assert decode_example(b"", where="a") == {}


# Cut off; a wrong wire type; a list of floats of two bytes; a key that is not UTF-8.
@pytest.mark.parametrize("data", ["0a05", "08", "0a0d0a0b0a0161120612040a020102", "0a0b0a090a01ff12041a020801"])
def test_damaged_examples_are_refused_by_name(data):
    with pytest.raises(InputError, match=r"^a\.tfrecord, record 3 "):
        decode_example(bytes.fromhex(data), where="a.tfrecord, record 3")


def test_missing_libraries_are_named(path, monkeypatch, frame_records):
    path.write_bytes(frame_records(b"abc"))
    with monkeypatch.context() as patch, pytest.raises(UsageError, match=r"crc32c.*wavecore\[data\]"):
        patch.setitem(sys.modules, "crc32c", None)
        list(read_records(path))
    tfrecord.example_class.cache_clear()
    with monkeypatch.context() as patch, pytest.raises(UsageError, match=r"protobuf.*wavecore\[data\]"):
        patch.setitem(sys.modules, "google.protobuf", None)
        decode_example(b"", where="a")
