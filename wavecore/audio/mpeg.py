"""MP3 files without a length header, made readable to their end.

libsndfile relies on the length in an MP3's Xing or Info header.  Where there is none (radio recordings, cut files) it
estimates the length from the first frame's bit rate and stops there: a file of varying bit rate loses up to half of
its sound without an error.  Here the frames are counted, and libsndfile is given the file with an Info header of the
right length in front.

References
----------
ISO/IEC 11172-3 and 13818-3 for the frame header; "MP3 Info Tag rev 1 specifications" of the LAME project for the Xing
and Info header.
"""

from __future__ import annotations

import io
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_KBITS_V1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_V2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES_V1 = (44100, 48000, 32000)
# The two version bits: 3 is MPEG-1, 2 is MPEG-2 (half the rates), 0 is MPEG-2.5 (a quarter).
_RATE_DIVISORS = {3: 1, 2: 2, 0: 4}
_LAYER_III = 1
_MONO = 3
# Index 9 of either bit rate table: a frame of at least 120 bytes, enough for the header.
_INFO_RATE_INDEX = 9
_SEARCH_BYTES = 1 << 16


@dataclass(frozen=True)
class Frame:
    """The length of a Layer III frame with its header, and where in a first frame a Xing or Info header would begin."""

    n_bytes: int
    tag_offset: int


def parse_frame(header: bytes) -> Frame | None:
    """Parse the first four of some bytes; None where they are no header of a Layer III frame."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    rate_index, frequency_index = header[2] >> 4, header[2] >> 2 & 3
    if version not in _RATE_DIVISORS or layer != _LAYER_III or rate_index in (0, 15) or frequency_index == 3:
        return None
    first_version = version == 3
    kbits = (_KBITS_V1 if first_version else _KBITS_V2)[rate_index]
    sample_rate = _RATES_V1[frequency_index] // _RATE_DIVISORS[version]
    n_bytes = (144 if first_version else 72) * kbits * 1000 // sample_rate + (header[2] >> 1 & 1)
    mono = header[3] >> 6 == _MONO
    side_bytes = (17 if mono else 32) if first_version else (9 if mono else 17)
    return Frame(n_bytes, 4 + side_bytes)


def source(path: Path) -> Path | BinaryIO:
    """Return what libsndfile reads to its end: `path`, or for an MP3 without a length a file with one in front."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        start = _first_frame(data)
        if start is None or _has_length(data, start):
            return path
        n_frames = _count_frames(data, start)
        prefix = _info_frame(data[start : start + 4], n_frames, len(data) - start)
    return io.BufferedReader(_Prefixed(prefix, path, start))


def _skip_id3(data: mmap.mmap) -> int:
    """Return the offset behind an ID3v2 tag if there is one, else 0."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:  # seven bits in each
        size = size << 7 | byte & 0x7F
    return 10 + size


def _first_frame(data: mmap.mmap) -> int | None:
    """Return the offset of the first frame, recognised by another one that follows it."""
    position = _skip_id3(data)
    # Other formats begin with a name of their own; their samples may look like frames.
    if data[:4] in (b"RIFF", b"RF64", b"fLaC", b"OggS", b"FORM", b".snd", b"caff", b"riff"):
        return None
    limit = min(len(data), position + _SEARCH_BYTES)
    while (position := data.find(b"\xff", position, limit)) >= 0:
        frame = parse_frame(data[position : position + 4])
        if frame and parse_frame(data[position + frame.n_bytes : position + frame.n_bytes + 4]):
            return position
        position += 1
    return None


def _has_length(data: mmap.mmap, start: int) -> bool:
    """Return whether the first frame is a Xing or Info header with the number of frames."""
    frame = parse_frame(data[start : start + 4])
    assert frame is not None  # `start` is where a frame was found
    tag = data[start + frame.tag_offset : start + frame.tag_offset + 8]
    return tag[:4] in (b"Xing", b"Info") and bool(tag[7] & 1)


def _count_frames(data: mmap.mmap, start: int) -> int:
    """Count the whole frames; bytes between frames are skipped."""
    position, count = start, 0
    while 0 <= position < len(data):
        frame = parse_frame(data[position : position + 4])
        if frame is None:
            position = data.find(b"\xff", position + 1)
        else:
            position += frame.n_bytes
            count += position <= len(data)
    return count


def _info_frame(header: bytes, n_frames: int, n_bytes: int) -> bytes:
    """Build a silent frame like the first one, with an Info header."""
    no_checksum = header[1] | 1
    fixed = bytes([0xFF, no_checksum, _INFO_RATE_INDEX << 4 | header[2] & 0x0C, header[3]])
    frame = parse_frame(fixed)
    assert frame is not None  # the header of a frame with another bit rate
    has_frames_and_bytes = 3
    tag = b"Info" + struct.pack(">III", has_frames_and_bytes, n_frames, n_bytes + frame.n_bytes)
    return (fixed + bytes(frame.tag_offset - 4) + tag).ljust(frame.n_bytes, b"\0")


class _Prefixed(io.RawIOBase):
    """Read-only concatenation of a few bytes and of a file from an offset to its end."""

    def __init__(self, prefix: bytes, path: Path, start: int):
        super().__init__()
        self._file = io.FileIO(path)
        self._prefix = prefix
        self._start = start
        self._length = len(prefix) + path.stat().st_size - start
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._length}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        n_prefix = len(self._prefix)
        if self._position < n_prefix:
            piece = self._prefix[self._position : self._position + len(buffer)]
        else:
            self._file.seek(self._start + self._position - n_prefix)
            piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()
