"""Writing audio: whole files or none; samples that are clamped are counted.

========  =====================  ==========================================
suffix    encodings, default 1st rates
========  =====================  ==========================================
.wav      PCM_16 PCM_24 FLOAT    any
.flac     PCM_16 PCM_24          up to 655,350 Hz
.ogg      VORBIS                 up to 200,000 Hz
.opus     OPUS                   8, 12, 16, 24 and 48 kHz
.mp3      MPEG_LAYER_III         8 to 48 kHz, the usual nine, at most stereo
========  =====================  ==========================================

A rate that a format cannot hold raises an error that lists the rates it can hold; nothing is resampled implicitly.
Use another suffix, or `resample`.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
import torch

from wavecore.audio import checks, output
from wavecore.errors import InputError, UsageError, WavecoreError

if TYPE_CHECKING:
    import soundfile

_FORMATS = {
    ".wav": ("WAV", ("PCM_16", "PCM_24", "FLOAT")),
    ".flac": ("FLAC", ("PCM_16", "PCM_24")),
    ".ogg": ("OGG", ("VORBIS",)),
    ".opus": ("OGG", ("OPUS",)),
    ".mp3": ("MP3", ("MPEG_LAYER_III",)),
}
_RATES = {
    ".opus": (8000, 12000, 16000, 24000, 48000),
    ".mp3": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
}
_BYTES = {"PCM_16": 2, "PCM_24": 3, "FLOAT": 4}
# A wav header counts bytes in 32 bits; the difference is left for the header.
_WAV_LIMIT_BYTES = 2**32 - 2**12
# libsndfile's Vorbis encoder keeps a whole call's samples on the stack.
_CALL_FRAMES = 16384


@dataclass(frozen=True)
class WrittenAudio:
    """Summary of a written file.

    Parameters
    ----------
    path : Path
        The finished file.
    sample_rate : int
        Its rate in Hz.
    channels : int
        Number of channels.
    frames : int
        Samples per channel.
    peak : float
        Largest absolute sample, before any clamping.
    n_over : int
        How many samples were beyond +-1; all but FLOAT files clamp them.
    """

    path: Path
    sample_rate: int
    channels: int
    frames: int
    peak: float
    n_over: int

    @property
    def seconds(self) -> float:
        """The duration."""
        return self.frames / self.sample_rate


class AudioWriter:
    """Writer of an audio file block by block, a context manager.

    The file appears under its name when the ``with`` block ends without an exception.  On any exception,
    ``KeyboardInterrupt`` included, nothing is left behind.

    Parameters
    ----------
    path : path-like
        Where the file is to be; the suffix chooses the format (see the module's table).  Missing folders are made.
    sample_rate : int
        The rate in Hz.
    channels : int
        Number of channels.
    subtype : str, optional
        The encoding, by default the format's first in the module's table.
    overwrite : bool
        Whether an existing file may be replaced.

    Attributes
    ----------
    frames : int
        Samples per channel written so far.
    peak : float
        Largest absolute sample so far, before any clamping.
    n_over : int
        How many samples so far were beyond +-1.

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is false.
    UsageError
        If the suffix, the encoding, the rate or the number of channels does not fit the format, or the path is a
        folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with AudioWriter(f"{folder}/noise.wav", 16000) as writer:
    ...         for seed in range(3):
    ...             writer.write(0.1 * np.random.default_rng(seed).standard_normal(16000))
    >>> writer.report().seconds
    3.0
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        sample_rate: int,
        *,
        channels: int = 1,
        subtype: str | None = None,
        overwrite: bool = False,
    ):
        self.path = Path(path)
        self.sample_rate = checks.require_rate(sample_rate)
        self.channels = channels
        self.overwrite = overwrite
        self.format, self.subtype = _choose_format(self.path, subtype)
        _require_fit(self.path, self.sample_rate, channels)
        output.refuse_existing(self.path, overwrite=overwrite)
        self.frames = 0
        self.peak = 0.0
        self.n_over = 0
        self._file: soundfile.SoundFile | None = None

    def __enter__(self) -> AudioWriter:
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(output.whole_file(self.path, overwrite=self.overwrite))
            stack.push(self._refuse_empty)
            self._file = stack.enter_context(self._create(temporary))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file = None
        self._stack.__exit__(kind, error, trace)

    def write(self, samples: np.ndarray | torch.Tensor) -> None:
        """Append a block.

        Parameters
        ----------
        samples : ndarray or Tensor, shape (n,) or (n, channels), float
            Samples, nominally in [-1, 1].  Those beyond are counted in `n_over` and, except in FLOAT files, clamped.

        Raises
        ------
        InputError
            If samples are not finite (how many, where the first one is), of an integer type, or of the wrong shape.
        UsageError
            If the file is not open, or a wav file would pass 4 GiB.
        WavecoreError
            If the disk is full or the file cannot be written to.
        """
        import soundfile

        if self._file is None:
            raise UsageError("this AudioWriter is not open; use it in a `with` statement")
        block = self._checked(samples)
        self._check_size(len(block))
        magnitude = np.abs(block)
        self.peak = max(self.peak, float(magnitude.max(initial=0.0)))
        self.n_over += int(np.count_nonzero(magnitude > 1.0))
        encoded = _encode(block, self.subtype)
        try:
            for start in range(0, len(encoded), _CALL_FRAMES):
                self._file.write(encoded[start : start + _CALL_FRAMES])
        except soundfile.LibsndfileError as error:
            raise WavecoreError(f"cannot write {self.path}: {error}; is the disk full?") from error
        self.frames += len(block)

    def report(self) -> WrittenAudio:
        """Return a summary of what was written so far."""
        return WrittenAudio(self.path, self.sample_rate, self.channels, self.frames, self.peak, self.n_over)

    def _checked(self, samples: np.ndarray | torch.Tensor) -> np.ndarray:
        """Return a block as (n, channels), after all checks."""
        block = checks.to_numpy(samples)
        if block.ndim == 1:
            block = block[:, None]
        if block.ndim != 2 or block.shape[1] != self.channels:
            raise InputError(
                f"the block has shape {tuple(samples.shape)}, not (n, {self.channels})"
                + (" or (n,)" if self.channels == 1 else "")
            )
        checks.require_float(block)
        checks.require_finite(block[:, 0] if self.channels == 1 else block, offset=self.frames)
        return block

    def _check_size(self, n_frames: int) -> None:
        n_bytes = (self.frames + n_frames) * self.channels * _BYTES.get(self.subtype, 0)
        if self.format == "WAV" and n_bytes > _WAV_LIMIT_BYTES:
            raise UsageError(f"{self.path} would pass 4 GiB, the most a .wav can hold; write a .flac instead")

    def _create(self, temporary: Path) -> soundfile.SoundFile:
        import soundfile

        try:
            return soundfile.SoundFile(
                temporary, "w", self.sample_rate, self.channels, subtype=self.subtype, format=self.format
            )
        except soundfile.LibsndfileError as error:
            raise WavecoreError(
                f"cannot write {self.path} at {self.sample_rate} Hz with {self.channels} channels as "
                f"{self.subtype}: {error.error_string}"
            ) from error

    def _refuse_empty(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self.frames == 0:
            raise InputError(f"nothing was written to {self.path}: the audio has 0 samples")


def write(
    path: str | os.PathLike[str],
    samples: np.ndarray | torch.Tensor,
    sample_rate: int,
    *,
    subtype: str | None = None,
    overwrite: bool = False,
) -> WrittenAudio:
    """Write a whole signal to an audio file.

    Parameters
    ----------
    path : path-like
        Where the file is to be; the suffix chooses the format (see the module's table).  Missing folders are made.
    samples : ndarray or Tensor, shape (T,) or (T, channels), float
        Samples, nominally in [-1, 1].
    sample_rate : int
        The rate in Hz.
    subtype : str, optional
        The encoding, by default the format's first in the module's table.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    WrittenAudio
        With the peak and the number of samples beyond +-1.

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is false.
    InputError
        If there are no samples, or they are not finite, of an integer type, or of the wrong shape.
    UsageError
        If the format cannot hold them, or the path is a folder.
    WavecoreError
        If the disk is full or the file cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = write(f"{folder}/square.flac", np.tile([-1.5, 1.5], 8000), 16000)
    >>> written.seconds, written.peak, written.n_over
    (1.0, 1.5, 16000)
    """
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and samples.shape[1] > max(8, samples.shape[0])):
        shape = tuple(samples.shape)
        raise InputError(f"samples have shape {shape}, not (T,) or (T, channels): time comes first")
    channels = 1 if samples.ndim == 1 else int(samples.shape[1])
    with AudioWriter(path, sample_rate, channels=channels, subtype=subtype, overwrite=overwrite) as writer:
        writer.write(samples)
    return writer.report()


