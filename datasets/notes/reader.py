"""Reading the ``notes`` data set, on which note models are trained and evaluated.

A folder holds ``manifest.json`` and, per split, ``nsynth-SPLIT/`` with

* ``examples.json``, in NSynth's published layout, sorted by ``note_str``;
* ``codes.npy``, uint8 mu-law codes of `wavecore.audio.mulaw`, shape (n_notes, n_samples): row i is the i-th note of
  ``examples.json``;
* ``audio/*.wav``, where the data set was rendered.

`NotesDataset` reads the first two and needs NumPy and JSON alone. ``wavecore data soundfont`` and ``wavecore data
nsynth`` write such folders.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from wavecore.datasets import storage
from wavecore.datasets.nsynth import note as nsynth_note
from wavecore.datasets.nsynth.note import Note
from wavecore.datasets.splits import SPLITS
from wavecore.datasets.storage import MANIFEST
from wavecore.errors import InputError, UsageError

__all__ = ["CODEC", "CODES", "EXAMPLES", "KIND", "MANIFEST", "SCHEMA", "Note", "NotesDataset", "split_folder"]

SCHEMA = 1
KIND = "notes"
CODEC = "mulaw256"
EXAMPLES = "examples.json"
CODES = "codes.npy"


def split_folder(split: str) -> str:
    """Return the name of a split's folder, ``nsynth-train`` for ``train``, as published."""
    return f"nsynth-{split}"


class NotesDataset:
    """A finished data set of single notes, open for reading; use `open`.

    Codes are memory-mapped, so that a data set may be larger than the memory::

        dataset = NotesDataset.open("data/notes")
        dataset.notes("train")[0].pitch, mulaw.decode(dataset.codes("train")[0])

    Attributes
    ----------
    manifest : dict
        How the data set was made: ``settings``, ``splits`` and more.
    splits : tuple of str
        Those that hold notes, in the order train, valid, test.
    sample_rate : int
        Hz.
    n_samples : int
        Of every note.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]):
        self.path = path
        self.manifest = manifest
        self.splits = tuple(split for split in SPLITS if split in manifest["splits"])
        self.sample_rate: int = manifest["sample_rate"]
        self.n_samples: int = manifest["n_samples"]
        self._notes: dict[str, tuple[Note, ...]] = {}
        self._codes: dict[str, np.ndarray] = {}

    @classmethod
    def open(cls, path: str | Path) -> NotesDataset:
        """Open the data set in a folder.

        Raises
        ------
        InputError
            If it is unfinished or damaged: a split's notes or codes are missing, or their numbers or lengths differ.
        """
        path = Path(path)
        dataset = cls(path, _read_manifest(path))
        for split in dataset.splits:
            dataset._open_split(split)
        return dataset

    def notes(self, split: str) -> tuple[Note, ...]:
        """Return the descriptions of the notes of a split, in the order of the codes' rows.

        Raises
        ------
        UsageError
            If there is no such split.
        """
        return self._notes[self._require(split)]

    def codes(self, split: str) -> np.ndarray:
        """Return the sounds of a split.

        Returns
        -------
        ndarray, shape (n_notes, n_samples), uint8
            Mu-law codes; a read-only view of the file.

        Raises
        ------
        UsageError
            If there is no such split.
        """
        return self._codes[self._require(split)]

    def summary(self) -> dict[str, Any]:
        """Describe the data set for a model's card, in JSON values."""
        return {
            "name": self.path.resolve().name,
            "sample_rate": self.sample_rate,
            "n_samples": self.n_samples,
            "notes": {split: len(self._notes[split]) for split in self.splits},
            "instruments": {split: len({note.instrument_str for note in self._notes[split]}) for split in self.splits},
            "families": sorted({note.instrument_family_str for notes in self._notes.values() for note in notes}),
            "source": self.manifest.get("source", ""),
            "codes_sha256": {split: self.manifest["splits"][split].get("codes_sha256", "") for split in self.splits},
        }

    def _require(self, split: str) -> str:
        if split not in self._notes:
            raise UsageError(f"there is no split {split!r} in {self.path}; it has {', '.join(self.splits) or 'none'}")
        return split

    def _open_split(self, split: str) -> None:
        """Read a split's notes, map its codes, and compare both with the manifest."""
        folder = self.path / split_folder(split)
        path, n_notes = folder / EXAMPLES, self.manifest["splits"][split]["notes"]
        entries = storage.read_json(path)
        notes = tuple(nsynth_note.parse(entry, where=str(path)) for entry in entries.values())
        other = [note.note_str for note in notes if note.sample_rate != self.sample_rate]
        if other:
            raise InputError(f"{path}: {other[0]} is not at {self.sample_rate} Hz")
        if list(entries) != [note.note_str for note in notes] or list(entries) != sorted(entries):
            raise InputError(
                f"{path} is not sorted by note_str, so its notes are not the rows of {CODES}; build the data set again"
            )
        codes = storage.open_codes(folder / CODES)
        if (len(notes), codes.shape) != (n_notes, (n_notes, self.n_samples)):
            raise InputError(
                f"{folder} holds {len(notes)} notes and codes of shape {codes.shape}, the manifest lists "
                f"{n_notes} notes of {self.n_samples} samples; build the data set again"
            )
        self._notes[split], self._codes[split] = notes, codes


def _read_manifest(folder: Path) -> dict[str, Any]:
    command = "wavecore data soundfont` or `wavecore data nsynth"
    manifest = storage.read_manifest(folder, kind=KIND, codec=CODEC, schema=SCHEMA, command=command)
    path = folder / MANIFEST
    with storage.refuse_damage(path):
        splits = manifest["splits"]
        counts = [manifest["sample_rate"], manifest["n_samples"], *(entry["notes"] for entry in splits.values())]
    if not all(type(count) is int and count > 0 for count in counts):
        raise InputError(f"{path} is damaged: sample_rate, n_samples or the notes of a split are no positive numbers")
    unknown = sorted(set(splits) - set(SPLITS))
    if unknown:
        raise InputError(f"{path} is damaged: there is no split {unknown[0]!r}")
    return manifest
