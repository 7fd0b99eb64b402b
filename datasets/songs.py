"""Data sets of whole pieces: the notes of all their parts, split by piece.

A data set is a folder with ``manifest.json`` (names, styles, tempos, meters and parts of the pieces) and
``songs.npz``, the notes of all pieces one after another. All composers but Coconet are trained on one.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wavecore.audio import output
from wavecore.datasets import storage
from wavecore.datasets.scores import Skipped, read_midi_files
from wavecore.datasets.splits import SPLITS, split_of
from wavecore.datasets.storage import MANIFEST
from wavecore.errors import InputError, UsageError
from wavecore.symbolic import midi
from wavecore.symbolic.note_sequence import STEPS_PER_BEAT, NoteLine, read_line, without_long_rests
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

KIND = "songs"
SCHEMA = 1
NOTES = "songs.npz"
COLUMNS = 4
"""Of a note: onset, pitch, duration, velocity."""
BEATS_PER_BAR = 4
"""Limit of the rests in melodies: recordings often lack a meter, or name a wrong one."""


@dataclass(frozen=True)
class Piece:
    """A song and its style.

    Attributes
    ----------
    song : Song
        Its name is unique in a data set.
    style : str
        The composer or collection.
    """

    song: Song
    style: str

    def __post_init__(self):
        if not self.style or self.style != self.style.strip():
            raise UsageError(f"the style {self.style!r} of {self.song.name!r} is empty or has spaces around it")


@dataclass(frozen=True)
class SongsDataset:
    """A data set of songs, held in memory; `open` reads one, `write_songs` makes one.

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
        manifest = storage.read_manifest(path, kind=KIND, schema=SCHEMA, command="wavecore data midi")
        with storage.refuse_damage(path), np.load(path / NOTES, allow_pickle=False) as arrays:
            return cls(path, _decode_pieces(manifest["pieces"], arrays["notes"], path))

    def summary(self) -> dict[str, Any]:
        """Describe the data set for a model's card, in JSON values."""
        splits = {
            split: {
                "pieces": len(pieces),
                "notes": sum(piece.song.n_notes for piece in pieces),
                "hours": round(sum(piece.song.duration_s for piece in pieces) / 3600, 2),
            }
            for split, pieces in self.pieces.items()
        }
        styles = {}
        for style in self.styles:
            songs = [piece.song for pieces in self.pieces.values() for piece in pieces if piece.style == style]
            styles[style] = {
                "pieces": len(songs),
                "sources": sorted({song.source for song in songs}),
                "licences": sorted({song.licence for song in songs}),
            }
        return {"splits": splits, "styles": styles}


def write_songs(path: str | Path, pieces: Mapping[str, Sequence[Piece]], *, overwrite: bool = False) -> SongsDataset:
    """Write a data set of pieces by split and open it.

    Raises
    ------
    InputError
        If a split is missing or empty, a piece has no notes, or two have the same name.
    OutputExistsError
        If the folder holds a data set and `overwrite` is false.
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
    storage.refuse_finished(path, overwrite=overwrite)
    songs = [piece.song for split in SPLITS for piece in pieces[split]]
    rows = [
        (event.onset, event.pitch, event.duration, event.velocity)
        for song in songs
        for part in song.parts
        for event in part.events
    ]
    with output.whole_file(path / NOTES, overwrite=True) as partial:
        np.savez_compressed(partial, notes=np.array(rows, np.int32))
    entries = {split: [_encode_piece(piece) for piece in pieces[split]] for split in SPLITS}
    manifest = {"schema": SCHEMA, "kind": KIND, "pieces": entries}
    storage.write_text(path / MANIFEST, json.dumps(manifest) + "\n")
    return SongsDataset.open(path)


def read_folder(folder: str | Path, *, style: str, licence: str = "") -> tuple[dict[str, list[Piece]], list[Skipped]]:
    """Read all MIDI files of a folder, to any depth, and assign them to splits by their names.

    Parameters
    ----------
    style : str
        Of all of them; pieces are named ``style/path``.

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
    source = folder.resolve().name
    songs, skipped = read_midi_files(folder, style, lambda path: midi.read(path, source=source, licence=licence))
    if not songs:
        raise InputError(f"no MIDI file in {folder} can be used; of the first: {skipped[0].reason}")
    pieces: dict[str, list[Piece]] = {split: [] for split in SPLITS}
    for name, song in songs.items():
        pieces[split_of(name)].append(Piece(replace(song, name=name), style))
    return pieces, skipped


def read_lines(
    dataset: SongsDataset, split: str, *, steps_per_beat: int = STEPS_PER_BEAT, chords: bool = False, shortest: int = 2
) -> list[NoteLine]:
    """Read the melody of every piece of a split that has one, with `wavecore.symbolic.note_sequence.read_line`.

    Parameters
    ----------
    shortest : int
        Fewest notes of a melody; shorter ones are left out.

    Returns
    -------
    list of NoteLine
        In the data's order; each begins with its first note and has no rest of more than four beats.

    Raises
    ------
    InputError
        If no melody is long enough.
    """
    lines = []
    for piece in dataset.pieces[split]:
        if all(part.is_drum or not part.events for part in piece.song.parts):
            continue
        line = read_line(piece.song, steps_per_beat=steps_per_beat, chords=chords)
        lines.append(without_long_rests(line, BEATS_PER_BAR * steps_per_beat))
    long_enough = [line for line in lines if line.n_notes >= shortest]
    if not long_enough:
        raise InputError(
            f"none of the {len(lines)} melodies in {dataset.path} for {split} has {shortest} notes or more"
        )
    return long_enough


def _encode_piece(piece: Piece) -> dict[str, Any]:
    """Return a piece's entry in the manifest: everything but its notes."""
    song = piece.song
    return {
        "name": song.name,
        "style": piece.style,
        "source": song.source,
        "licence": song.licence,
        "ticks_per_beat": song.ticks_per_beat,
        "tempos": [[tempo.tick, tempo.microseconds] for tempo in song.tempos],
        "meters": [[meter.tick, meter.numerator, meter.denominator] for meter in song.meters],
        "parts": [[part.name, part.program, part.is_drum, len(part.events)] for part in song.parts],
    }


def _decode_pieces(entries: Mapping[str, list[dict]], notes: np.ndarray, path: Path) -> dict[str, tuple[Piece, ...]]:
    """Distribute the rows of notes over the parts that the manifest lists."""
    n_listed = sum(part[3] for split in SPLITS for entry in entries[split] for part in entry["parts"])
    if notes.shape != (n_listed, COLUMNS):
        raise InputError(f"{path} is damaged: {MANIFEST} lists {n_listed} notes, {NOTES} has shape {notes.shape}")
    rows = iter(notes.tolist())
    return {split: tuple(_decode_piece(entry, rows) for entry in entries[split]) for split in SPLITS}


def _decode_piece(entry: dict[str, Any], rows: Iterator[list[int]]) -> Piece:
    """Read a piece from its entry in the manifest and the next rows of notes."""
    parts = tuple(
        Part(tuple(Event(*row) for row in itertools.islice(rows, size)), name, program, is_drum)
        for name, program, is_drum, size in entry["parts"]
    )
    tempos = tuple(Tempo(*tempo) for tempo in entry["tempos"])
    meters = tuple(Meter(*meter) for meter in entry["meters"])
    song = Song(entry["ticks_per_beat"], parts, tempos, meters, entry["name"], entry["source"], entry["licence"])
    return Piece(song, entry["style"])
