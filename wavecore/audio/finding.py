"""Expansion of the files and folders that a user names to audio files."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from wavecore.errors import InputError

# The usual suffixes of what libsndfile reads.
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64")


def find_audio(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Expand files and folders to a list of audio files.

    Files that are named are kept, whatever their suffix.  Folders are searched with all their subfolders for the
    suffixes in ``AUDIO_SUFFIXES`` (upper or lower case), without hidden files and folders, sorted by path.

    Parameters
    ----------
    paths : path-like, or iterable of them
        Files and folders.

    Returns
    -------
    list of Path
        At least one file, in the order named, each once.

    Raises
    ------
    InputError
        If nothing was named, a path does not exist (with the nearest existing name), a folder holds no audio, or one
        cannot be read.
    """
    named = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not named:
        raise InputError("no input was named; give at least one audio file or folder")
    by_target: dict[Path, Path] = {}  # resolved to named, so that a file named twice counts once
    try:
        for path in map(Path, named):
            if not path.exists():
                raise missing_path(path)
            for file in _audio_in(path) if path.is_dir() else [path]:
                by_target.setdefault(file.resolve(), file)
    except OSError as error:
        raise InputError(f"cannot read the folder {error.filename}: {error.strerror or error}") from error
    return list(by_target.values())


def missing_path(path: str | os.PathLike[str]) -> InputError:
    """Return the error for a path that does not exist: its first missing part, and the most similar name beside it."""
    path = Path(path)
    missing = path
    while not missing.parent.exists():
        missing = missing.parent
    try:
        siblings = os.listdir(missing.parent)
    except OSError as error:
        return InputError(f"cannot read the folder {missing.parent}: {error.strerror or error}")
    by_lower_case = {name.lower(): name for name in siblings}
    near = difflib.get_close_matches(missing.name.lower(), by_lower_case, n=1)
    what = f"{path} does not exist" + ("" if missing == path else f": there is no folder {missing}")
    if near:
        return InputError(f"{what}; did you mean {missing.parent / by_lower_case[near[0]]}?")
    return InputError(f"{what}; check the spelling and the working folder ({Path.cwd()})")


def _audio_in(folder: Path) -> list[Path]:
    """Return the audio files of a folder and its subfolders, sorted; raise InputError if there are none."""
    files = []
    for root, folders, names in os.walk(folder, onerror=_stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(root) / name for name in names if not name.startswith(".")]
    audio = sorted(file for file in files if file.suffix.lower() in AUDIO_SUFFIXES)
    if not audio:
        raise InputError(
            f"no audio in {folder}: searched it and its subfolders for {', '.join(AUDIO_SUFFIXES)}, "
            f"found {_summary(files)}"
        )
    return audio


def _stop(error: OSError) -> None:
    """Raise the error of a folder that cannot be read, which os.walk would ignore."""
    raise error


def _summary(files: list[Path]) -> str:
    """Count files by suffix, the most common first: '3 .txt, 1 .mid'."""
    if not files:
        return "no files at all"
    counts = Counter(file.suffix.lower() or "without a suffix" for file in files).most_common()
    shown = ", ".join(f"{count} {suffix}" for suffix, count in counts[:6])
    return shown if len(counts) <= 6 else f"{shown} and {len(counts) - 6} other kinds"
