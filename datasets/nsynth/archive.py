"""Tar archives read from front to back: nothing is unpacked, everything is checked.

A published archive is ``nsynth-SPLIT/`` with ``examples.json`` and ``audio/``, 22 GB for training. Python's tarfile
stops without an error where a header is cut off or damaged, so that the end of the archive is checked here. Members
that would leave the folder, links and devices are refused although nothing is written: such an archive is not what it
claims to be.
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
    """A file of an archive: its path with ``/``, its bytes, and how to read it before the next member is requested."""

    name: str
    size: int
    read: Callable[[], bytes]


def is_archive(path: str | Path) -> bool:
    """Return whether a file's name is that of a tar archive."""
    return str(path).lower().endswith((".tar", ".tar.gz", ".tgz"))


def members(path: str | Path) -> Iterator[Member]:
    """Yield the files of an archive, gzipped or not, without folders and the ``._name`` files that macOS adds.

    InputError is raised if the archive is damaged or cut off, or a member has an absolute path, leaves the folder,
    occurs twice, or is neither file nor folder.
    """
    path = Path(path)
    seen: set[str] = set()
    with _refuse_damage(path), _open(path) as file:
        watched = _Watched(file)
        with tarfile.open(fileobj=watched, mode="r:") as archive:
            while (info := archive.next()) is not None:
                archive.members.clear()  # otherwise 300,000 of them stay in memory
                name = _checked_name(info, path, seen)
                if info.isreg() and not name.rpartition("/")[2].startswith("._"):
                    yield Member(name, info.size, functools.partial(_read, archive, info, path))
        _require_end(watched, path)


@contextlib.contextmanager
def _refuse_damage(path: Path) -> Iterator[None]:
    """Raise InputError for the errors of tarfile, gzip and the system."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is cut off or damaged ({error}); get it again") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _read(archive: tarfile.TarFile, info: tarfile.TarInfo, path: Path) -> bytes:
    with _refuse_damage(path):
        return archive.extractfile(info).read()


class _Watched:
    """A file that remembers what it read last."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.last = b""
        self.tell, self.seek = file.tell, file.seek

    def read(self, size: int = -1) -> bytes:
        self.last = self._file.read(size)
        return self.last


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        zipped = file.read(2) == _GZIP
    return gzip.open(path, "rb") if zipped else path.open("rb")


def _checked_name(info: tarfile.TarInfo, path: Path, seen: set[str]) -> str:
    """Return a member's path, or refuse what does not belong in a data set."""
    parts = [part for part in info.name.split("/") if part not in ("", ".")]
    name = "/".join(parts)
    reason = None
    if info.name.startswith("/") or "\\" in info.name or ":" in info.name.partition("/")[0]:
        reason = "has an absolute or foreign path; do not trust this file"
    elif ".." in parts:
        reason = "leaves the folder; do not trust this file"
    elif info.issym() or info.islnk():
        reason = f"is a link to {info.linkname!r}; links are not followed"
    elif not (info.isreg() or info.isdir()) or info.issparse():
        reason = "is neither a plain file nor a folder"
    elif info.isreg() and name in seen:
        reason = "occurs twice"
    if reason is not None:
        raise InputError(f"{path}: the member {info.name!r} {reason}")
    if info.isreg():
        seen.add(name)
    return name


def _require_end(watched: _Watched, path: Path) -> None:
    """Require the block of zeros that ends an archive, and read the rest so that gzip checks its checksum."""
    if len(watched.last) != tarfile.BLOCKSIZE or any(watched.last):
        raise InputError(f"{path} is cut off or damaged: the mark of its end is missing; get it again")
    while watched.read(_CHUNK):
        pass
