"""NSynth as it is published: folders, archives and TFRecord files read alike.

::

    data = NSynth.open("nsynth-test.jsonwav.tar.gz")
    wanted = NoteFilter(families=("flute", "string"), pitches=(48, 84))
    for note, samples in data.items("test", wanted):
        ...
    data.skipped  # what was broken, and why

A broken container is refused: JSON that cannot be read, a cut archive, a wrong
checksum, a member path that leaves the folder.  A broken item is passed over and
named in ``skipped``: keys that are missing or contradict each other, no WAV, a
WAV of another form or length, values that are no sound.  Nothing is unpacked to
disk and nothing is unpickled.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wavecore.datasets.nsynth import note as nsynth_note
from wavecore.datasets.nsynth.containers import Container, candidates, entries, sounds
from wavecore.datasets.nsynth.filter import NoteFilter, read_exclusions
from wavecore.datasets.nsynth.note import SAMPLE_RATE, SPLITS, Note
from wavecore.errors import InputError, UsageError

__all__ = ["NSynth", "Note", "NoteFilter", "Skipped", "read_exclusions"]

_EVERYTHING = NoteFilter()


class Skipped(NamedTuple):
    """An item that could not be used.

    Attributes
    ----------
    name : str
        Its ``note_str``, as far as it is known.
    """

    split: str
    name: str
    reason: str


class NSynth:
    """A data set in NSynth's published layout; use `open`.

    Parameters
    ----------
    containers : dict of str to Container
        Where each split is.
    notes : dict of str to dict of str to Note
        By split and ``note_str``.
    skipped : list of Skipped
        Entries that are broken by what they say.

    Attributes
    ----------
    splits : tuple of str
        Those that are there, in the order train, valid, test.
    skipped : list of Skipped
        Broken items found so far, each once; reading sound adds to it.
    """

    def __init__(
        self,
        path: Path,
        containers: dict[str, Container],
        notes: dict[str, dict[str, Note]],
        skipped: list[Skipped],
    ):
        self.path = path
        self.splits = tuple(split for split in SPLITS if split in containers)
        self.skipped = skipped
        self._containers = containers
        self._notes = notes
        self._told: set[tuple[str, str]] = set()  # a second reading finds the same again

    @classmethod
    def open(cls, path: str | Path) -> NSynth:
        """Open a data set and read what it says of its notes.

        Parameters
        ----------
        path : str or Path
            ``nsynth-SPLIT/`` with ``examples.json`` and ``audio/``; a ``.tar`` or
            ``.tar.gz`` of such folders; ``nsynth-SPLIT*.tfrecord``; or a folder
            that holds any of these (of several for one split the first kind named here).

        Raises
        ------
        InputError
            If nothing of the kind is there, or a container is damaged.
        """
        path = Path(path)
        containers: dict[str, Container] = {}
        notes: dict[str, dict[str, Note]] = {}
        skipped: list[Skipped] = []
        for candidate in candidates(path):
            for split, container, found in entries(candidate, taken=containers):
                if split not in containers:
                    containers[split] = container
                    notes[split] = _parse_all(found, split, container, skipped)
        return cls(path, containers, notes, skipped)

    def notes(self, split: str, chosen: NoteFilter = _EVERYTHING) -> tuple[Note, ...]:
        """List the notes of a split.

        Parameters
        ----------
        chosen : NoteFilter
            Everything by default.

        Returns
        -------
        tuple of Note
            Sorted by ``note_str``.

        Raises
        ------
        UsageError
            If there is no such split.
        """
        found = self._require(split)
        return tuple(found[name] for name in sorted(found) if chosen.keeps(found[name]))

    def items(self, split: str, chosen: NoteFilter = _EVERYTHING) -> Iterator[tuple[Note, np.ndarray]]:
        """Go through the notes of a split and their sound.

        Parameters
        ----------
        chosen : NoteFilter
            Everything by default.

        Yields
        ------
        samples : ndarray, shape (64000,), float32
            In [-1, 1].  The order is the container's; a folder's is by ``note_str``.

        Raises
        ------
        UsageError
            If there is no such split.
        InputError
            If the container is damaged; broken items are added to `skipped`.
        """
        wanted = {note.note_str: note for note in self.notes(split, chosen)}
        for name, samples in sounds(self._containers[split], wanted):
            if isinstance(samples, InputError):
                self._skip(split, name, str(samples))
            else:
                yield wanted[name], samples

    def _skip(self, split: str, name: str, reason: str) -> None:
        if (split, name) not in self._told:
            self._told.add((split, name))
            self.skipped.append(Skipped(split, name, reason))

    def _require(self, split: str) -> dict[str, Note]:
        if split not in self._notes:
            raise UsageError(f"there is no split {split!r} in {self.path}; it has {', '.join(self.splits)}")
        return self._notes[split]


def _parse_all(found: dict[str, Any], split: str, container: Container, skipped: list[Skipped]) -> dict[str, Note]:
    notes = {}
    for name, entry in found.items():
        try:
            note = nsynth_note.parse(entry)
            if note.note_str != name:
                raise InputError(f"the key is {name!r} and its note_str {note.note_str!r}")
            if note.sample_rate != SAMPLE_RATE:
                raise InputError(f"note {name!r}: {note.sample_rate} Hz, wanted {SAMPLE_RATE}")
            notes[name] = note
        except InputError as error:
            skipped.append(Skipped(split, name, str(error)))
    if not notes:
        raise InputError(
            f"{container.path} has no usable note of the split {split!r}"
            + (f"; the first of {len(found)} broken ones: {skipped[-len(found)].reason}" if found else "")
        )
    return notes
