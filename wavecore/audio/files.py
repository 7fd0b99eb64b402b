"""Audio files in and out; this module also re-exports writing and finding.

Reading goes through libsndfile: wav (also RF64, W64), flac, ogg, opus, mp3, aiff, au and caf.  Samples are float32;
integer formats lie in [-1, 1), float files may hold values beyond, which are kept.

MP3 stores whole frames of 1,152 or 576 samples.  Files with a LAME header, which includes those written here, are read
with the exact length that was written; others are read as they were stored, with the encoder's delay at the start and
its padding at the end (a tenth of a second together, at most).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wavecore.audio import checks, mpeg
from wavecore.audio.finding import AUDIO_SUFFIXES, find_audio, missing_path
from wavecore.audio.resample import Resampler, resample
from wavecore.audio.writing import AudioWriter, WrittenAudio, write
from wavecore.errors import InputError, UsageError

if TYPE_CHECKING:
    import soundfile

__all__ = [
    "AUDIO_SUFFIXES",
    "AudioInfo",
    "AudioWriter",
    "WrittenAudio",
    "find_audio",
    "probe",
    "read",
    "stream",
    "write",
]

# Common compressed formats that libsndfile does not read.
_FOREIGN_SUFFIXES = (".m4a", ".aac", ".mp4", ".wma", ".webm", ".mka", ".mkv", ".mov", ".amr", ".ape", ".wv")

# Fewer samples to a call of libsndfile cost more in calls than in decoding.
_LEAST_READ = 4096


@dataclass(frozen=True)
class AudioInfo:
    """The header of an audio file.

    Parameters
    ----------
    sample_rate : int
        Samples per second and channel, in Hz.
    channels : int
        Number of channels.
    frames : int
        Samples per channel.
    format, subtype : str
        libsndfile's names of the container and of the encoding, ``"WAV"`` and ``"PCM_16"`` for example.
    """

    sample_rate: int
    channels: int
    frames: int
    format: str
    subtype: str

    @property
    def seconds(self) -> float:
        """The duration."""
        return self.frames / self.sample_rate


def probe(path: str | os.PathLike[str]) -> AudioInfo:
    """Read the header of an audio file.

    Raises
    ------
    InputError
        If the path is missing (with the nearest existing name), a folder, unreadable, empty, not audio, or holds no
        samples.
    """
    with _opened(Path(path)) as file:
        return _info(file)


def read(path: str | os.PathLike[str], *, sample_rate: int | None = None, mono: bool = True) -> tuple[np.ndarray, int]:
    """Read a whole audio file.

    Parameters
    ----------
    path : path-like
        The file.
    sample_rate : int, optional
        Resample to this rate in Hz; by default the file's rate is kept.
    mono : bool
        Whether channels are averaged to one.

    Returns
    -------
    samples : ndarray, shape (T,) if `mono` else (T, channels), float32
        T is ``resampled_length`` of the file's frames.
    rate : int
        The rate of `samples` in Hz.

    Raises
    ------
    InputError
        As `probe`, and if samples are not finite or the file ends before the length given in its header.
    UsageError
        If `sample_rate` is not a whole number above zero.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = write(f"{folder}/tone.wav", np.zeros((44100, 2)), 44100)
    ...     samples, rate = read(f"{folder}/tone.wav", sample_rate=16000)
    >>> samples.shape, rate
    ((16000,), 16000)
    """
    path = Path(path)
    with _opened(path) as file:
        info = _info(file)
        rate = info.sample_rate if sample_rate is None else checks.require_rate(sample_rate)
        samples = np.concatenate(list(_pieces(path, file, info, 1 << 20, mono)))
    checks.require_finite(samples, what=f"samples of {path}")
    if rate != info.sample_rate:
        samples = np.ascontiguousarray(resample(samples.T, from_rate=info.sample_rate, to_rate=rate).T)
    return samples, rate


def stream(
    path: str | os.PathLike[str], *, sample_rate: int | None = None, block_frames: int = 65536
) -> Iterator[np.ndarray]:
    """Read an audio file of any length block by block.

    The concatenated blocks are the samples of ``read(path, sample_rate=...)``; memory is bounded by the block.  The
    header is checked at the call, samples as they are reached.

    Parameters
    ----------
    path : path-like
        The file; channels are averaged to one.
    sample_rate : int, optional
        Resample to this rate in Hz; by default the file's rate is kept.
    block_frames : int
        Length of the blocks, at least 1.

    Returns
    -------
    iterator of ndarray, shape (block_frames,), float32
        The last one may be shorter, none is empty.

    Raises
    ------
    InputError
        As `read`.
    UsageError
        If `sample_rate` or `block_frames` is not a whole number above zero.
    """
    path = Path(path)
    info = probe(path)
    rate = info.sample_rate if sample_rate is None else checks.require_rate(sample_rate)
    if block_frames < 1:
        raise UsageError(f"block_frames is {block_frames}; at least 1 is needed")
    return _reblocked(_resampled_pieces(path, info, rate, block_frames), block_frames)


def _resampled_pieces(path: Path, info: AudioInfo, rate: int, block_frames: int) -> Iterator[np.ndarray]:
    """Yield mono pieces at `rate`, about `block_frames` long."""
    resampler = Resampler(info.sample_rate, rate)
    n_read = max(_LEAST_READ, block_frames * info.sample_rate // rate)
    with _opened(path) as file:
        n_read_so_far = 0
        for piece in _pieces(path, file, info, n_read, mono=True):
            checks.require_finite(piece, what=f"samples of {path} in this block", offset=n_read_so_far)
            n_read_so_far += len(piece)
            yield resampler.push(piece)
    yield resampler.finish()


def _reblocked(pieces: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Yield the same samples in blocks of `size`, the last one shorter."""
    pending = np.zeros(0, np.float32)
    for piece in pieces:
        pending = np.concatenate([pending, piece])
        n_whole = len(pending) // size * size
        for start in range(0, n_whole, size):
            yield pending[start : start + size].copy()
        pending = pending[n_whole:]
    if len(pending):
        yield pending.copy()


