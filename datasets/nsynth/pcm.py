"""16-bit mono WAV files as bytes: the same samples, the same bytes.

NSynth's notes are read from folders and from the middle of archives, so this
works on bytes and needs NumPy alone.  Everything that people may bring goes
through `wavecore.audio.files`.
"""

from __future__ import annotations

import struct

import numpy as np

from wavecore.errors import InputError

FULL_SCALE = 32768
_PCM, _EXTENSIBLE = 1, 0xFFFE


def quantize(x: np.ndarray) -> np.ndarray:
    """Round samples to 16 bits; what lies outside [-1, 1) is clamped.

    Parameters
    ----------
    x : ndarray, any shape, float

    Returns
    -------
    ndarray, the shape of `x`, int16
    """
    scaled = np.rint(np.asarray(x, np.float64) * FULL_SCALE)
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def to_float(samples: np.ndarray) -> np.ndarray:
    """Turn 16-bit samples into floats; exact, and undone by `quantize`.

    Parameters
    ----------
    samples : ndarray, any shape, int16

    Returns
    -------
    ndarray, the shape of `samples`, float32
        In [-1, 1).
    """
    return samples.astype(np.float32) / np.float32(FULL_SCALE)


def wav_bytes(samples: np.ndarray, sample_rate: int) -> bytes:
    """Make a WAV file.

    Parameters
    ----------
    samples : ndarray, shape (T,), int16
    sample_rate : int
        Hz.

    Returns
    -------
    bytes
        44 bytes of header and two for every sample.
    """
    data = np.ascontiguousarray(samples, "<i2").tobytes()
    form = struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE")
    kind = struct.pack("<4sIHHIIHH", b"fmt ", 16, _PCM, 1, sample_rate, 2 * sample_rate, 2, 16)
    return form + kind + struct.pack("<4sI", b"data", len(data)) + data


def read_wav(data: bytes, *, where: str) -> tuple[np.ndarray, int]:
    """Read a WAV file.

    Parameters
    ----------
    data : bytes
        The whole file.
    where : str
        Its name, for messages.

    Returns
    -------
    samples : ndarray, shape (T,), int16
    sample_rate : int
        Hz.

    Raises
    ------
    InputError
        If it is no 16-bit mono WAV file, or ends early.
    """
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise InputError(f"{where} is no WAV file: it begins with {data[:12]!r}")
    at, rate = 12, None
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + size]
        if len(body) < size:
            raise InputError(f"{where} is cut off: its {name!r} chunk has {len(body)} of {size} bytes")
        if name == b"fmt ":
            rate = _rate(body, where)
        if name == b"data" and rate is not None:
            if size % 2:
                raise InputError(f"{where} has {size} bytes of 16-bit samples, an odd number")
            return np.frombuffer(body, "<i2").astype(np.int16, copy=False), rate
        at += 8 + size + size % 2
    raise InputError(f"{where} has no samples: it ends after {len(data)} bytes without its chunks")


def _rate(body: bytes, where: str) -> int:
    """The rate in Hz, after refusing other encodings."""
    if len(body) < 16:
        raise InputError(f"{where} has a format chunk of {len(body)} bytes, wanted 16 or more")
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if kind not in (_PCM, _EXTENSIBLE) or (channels, bits) != (1, 16) or rate == 0:
        raise InputError(
            f"{where} has encoding {kind}, {channels} channels, {bits} bits and {rate} Hz, wanted 16-bit mono PCM"
        )
    return rate
