from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.datasets.nsynth.crc32c import crc32c, masked_crc32c


def bitwise(data: bytes) -> int:
    """The definition: one bit at a time."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "expected"),
    [  # RFC 3720, B.4
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_published_vectors(data, expected):
    assert crc32c(data) == expected


def test_the_mask_is_undone_by_its_inverse():
    masked = masked_crc32c(b"123456789")
    rotated = (masked - 0xA282EAD8) % 2**32
    assert (rotated >> 17 | rotated << 15) % 2**32 == 0xE3069283


@pytest.mark.parametrize("length", [511, 512, 513, 1023, 1024, 1025, 4_096, 20_011])
def test_lanes_give_what_the_definition_gives(length):
    data = bytes(i * i % 251 for i in range(length))
    assert crc32c(data) == bitwise(data)


@given(st.binary(max_size=1500))
def test_any_bytes(data):
    assert crc32c(data) == bitwise(data)


@given(st.binary(min_size=600, max_size=900), st.data())
def test_one_changed_bit_is_seen(data, draw):
    at, bit = draw.draw(st.integers(0, len(data) - 1)), draw.draw(st.integers(0, 7))
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    assert crc32c(bytes(changed)) != crc32c(data)
