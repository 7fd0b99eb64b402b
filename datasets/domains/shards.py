"""Writing shards: pieces are kept one by one until all are there, then joined.

A build can be stopped at any moment.  Every finished piece lies in
``parts/``, written by rename; running the same build again goes on with the
rest.  The manifest comes last.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from wavecore.datasets.domains import manifest as manifests
from wavecore.errors import InputError, OutputExistsError, UsageError

PARTS = "parts"
PLAN = "plan.json"


class Parts:
    """The finished pieces of a build that goes on.

    Parameters
    ----------
    out : Path
        The data set's folder; made if it is missing.
    plan : dict
        Everything the pieces depend on, as JSON values; a later run must bring the same.

    Raises
    ------
    OutputExistsError
        If the folder holds a finished data set, or other files.
    UsageError
        If it holds the parts of another build.
    """

    def __init__(self, out: Path, plan: dict[str, Any]):
        if (out / manifests.NAME).exists():
            raise OutputExistsError(f"{out} holds a finished data set; delete it or choose another folder")
        self.out = out
        self.folder = out / PARTS
        text = json.dumps(plan, indent=1, sort_keys=True)
        kept = self.folder / PLAN
        if kept.exists():
            if kept.read_text(encoding="utf-8") != text:
                raise UsageError(
                    f"{self.folder} holds the parts of a build with other settings or melodies; "
                    "delete that folder or choose another one"
                )
        else:
            strangers = sorted(path.name for path in out.iterdir() if path != self.folder) if out.is_dir() else []
            if strangers:
                raise OutputExistsError(f"{out} is not empty ({', '.join(strangers[:3])}); choose another folder")
            self.folder.mkdir(parents=True, exist_ok=True)
            manifests.write_text(kept, text)

    def path(self, piece_id: str) -> Path:
        """Return where a piece is kept."""
        return self.folder / f"{hashlib.sha256(piece_id.encode()).hexdigest()[:32]}.npy"

    def has(self, piece_id: str) -> bool:
        """Whether a piece is finished."""
        return self.path(piece_id).exists()

    def read(self, piece_id: str) -> np.ndarray:
        """Return a finished piece.

        Returns
        -------
        ndarray, shape (n_domains, T), uint8
            Memory-mapped.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        try:
            return np.load(self.path(piece_id), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path(piece_id)} is damaged ({error}); delete it and run again") from error

    def remove(self) -> None:
        """Delete all parts, once the data set is finished."""
        shutil.rmtree(self.folder)


def save_part(path: Path, codes: np.ndarray) -> None:
    """Write the codes of a piece, whole or not at all.

    Parameters
    ----------
    codes : ndarray, shape (n_domains, T), uint8
    """
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        np.save(file, codes, allow_pickle=False)
    os.replace(partial, path)


def write_shard(path: Path, codes: Iterable[np.ndarray], total: int) -> dict[str, Any]:
    """Join pieces to one shard, whole or not at all.

    Parameters
    ----------
    path : Path
        Ends in ``.npy``.
    codes : iterable of ndarray, shape (T,), uint8
    total : int
        Samples of all together.

    Returns
    -------
    dict
        ``samples`` and ``sha256``, for the manifest.
    """
    partial = path.with_name(path.name + ".partial")
    header = {"descr": "|u1", "fortran_order": False, "shape": (total,)}
    with partial.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        written = sum(file.write(np.ascontiguousarray(piece).data) for piece in codes)
    assert written == total, f"{path} got {written} samples instead of {total}"
    os.replace(partial, path)
    return {"samples": total, "sha256": manifests.file_sha256(path)}
