"""Tar archives read from front to back: nothing is unpacked, everything is checked.

A published archive is ``nsynth-SPLIT/`` with ``examples.json`` and ``audio/``,
22 GB for training.  Python's tarfile ends without a word where a header is cut
off or damaged, so the end of the archive is looked at here; and members that
would leave the folder, links and devices are refused although nothing is ever
written: such an archive is not what it says.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from wavecore.errors import InputError

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20


class Member(NamedTuple):
    """A file of an archive.

    Attributes
    ----------
    name : str
        Its path with ``/``, without ``./`` in front.
    size : int
        Bytes.
    read : callable
        Returns its bytes; only until the next member is asked for.
    """

    name: str
    size: int
    read: Callable[[], bytes]


def is_archive(path: str | Path) -> bool:
    """Tell by the name whether a file is a tar archive."""
    return str(path).lower().endswith((".tar", ".tar.gz", ".tgz"))


def members(path: str | Path) -> Iterator[Member]:
    """Go through the files of an archive, gzipped or not.

    Yields
    ------
    Member
        In the archive's order; folders and what macOS puts beside files (``._name``) are
        passed over.

    Raises
    ------
    InputError
        If the archive is damaged or cut off, or a member has an absolute path, leaves
        the folder, is there twice, or is neither file nor folder; the message names it.
    """
    path = Path(path)
    seen: set[str] = set()
    with _explained(path), _opened(path) as file:
        watched = _Watched(file)
        with tarfile.open(fileobj=watched, mode="r:") as archive:
            while (info := archive.next()) is not None:
                archive.members.clear()  # else 300,000 of them stay in memory
                name = _checked_name(info, path, seen)
                if info.isreg() and not name.rpartition("/")[2].startswith("._"):
                    yield Member(name, info.size, functools.partial(_read, archive, info, path))
        _require_end(watched, path)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what tarfile, gzip and the system say into our words."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is cut off or damaged ({error}); get it again") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _read(archive: tarfile.TarFile, info: tarfile.TarInfo, path: Path) -> bytes:
    with _explained(path):
        return archive.extractfile(info).read()


class _Watched:
    """A file that keeps its last read in mind."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.last = b""
        self.tell, self.seek = file.tell, file.seek

    def read(self, size: int = -1) -> bytes:
        self.last = self._file.read(size)
        return self.last


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        zipped = file.read(2) == _GZIP
    return gzip.open(path, "rb") if zipped else path.open("rb")


def _checked_name(info: tarfile.TarInfo, path: Path, seen: set[str]) -> str:
    """The member's path, after refusing all that has no place in a data set."""
    parts = [part for part in info.name.split("/") if part not in ("", ".")]
    if info.name.startswith("/") or "\\" in info.name or ":" in info.name.partition("/")[0]:
        raise InputError(f"{path}: the member {info.name!r} has an absolute or foreign path; do not trust this file")
    if ".." in parts:
        raise InputError(f"{path}: the member {info.name!r} leaves the folder; do not trust this file")
    if info.issym() or info.islnk():
        raise InputError(f"{path}: the member {info.name!r} is a link to {info.linkname!r}; links are not followed")
    if not (info.isreg() or info.isdir()) or info.issparse():
        raise InputError(f"{path}: the member {info.name!r} is neither a plain file nor a folder")
    name = "/".join(parts)
    if info.isreg():
        if name in seen:
            raise InputError(f"{path}: the member {info.name!r} is there twice")
        seen.add(name)
    return name


def _require_end(watched: _Watched, path: Path) -> None:
    """An archive ends with a block of zeros, and gzip with a checksum that is looked at when all is read."""
    if len(watched.last) != tarfile.BLOCKSIZE or any(watched.last):
        raise InputError(f"{path} is cut off or damaged: it ends without the mark of its end; get it again")
    while watched.read(_CHUNK):
        pass
