"""MIDI files in and out, by symusic: notes, tempos, meters, programs and names survive unchanged."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from wavecore.errors import InputError, OutputExistsError, UsageError
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

MOST_NOTES = 1_000_000
SUFFIXES = (".mid", ".midi")


def read(path: str | Path, *, source: str = "", licence: str = "") -> Song:
    """Read a MIDI file.

    Parameters
    ----------
    source, licence : str
        Noted in the song.

    Returns
    -------
    Song
        With all parts that have notes, in the file's order; `name` is the file's stem.  Notes that last no time or make no sound are left out.

    Raises
    ------
    InputError
        If the file is missing, is no MIDI file, holds no notes or too many, or has an impossible tempo, meter or grid.
    """
    import symusic

    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no MIDI file {path}")
    try:
        found = symusic.Score(path)
    except Exception as error:  # symusic raises RuntimeError, ValueError and others for broken files
        raise InputError(f"{path} cannot be read as MIDI: {error}") from error
    n_notes = sum(len(track.notes) for track in found.tracks)
    if n_notes > MOST_NOTES:
        raise InputError(f"{path} holds {n_notes:,} notes; {MOST_NOTES:,} are the most that is read")
    try:
        parts = [_part(track) for track in found.tracks]
        song = Song(
            found.ticks_per_quarter,
            tuple(part for part in parts if part.events),
            tuple(Tempo(tempo.time, tempo.mspq) for tempo in found.tempos),
            tuple(Meter(meter.time, meter.numerator, meter.denominator) for meter in found.time_signatures),
            path.stem, source, licence,
        )  # fmt: skip
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if not song.parts:
        raise InputError(f"{path} is a MIDI file without notes; choose another one")
    return song


def write(song: Song, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a MIDI file, whole or not at all.

    Parameters
    ----------
    path : str or Path
        Ends in .mid or .midi.
    overwrite : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    UsageError
        If the path has another suffix.
    InputError
        If there are no notes.
    OutputExistsError
        If the file is there and ``overwrite`` is false.
    """
    import symusic

    path = require_path(path, overwrite=overwrite)
    if not song.n_notes:
        raise InputError(f"the piece {song.name!r} has no notes; nothing is written to {path}")
    score = symusic.Score(song.ticks_per_beat)
    for tempo in song.tempos:
        score.tempos.append(symusic.Tempo(tempo.tick, mspq=tempo.microseconds))
    for meter in song.meters:
        score.time_signatures.append(symusic.TimeSignature(meter.tick, meter.numerator, meter.denominator))
    for part in song.parts:
        track = symusic.Track(part.name, part.program, part.is_drum)
        for event in part.events:
            track.notes.append(symusic.Note(event.onset, event.duration, event.pitch, event.velocity))
        score.tracks.append(track)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        score.dump_midi(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def require_path(path: str | Path, *, overwrite: bool) -> Path:
    """Refuse a path that no MIDI file can be written to.

    Parameters
    ----------
    overwrite : bool
        Whether a file that is there may be replaced.

    Raises
    ------
    UsageError
        If it has another suffix than .mid or .midi, or its folder is missing.
    OutputExistsError
        If the file is there and ``overwrite`` is false.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} does not end in {' or '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise UsageError(f"{path} lies in {path.parent}, which is no folder")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists already; choose another name, or allow overwriting")
    return path


def _part(track) -> Part:
    events = (
        Event(int(note.time), int(note.pitch), int(note.duration), int(note.velocity))
        for note in track.notes
        if note.duration > 0 and note.velocity > 0
    )
    return Part(tuple(events), track.name, int(track.program), bool(track.is_drum))
