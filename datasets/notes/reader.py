"""The ``notes`` data set: what training and evaluation read.

A folder holds ``manifest.json`` and, per split, ``nsynth-SPLIT/`` with

* ``examples.json``, in NSynth's published layout, sorted by ``note_str``;
* ``codes.npy``, uint8 mu-law codes of `wavecore.audio.mulaw`, shape
  (n_notes, n_samples): row i is the i-th note of ``examples.json``;
* ``audio/*.wav``, where the data set was rendered.

`NotesDataset` reads the first two and needs NumPy and JSON alone; codes are
memory-mapped.  ``wavecore data soundfont`` and ``wavecore data nsynth`` write
such folders; the manifest comes last, so a folder that has one is complete.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from wavecore.datasets.nsynth import note as nsynth_note
from wavecore.datasets.nsynth.note import Note
from wavecore.errors import InputError, UsageError

__all__ = ["CODEC", "KIND", "MANIFEST", "SCHEMA", "Note", "NotesDataset", "split_folder"]

SCHEMA = 1
KIND = "notes"
CODEC = "mulaw256"
MANIFEST = "manifest.json"
EXAMPLES = "examples.json"
CODES = "codes.npy"


def split_folder(split: str) -> str:
    """Return the name of a split's folder.

    Returns
    -------
    str
        As published: ``nsynth-train`` for ``train``.
    """
    return f"nsynth-{split}"


class NotesDataset:
    """A finished data set of single notes, open for reading; use `open`.

    Parameters
    ----------
    path : Path
        The folder.
    manifest : dict
        As `open` read and checked it.

    Attributes
    ----------
    manifest : dict
        How the data set was made; ``settings``, ``splits`` and more.
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
        self.splits = tuple(split for split in nsynth_note.SPLITS if split in manifest["splits"])
        self.sample_rate: int = manifest["sample_rate"]
        self.n_samples: int = manifest["n_samples"]
        self._notes: dict[str, tuple[Note, ...]] = {}
        self._codes: dict[str, np.ndarray] = {}

    @classmethod
    def open(cls, path: str | Path) -> NotesDataset:
        """Open a data set.

        Parameters
        ----------
        path : str or Path
            The folder with ``manifest.json``.

        Raises
        ------
        InputError
            If it is unfinished or damaged: a split's notes or codes are missing,
            or their numbers or lengths differ.
        """
        path = Path(path)
        dataset = cls(path, _read_manifest(path))
        for split in dataset.splits:
            dataset._open_split(split)
        return dataset

    def notes(self, split: str) -> tuple[Note, ...]:
        """Return what is known of the notes of a split.

        Parameters
        ----------
        split : str
            One of `splits`.

        Returns
        -------
        tuple of Note
            In the order of the codes' rows.

        Raises
        ------
        UsageError
            If there is no such split.
        """
        return self._notes[self._require(split)]

    def codes(self, split: str) -> np.ndarray:
        """Return the sound of a split.

        Parameters
        ----------
        split : str
            One of `splits`.

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
        """Describe the data set for a model's card.

        Returns
        -------
        dict
            JSON values only: name, rate, notes and instruments per split, families, the
            source, and the hashes of the codes.
        """
        every = [note for split in self.splits for note in self._notes[split]]
        return {
            "name": self.path.resolve().name,
            "sample_rate": self.sample_rate,
            "n_samples": self.n_samples,
            "notes": {split: len(self._notes[split]) for split in self.splits},
            "instruments": {split: len({note.instrument_str for note in self._notes[split]}) for split in self.splits},
            "families": sorted({note.instrument_family_str for note in every}),
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
        wanted = self.manifest["splits"][split]["notes"]
        entries = _read_json(folder / EXAMPLES)
        notes = tuple(nsynth_note.parse(entry, where=str(folder / EXAMPLES)) for entry in dict(entries).values())
        strange = [note.note_str for note in notes if note.sample_rate != self.sample_rate]
        if strange:
            raise InputError(f"{folder / EXAMPLES}: {strange[0]} is not at {self.sample_rate} Hz")
        if list(entries) != [note.note_str for note in notes] or list(entries) != sorted(entries):
            raise InputError(
                f"{folder / EXAMPLES} is not sorted by note_str, so its notes are not the rows of {CODES}; "
                "build the data set again"
            )
        codes = _open_codes(folder / CODES)
        if (len(notes), codes.shape) != (wanted, (wanted, self.n_samples)):
            raise InputError(
                f"{folder} holds {len(notes)} notes and codes of shape {codes.shape}, the manifest says "
                f"{wanted} notes of {self.n_samples} samples; build the data set again"
            )
        self._notes[split], self._codes[split] = notes, codes


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder} is no finished data set: there is no {MANIFEST}; run its build again to finish it")
    manifest = _read_json(path)
    found = tuple(manifest.get(key) for key in ("kind", "codec", "schema"))
    if found != (KIND, CODEC, SCHEMA):
        raise InputError(
            f"{path} describes {found[0]!r} with codec {found[1]!r} in schema {found[2]!r}, wanted "
            f"{KIND!r}, {CODEC!r}, {SCHEMA}"
        )
    splits = manifest.get("splits")
    counts = [manifest.get("sample_rate"), manifest.get("n_samples")]
    counts += [entry.get("notes") for entry in splits.values()] if isinstance(splits, dict) else [None]
    if not all(type(count) is int and count > 0 for count in counts):
        raise InputError(
            f"{path} is damaged: sample_rate, n_samples or the notes of a split are no positive numbers; "
            "build the data set again"
        )
    unknown = sorted(set(splits) - set(nsynth_note.SPLITS))
    if unknown:
        raise InputError(f"{path} is damaged: there is no split {unknown[0]!r}")
    return manifest


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}; build the data set again") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds a {type(found).__name__}, wanted a JSON object")
    return found


def _open_codes(path: Path) -> np.ndarray:
    """The codes of one split, memory-mapped."""
    try:
        codes = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}; build the data set again") from error
    if codes.ndim != 2 or codes.dtype != np.uint8:
        raise InputError(
            f"{path} holds {codes.dtype} of shape {codes.shape}, wanted uint8 of (n_notes, n_samples); "
            "build the data set again"
        )
    return codes
