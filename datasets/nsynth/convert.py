"""NSynth's published data to the ``notes`` data set that training reads.

One pass over every split: a note's codes go to its row as they come by, so
memory stays small and archives are read from front to back.  Rows of notes that
turn out to be broken are closed up at the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wavecore.audio import mulaw
from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.notes import noise
from wavecore.datasets.notes import reader as layout
from wavecore.datasets.notes.reader import NotesDataset, split_folder
from wavecore.datasets.notes.writer import examples_text, write_manifest
from wavecore.datasets.nsynth.filter import NoteFilter
from wavecore.datasets.nsynth.note import N_SAMPLES, Note
from wavecore.datasets.nsynth.reader import NSynth
from wavecore.errors import InputError, OutputExistsError

NOISE_LIST = "noise.txt"


class Imported(NamedTuple):
    """What an import gave.

    Attributes
    ----------
    skipped : tuple of Skipped
        Broken items, of all splits.
    noise : tuple of str
        Names of the notes that are noise; none where nothing was checked.
    """

    dataset: NotesDataset
    skipped: tuple
    noise: tuple[str, ...]


def import_nsynth(
    path: str | Path,
    out: str | Path,
    chosen: NoteFilter | None = None,
    *,
    check: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Imported:
    """Turn published data into a ``notes`` data set.

    Parameters
    ----------
    path : str or Path
        What `wavecore.datasets.nsynth.reader.NSynth.open` takes.
    out : str or Path
        The data set's folder: new or empty, or one where an import was stopped.
    chosen : NoteFilter, optional
        Which notes; all if not given.
    check : bool
        Whether notes are measured for noise; their names are then in
        ``noise.txt``, ready to be excluded from another import.
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
    _refuse_strangers(out)
    data = NSynth.open(path)
    wanted = {split: data.notes(split, chosen) for split in data.splits}
    total = sum(map(len, wanted.values()))
    if not total:
        raise InputError(f"no note of {path} meets the conditions {asdict(chosen) | {'exclude': len(chosen.exclude)}}")
    tally = _Tally(total, check, on_progress or (lambda done, total: None))
    splits = {}
    for split, notes in wanted.items():
        entry = _import_split(data, split, notes, chosen, out, tally) if notes else None
        if entry:
            splits[split] = entry
    if not splits:
        raise InputError(f"no note of {path} has a usable sound; the first: {data.skipped[0].reason}")
    noisy = tuple(sorted(tally.noisy))
    if check:
        lines = [f"{name}  # {tally.noisy[name]}" for name in noisy]
        manifests.write_text(out / NOISE_LIST, "".join(line + "\n" for line in lines))
    settings = asdict(chosen) | {"exclude": sorted(chosen.exclude), "checked": check}
    skipped = [list(item) for item in data.skipped]
    write_manifest(out, splits, source="NSynth", settings=settings, skipped=skipped, noise=list(noisy))
    return Imported(NotesDataset.open(out), tuple(data.skipped), noisy)


class _Tally:
    """What goes on across splits: progress, and noise where it is looked for."""

    def __init__(self, total: int, check: bool, report: Callable[[int, int], None]):
        self.done, self.total, self.check, self.report = 0, total, check, report
        self.noisy: dict[str, str] = {}

    def take(self, note: Note, samples: np.ndarray) -> None:
        if self.check:
            found = noise.noisiness(samples, sample_rate=note.sample_rate)
            if found.is_noise:
                words = f"prominence {found.prominence_db:.1f} dB, flatness {found.flatness:.2f}"
                self.noisy[note.note_str] = words
        self.done += 1
        self.report(self.done, self.total)


def _refuse_strangers(out: Path) -> None:
    """Only what an import that was stopped has left may be there."""
    if (out / layout.MANIFEST).exists():
        raise OutputExistsError(f"{out} holds a finished data set; delete it or choose another folder")
    own = {NOISE_LIST} | {split_folder(split) for split in ("train", "valid", "test")}
    there = sorted(item for item in out.iterdir() if item.name not in own) if out.is_dir() else []
    there += sorted(out.glob("nsynth-*/audio"))
    if there:
        raise OutputExistsError(f"{out} is not empty ({there[0].name}); choose another folder")


def _import_split(
    data: NSynth, split: str, notes: tuple[Note, ...], chosen: NoteFilter, out: Path, tally: _Tally
) -> dict[str, Any] | None:
    """Write a split's codes and examples; None if no note of it has a usable sound."""
    folder = out / split_folder(split)
    folder.mkdir(parents=True, exist_ok=True)
    row_of = {note.note_str: row for row, note in enumerate(notes)}
    path = folder / layout.CODES
    partial = path.with_name(path.name + ".partial")
    filled = np.zeros(len(notes), bool)
    try:
        rows = np.lib.format.open_memmap(partial, "w+", np.uint8, (len(notes), N_SAMPLES))
        for note, samples in data.items(split, chosen):
            rows[row_of[note.note_str]] = mulaw.encode(samples)
            filled[row_of[note.note_str]] = True
            tally.take(note, samples)
        rows.flush()
        del rows
        kept = [note for note, there in zip(notes, filled, strict=True) if there]
        _close_up(partial, filled)
        if not kept:
            return None
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    manifests.write_text(folder / layout.EXAMPLES, examples_text(kept))
    return {"notes": len(kept), "codes_sha256": manifests.file_sha256(path)}


def _close_up(path: Path, filled: np.ndarray) -> None:
    """Move the rows that are filled together, in place, and cut the file to them."""
    if filled.all():
        return
    rows = np.lib.format.open_memmap(path, "r+")
    offset = rows.offset
    for target, source in enumerate(np.flatnonzero(filled)):
        if target != source:
            rows[target] = rows[source]
    rows.flush()
    del rows
    shape = (int(filled.sum()), N_SAMPLES)
    with path.open("r+b") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        # Headers are padded to a multiple of 64 bytes, with room for a number to grow.
        assert file.tell() == offset, f"{path}: the header has {file.tell()} bytes, not {offset}"
        file.truncate(offset + shape[0] * N_SAMPLES)
