"""Writing the ``notes`` data set: codes and notes of a split, and the manifest that comes last."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.notes import reader as layout
from wavecore.datasets.nsynth.note import N_SAMPLES, SAMPLE_RATE, Note


def examples_text(notes: Iterable[Note]) -> str:
    """Return ``examples.json`` in the published layout.

    Returns
    -------
    str
        A dictionary keyed by ``note_str``, sorted; the same text for the same notes.
    """
    documents = {note.note_str: note.document() for note in notes}
    return json.dumps(documents, indent=2, sort_keys=True) + "\n"


def write_split(folder: Path, notes: Sequence[Note], codes: Iterable[np.ndarray]) -> dict[str, Any]:
    """Write a split's ``codes.npy`` and ``examples.json``, each whole or not at all.

    Parameters
    ----------
    folder : Path
        ``nsynth-SPLIT`` of the data set; made if it is missing.
    notes : sequence of Note
        Sorted by ``note_str``.
    codes : iterable of ndarray of shape (n, n_samples), uint8
        All notes' codes in their order, in blocks of any number of rows.

    Returns
    -------
    dict
        The split's entry in the manifest.
    """
    names = [note.note_str for note in notes]
    assert names == sorted(set(names)), f"{folder}: notes out of order"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / layout.CODES
    partial = path.with_name(path.name + ".partial")
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(notes), N_SAMPLES)}
    with partial.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        written = sum(file.write(np.ascontiguousarray(block).data) for block in codes)
    assert written == len(notes) * N_SAMPLES, f"{path} got {written} codes for {len(notes)} notes"
    os.replace(partial, path)
    manifests.write_text(folder / layout.EXAMPLES, examples_text(notes))
    return {"notes": len(notes), "codes_sha256": manifests.file_sha256(path)}


def write_manifest(
    out: Path,
    splits: dict[str, dict[str, Any]],
    *,
    source: str,
    settings: dict[str, Any],
    **more: Any,
) -> None:
    """Write the manifest, which makes the data set a finished one.

    Parameters
    ----------
    splits : dict of str to dict
        As `write_split` returned them.
    source : str
        Where the sounds are from, for people.
    settings : dict
        How the data set was made.
    **more : object
        Further JSON values.
    """
    document = {
        "schema": layout.SCHEMA,
        "kind": layout.KIND,
        "codec": layout.CODEC,
        "sample_rate": SAMPLE_RATE,
        "n_samples": N_SAMPLES,
        "source": source,
        "splits": splits,
        "settings": settings,
        **more,
    }
    manifests.write_text(out / layout.MANIFEST, json.dumps(document, indent=1))
