"""Melodies from folders of MIDI files and from music21's corpus of chorales.

A file that cannot be used is skipped; its name and the reason are returned with the melodies.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from wavecore.datasets import chorale_corpus, storage
from wavecore.errors import InputError, UsageError
from wavecore.symbolic import midi
from wavecore.symbolic.chorale import VOICES
from wavecore.symbolic.score import Note, Score, monophonic, sounding_s

CHORALES = "chorales"
MIN_NOTES = 8
MIDDLE_C = 60
T = TypeVar("T")


@dataclass(frozen=True)
class Skipped:
    """A file, named relative to its folder, or a corpus entry that could not be used, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Melodies:
    """Monophonic scores, one per piece, and what was left out.

    Attributes
    ----------
    scores : tuple of Score
        Sorted by name; no name occurs twice.
    skipped : tuple of Skipped
        Files that gave no melody.
    companions : dict of str to Score
        The accompaniments, by the melody's name, of the pieces that have one.
    """

    scores: tuple[Score, ...]
    skipped: tuple[Skipped, ...] = ()
    companions: dict[str, Score] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Score]:
        return iter(self.scores)

    def __len__(self) -> int:
        return len(self.scores)


def melodies(
    source: str | Path, *, track: str = "MELODY", label: str = "", licence: str = "", cache: str | Path | None = None
) -> Melodies:
    """Collect one melody per piece.

    Parameters
    ----------
    source : str or Path
        A folder of MIDI files, searched to any depth, or the text ``"chorales"`` for the soprano of music21's Bach
        chorales (``"chorales:alto"`` and so on for another voice), which needs the extra ``data`` and takes minutes
        without a cache.
    track : str
        The track that holds the melody where a file has one of that name, as all files of POP909 do; elsewhere
        `best_track` chooses.
    label : str
        The source's name in the data set's manifest; the folder's name when empty.
    licence : str
        What may be done with the pieces, for the manifest.
    cache : str, Path or None
        A JSON file that keeps the chorales' melodies; not used for folders.

    Returns
    -------
    Melodies
        Their names are ``label/path``, without suffix.

    Raises
    ------
    InputError
        If there is no such folder or nothing in it can be used.
    UsageError
        If there is no such voice, or music21 is missing.
    """
    # A Path is always a folder, so that a folder called "chorales" can be read.
    if isinstance(source, str) and source.partition(":")[0] == CHORALES:
        collected = chorales(source.partition(":")[2] or "soprano", cache=cache)
    else:
        collected = _from_folder(Path(source), track, label or Path(source).resolve().name, licence)
    if not collected.scores:
        reasons = "".join(f"\n  skipped {item.name}: {item.reason}" for item in collected.skipped)
        raise InputError(f"no usable melody in {source}, {len(collected.skipped)} files skipped{reasons}")
    return collected


def tracks(path: str | Path, *, source: str = "", licence: str = "") -> list[Score]:
    """Read every part of a MIDI file that has notes, in seconds and in the file's order."""
    song = midi.read(path, source=source, licence=licence)
    return [song.score(part) for part in song.parts]


def best_track(scores: Iterable[Score], name: str = "the file") -> Score:
    """Choose the track of a piece that is most likely its melody, or raise InputError if none qualifies.

    Among the tracks that are no drums, lie at middle C or above on average and have 8 notes or more, it is the one with
    the largest product of two shares: of its own notes that `monophonic` keeps, and of the piece during which it
    sounds. It is returned as it is, not yet monophonic; `name` is the file, for messages.

    Examples
    --------
    >>> chords = [Note(beat, 1.0, 60 + third) for beat in range(8) for third in (0, 4, 7)]
    >>> line = [Note(beat, 1.0, 72) for beat in range(8)]
    >>> best_track([Score(chords, track="piano"), Score(line, track="flute")]).track
    'flute'
    """
    scores = list(scores)
    candidates = [score for score in scores if not score.is_drum and len(score.notes) >= MIN_NOTES and _is_high(score)]
    if not candidates:
        raise InputError(
            f"no track of {name} could be a melody: all are drums, below middle C or under {MIN_NOTES} notes"
        )
    total_s = max(score.duration_s for score in scores)

    def likelihood(score: Score) -> float:
        line = monophonic(score)
        return len(line.notes) / len(score.notes) * sounding_s(line.notes) / total_s

    return max(candidates, key=likelihood)


