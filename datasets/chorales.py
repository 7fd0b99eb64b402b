"""Data sets of four-voice chorales: grids of sixteenths, split by piece.

A data set is a folder with ``manifest.json`` and ``chorales.npz``, one array of shape (T, 4) per piece. It is made of
the benchmark's JSON file, whose split it keeps, or of the chorales in music21's corpus.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wavecore.audio import output
from wavecore.datasets import storage
from wavecore.datasets.splits import SPLITS
from wavecore.datasets.storage import MANIFEST
from wavecore.errors import InputError
from wavecore.symbolic import chorale

KIND = "chorales"
SCHEMA = 1
GRIDS = "chorales.npz"


@dataclass(frozen=True)
class ChoralesDataset:
    """A data set of chorales, held in memory; `open` reads one, `write` makes one.

    Attributes
    ----------
    path : Path
        The folder.
    grids : dict of str to tuple of ndarray, shape (T, 4), int16
        By split (train, valid, test): MIDI numbers of soprano, alto, tenor and bass, one row per sixteenth; -1 is a
        rest.
    source, licence : str
        Where the chorales come from and what may be done with them.
    """

    path: Path
    grids: Mapping[str, Sequence[np.ndarray]]
    source: str
    licence: str

    @classmethod
    def open(cls, path: str | Path) -> ChoralesDataset:
        """Read a data set.

        Raises
        ------
        InputError
            If the folder holds none, or it is damaged.
        """
        path = Path(path)
        manifest = storage.read_manifest(path, kind=KIND, schema=SCHEMA, command="wavecore data chorales")
        with storage.refuse_damage(path), np.load(path / GRIDS, allow_pickle=False) as arrays:
            grids = {
                split: tuple(chorale.check(arrays[name], name=f"{path}: {name}") for name in manifest["pieces"][split])
                for split in SPLITS
            }
        return cls(path, grids, manifest.get("source", ""), manifest.get("licence", ""))

    def summary(self) -> dict[str, Any]:
        """Describe the data set for a model's card, in JSON values."""
        sizes = {split: {"pieces": len(grids), "steps": sum(map(len, grids))} for split, grids in self.grids.items()}
        return {"source": self.source, "licence": self.licence, "splits": sizes}


def write(
    grids: Mapping[str, Sequence[np.ndarray]], path: str | Path, *, source: str, licence: str, overwrite: bool = False
) -> ChoralesDataset:
    """Write a data set of grids by split, as in `ChoralesDataset`, and open it.

    Raises
    ------
    InputError
        If a split is missing or empty, or a chorale is not a grid.
    OutputExistsError
        If the folder holds a data set and `overwrite` is false.
    """
    path = Path(path)
    arrays, names = {}, {}
    for split in SPLITS:
        if not grids.get(split):
            raise InputError(f"there are no chorales for {split}; a data set has some of {', '.join(SPLITS)}")
        names[split] = [f"{split}-{number:03d}" for number in range(len(grids[split]))]
        arrays |= {name: chorale.check(grid, name=name) for name, grid in zip(names[split], grids[split], strict=True)}
    storage.refuse_finished(path, overwrite=overwrite)
    with output.whole_file(path / GRIDS, overwrite=True) as partial:
        np.savez_compressed(partial, **arrays)
    manifest = {"schema": SCHEMA, "kind": KIND, "source": source, "licence": licence, "pieces": names}
    storage.write_text(path / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    return ChoralesDataset.open(path)


def read_benchmark(path: str | Path) -> dict[str, list[np.ndarray]]:
    """Read the benchmark's JSON file, a list of chorales for each of train, valid and test.

    Parameters
    ----------
    path : str or Path
        ``Jsb16thSeparated.json``: a chorale is a list of rows of four MIDI numbers, -1 for a rest.

    Returns
    -------
    dict of str to list of ndarray, shape (T, 4), int16

    Raises
    ------
    InputError
        If it is missing or has another form.

    References
    ----------
    Boulanger-Lewandowski, Bengio and Vincent, "Modeling temporal dependencies in high-dimensional sequences",
    ICML 2012: the chorales and their split.
    """
    path = Path(path)
    document = storage.read_json(path)
    with storage.refuse_damage(path):
        return {
            split: [
                chorale.check(_whole_numbers(rows), name=f"{path}: {split} {number}")
                for number, rows in enumerate(document[split])
            ]
            for split in SPLITS
        }


def _whole_numbers(rows: list) -> np.ndarray:
    """Convert rows of numbers, which some versions of the file write as floats, to integers."""
    values = np.asarray(rows, dtype=np.float64)
    if not np.array_equal(values, np.round(values)):
        raise ValueError("pitches are not whole numbers")
    return values.astype(np.int64)
