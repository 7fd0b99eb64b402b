from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.datasets.nsynth.crc32c import masked_crc32c
from wavecore.datasets.nsynth.tfrecord import LARGEST_RECORD, read_records, write_records
from wavecore.errors import InputError

RECORDS = [b"", b"one", bytes(1000)]


def written(records) -> bytes:
    file = io.BytesIO()
    assert write_records(file, records) == len(records)
    return file.getvalue()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.tfrecord"


@given(records=st.lists(st.binary(max_size=700), max_size=5))
def test_any_records_come_back(records, tmp_path_factory):
    path = tmp_path_factory.mktemp("records") / "a.tfrecord"
    path.write_bytes(written(records))
    assert list(read_records(path)) == records


def test_a_frame_is_length_checksum_data_checksum():
    data = written([b"abc"])
    assert data[:8] == b"\3" + bytes(7) and data[12:15] == b"abc" and len(data) == 19
    assert struct.unpack("<I", data[8:12])[0] == masked_crc32c(data[:8])


def test_a_file_that_is_cut_anywhere_is_refused(path):
    data = written(RECORDS)
    ends = {0, 16, 35, len(data)}  # between records nothing is missing
    for end in range(len(data)):
        path.write_bytes(data[:end])
        if end in ends:
            assert list(read_records(path)) == RECORDS[: sorted(ends).index(end)]
        else:
            with pytest.raises(InputError, match=r"a\.tfrecord, record \d at byte \d+: the file ends"):
                list(read_records(path))


def test_a_changed_byte_anywhere_is_refused(path):
    data = written([b"hello", b"world"])
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        path.write_bytes(changed)
        with pytest.raises(InputError, match=f"record {at // 21} at byte {at // 21 * 21}: the .* checksum is wrong"):
            list(read_records(path))


def test_a_huge_length_is_refused_before_it_is_read(path):
    length = struct.pack("<Q", LARGEST_RECORD + 1)
    path.write_bytes(length + struct.pack("<I", masked_crc32c(length)))
    with pytest.raises(InputError, match="67,108,865 bytes are announced"):
        list(read_records(path))


def test_a_missing_file_is_named(path):
    with pytest.raises(InputError, match=r"cannot read .*a\.tfrecord"):
        list(read_records(path))
