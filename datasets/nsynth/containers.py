"""The three containers of NSynth's notes: folders, tar archives and TFRecord files.

Damage to a container raises InputError; a sound that cannot be used is returned as the error that says why, for the
caller to count.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wavecore.datasets.nsynth import tfrecord, wav
from wavecore.datasets.nsynth.archive import is_archive, members
from wavecore.datasets.nsynth.note import N_SAMPLES, SAMPLE_RATE
from wavecore.errors import InputError

# A note's WAV has 128,044 bytes; other chunks may make it a little longer.
_LARGEST_WAV = 1 << 20
_LARGEST_JSON = 1 << 30


@dataclass(frozen=True)
class Container:
    """Where a split is: the kind (folder, archive, tfrecord), its path, and the split's folder inside an archive."""

    kind: str
    path: Path
    inside: str = ""


Sounds = Iterator[tuple[str, "np.ndarray | InputError"]]


def split_in_name(name: str) -> str | None:
    """Return the split in the name of a file or folder, ``nsynth-train.jsonwav.tar.gz`` for example, or None."""
    match = re.match(r"nsynth-(train|valid|test)(?=$|[.\-_])", name)
    return match.group(1) if match else None


def find_containers(path: Path) -> list[Path]:
    """Return a container itself, or those in a folder: folders before archives before TFRecord files."""
    if not path.exists():
        raise InputError(f"there is no {path}")
    if path.is_file() or (path / "examples.json").is_file():
        return [path]
    inside = [item for item in sorted(path.iterdir()) if split_in_name(item.name)]
    folders = [item for item in inside if (item / "examples.json").is_file()]
    files = [item for item in inside if item.is_file()]
    containers = folders + [f for f in files if is_archive(f)] + [f for f in files if f.suffix == ".tfrecord"]
    if not containers:
        raise InputError(
            f"{path} holds no NSynth data: neither examples.json nor nsynth-train, nsynth-valid or "
            "nsynth-test as a folder, .tar.gz or .tfrecord"
        )
    return containers


def read_entries(path: Path, *, taken: Collection[str] = ()) -> Iterator[tuple[str, Container, dict[str, Any]]]:
    """Yield each split in a container, where it is, and its notes' descriptions as ``examples.json`` holds them.

    A container that is named after one of the splits in `taken` is not opened.
    """
    split = split_in_name(path.resolve().name)
    if split in taken:
        return
    if path.is_file() and is_archive(path):
        for inside, data in _archived_examples(path):
            name = split_in_name(inside.rpartition("/")[2]) or split
            entries = _parse_json(data, f"{path}:{inside}/examples.json")
            yield _require_split(name, inside, path), Container("archive", path, inside), entries
    elif path.is_dir():
        file = path / "examples.json"
        yield _require_split(split, path.name, path), Container("folder", path), _parse_json(_bytes(file), str(file))
    elif path.suffix == ".tfrecord":
        entries = {}
        for number, record in enumerate(tfrecord.read_records(path)):
            entry, _ = _from_example(record, f"{path}, record {number}")
            name = entry.get("note_str", f"record {number}")
            if name in entries:
                raise InputError(f"{path}: {name!r} occurs twice")
            entries[name] = entry
        yield _require_split(split, path.name, path), Container("tfrecord", path), entries
    else:
        raise InputError(f"{path} is no NSynth data: it must be a folder, .tar, .tar.gz or .tfrecord")


def read_sounds(container: Container, names: Collection[str]) -> Sounds:
    """Yield the names of notes and their samples, shape (64000,), float32, in [-1, 1], or an InputError in their place.

    The order is the container's; a folder's is that of `names`.
    """
    readers = {"folder": _folder_sounds, "archive": _archive_sounds, "tfrecord": _record_sounds}
    return readers[container.kind](container, names)


def _require_split(split: str | None, name: str, path: Path) -> str:
    if split is None:
        raise InputError(f"{path}: {name!r} names no split; call it nsynth-train, nsynth-valid or nsynth-test")
    return split


