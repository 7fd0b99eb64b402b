"""The three containers of NSynth's notes: folders, tar archives and TFRecord files.

`candidates` finds them, `entries` reads what they say of their notes, `sounds`
reads the samples.  Damage to a container raises; a sound that cannot be used
comes as the error that says why, for the caller to count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wavecore.datasets.nsynth import pcm, tf_example, tfrecord
from wavecore.datasets.nsynth.archive import is_archive, members
from wavecore.datasets.nsynth.note import N_SAMPLES, SAMPLE_RATE
from wavecore.errors import InputError

# A note's WAV has 128,044 bytes; other chunks may make it a little longer.
_LARGEST_WAV = 1 << 20
_LARGEST_JSON = 1 << 30


@dataclass(frozen=True)
class Container:
    """Where a split is.

    Attributes
    ----------
    kind : str
        ``folder``, ``archive`` or ``tfrecord``.
    inside : str
        The split's folder in an archive.
    """

    kind: str
    path: Path
    inside: str = ""


Sounds = Iterator[tuple[str, "np.ndarray | InputError"]]


def split_of(name: str) -> str | None:
    """Find out of which split a file or folder is.

    Parameters
    ----------
    name : str
        Without folders, ``nsynth-train.jsonwav.tar.gz`` for example.

    Returns
    -------
    str or None
        None if the name does not tell.
    """
    match = re.match(r"nsynth-(train|valid|test)(?=$|[.\-_])", name)
    return match.group(1) if match else None


def candidates(path: Path) -> list[Path]:
    """Find the containers that a path names.

    Parameters
    ----------
    path : Path
        A container, or a folder that holds some.

    Returns
    -------
    list of Path
        Folders before archives before TFRecord files.

    Raises
    ------
    InputError
        If there is none.
    """
    if not path.exists():
        raise InputError(f"there is no {path}")
    if path.is_file() or (path / "examples.json").is_file():
        return [path]
    inside = [item for item in sorted(path.iterdir()) if split_of(item.name)]
    folders = [item for item in inside if (item / "examples.json").is_file()]
    files = [item for item in inside if item.is_file()]
    found = folders + [f for f in files if is_archive(f)] + [f for f in files if f.suffix == ".tfrecord"]
    if not found:
        raise InputError(
            f"{path} holds no NSynth data: neither examples.json nor nsynth-train, nsynth-valid or "
            "nsynth-test as a folder, .tar.gz or .tfrecord"
        )
    return found


def entries(path: Path, *, taken: Collection[str] = ()) -> Iterator[tuple[str, Container, dict[str, Any]]]:
    """Read what a container says of its notes.

    Parameters
    ----------
    path : Path
        From `candidates`.
    taken : collection of str
        Splits that were found elsewhere; a container named after one is not opened.

    Yields
    ------
    entries : dict
        As ``examples.json`` holds them, unchecked, by ``note_str``.

    Raises
    ------
    InputError
        If the container is damaged, or does not say of which split it is.
    """
    split = split_of(path.resolve().name)
    if split in taken:
        return
    if path.is_file() and is_archive(path):
        for inside, data in _archived_examples(path):
            name = split_of(inside.rpartition("/")[2]) or split
            where = f"{path}:{inside}/examples.json"
            yield _told(name, inside, path), Container("archive", path, inside), _parse_json(data, where)
    elif path.is_dir():
        file = path / "examples.json"
        yield _told(split, path.name, path), Container("folder", path), _parse_json(_bytes(file), str(file))
    elif path.suffix == ".tfrecord":
        found: dict[str, Any] = {}
        for number, record in enumerate(tfrecord.read_records(path)):
            entry, _ = _from_example(record, f"{path}, record {number}")
            name = entry.get("note_str", f"record {number}")
            if name in found:
                raise InputError(f"{path}: {name!r} is there twice")
            found[name] = entry
        yield _told(split, path.name, path), Container("tfrecord", path), found
    else:
        raise InputError(f"{path} is no NSynth data: wanted a folder, .tar, .tar.gz or .tfrecord")


def _told(split: str | None, name: str, path: Path) -> str:
    if split is None:
        raise InputError(
            f"{path}: {name!r} does not say of which split it is; call it nsynth-train, nsynth-valid or nsynth-test"
        )
    return split


def _archived_examples(path: Path) -> list[tuple[str, bytes]]:
    """The examples.json files of an archive with their folders; the whole archive is read and checked."""
    found = []
    for member in members(path):
        folder, _, name = member.name.rpartition("/")
        if name == "examples.json":
            if member.size > _LARGEST_JSON:
                raise InputError(f"{path}: {member.name} has {member.size:,} bytes, at most {_LARGEST_JSON:,} are read")
            found.append((folder, member.read()))
    if not found:
        raise InputError(f"{path} holds no examples.json")
    return found


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _parse_json(data: bytes, where: str) -> dict[str, Any]:
    """A dictionary of entries; two of one name are refused."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{where}: {twice!r} is there twice")
        return found

    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is no JSON ({error}); get it again") from error
    if not isinstance(found, dict):
        raise InputError(f"{where} holds a {type(found).__name__}, wanted a dictionary keyed by note_str")
    return found


