"""The manifest of a ``domains`` data set: which passage of which shard holds what, and where it comes from.

Shards are one-dimensional uint8 ``.npy`` files of mu-law codes, one per domain and split.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wavecore.datasets import storage
from wavecore.errors import InputError

SCHEMA = 1
KIND = "domains"
CODEC = "mulaw256"


@dataclass(frozen=True)
class Domain:
    """One kind of sound.

    Attributes
    ----------
    kind : str
        ``soundfont``, ``whistle`` or ``recordings``.
    programs : tuple of dict
        Of a rendered domain: bank, program, preset, gain, share.
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
    """The passage of a shard that holds a piece in one domain.

    Attributes
    ----------
    shard : str
        File name in the data set's folder.
    offset, length : int
        Samples.
    octave : int
        Octaves by which the sound lies above the notes.
    player : str
        Which of a domain's players is heard, where there are several; empty for recordings.
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
        The piece from which it was cut; all of a tune is in one split.
    source, licence : str
        Of the notes, or of the recording.
    domains : dict of str to Slice
        By the domains' names.
    notes : tuple of (onset_s, duration_s, pitch, velocity)
        Before any octave shift; empty for recordings.
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
    """A data set without its samples.

    Attributes
    ----------
    paired : bool
        Whether every piece exists in every domain, sample for sample. Pieces of several voices are not in a whistle.
    shards : dict of str to dict
        ``samples`` and ``sha256``, by file name.
    settings : dict
        How the data set was made.
    """

    sample_rate: int
    paired: bool
    domains: tuple[Domain, ...]
    pieces: tuple[Piece, ...]
    shards: dict[str, dict[str, Any]]
    settings: dict[str, Any] = field(default_factory=dict)


def write(folder: Path, manifest: Manifest) -> Path:
    """Write a manifest and return its path."""
    document = {"schema": SCHEMA, "kind": KIND, "codec": CODEC, **asdict(manifest)}
    path = folder / storage.MANIFEST
    storage.write_text(path, json.dumps(document, indent=1))
    return path


def read(folder: Path) -> Manifest:
    """Read a manifest, or raise InputError if it is missing, of another kind, or contradicts itself."""
    document = storage.read_manifest(folder, kind=KIND, codec=CODEC, schema=SCHEMA, command="wavecore data domains")
    path = folder / storage.MANIFEST
    with storage.refuse_damage(path):
        manifest = _from_document(document)
        _check(path, manifest)
    return manifest


def _from_document(document: dict[str, Any]) -> Manifest:
    pieces = []
    for entry in document["pieces"]:
        slices = {name: Slice(**slice_entry) for name, slice_entry in entry["domains"].items()}
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
    required = {domain.name for domain in manifest.domains if domain.kind != "whistle"} if manifest.paired else set()
    for piece in manifest.pieces:
        if not required <= set(piece.domains) <= names:
            raise InputError(f"{path} is damaged: piece {piece.id!r} is in {sorted(piece.domains)} of {sorted(names)}")
        if manifest.paired and len({part.length for part in piece.domains.values()}) != 1:
            raise InputError(f"{path} is damaged: piece {piece.id!r} has not the same length in every domain")
        for part in piece.domains.values():
            samples = manifest.shards.get(part.shard, {}).get("samples", 0)
            if part.offset < 0 or part.length < 1 or part.offset + part.length > samples:
                raise InputError(f"{path} is damaged: piece {piece.id!r} leaves its shard {part.shard!r}")
