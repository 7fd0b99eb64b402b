"""Data sets of four-voice chorales: grids of sixteenths, split by piece.

A data set is a folder with ``manifest.json`` and ``chorales.npz``, an array (T, 4) for each piece.  It is made of
the benchmark's JSON file, whose split it keeps, or of the chorales in music21's corpus.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavecore.datasets.domains.manifest import SPLITS
from wavecore.errors import InputError, OutputExistsError
from wavecore.symbolic import chorale

KIND = "chorales"
SCHEMA_VERSION = 1
MANIFEST, GRIDS = "manifest.json", "chorales.npz"


@dataclass(frozen=True)
class ChoralesDataset:
    """Chorales, and where they come from.

    Attributes
    ----------
    path : Path
        The folder.
    grids : dict of str to tuple of ndarray, shape (T, 4), int16
        By split: train, valid and test.
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
            If the folder holds none, or a chorale is no grid.
        """
        path = Path(path)
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            if manifest.get("kind") != KIND or manifest.get("schema") != SCHEMA_VERSION:
                raise InputError(
                    f"{path} holds data of kind {manifest.get('kind')!r}, schema {manifest.get('schema')!r}; {KIND}, {SCHEMA_VERSION} is wanted"
                )
            with np.load(path / GRIDS, allow_pickle=False) as arrays:
                grids = {
                    split: tuple(
                        chorale.check(arrays[name], name=f"{path}: {name}") for name in manifest["pieces"][split]
                    )
                    for split in SPLITS
                }
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise InputError(
                f"{path} is no data set of chorales: {error}; `wavecore data chorales` makes one"
            ) from error
        return cls(path, grids, manifest.get("source", ""), manifest.get("licence", ""))

    def summary(self) -> dict:
        """Say what a model must remember of its data."""
        sizes = {split: {"pieces": len(grids), "steps": sum(map(len, grids))} for split, grids in self.grids.items()}
        return {"source": self.source, "licence": self.licence, "splits": sizes}


def write(
    grids: Mapping[str, Sequence[np.ndarray]], path: str | Path, *, source: str, licence: str, overwrite: bool = False
) -> ChoralesDataset:
    """Write a data set.

    Parameters
    ----------
    grids : mapping of str to sequence of ndarray, shape (T, 4), integer
        By split.
    path : str or Path
        The folder; created.
    overwrite : bool
        Whether a data set that is there may be replaced.

    Raises
    ------
    InputError
        If a split is missing or empty, or a chorale is no grid.
    OutputExistsError
        If the folder holds a data set and ``overwrite`` is false.
    """
    path = Path(path)
    arrays, names = {}, {}
    for split in SPLITS:
        if not grids.get(split):
            raise InputError(f"there are no chorales for {split}; a data set has some of {', '.join(SPLITS)}")
        names[split] = [f"{split}-{number:03d}" for number in range(len(grids[split]))]
        arrays |= {name: chorale.check(grid, name=name) for name, grid in zip(names[split], grids[split], strict=True)}
    if (path / MANIFEST).exists() and not overwrite:
        raise OutputExistsError(f"{path} holds a data set already; choose another folder, or allow overwriting")
    path.mkdir(parents=True, exist_ok=True)
    manifest = {"schema": SCHEMA_VERSION, "kind": KIND, "source": source, "licence": licence, "pieces": names}
    for file, content in ((GRIDS, None), (MANIFEST, json.dumps(manifest, indent=1) + "\n")):
        temporary = path / f".{file}.tmp"
        if content is None:
            with open(temporary, "wb") as opened:
                np.savez_compressed(opened, **arrays)
        else:
            temporary.write_text(content, encoding="utf-8")
        temporary.replace(path / file)
    return ChoralesDataset.open(path)


def read_benchmark(path: str | Path) -> dict[str, list[np.ndarray]]:
    """Read the benchmark's JSON file: a list of chorales for each of train, valid and test.

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
        If it is missing or says something else.

    References
    ----------
    Boulanger-Lewandowski, Bengio and Vincent, "Modeling temporal dependencies in high-dimensional sequences",
    ICML 2012: the chorales and their split.
    """
    path = Path(path)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {
            split: [
                chorale.check(_whole(rows), name=f"{path}: {split} {number}")
                for number, rows in enumerate(found[split])
            ]
            for split in SPLITS
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not the benchmark's file of chorales: {error}") from error


def _whole(rows: list) -> np.ndarray:
    """Rows of numbers, which other versions of the file write as floats."""
    found = np.asarray(rows, dtype=np.float64)
    if not np.array_equal(found, np.round(found)):
        raise ValueError("pitches are not whole numbers")
    return found.astype(np.int64)
