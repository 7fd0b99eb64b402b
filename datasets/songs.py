"""Data sets of whole pieces: the notes of all their parts, split by piece.

A data set is a folder with ``manifest.json`` (what a piece is called, its style, tempos, meters and
parts) and ``songs.npz``, the notes of all pieces one after another.  Every composer but the chorales'
own learns from one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wavecore.datasets.domains.manifest import SPLITS
from wavecore.datasets.scores import Skipped, midi_files, split_of
from wavecore.errors import InputError, OutputExistsError, UsageError
from wavecore.symbolic import midi
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

KIND = "songs"
SCHEMA_VERSION = 1
MANIFEST, NOTES = "manifest.json", "songs.npz"
COLUMNS = 4
"""Of a note: onset, pitch, duration, velocity."""


@dataclass(frozen=True)
class Piece:
    """A song, and whose it is.

    Attributes
    ----------
    style : str
        Its composer or collection.
    """

    song: Song
    style: str

    def __post_init__(self):
        if not self.style or self.style != self.style.strip():
            raise UsageError(f"the style {self.style!r} of {self.song.name!r} is no name")


@dataclass(frozen=True)
class SongsDataset:
    """Pieces, and where they come from.

    Attributes
    ----------
    path : Path
        The folder.
    pieces : dict of str to tuple of Piece
        By split: train, valid and test.
    """

    path: Path
    pieces: Mapping[str, Sequence[Piece]]

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of all styles, sorted."""
        return tuple(sorted({piece.style for pieces in self.pieces.values() for piece in pieces}))

    @classmethod
    def open(cls, path: str | Path) -> SongsDataset:
        """Read a data set.

        Raises
        ------
        InputError
            If the folder holds none, or it is damaged.
        """
        path = Path(path)
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            if manifest.get("kind") != KIND or manifest.get("schema") != SCHEMA_VERSION:
                raise InputError(
                    f"{path} holds data of kind {manifest.get('kind')!r}, schema {manifest.get('schema')!r}; {KIND}, {SCHEMA_VERSION} is wanted"
                )
            with np.load(path / NOTES, allow_pickle=False) as arrays:
                notes = arrays["notes"]
            return cls(path, _pieces(manifest["pieces"], notes, path))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is no data set of songs: {error}; `wavecore data midi` makes one") from error

    def summary(self) -> dict:
        """Say what a model must remember of its data."""
        splits = {
            split: {
                "pieces": len(pieces),
                "notes": sum(piece.song.n_notes for piece in pieces),
                "hours": round(sum(piece.song.duration_s for piece in pieces) / 3600, 2),
            }
            for split, pieces in self.pieces.items()
        }
        every = [piece for pieces in self.pieces.values() for piece in pieces]
        styles = {
            style: {
                "pieces": sum(piece.style == style for piece in every),
                "sources": sorted({piece.song.source for piece in every if piece.style == style}),
                "licences": sorted({piece.song.licence for piece in every if piece.style == style}),
            }
            for style in self.styles
        }
        return {"splits": splits, "styles": styles}


def write_songs(path: str | Path, pieces: Mapping[str, Sequence[Piece]], *, overwrite: bool = False) -> SongsDataset:
    """Write a data set.

    Parameters
    ----------
    path : str or Path
        The folder; created.
    pieces : mapping of str to sequence of Piece
        By split: train, valid and test.  Names of pieces differ.
    overwrite : bool
        Whether a data set that is there may be replaced.

    Raises
    ------
    InputError
        If a split is missing or empty, a piece has no notes, or two have one name.
    OutputExistsError
        If the folder holds a data set and ``overwrite`` is false.
    """
    path = Path(path)
    names: set[str] = set()
    for split in SPLITS:
        if not pieces.get(split):
            raise InputError(f"there are no pieces for {split}; a data set has some of {', '.join(SPLITS)}")
        for piece in pieces[split]:
            if piece.song.name in names:
                raise InputError(f"two pieces are called {piece.song.name!r}")
            if not piece.song.n_notes:
                raise InputError(f"the piece {piece.song.name!r} has no notes")
            names.add(piece.song.name)
    if (path / MANIFEST).exists() and not overwrite:
        raise OutputExistsError(f"{path} holds a data set already; choose another folder, or allow overwriting")
    path.mkdir(parents=True, exist_ok=True)
    every = [piece for split in SPLITS for piece in pieces[split]]
    rows = [_row(event) for piece in every for part in piece.song.parts for event in part.events]
    temporary = path / f".{NOTES}.tmp"
    with open(temporary, "wb") as opened:
        np.savez_compressed(opened, notes=np.array(rows, np.int32).reshape(-1, COLUMNS))
    temporary.replace(path / NOTES)
    manifest = {
        "schema": SCHEMA_VERSION,
        "kind": KIND,
        "pieces": {split: [_entry(piece) for piece in pieces[split]] for split in SPLITS},
    }
    temporary = path / f".{MANIFEST}.tmp"
    temporary.write_text(json.dumps(manifest) + "\n", encoding="utf-8")
    temporary.replace(path / MANIFEST)
    return SongsDataset.open(path)