def _archived_examples(path: Path) -> list[tuple[str, bytes]]:
    """Return the examples.json files of an archive with their folders; the whole archive is read and checked."""
    examples = []
    for member in members(path):
        folder, _, name = member.name.rpartition("/")
        if name == "examples.json":
            if member.size > _LARGEST_JSON:
                raise InputError(f"{path}: {member.name} has {member.size} bytes, at most {_LARGEST_JSON} are read")
            examples.append((folder, member.read()))
    if not examples:
        raise InputError(f"{path} holds no examples.json")
    return examples


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error


def _parse_json(data: bytes, where: str) -> dict[str, Any]:
    """Parse a dictionary of entries; names that occur twice are refused."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entries = dict(pairs)
        if len(entries) < len(pairs):
            names = sorted(name for name, _ in pairs)
            repeated = next(name for name, following in itertools.pairwise(names) if name == following)
            raise InputError(f"{where}: {repeated!r} occurs twice")
        return entries

    try:
        entries = json.loads(data.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is no JSON ({error}); get it again") from error
    if not isinstance(entries, dict):
        raise InputError(f"{where} holds a {type(entries).__name__}, not a dictionary by note_str")
    return entries


def _folder_sounds(container: Container, names: Collection[str]) -> Sounds:
    for name in names:
        path = container.path / "audio" / f"{name}.wav"
        try:
            data = _bytes(path)
        except InputError as error:
            yield name, error
        else:
            yield name, _from_wav(data, str(path))


def _archive_sounds(container: Container, names: Collection[str]) -> Sounds:
    missing = dict.fromkeys(names)
    audio = f"{container.inside}/audio".lstrip("/")
    for member in members(container.path):
        folder, _, file = member.name.rpartition("/")
        name = file.removesuffix(".wav")
        if folder != audio or file == name or name not in missing:
            continue
        del missing[name]
        where = f"{container.path}:{member.name}"
        if member.size > _LARGEST_WAV:
            yield name, InputError(f"{where} has {member.size} bytes, a note has about {2 * N_SAMPLES}")
        else:
            yield name, _from_wav(member.read(), where)
    for name in missing:
        yield name, InputError(f"{container.path} has no {audio}/{name}.wav")


def _record_sounds(container: Container, names: Collection[str]) -> Sounds:
    for number, record in enumerate(tfrecord.read_records(container.path)):
        where = f"{container.path}, record {number}"
        entry, audio = _from_example(record, where)
        if entry.get("note_str") in names:
            yield entry["note_str"], _checked_samples(audio, where)


def _from_wav(data: bytes, where: str) -> np.ndarray | InputError:
    try:
        samples, rate = wav.decode(data, where=where)
    except InputError as error:
        return error
    if rate != SAMPLE_RATE:
        return InputError(f"{where} is at {rate} Hz, not {SAMPLE_RATE}")
    return _checked_samples(wav.to_float(samples), where)


def _checked_samples(samples: np.ndarray | None, where: str) -> np.ndarray | InputError:
    if not isinstance(samples, np.ndarray):
        return InputError(f"{where} has no audio")
    if samples.shape != (N_SAMPLES,):
        return InputError(f"{where} has {samples.size} samples, not {N_SAMPLES}")
    if not (np.isfinite(samples).all() and np.abs(samples).max() <= 1):
        return InputError(f"{where} has samples that are not finite or leave [-1, 1]")
    return samples


def _from_example(record: bytes, where: str) -> tuple[dict[str, Any], np.ndarray | None]:
    """Return a record's features in the form of examples.json, and its samples."""
    features = tfrecord.decode_example(record, where=where)
    audio = features.pop("audio", None)
    entry: dict[str, Any] = {}
    for key, value in features.items():
        if isinstance(value, np.ndarray):
            entry[key] = value.tolist()
            continue
        items = [item.decode("utf-8", "replace") if isinstance(item, bytes) else item for item in value]
        entry[key] = items if key.startswith("qualities") or len(items) != 1 else items[0]
    # An empty list is often left out.
    entry.setdefault("qualities_str", [])
    return entry, audio