def sounds(container: Container, wanted: Collection[str]) -> Sounds:
    """Read the samples of notes.

    Parameters
    ----------
    wanted : collection of str
        Names of notes; quick to search.

    Yields
    ------
    samples : ndarray of shape (64000,), float32, or InputError
        In [-1, 1]; the error says why a sound cannot be used.  The order is the
        container's, a folder's is that of `wanted`.

    Raises
    ------
    InputError
        If the container itself is damaged.
    """
    read = {"folder": _folder_sounds, "archive": _archive_sounds, "tfrecord": _record_sounds}
    return read[container.kind](container, wanted)


def _folder_sounds(container: Container, wanted: Collection[str]) -> Sounds:
    for name in wanted:
        path = container.path / "audio" / f"{name}.wav"
        try:
            data = _bytes(path)
        except InputError as error:
            yield name, error
        else:
            yield name, _from_wav(data, str(path))


def _archive_sounds(container: Container, wanted: Collection[str]) -> Sounds:
    missing = dict.fromkeys(wanted)
    audio = f"{container.inside}/audio".lstrip("/")
    for member in members(container.path):
        folder, _, file = member.name.rpartition("/")
        name = file.removesuffix(".wav")
        if folder != audio or file == name or name not in missing:
            continue
        del missing[name]
        where = f"{container.path}:{member.name}"
        if member.size > _LARGEST_WAV:
            yield name, InputError(f"{where} has {member.size:,} bytes, a note has about {2 * N_SAMPLES:,}")
        else:
            yield name, _from_wav(member.read(), where)
    for name in missing:
        yield name, InputError(f"{container.path} has no {audio}/{name}.wav")


def _record_sounds(container: Container, wanted: Collection[str]) -> Sounds:
    for number, record in enumerate(tfrecord.read_records(container.path)):
        where = f"{container.path}, record {number}"
        entry, audio = _from_example(record, where)
        name = entry.get("note_str")
        if name in wanted:
            yield name, _checked_samples(audio, where)


def _from_wav(data: bytes, where: str) -> np.ndarray | InputError:
    try:
        samples, rate = pcm.read_wav(data, where=where)
    except InputError as error:
        return error
    if rate != SAMPLE_RATE:
        return InputError(f"{where} is at {rate} Hz, wanted {SAMPLE_RATE}")
    return _checked_samples(pcm.to_float(samples), where)


def _checked_samples(samples: np.ndarray | None, where: str) -> np.ndarray | InputError:
    if not isinstance(samples, np.ndarray):
        return InputError(f"{where} has no audio")
    if samples.shape != (N_SAMPLES,):
        return InputError(f"{where} has {samples.size} samples, wanted {N_SAMPLES}")
    if not (np.isfinite(samples).all() and np.abs(samples).max() <= 1):
        return InputError(f"{where} has samples that are not finite or leave [-1, 1]")
    return samples


def _from_example(record: bytes, where: str) -> tuple[dict[str, Any], np.ndarray | None]:
    """A record's features in the form of examples.json, and its sound."""
    features = tf_example.decode(record, where=where)
    audio = features.pop("audio", None)
    entry: dict[str, Any] = {}
    for key, value in features.items():
        if isinstance(value, np.ndarray):
            entry[key] = value.tolist()
            continue
        items = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in value]
        entry[key] = items if key.startswith("qualities") or len(items) != 1 else items[0]
    # A list that is empty is often left out.
    entry.setdefault("qualities_str", [])
    return entry, audio