def _choose_format(path: Path, subtype: str | None) -> tuple[str, str]:
    """Return libsndfile's container and encoding for a file name."""
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        kind = suffix or "a name without a suffix"
        raise UsageError(f"{path.name}: cannot write {kind}; use {', '.join(_FORMATS)}")
    name, subtypes = _FORMATS[suffix]
    if subtype is not None and subtype not in subtypes:
        raise UsageError(f"{path.name}: {suffix} cannot be {subtype}; choose from {', '.join(subtypes)}")
    return name, subtype or subtypes[0]


def _require_fit(path: Path, sample_rate: int, channels: int) -> None:
    """Raise UsageError for rates and channel counts that the format cannot hold."""
    if channels < 1:
        raise UsageError(f"channels is {channels}; at least 1 is needed")
    suffix = path.suffix.lower()
    rates = _RATES.get(suffix)
    if rates and sample_rate not in rates:
        raise UsageError(
            f"{path.name}: {suffix} cannot hold {sample_rate} Hz, only {', '.join(map(str, rates))} Hz; "
            "write .wav or .flac, or resample first"
        )
    if suffix == ".mp3" and channels > 2:
        raise UsageError(f"{path.name}: .mp3 holds at most 2 channels, not {channels}; write .wav or .flac")


def _encode(block: np.ndarray, subtype: str) -> np.ndarray:
    """Convert a block to what libsndfile stores.

    Integers are rounded here, at full scale 2^(bits - 1), so that samples read from such a file are written back bit
    for bit.
    """
    if subtype == "FLOAT":
        return block.astype(np.float32)
    clamped = np.clip(block, -1.0, 1.0)
    if subtype == "PCM_16":
        return np.clip(np.rint(clamped * 32768.0), -32768, 32767).astype(np.int16)
    if subtype == "PCM_24":
        codes = np.clip(np.rint(clamped.astype(np.float64) * 8388608.0), -8388608, 8388607)
        return codes.astype(np.int32) << 8  # libsndfile keeps the upper 24 of 32 bits
    return clamped.astype(np.float32)
