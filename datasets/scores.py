"""Melodies from folders of MIDI files and from music21's corpus of chorales.

A file that cannot be used is skipped by name and with its reason; the caller
gets both lists and decides what to say.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from wavecore.datasets import chorale_corpus
from wavecore.datasets.domains import duets
from wavecore.errors import InputError, UsageError
from wavecore.symbolic import midi
from wavecore.symbolic import score as scores
from wavecore.symbolic.chorale import VOICES
from wavecore.symbolic.score import Note, Score

CHORALES = "chorales"
# Chorale scores carry no tempo; hymns are sung at about this one.
QUARTER_S = 60.0 / 80.0
MIN_NOTES = 8


@dataclass(frozen=True)
class Skipped:
    """A file that gave no melody.

    Attributes
    ----------
    name : str
        The file or the corpus entry.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Melodies:
    """Monophonic scores, one per piece, and what was left out.

    Attributes
    ----------
    scores : tuple of Score
        Sorted by name; every name once.
    companions : dict of str to Score
        What sounds beside a melody in its piece, by the melody's name, where there is anything.
    """

    scores: tuple[Score, ...]
    skipped: tuple[Skipped, ...] = ()
    companions: dict[str, Score] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Score]:
        return iter(self.scores)

    def __len__(self) -> int:
        return len(self.scores)

    def report(self) -> str:
        """Say in one line per file what was found and what was skipped."""
        lines = [f"{len(self.scores)} melodies, {len(self.skipped)} files skipped"]
        return "\n".join(lines + [f"  skipped {item.name}: {item.reason}" for item in self.skipped])


def melodies(
    source: str | Path,
    *,
    track: str = "MELODY",
    label: str = "",
    licence: str = "",
    cache: str | Path | None = None,
) -> Melodies:
    """Collect one melody per piece.

    Parameters
    ----------
    source : str or Path
        A folder of MIDI files, searched to any depth, or the text ``"chorales"`` for the
        soprano of music21's Bach chorales (``"chorales:alto"`` and so on for
        another voice), which needs the extra ``data`` and takes minutes at the
        first call.
    track : str
        The track that holds the melody where a file has one of that name (all
        files of POP909 do); else `best_track` chooses.
    label : str
        Where the pieces come from, for the data set's manifest; the folder's
        name when empty.
    licence : str
        What may be done with them, for the manifest.
    cache : str, Path or None
        A JSON file that keeps what music21 took long to read; not used for
        folders.

    Returns
    -------
    Melodies
        Piece ids are paths relative to the folder, without suffix.

    Raises
    ------
    InputError
        If there is no such folder or nothing in it can be used.
    UsageError
        If there is no such voice, or music21 is missing.
    """
    # A Path is always a folder, so that one called "chorales" can be read.
    if isinstance(source, str) and source.partition(":")[0] == CHORALES:
        found = chorales(source.partition(":")[2] or "soprano", cache=cache)
    else:
        found = _from_folder(Path(source), track, label or Path(source).resolve().name, licence)
    if not found.scores:
        raise InputError(f"no usable melody in {source}\n{found.report()}")
    return found


def tracks(path: str | Path, *, source: str = "", licence: str = "") -> list[Score]:
    """Read every part of a MIDI file that has notes, in seconds.

    Parameters
    ----------
    path : str or Path
        A standard MIDI file.
    source, licence : str
        Noted in every score.

    Returns
    -------
    list of Score
        In the file's order; `name` is the file's stem.

    Raises
    ------
    InputError
        As `symbolic.midi.read` says.
    """
    song = midi.read(path, source=source, licence=licence)
    return [song.score(part) for part in song.parts]


def best_track(path: str | Path, *, source: str = "", licence: str = "") -> Score:
    """Choose the track of a MIDI file that is most likely its melody.

    Among the tracks that are no drums, lie at middle C or above on average and
    have 8 notes or more, the one with the largest product of two shares: of
    its own notes that survive `monophonic`, and of the piece during which it
    sounds.

    Parameters
    ----------
    path : str or Path
        A standard MIDI file.
    source, licence : str
        Noted in the score.

    Returns
    -------
    Score
        Not yet monophonic.

    Raises
    ------
    InputError
        If the file cannot be read or no track qualifies.
    """
    found = tracks(path, source=source, licence=licence)
    total_s = max(score.duration_s for score in found)
    candidates = [score for score in found if not score.is_drum and len(score.notes) >= MIN_NOTES and _is_high(score)]
    if not candidates:
        raise InputError(
            f"no track of {path} could be a melody: all are drums, below middle C or under {MIN_NOTES} notes"
        )

    def likelihood(score: Score) -> float:
        line = scores.monophonic(score)
        return len(line.notes) / len(score.notes) * scores.sounding_s(line.notes) / total_s

    return max(candidates, key=likelihood)