def chorales(voice: str = "soprano", *, cache: str | Path | None = None) -> Melodies:
    """Read one voice of the Bach chorales in music21's corpus, or a cache of it, which is written where there is none.

    Notes are taken from the parsed parts, ties joined, at 80 quarters a minute; repeats are not unfolded.
    """
    if voice not in VOICES:
        raise UsageError(f"there is no chorale voice {voice!r}; choose from {', '.join(VOICES)}")
    if cache is not None and Path(cache).exists():
        return _read_cache(Path(cache), voice)
    scores, skipped = chorale_corpus.read_all(
        lambda piece, name: chorale_corpus.voice_of(piece, name, voice, shortest=MIN_NOTES)
    )
    collected = Melodies(tuple(scores), tuple(Skipped(*item) for item in skipped))
    if cache is not None:
        _write_cache(Path(cache), voice, collected)
    return collected


def read_midi_files(folder: Path, label: str, read: Callable[[Path], T]) -> tuple[dict[str, T], list[Skipped]]:
    """Apply a function to every MIDI file of a folder, to any depth and sorted.

    The results are by ``label/path``, without suffix; files for which InputError is raised are skipped. It is raised if
    there is no such folder, or no MIDI file in it.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder} to read MIDI files from")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [path for path in paths if path.suffix.lower() in midi.SUFFIXES]
    if not files:
        present = ", ".join(sorted({path.suffix for path in paths})) or "no files"
        raise InputError(f"no {' or '.join(midi.SUFFIXES)} file in {folder}; it holds {present}")
    results: dict[str, T] = {}
    skipped = []
    for path in files:
        relative = path.relative_to(folder)
        name = f"{label}/{relative.with_suffix('').as_posix()}"
        try:
            if name in results:
                raise InputError("another file of the folder has the same name but for the suffix")
            results[name] = read(path)
        except InputError as error:
            skipped.append(Skipped(relative.as_posix(), str(error)))
    return results, skipped


def _from_folder(folder: Path, track: str, label: str, licence: str) -> Melodies:
    """Read the melodies of a folder, and what accompanies them."""

    def read(path: Path) -> tuple[Score, Score]:
        scores = tracks(path, source=label, licence=licence)
        melody = next((score for score in scores if score.track.lower() == track.lower()), None)
        melody = melody or best_track(scores, str(path))
        line = monophonic(melody)
        if len(line.notes) < MIN_NOTES:
            raise InputError(f"only {len(line.notes)} notes are left as a single line, {MIN_NOTES} are needed")
        return line, _accompaniment(melody, scores)

    results, skipped = read_midi_files(folder, label, read)
    lines = tuple(replace(line, name=name) for name, (line, _) in results.items())
    companions = {name: replace(other, name=name) for name, (_, other) in results.items() if other.notes}
    return Melodies(lines, tuple(skipped), companions)


def _accompaniment(melody: Score, of_piece: Iterable[Score]) -> Score:
    """Collect the notes of all other tracks; drums, and copies of the melody, are left out."""
    others = [score for score in of_piece if not score.is_drum and score.notes != melody.notes]
    return replace(melody, notes=tuple(note for score in others for note in score.notes), track="")


def _is_high(score: Score) -> bool:
    return sum(note.pitch for note in score.notes) / len(score.notes) >= MIDDLE_C


def _write_cache(path: Path, voice: str, collected: Melodies) -> None:
    document = {
        "voice": voice,
        "scores": [
            {**asdict(score), "notes": [[n.onset_s, n.duration_s, n.pitch, n.velocity] for n in score.notes]}
            for score in collected.scores
        ],
        "skipped": [asdict(item) for item in collected.skipped],
    }
    storage.write_text(path, json.dumps(document))


def _read_cache(path: Path, voice: str) -> Melodies:
    document = storage.read_json(path)
    with storage.refuse_damage(path):
        scores = tuple(
            Score(**{**fields, "notes": tuple(Note(*note) for note in fields["notes"])})
            for fields in document["scores"]
        )
        skipped = tuple(Skipped(**item) for item in document["skipped"])
        if document["voice"] != voice:
            raise InputError(f"{path} holds the {document['voice']} of the chorales, not the {voice}")
    return Melodies(scores, skipped)
