"""Reading and writing the files that all data sets share: JSON manifests and arrays of codes.

A data set is a folder. Its ``manifest.json`` is written last, so that a folder that has one is complete; every file
is written whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wavecore.audio import output
from wavecore.errors import InputError, OutputExistsError

MANIFEST = "manifest.json"
DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error)
"""What readers of JSON and arrays raise for a content that they do not expect."""


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object, or raise InputError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}; get or build it again") from error
    if not isinstance(document, dict):
        raise InputError(f"{path} holds a {type(document).__name__}, not a JSON object")
    return document


def read_manifest(folder: Path, *, command: str, kind: str, **identity: Any) -> dict[str, Any]:
    """Read a manifest, or raise InputError unless it has this identity; messages name the command that makes one."""
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(
            f"{folder} is no data set of {kind}: there is no {MANIFEST}; `{command}` makes one or finishes one"
        )
    document = read_json(path)
    required = {"kind": kind, **identity}
    actual = {key: document.get(key) for key in required}
    if actual != required:
        raise InputError(f"{path} describes {actual}, not {required}")
    return document


@contextlib.contextmanager
def refuse_damage(path: Path) -> Iterator[None]:
    """Raise InputError where a file's content is not what its reader expects."""
    try:
        yield
    except DAMAGE as error:
        raise InputError(f"{path} is damaged: {error!r}; get or build it again") from error


def refuse_finished(folder: Path, *, overwrite: bool = False) -> None:
    """Raise OutputExistsError if a folder holds a finished data set that must not be replaced."""
    if (folder / MANIFEST).exists() and not overwrite:
        raise OutputExistsError(f"{folder} holds a finished data set; delete it or choose another folder")


def remove_partial_files(folder: Path) -> None:
    """Delete what killed processes left half-written in a folder, to any depth."""
    for path in folder.rglob(".*.partial*"):
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with output.whole_file(path, overwrite=True) as partial:
        partial.write_text(text, encoding="utf-8")


def write_codes(path: Path, shape: tuple[int, ...], blocks: Iterable[np.ndarray]) -> str:
    """Write uint8 codes block by block as one ``.npy`` file of a known shape, and return its SHA-256."""
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with output.whole_file(path, overwrite=True) as partial:
        with partial.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            written = sum(file.write(np.ascontiguousarray(block).data) for block in blocks)
        assert written == math.prod(shape), f"{path} got {written} codes for the shape {shape}"
    return file_sha256(path)


def open_codes(path: Path) -> np.ndarray:
    """Map an array of uint8 codes into memory, read-only, or raise InputError."""
    try:
        codes = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {error}; get or build it again") from error
    if codes.dtype != np.uint8:
        raise InputError(f"{path} holds {codes.dtype}, not uint8; get or build it again")
    return codes


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
