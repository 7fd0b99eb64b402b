"""A generated sound: samples and rate, playable in a notebook."""

from __future__ import annotations

import base64
import io
import math
import os
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from wavecore.audio import checks

if TYPE_CHECKING:
    from wavecore.audio.files import WrittenAudio

WIDTH, HEIGHT = 600, 80
"""Of the drawn waveform, in pixels."""


@dataclass(frozen=True, eq=False, repr=False)
class Sound:
    """A mono sound, which unpacks as ``samples, rate = sound``.

    In a notebook it is displayed with a player and its waveform.

    Attributes
    ----------
    samples : ndarray, shape (T,), float32
        Nominally in [-1, 1]; other floating-point types are converted.
    rate : int
        Hz.
    info : mapping
        How the sound was made, such as ``seed`` and ``temperature``.  Numbers and texts are displayed, hashes are not.

    Raises
    ------
    InputError
        If the samples are not one-dimensional, floating-point and finite, or there are none.
    UsageError
        If the rate is no whole number above zero.

    Examples
    --------
    >>> import numpy as np
    >>> from wavecore.audio.sound import Sound
    >>> sound = Sound(0.5 * np.sin(np.arange(8_000) / 5), 16_000, {"seed": 1})
    >>> sound
    Sound(0.50 s, 16000 Hz, peak -6.0 dB, seed 1)
    >>> y, rate = sound
    >>> y.shape, y.dtype, rate
    ((8000,), dtype('float32'), 16000)
    """

    samples: np.ndarray
    rate: int
    info: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "samples", checks.as_signal(self.samples))
        object.__setattr__(self, "rate", checks.require_rate(self.rate))
        object.__setattr__(self, "info", dict(self.info))

    def __iter__(self) -> Iterator[np.ndarray | int]:
        return iter((self.samples, self.rate))

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return len(self.samples) / self.rate

    def write(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> WrittenAudio:
        """Write an audio file.

        Parameters
        ----------
        path : path-like
            Its suffix chooses the format: .wav, .flac, .ogg, .opus or .mp3.
        overwrite : bool
            Whether an existing file may be replaced.

        Returns
        -------
        WrittenAudio
            With the number of samples beyond full scale, which are clipped.

        Raises
        ------
        OutputExistsError
            If the file exists and `overwrite` is false.
        UsageError
            If the format is unknown or cannot hold the rate.
        """
        from wavecore.audio import files

        return files.write(path, self.samples, self.rate, overwrite=overwrite)

    def __repr__(self) -> str:
        peak = float(np.abs(self.samples).max())
        level = f"peak {20 * math.log10(peak):.1f} dB" if peak else "silent"
        notes = [
            f"{name.replace('_', ' ')} {value}"
            for name, value in self.info.items()
            if isinstance(value, str | int | float | np.number) and not name.endswith("sha256")
        ]
        return f"Sound({', '.join([f'{self.duration_s:.2f} s', f'{self.rate} Hz', level, *notes])})"

    def _repr_html_(self) -> str:
        n_clipped = int(np.count_nonzero(np.abs(self.samples) > 1))
        caption = escape(repr(self)) + (f"; {n_clipped} samples are clipped" if n_clipped else "")
        return (
            f'<figure style="margin:0;max-width:{WIDTH}px"><audio controls="controls" style="width:100%" '
            f'src="data:audio/wav;base64,{base64.b64encode(self._wav()).decode()}"></audio>'
            f"{self._waveform()}<figcaption>{caption}</figcaption></figure>"
        )

    def _wav(self) -> bytes:
        """Encode the samples as a WAV file of 16 bits, clipped at full scale and not scaled."""
        codes = np.clip(np.rint(self.samples.astype(np.float64) * 32768), -32768, 32767).astype("<i2")
        with io.BytesIO() as file:
            with wave.open(file, "wb") as writer:
                writer.setnchannels(1)
                writer.setsampwidth(2)
                writer.setframerate(self.rate)
                writer.writeframes(codes.tobytes())
            return file.getvalue()

    def _waveform(self) -> str:
        """Draw the extremes of every pixel's samples as an SVG element."""
        starts = np.unique(np.linspace(0, len(self.samples), WIDTH, endpoint=False).astype(int))
        low, high = (HEIGHT / 2 * (1 - extreme.reduceat(self.samples, starts)) for extreme in (np.minimum, np.maximum))
        step = WIDTH / len(starts)
        lines = "".join(
            f"M{step * i:.1f} {y:.1f}V{max(y + 0.5, bottom):.1f}"
            for i, (y, bottom) in enumerate(zip(high, low, strict=True))
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {WIDTH} {HEIGHT}">'
            f'<title>Waveform, {self.duration_s:.2f} s</title><path d="{lines}" stroke="#0072b2"/></svg>'
        )