def split_of(piece_id: str, *, fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)) -> str:
    """Assign a piece to a split by the hash of its id.

    The same piece is in the same split in every data set, on every machine and
    in every order, so its transpositions and sections never leak.

    Parameters
    ----------
    piece_id : str
        Of the whole piece, not of an excerpt.
    fractions : tuple of float
        Of train, valid and test; they add up to 1.

    Returns
    -------
    str
        ``"train"``, ``"valid"`` or ``"test"``.

    Raises
    ------
    UsageError
        If the fractions are negative or do not add up to 1.
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-9:
        raise UsageError(f"the split fractions {fractions} must be 0 or more and add up to 1")
    draw = int.from_bytes(hashlib.sha256(piece_id.encode()).digest()[:8], "big") / 2**64
    if draw < fractions[0]:
        return "train"
    return "valid" if draw < fractions[0] + fractions[1] else "test"


def chorales(voice: str = "soprano", *, cache: str | Path | None = None) -> Melodies:
    """Read one voice of the Bach chorales in music21's corpus.

    Notes are taken from the parsed parts, ties joined, at 80 quarters a minute;
    repeats are not unfolded.

    Parameters
    ----------
    voice : str
        soprano, alto, tenor or bass.
    cache : str, Path or None
        A JSON file to read from, or to write when it is not there.

    Raises
    ------
    UsageError
        If there is no such voice, or music21 is not installed.
    InputError
        If the cache is not one of this voice.
    """
    if voice not in VOICES:
        raise UsageError(f"there is no chorale voice {voice!r}; choose from {', '.join(VOICES)}")
    if cache is not None and Path(cache).exists():
        return _read_cache(Path(cache), voice)
    found = _extract_chorales(voice)
    if cache is not None:
        _write_cache(Path(cache), voice, found)
    return found


def midi_files(folder: Path) -> list[Path]:
    """List the MIDI files of a folder, to any depth.

    Returns
    -------
    list of Path
        Sorted; one at least.

    Raises
    ------
    InputError
        If there is no such folder, or none in it.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder} to read MIDI files from")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in midi.SUFFIXES and path.is_file())
    if not files:
        seen = sorted({path.suffix for path in folder.rglob("*") if path.is_file()})
        raise InputError(f"no {' or '.join(midi.SUFFIXES)} file in {folder}; it holds {', '.join(seen) or 'no files'}")
    return files


def _from_folder(folder: Path, track: str, label: str, licence: str) -> Melodies:
    found, skipped, companions, ids = [], [], {}, set()
    for path in midi_files(folder):
        name = path.relative_to(folder)
        piece_id = f"{label}/{name.with_suffix('').as_posix()}"
        try:
            if piece_id in ids:
                raise InputError("another file of the folder has the same name but for the suffix")
            melody, beside = _melody(path, track, label, licence)
            line = scores.monophonic(melody)
            if len(line.notes) < MIN_NOTES:
                raise InputError(f"only {len(line.notes)} notes are left as a single line, {MIN_NOTES} are needed")
        except InputError as error:
            skipped.append(Skipped(name.as_posix(), str(error)))
            continue
        ids.add(piece_id)
        found.append(_renamed(line, piece_id))
        if beside.notes:
            companions[piece_id] = _renamed(beside, piece_id)
    return Melodies(tuple(found), tuple(skipped), companions)


def _melody(path: Path, track: str, source: str, licence: str) -> tuple[Score, Score]:
    """The track of that name, or the likeliest one where no track has it, and what sounds beside it."""
    found = tracks(path, source=source, licence=licence)
    named = [score for score in found if score.track.lower() == track.lower()]
    melody = named[0] if named else best_track(path, source=source, licence=licence)
    return melody, duets.accompaniment(melody, found)


def _is_high(score: Score) -> bool:
    return sum(note.pitch for note in score.notes) / len(score.notes) >= 60


def _renamed(score: Score, name: str) -> Score:
    return Score(score.notes, name, score.source, score.licence, score.track, score.program, score.is_drum)


def _extract_chorales(voice: str) -> Melodies:
    found, skipped = chorale_corpus.walk(lambda piece, name: _chorale_voice(piece, name, voice))
    return Melodies(tuple(found), tuple(Skipped(*item) for item in skipped))


def _chorale_voice(piece, name: str, voice: str) -> Score:
    """One of the four parts of a parsed chorale as a line in seconds."""
    notes = []
    for element in chorale_corpus.four_parts(piece)[VOICES.index(voice)].notes:
        length_s = float(element.quarterLength) * QUARTER_S
        if length_s > 0:  # grace notes have no length of their own
            pitch = max(int(pitch.midi) for pitch in element.pitches)
            notes.append(Note(float(element.offset) * QUARTER_S, length_s, pitch))
    line = scores.monophonic(Score(tuple(notes), f"bach/{name}", chorale_corpus.SOURCE, chorale_corpus.LICENCE, voice))
    if len(line.notes) < MIN_NOTES:
        raise InputError(f"only {len(line.notes)} notes, {MIN_NOTES} are needed")
    return line


def _write_cache(path: Path, voice: str, found: Melodies) -> None:
    document = {
        "voice": voice,
        "scores": [
            {**asdict(score), "notes": [[n.onset_s, n.duration_s, n.pitch, n.velocity] for n in score.notes]}
            for score in found.scores
        ],
        "skipped": [asdict(item) for item in found.skipped],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(document), encoding="utf-8")
    os.replace(partial, path)


def _read_cache(path: Path, voice: str) -> Melodies:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        kept = document["voice"]
        found = tuple(
            Score(**{**fields, "notes": tuple(Note(*note) for note in fields["notes"])})
            for fields in document["scores"]
        )
        skipped = tuple(Skipped(**item) for item in document["skipped"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is no cache of chorales ({error}); delete it and run again") from error
    if kept != voice:
        raise InputError(f"{path} holds the {kept} of the chorales, not the {voice}; name another cache")
    return Melodies(found, skipped)