def _pieces(path: Path, file: soundfile.SoundFile, info: AudioInfo, n_read: int, mono: bool) -> Iterator[np.ndarray]:
    """Yield all samples of an open file, in pieces of shape (n,) or (n, channels)."""
    import soundfile

    done = 0
    while done < info.frames:
        try:
            piece = file.read(n_read, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise InputError(f"{path} is damaged after sample {done}: {error}") from error
        if not len(piece):
            raise InputError(f"{path} is damaged: only {done} of the {info.frames} samples in its header can be read")
        done += len(piece)
        yield piece.mean(axis=1) if mono else piece


def _info(file: soundfile.SoundFile) -> AudioInfo:
    return AudioInfo(file.samplerate, file.channels, file.frames, file.format, file.subtype)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """Open an audio file with at least one sample, or raise an InputError with the reason."""
    import soundfile

    _require_bytes(path)
    # soundfile takes this suffix for headerless data and asks for a rate.
    if path.suffix.lower() == ".raw":
        raise InputError(f"{path} has no header with a sampling rate; convert it to .wav first")
    with contextlib.ExitStack() as stack:
        source = mpeg.source(path)
        if source is not path:
            stack.enter_context(source)
        try:
            file = stack.enter_context(soundfile.SoundFile(source))
        except soundfile.LibsndfileError as error:
            raise InputError(_why_not_audio(path, error)) from error
        # soundfile seeks to its own position after every read of a seekable file, which makes the MP3
        # decoder start again, with warnings.  Here files are read from start to end.
        file.seekable = lambda: False
        if file.frames == 0:
            raise InputError(f"{path} holds 0 samples: it was cut off or never recorded; export it again")
        yield file


def _require_bytes(path: Path) -> None:
    """Raise InputError unless a path is a readable file that is not empty."""
    try:
        if not path.exists():
            raise missing_path(path)
        if path.is_dir():
            raise InputError(f"{path} is a folder, not an audio file; name a file in it")
        if not path.is_file():
            raise InputError(f"{path} is not a regular file; save the audio to a file first")
        with open(path, "rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if empty:
        raise InputError(f"{path} is empty (0 bytes); record, download or export it again")


def _why_not_audio(path: Path, error: soundfile.LibsndfileError) -> str:
    """Describe from its first bytes why libsndfile probably rejected a file."""
    if path.suffix.lower() in _FOREIGN_SUFFIXES:
        return f"{path} cannot be read as {path.suffix}; convert it: ffmpeg -i {path.name} {path.stem}.wav"
    with open(path, "rb") as file:
        head = file.read(512)
    try:
        text = head.decode("utf-8", errors="strict") if b"\0" not in head else ""
    except UnicodeDecodeError as broken:
        # A character that the 512th byte cuts in two is still text.
        text = head[: broken.start].decode("utf-8") if broken.start > len(head) - 4 else ""
    if text and sum(c.isprintable() or c.isspace() for c in text) > 0.95 * len(text):
        return f"{path} is a text file, not audio: it begins with {text.strip()[:40]!r}"
    return (
        f"{path} is not audio that can be read, or it is damaged ({error.error_string}); "
        f"readable are {', '.join(AUDIO_SUFFIXES)}"
    )
