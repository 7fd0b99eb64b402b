"""Resumable builds: finished pieces are kept in ``parts/`` until all are there, then joined to shards.

A build can be stopped at any moment; run again with the same plan, it computes only what is missing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from wavecore.audio import output
from wavecore.datasets import storage
from wavecore.errors import InputError, OutputExistsError, UsageError

PARTS = "parts"
PLAN = "plan.json"


class Parts:
    """The finished pieces of a build in progress, in a folder that is created if it is missing.

    The plan is everything on which the pieces depend, as JSON values. OutputExistsError is raised if the folder holds a
    finished data set or other files, UsageError if it holds the parts of a build with another plan.
    """

    def __init__(self, out: Path, plan: dict[str, Any]):
        storage.refuse_finished(out)
        self.out = out
        self.folder = out / PARTS
        text = json.dumps(plan, indent=1, sort_keys=True)
        plan_path = self.folder / PLAN
        if plan_path.exists():
            if plan_path.read_text(encoding="utf-8") != text:
                raise UsageError(
                    f"{self.folder} holds the parts of a build with other settings or melodies; "
                    "delete that folder or choose another one"
                )
        else:
            others = sorted(path.name for path in out.iterdir() if path != self.folder) if out.is_dir() else []
            if others:
                raise OutputExistsError(f"{out} is not empty ({', '.join(others[:3])}); choose another folder")
            storage.write_text(plan_path, text)

    def path(self, piece_id: str) -> Path:
        """Return the path of a piece."""
        return self.folder / f"{hashlib.sha256(piece_id.encode()).hexdigest()[:32]}.npy"

    def has(self, piece_id: str) -> bool:
        """Return whether a piece is finished."""
        return self.path(piece_id).exists()

    def read(self, piece_id: str) -> np.ndarray:
        """Return the codes of a finished piece, shape (n_domains, T), uint8, memory-mapped."""
        try:
            return storage.open_codes(self.path(piece_id))
        except InputError as error:
            raise InputError(f"{self.path(piece_id)} is damaged ({error}); delete it and run again") from error

    def remove(self) -> None:
        """Delete all parts, and what killed builds left half-written, once the data set is finished."""
        shutil.rmtree(self.folder)
        storage.remove_partial_files(self.out)


def save_part(path: Path, codes: np.ndarray) -> None:
    """Write the codes of a piece, shape (n_domains, T), uint8, whole or not at all."""
    with output.whole_file(path, overwrite=True) as partial:
        np.save(partial, codes, allow_pickle=False)


def write_shard(path: Path, codes: Iterable[np.ndarray], total: int) -> dict[str, Any]:
    """Join pieces of shape (T,), uint8, to one shard; return its ``samples`` and ``sha256`` for the manifest."""
    return {"samples": total, "sha256": storage.write_codes(path, (total,), codes)}
