"""Writing the ``notes`` data set: codes and notes of a split, and the manifest that comes last."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wavecore.datasets import storage
from wavecore.datasets.notes import reader
from wavecore.datasets.nsynth.note import N_SAMPLES, SAMPLE_RATE, Note, examples_text


def write_split(folder: Path, notes: Sequence[Note], codes: Iterable[np.ndarray]) -> dict[str, Any]:
    """Write a split's ``codes.npy`` and ``examples.json``; return its entry in the manifest.

    Parameters
    ----------
    notes : sequence of Note
        Sorted by ``note_str``.
    codes : iterable of ndarray of shape (n, n_samples), uint8
        All notes' codes in their order, in blocks of any number of rows.
    """
    names = [note.note_str for note in notes]
    assert names == sorted(set(names)), f"{folder}: notes out of order"
    sha256 = storage.write_codes(folder / reader.CODES, (len(notes), N_SAMPLES), codes)
    storage.write_text(folder / reader.EXAMPLES, examples_text(notes))
    return {"notes": len(notes), "codes_sha256": sha256}


def write_manifest(
    out: Path, splits: dict[str, dict[str, Any]], *, source: str, settings: dict[str, Any], **more: Any
) -> None:
    """Write the manifest, which makes the data set a finished one; `more` are further JSON values."""
    document = {
        "schema": reader.SCHEMA,
        "kind": reader.KIND,
        "codec": reader.CODEC,
        "sample_rate": SAMPLE_RATE,
        "n_samples": N_SAMPLES,
        "source": source,
        "splits": splits,
        "settings": settings,
        **more,
    }
    storage.write_text(out / reader.MANIFEST, json.dumps(document, indent=1))
