"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from wavecore.errors import OutputExistsError, UsageError, WavecoreError


def refuse_existing(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Raise OutputExistsError if a file exists and may not be replaced, UsageError if a path is no regular file."""
    path = Path(path)
    with _explained(path):
        if path.is_dir():
            raise UsageError(f"{path} is a folder; name a file in it")
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a regular file; choose another output")
        if path.exists() and not overwrite:
            raise OutputExistsError(f"{path} exists already; choose another name or allow overwriting")


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Open a context with a temporary path, which becomes `path` when the block ends without an exception.

    The temporary file lies in the same folder, so that the rename is atomic.  When the block raises,
    ``KeyboardInterrupt`` included, nothing is left behind and an older file at `path` stays as it was.

    Parameters
    ----------
    path : path-like
        Where the finished file is to be; missing folders are made.
    overwrite : bool
        Whether an existing file may be replaced.

    Yields
    ------
    Path
        A path with the same suffix which does not exist yet.

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is false: at the start or, created by another process, at the end.
    UsageError
        If the path exists and is a folder or a device.
    WavecoreError
        If the folder cannot be made or the file cannot be put in place.
    """
    path = Path(path)
    refuse_existing(path, overwrite=overwrite)
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    # Not derived from the name, which may already have the longest length allowed.
    temporary = path.parent / f".{secrets.token_hex(8)}.partial{path.suffix}"
    try:
        yield temporary
        refuse_existing(path, overwrite=overwrite)
        with _explained(path):
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into a WavecoreError that names the path."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise WavecoreError(f"cannot write {path}: {reason}; choose another folder") from error