def read_folder(folder: str | Path, *, style: str, licence: str = "") -> tuple[dict[str, list[Piece]], list[Skipped]]:
    """Read all MIDI files of a folder, to any depth, and assign them to splits by their names.

    Parameters
    ----------
    style : str
        Of all of them; pieces are named ``style/path``.
    licence : str
        What may be done with them.

    Returns
    -------
    pieces : dict of str to list of Piece
        By split; one can be empty.
    skipped : list of Skipped
        Files that cannot be used.

    Raises
    ------
    InputError
        If there is no such folder, or no MIDI file in it can be used.
    """
    folder = Path(folder)
    pieces: dict[str, list[Piece]] = {split: [] for split in SPLITS}
    skipped, names = [], set()
    for file in midi_files(folder):
        place = file.relative_to(folder)
        name = f"{style}/{place.with_suffix('').as_posix()}"
        try:
            if name in names:
                raise InputError("another file of the folder has the same name but for the suffix")
            song = midi.read(file, source=folder.resolve().name, licence=licence)
        except InputError as error:
            skipped.append(Skipped(place.as_posix(), str(error)))
            continue
        names.add(name)
        pieces[split_of(name)].append(Piece(replace(song, name=name), style))
    if not names:
        raise InputError(f"no MIDI file in {folder} can be used; of the first: {skipped[0].reason}")
    return pieces, skipped


def _row(event: Event) -> tuple[int, int, int, int]:
    return event.onset, event.pitch, event.duration, event.velocity


def _entry(piece: Piece) -> dict:
    """What the manifest says of a piece."""
    song = piece.song
    return {
        "name": song.name, "style": piece.style, "source": song.source, "licence": song.licence, "ticks_per_beat": song.ticks_per_beat,
        "tempos": [[tempo.tick, tempo.microseconds] for tempo in song.tempos],
        "meters": [[meter.tick, meter.numerator, meter.denominator] for meter in song.meters],
        "parts": [[part.name, part.program, part.is_drum, len(part.events)] for part in song.parts],
    }  # fmt: skip


def _pieces(entries: Mapping[str, list[dict]], notes: np.ndarray, path: Path) -> dict[str, tuple[Piece, ...]]:
    """Put notes and manifest together again."""
    rows, place = notes.tolist(), 0
    found = {}
    for split in SPLITS:
        pieces = []
        for entry in entries[split]:
            parts = []
            for name, program, is_drum, size in entry["parts"]:
                events = (
                    Event(onset, pitch, duration, velocity)
                    for onset, pitch, duration, velocity in rows[place : place + size]
                )
                parts.append(Part(tuple(events), name, program, is_drum))
                place += size
            song = Song(
                entry["ticks_per_beat"], tuple(parts), tuple(Tempo(*tempo) for tempo in entry["tempos"]), tuple(Meter(*meter) for meter in entry["meters"]),
                entry["name"], entry["source"], entry["licence"],
            )  # fmt: skip
            pieces.append(Piece(song, entry["style"]))
        found[split] = tuple(pieces)
    if place != len(rows):
        raise InputError(f"{path} is damaged: {MANIFEST} tells of {place:,} notes, {NOTES} holds {len(rows):,}")
    return found
