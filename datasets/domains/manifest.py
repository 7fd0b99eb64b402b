"""The manifest of a ``domains`` data set: what is in which shard, and whence.

``manifest.json`` is written last and by rename, so a folder that has one is
complete.  Shards are one-dimensional uint8 ``.npy`` files of mu-law codes, one
per domain and split.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wavecore.errors import InputError

SCHEMA = 1
KIND = "domains"
CODEC = "mulaw256"
NAME = "manifest.json"
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Domain:
    """One kind of sound.

    Attributes
    ----------
    kind : str
        ``soundfont``, ``whistle`` or ``recordings``.
    programs : tuple of dict
        For rendered domains: bank, program, preset, gain, share.
    source, licence : str
        Of the sounds.
    seconds : float
        In all splits together.
    """

    name: str
    kind: str
    programs: tuple[dict[str, Any], ...] = ()
    source: str = ""
    licence: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Slice:
    """Where a piece lies in one domain.

    Attributes
    ----------
    shard : str
        File name in the data set's folder.
    offset, length : int
        Samples.
    octave : int
        By how many octaves the sound was moved against the notes.
    player : str
        Who played, where a domain has several; empty for recordings.
    """

    shard: str
    offset: int
    length: int
    octave: int = 0
    player: str = ""


@dataclass(frozen=True)
class Piece:
    """One excerpt or recording.

    Attributes
    ----------
    tune : str
        The piece it was cut from; all of a tune is in one split.
    split : str
        ``train``, ``valid`` or ``test``.
    source, licence : str
        Of the notes, or of the recording.
    notes : tuple of (onset_s, duration_s, pitch, velocity)
        What was played before any octave shift; empty for recordings.
    """

    id: str
    tune: str
    split: str
    source: str
    licence: str
    seconds: float
    domains: dict[str, Slice]
    notes: tuple[tuple[float, float, int, int], ...] = ()


@dataclass(frozen=True)
class Manifest:
    """All of a data set but its samples.

    Attributes
    ----------
    sample_rate : int
        Hz.
    paired : bool
        Every piece exists in every domain, sample for sample; those of several voices not in a whistle.
    shards : dict of str to dict
        Per shard ``samples`` and ``sha256``.
    settings : dict
        How the data set was made; for people and for repetition.
    """

    sample_rate: int
    paired: bool
    domains: tuple[Domain, ...]
    pieces: tuple[Piece, ...]
    shards: dict[str, dict[str, Any]]
    settings: dict[str, Any] = field(default_factory=dict)


def write(folder: Path, manifest: Manifest) -> Path:
    """Write a manifest, whole or not at all.

    Returns
    -------
    Path
        Of the file.
    """
    document = {"schema": SCHEMA, "kind": KIND, "codec": CODEC, **asdict(manifest)}
    path = folder / NAME
    write_text(path, json.dumps(document, indent=1))
    return path


def read(folder: Path) -> Manifest:
    """Read and check a manifest.

    Raises
    ------
    InputError
        If it is missing, is none of this schema, or contradicts itself.
    """
    path = folder / NAME
    if not path.is_file():
        raise InputError(f"{folder} is no finished data set: there is no {NAME}; run its build again to finish it")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = (document["kind"], document["codec"], document["schema"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no manifest of a data set: {error!r}; build the data set again") from error
    if found != (KIND, CODEC, SCHEMA):
        raise InputError(
            f"{path} describes {found[0]!r} with codec {found[1]!r} in schema {found[2]!r}, wanted "
            f"{KIND!r}, {CODEC!r}, {SCHEMA}; build the data set again with this version"
        )
    try:
        manifest = _from_document(document)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error!r}; build the data set again") from error
    _check(path, manifest)
    return manifest


def write_text(path: Path, text: str) -> None:
    """Write a text file by way of a temporary one."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def file_sha256(path: Path) -> str:
    """Return the hash of a file.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _from_document(document: dict[str, Any]) -> Manifest:
    pieces = []
    for entry in document["pieces"]:
        slices = {name: Slice(**where) for name, where in entry["domains"].items()}
        notes = tuple(tuple(note) for note in entry["notes"])
        pieces.append(Piece(**{**entry, "domains": slices, "notes": notes}))
    domains = tuple(Domain(**{**entry, "programs": tuple(entry["programs"])}) for entry in document["domains"])
    return Manifest(
        sample_rate=int(document["sample_rate"]),
        paired=bool(document["paired"]),
        domains=domains,
        pieces=tuple(pieces),
        shards=dict(document["shards"]),
        settings=dict(document["settings"]),
    )


def _check(path: Path, manifest: Manifest) -> None:
    """Refuse slices outside their shards and pairs of different lengths."""
    names = {domain.name for domain in manifest.domains}
    needed = {domain.name for domain in manifest.domains if domain.kind != "whistle"} if manifest.paired else set()
    for piece in manifest.pieces:
        if not needed <= set(piece.domains) <= names:
            raise InputError(f"{path} is damaged: piece {piece.id!r} is in {sorted(piece.domains)} of {sorted(names)}")
        if manifest.paired and len({where.length for where in piece.domains.values()}) != 1:
            raise InputError(f"{path} is damaged: piece {piece.id!r} has not the same length in every domain")
        for where in piece.domains.values():
            samples = manifest.shards.get(where.shard, {}).get("samples", 0)
            if where.offset < 0 or where.length < 1 or where.offset + where.length > samples:
                raise InputError(f"{path} is damaged: piece {piece.id!r} leaves its shard {where.shard!r}")
