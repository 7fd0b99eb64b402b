"""Importing NSynth's published data as the ``notes`` data set that training reads.

Every split is read once: a note's codes are written to its row as it is read, so that memory stays small and archives
are read from front to back. Rows of notes that turn out to be damaged are removed at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wavecore.audio import mulaw, output
from wavecore.datasets import storage
from wavecore.datasets.notes import noise
from wavecore.datasets.notes.reader import CODES, EXAMPLES, NotesDataset, split_folder
from wavecore.datasets.notes.writer import write_manifest
from wavecore.datasets.nsynth.note import N_SAMPLES, Note, NoteFilter, examples_text
from wavecore.datasets.nsynth.reader import NSynth, Skipped
from wavecore.datasets.splits import SPLITS
from wavecore.errors import InputError, OutputExistsError

NOISE_LIST = "noise.txt"


class Imported(NamedTuple):
    """The result of an import.

    Attributes
    ----------
    skipped : tuple of Skipped
        Damaged items, of all splits.
    noise : tuple of str
        Names of the notes that are noise; empty where nothing was checked.
    """

    dataset: NotesDataset
    skipped: tuple[Skipped, ...]
    noise: tuple[str, ...]


def import_nsynth(
    path: str | Path,
    out: str | Path,
    chosen: NoteFilter | None = None,
    *,
    check: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Convert published data to a ``notes`` data set.

    Parameters
    ----------
    path : str or Path
        What `wavecore.datasets.nsynth.reader.NSynth` takes.
    out : str or Path
        The data set's folder: new or empty, or one where an import was stopped.
    chosen : NoteFilter, optional
        Which notes; all if not given.
    check : bool
        Whether notes are tested for noise; the names of those that are noise are then listed in ``noise.txt``, which
        another import can exclude.
    on_progress : callable, optional
        Called with the notes done and the notes in all.

    Raises
    ------
    OutputExistsError
        If the folder holds a finished data set or other files.
    InputError
        If the data are damaged, or no note is left.
    """
    out, chosen = Path(out), chosen or NoteFilter()
    _refuse_other_files(out)
    storage.remove_partial_files(out)
    data = NSynth(path)
    notes = {split: data.notes(split, chosen) for split in data.splits}
    total = sum(map(len, notes.values()))
    if not total:
        raise InputError(f"no note of {path} meets the conditions {asdict(chosen) | {'exclude': len(chosen.exclude)}}")
    tally = _Tally(total, check, on_progress or (lambda done, total: None))
    entries = {split: _import_split(data, split, notes[split], chosen, out, tally) for split in data.splits}
    entries = {split: entry for split, entry in entries.items() if entry}
    if not entries:
        raise InputError(f"no note of {path} has a usable sound; the first: {data.skipped[0].reason}")
    names = tuple(sorted(tally.noise))
    if check:
        storage.write_text(out / NOISE_LIST, "".join(f"{name}  # {tally.noise[name]}\n" for name in names))
    settings = asdict(chosen) | {"exclude": sorted(chosen.exclude), "checked": check}
    skipped = [list(item) for item in data.skipped]
    write_manifest(out, entries, source="NSynth", settings=settings, skipped=skipped, noise=list(names))
    return Imported(NotesDataset.open(out), tuple(data.skipped), names)


class _Tally:
    """Progress, and the notes that are noise, across splits."""

    def __init__(self, total: int, check: bool, report: Callable[[int, int], None]):
        self.done, self.total, self.check, self.report = 0, total, check, report
        self.noise: dict[str, str] = {}

    def add(self, note: Note, samples: np.ndarray) -> None:
        if self.check:
            measured = noise.noisiness(samples, sample_rate=note.sample_rate)
            if measured.is_noise:
                text = f"prominence {measured.prominence_db:.1f} dB, flatness {measured.flatness:.2f}"
                self.noise[note.note_str] = text
        self.done += 1
        self.report(self.done, self.total)


def _refuse_other_files(out: Path) -> None:
    """Refuse a folder that holds anything but what a stopped import leaves."""
    storage.refuse_finished(out)
    own = {NOISE_LIST} | {split_folder(split) for split in SPLITS}
    others = [item for item in out.glob("*") if item.name not in own and not item.match(".*.partial*")]
    others += out.glob("nsynth-*/audio")
    if others:
        raise OutputExistsError(f"{out} is not empty ({min(others).name}); choose another folder")


def _import_split(
    data: NSynth, split: str, notes: tuple[Note, ...], chosen: NoteFilter, out: Path, tally: _Tally
) -> dict[str, Any] | None:
    """Write a split's codes and examples; return its entry in the manifest, or None if it has no usable sound."""
    if not notes:
        return None
    row_of = {note.note_str: row for row, note in enumerate(notes)}
    filled = np.zeros(len(notes), bool)
    path = out / split_folder(split) / CODES
    with output.whole_file(path, overwrite=True) as partial:
        rows = np.lib.format.open_memmap(partial, "w+", np.uint8, (len(notes), N_SAMPLES))
        for note, samples in data.items(split, chosen):
            row = row_of[note.note_str]
            rows[row] = mulaw.encode(samples)
            filled[row] = True
            tally.add(note, samples)
        rows.flush()
        del rows
        _remove_empty_rows(partial, filled)
    kept = [note for note, is_there in zip(notes, filled, strict=True) if is_there]
    if not kept:
        path.unlink()
        return None
    storage.write_text(path.with_name(EXAMPLES), examples_text(kept))
    return {"notes": len(kept), "codes_sha256": storage.file_sha256(path)}


def _remove_empty_rows(path: Path, filled: np.ndarray) -> None:
    """Move the filled rows together, in place, and cut the file to them."""
    if filled.all():
        return
    rows = np.lib.format.open_memmap(path, "r+")
    offset = rows.offset
    for target, source in enumerate(np.flatnonzero(filled)):
        rows[target] = rows[source]
    rows.flush()
    del rows
    shape = (int(filled.sum()), N_SAMPLES)
    with path.open("r+b") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        # NumPy pads headers to a multiple of 64 bytes and leaves space for the number of rows.
        assert file.tell() == offset, f"{path}: the header has {file.tell()} bytes, not {offset}"
        file.truncate(offset + shape[0] * N_SAMPLES)
