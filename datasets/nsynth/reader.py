"""Reading NSynth as it is published: folders, archives and TFRecord files alike.

A damaged container is refused: JSON that cannot be read, a cut archive, a wrong checksum, a member path that leaves the
folder. A damaged item is left out and named in ``NSynth.skipped``: keys that are missing or contradict each other, no
WAV, a WAV of another form or length, values that are no sound. Nothing is unpacked to disk and nothing is unpickled.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wavecore.datasets.nsynth.containers import Container, find_containers, read_entries, read_sounds
from wavecore.datasets.nsynth.note import SAMPLE_RATE, Note, NoteFilter, parse
from wavecore.datasets.splits import SPLITS
from wavecore.errors import InputError, UsageError

_ALL_NOTES = NoteFilter()


class Skipped(NamedTuple):
    """An item that could not be used: its split, its ``note_str`` as far as it is known, and the reason."""

    split: str
    name: str
    reason: str


class NSynth:
    """A data set in NSynth's published layout.

    For example::

        data = NSynth("nsynth-test.jsonwav.tar.gz")
        chosen = NoteFilter(families=("flute", "string"), pitches=(48, 84))
        for note, samples in data.items("test", chosen):
            ...
        data.skipped  # what was damaged, and why

    Parameters
    ----------
    path : str or Path
        ``nsynth-SPLIT/`` with ``examples.json`` and ``audio/``; a ``.tar`` or ``.tar.gz`` of such folders;
        ``nsynth-SPLIT*.tfrecord``; or a folder that holds any of these (of several for one split the first kind named
        here).

    Attributes
    ----------
    splits : tuple of str
        Those that are there, in the order train, valid, test.
    skipped : list of Skipped
        Damaged items found so far, each once; reading sound adds to it.

    Raises
    ------
    InputError
        If there is no such data, or a container is damaged.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.skipped: list[Skipped] = []
        self._containers: dict[str, Container] = {}
        self._notes: dict[str, dict[str, Note]] = {}
        self._reported: set[tuple[str, str]] = set()
        for candidate in find_containers(self.path):
            for split, container, entries in read_entries(candidate, taken=self._containers):
                if split not in self._containers:
                    self._containers[split] = container
                    self._notes[split] = _parse_all(entries, split, container, self.skipped)
        self.splits = tuple(split for split in SPLITS if split in self._containers)

    def notes(self, split: str, chosen: NoteFilter = _ALL_NOTES) -> tuple[Note, ...]:
        """Return the notes of a split that a filter accepts, sorted by ``note_str``.

        Raises
        ------
        UsageError
            If there is no such split.
        """
        if split not in self._notes:
            raise UsageError(f"there is no split {split!r} in {self.path}; it has {', '.join(self.splits)}")
        return tuple(note for _, note in sorted(self._notes[split].items()) if chosen.accepts(note))

    def items(self, split: str, chosen: NoteFilter = _ALL_NOTES) -> Iterator[tuple[Note, np.ndarray]]:
        """Read the notes of a split that a filter accepts, with their samples, in the container's order.

        Yields
        ------
        note : Note
        samples : ndarray, shape (64000,), float32
            In [-1, 1].

        Raises
        ------
        UsageError
            If there is no such split.
        InputError
            If the container is damaged; damaged items are added to `skipped`.
        """
        notes = {note.note_str: note for note in self.notes(split, chosen)}
        for name, samples in read_sounds(self._containers[split], notes):
            if not isinstance(samples, InputError):
                yield notes[name], samples
            elif (split, name) not in self._reported:  # a second reading meets the same items again
                self._reported.add((split, name))
                self.skipped.append(Skipped(split, name, str(samples)))


def _parse_all(entries: dict[str, Any], split: str, container: Container, skipped: list[Skipped]) -> dict[str, Note]:
    notes = {}
    for name, entry in entries.items():
        try:
            note = parse(entry)
            if note.note_str != name:
                raise InputError(f"the key is {name!r} and its note_str {note.note_str!r}")
            if note.sample_rate != SAMPLE_RATE:
                raise InputError(f"note {name!r}: {note.sample_rate} Hz, not {SAMPLE_RATE}")
            notes[name] = note
        except InputError as error:
            skipped.append(Skipped(split, name, str(error)))
    if not notes:
        raise InputError(
            f"{container.path} has no usable note of the split {split!r}"
            + (f"; the first of {len(entries)} damaged ones: {skipped[-len(entries)].reason}" if entries else "")
        )
    return notes
