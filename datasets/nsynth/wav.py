"""16-bit mono WAV files as bytes: NSynth's notes are read from folders and from the middle of archives."""

from __future__ import annotations

import io
import wave

import numpy as np

from wavecore.errors import InputError

FULL_SCALE = 32768


def to_int16(x: np.ndarray) -> np.ndarray:
    """Round samples of any shape to 16 bits; what lies outside [-1, 1) is clamped."""
    scaled = np.rint(np.asarray(x, np.float64) * FULL_SCALE)
    return np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def to_float(samples: np.ndarray) -> np.ndarray:
    """Convert int16 samples of any shape to float32 in [-1, 1); exact, and the inverse of `to_int16`."""
    return samples.astype(np.float32) / np.float32(FULL_SCALE)


def encode(samples: np.ndarray, sample_rate: int) -> bytes:
    """Return int16 samples, shape (T,), as a WAV file: 44 bytes of header and two per sample."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(np.ascontiguousarray(samples, np.int16))
    return buffer.getvalue()


def decode(data: bytes, *, where: str) -> tuple[np.ndarray, int]:
    """Read the samples, shape (T,), int16, and the rate in Hz of a WAV file, or raise InputError.

    It is refused if it is no 16-bit mono WAV file, or ends early; `where` names it in messages.
    """
    try:
        with wave.open(io.BytesIO(data)) as file:
            n_channels, width, rate, n_frames = file.getparams()[:4]
            frames = file.readframes(n_frames)
    except (wave.Error, EOFError, RuntimeError) as error:
        raise InputError(f"{where} is no WAV file: {str(error) or 'it ends early'}") from error
    if (n_channels, width) != (1, 2):
        raise InputError(f"{where} has {n_channels} channels of {8 * width} bits, not 16-bit mono")
    if len(frames) != width * n_frames:
        raise InputError(f"{where} is cut off: it has {len(frames)} of {width * n_frames} bytes of samples")
    return np.frombuffer(frames, np.int16), rate
