"""Writing NSynth's published layout: a folder, a tar archive or a TFRecord file.

The same notes in the same order give the same bytes: archives carry no times,
no owners and no file name.  What one of these writes, `wavecore.datasets.nsynth.reader`
reads back exactly, whichever of the three it was.
"""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from wavecore.audio import output
from wavecore.datasets.notes.writer import examples_text
from wavecore.datasets.nsynth import pcm, tf_example, tfrecord
from wavecore.datasets.nsynth.note import N_SAMPLES, SPLITS, Note
from wavecore.errors import InputError, UsageError

Items = Iterable[tuple[Note, np.ndarray]]


def write_folder(folder: str | Path, items: Items, *, overwrite: bool = False) -> int:
    """Write ``examples.json`` and ``audio/*.wav``.

    Parameters
    ----------
    folder : str or Path
        ``nsynth-SPLIT`` of the data set; made if it is missing.
    items : iterable of (Note, ndarray of shape (64000,), float in [-1, 1] or int16)
        Each note once.
    overwrite : bool
        Whether files that exist may be replaced.

    Returns
    -------
    int
        How many notes there were.

    Raises
    ------
    InputError
        If a note comes twice or has another length.
    OutputExistsError
        If a file is there and `overwrite` is false.
    """
    folder = Path(folder)
    output.refuse_existing(folder / "examples.json", overwrite=overwrite)
    notes = []
    for note, samples in _checked(items):
        with output.whole_file(folder / "audio" / f"{note.note_str}.wav", overwrite=overwrite) as path:
            path.write_bytes(pcm.wav_bytes(samples, note.sample_rate))
        notes.append(note)
    # It comes last: a folder without it is unfinished.
    with output.whole_file(folder / "examples.json", overwrite=overwrite) as path:
        path.write_text(examples_text(notes), encoding="utf-8")
    return len(notes)


def write_archive(path: str | Path, split: str, items: Items, *, overwrite: bool = False) -> int:
    """Write ``nsynth-SPLIT/`` as a tar archive.

    Parameters
    ----------
    path : str or Path
        Ends in ``.tar``, or in ``.tar.gz`` or ``.tgz`` for a compressed one.
    split : str
        ``train``, ``valid`` or ``test``.
    items : iterable of (Note, ndarray of shape (64000,), float in [-1, 1] or int16)
        Each note once; held one at a time.
    overwrite : bool
        Whether a file that exists may be replaced.

    Returns
    -------
    int
        How many notes there were.

    Raises
    ------
    InputError
        If a note comes twice or has another length.
    OutputExistsError
        If the file is there and `overwrite` is false.
    UsageError
        If there is no such split, or the name has another ending.
    """
    path = Path(path)
    if split not in SPLITS:
        raise UsageError(f"there is no split {split!r}; choose from {', '.join(SPLITS)}")
    zipped = path.name.endswith((".tar.gz", ".tgz"))
    if not zipped and path.suffix != ".tar":
        raise UsageError(f"{path.name} is no name of an archive; use .tar, .tar.gz or .tgz")
    notes = []
    with output.whole_file(path, overwrite=overwrite) as partial, partial.open("wb") as raw:
        # Without a name and a time in the header, the same notes give the same bytes.
        packed = gzip.GzipFile("", "wb", 6, raw, mtime=0) if zipped else raw
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for note, samples in _checked(items):
                name = f"nsynth-{split}/audio/{note.note_str}.wav"
                _add(archive, name, pcm.wav_bytes(samples, note.sample_rate))
                notes.append(note)
            _add(archive, f"nsynth-{split}/examples.json", examples_text(notes).encode())
        if zipped:
            packed.close()
    return len(notes)


def write_tfrecord(path: str | Path, items: Items, *, overwrite: bool = False) -> int:
    """Write a TFRecord file.

    Parameters
    ----------
    path : str or Path
        ``nsynth-SPLIT.tfrecord``, for the split is told by the name alone.
    items : iterable of (Note, ndarray of shape (64000,), float in [-1, 1] or int16)
        Each note once; held one at a time.
    overwrite : bool
        Whether a file that exists may be replaced.

    Returns
    -------
    int
        How many notes there were.

    Raises
    ------
    InputError
        If a note comes twice or has another length.
    OutputExistsError
        If the file is there and `overwrite` is false.
    """
    with output.whole_file(path, overwrite=overwrite) as partial, partial.open("wb") as file:
        return tfrecord.write_records(file, (_example(note, samples) for note, samples in _checked(items)))


def _checked(items: Items) -> Iterator[tuple[Note, np.ndarray]]:
    """The items with int16 samples, after refusing what could not be read back."""
    seen = set()
    for note, samples in items:
        if note.note_str in seen:
            raise InputError(f"the note {note.note_str!r} comes twice")
        seen.add(note.note_str)
        samples = np.asarray(samples)
        if samples.shape != (N_SAMPLES,):
            raise InputError(f"{note.note_str} has samples of shape {samples.shape}, wanted ({N_SAMPLES},)")
        yield note, samples if samples.dtype == np.int16 else pcm.quantize(samples)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)  # time 0, nobody's, mode 0644
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def _example(note: Note, samples: np.ndarray) -> bytes:
    """A note as the published records hold it: numbers as lists of one, the sound as floats."""
    features: dict[str, tf_example.Value] = {"audio": pcm.to_float(samples)}
    for key, value in note.document().items():
        items = value if isinstance(value, list) else [value]
        features[key] = [item.encode() if isinstance(item, str) else item for item in items]
    return tf_example.encode(features)
