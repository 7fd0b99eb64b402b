"""CRC-32C (Castagnoli) with NumPy, quick enough for hours of sound.

A CRC is linear over bits.  A long message is therefore cut into lanes that
are folded side by side, one byte of every lane at a time; then neighbouring
lanes are joined, half as many each time.  Joining shifts the left one by the
length of the right one, a 32 x 32 bit matrix kept as four tables of 256.

References
----------
RFC 3720, appendix B.4 (test vectors); TensorFlow, "TFRecord", for the mask.
"""

from __future__ import annotations

import functools

import numpy as np

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed
_ONES = 0xFFFFFFFF
_MASK_DELTA = 0xA282EAD8
# Below this many bytes the plain loop is quicker than NumPy's calls.
_SHORT = 512
_LANES = 512


def crc32c(data: bytes) -> int:
    """Compute the checksum of a message.

    Returns
    -------
    int
        32 bits.
    """
    if len(data) < _SHORT:
        table = _byte_table().tolist()
        value = _ONES
        for byte in data:
            value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
        return value ^ _ONES
    # The start value is the first four bytes inverted; with a start of 0, zeros in front change nothing.
    width = -(-len(data) // _LANES)
    padded = np.zeros(_LANES * width, np.uint8)
    begin = len(padded) - len(data)
    padded[begin:] = np.frombuffer(data, np.uint8)
    padded[begin : begin + 4] ^= 0xFF
    return int(_fold(padded.reshape(_LANES, width))) ^ _ONES


def masked_crc32c(data: bytes) -> int:
    """Compute the checksum as TFRecord stores it: rotated by 15 bits, and a constant added.

    Returns
    -------
    int
        32 bits.
    """
    value = crc32c(data)
    return (((value >> 15) | (value << 17)) + _MASK_DELTA) & _ONES


@functools.cache
def _byte_table() -> np.ndarray:
    """What each byte becomes after eight shifts, (256,) uint32."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


def _fold(lanes: np.ndarray) -> np.uint32:
    """The checksum, start value 0, of lanes (n, width) uint8 one after the other; n is a power of 2."""
    table = _byte_table()
    values = np.zeros(len(lanes), np.uint32)
    for column in np.ascontiguousarray(lanes.T):
        values = table[(values & 0xFF) ^ column] ^ (values >> 8)
    width = lanes.shape[1]
    while len(values) > 1:
        shift = _shift_tables(width)
        left = values[0::2]
        moved = shift[0][left & 0xFF] ^ shift[1][left >> 8 & 0xFF] ^ shift[2][left >> 16 & 0xFF] ^ shift[3][left >> 24]
        values = moved ^ values[1::2]
        width *= 2
    return values[0]


@functools.lru_cache(maxsize=256)
def _shift_tables(n_bytes: int) -> np.ndarray:
    """What `n_bytes` of zeros make of each of the four bytes of a checksum, (4, 256) uint32."""
    columns = _power(n_bytes)
    tables = np.zeros((4, 256), np.uint32)
    byte = np.arange(256)
    for place in range(4):
        for bit in range(8):
            tables[place] ^= np.where(byte >> bit & 1, columns[8 * place + bit], np.uint32(0)).astype(np.uint32)
    return tables


def _power(n_bytes: int) -> np.ndarray:
    """The matrix of `n_bytes` of zeros by repeated squaring: what becomes of each bit, (32,) uint32."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    result, square = bits, _byte_table()[bits & 0xFF] ^ (bits >> 8)
    while n_bytes:
        if n_bytes & 1:
            result = _apply(square, result)
        square = _apply(square, square)
        n_bytes >>= 1
    return result


def _apply(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Multiply a matrix, given by its columns (32,), with values (n,)."""
    bits = values[:, None] >> np.arange(32, dtype=np.uint32) & np.uint32(1)
    return np.bitwise_xor.reduce(np.where(bits, matrix[None], np.uint32(0)), axis=1).astype(np.uint32)
