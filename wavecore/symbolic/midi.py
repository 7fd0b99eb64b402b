"""Reading and writing of MIDI files with symusic; notes, tempos, meters, programs and names are kept unchanged."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

from wavecore.errors import InputError, OutputExistsError, UsageError
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

MAX_NOTES = 1_000_000
SUFFIXES = (".mid", ".midi")


def read(path: str | Path, *, source: str = "", licence: str = "") -> Song:
    """Read a MIDI file.

    Parameters
    ----------
    path : str or Path
    source, licence : str
        Stored in the song.

    Returns
    -------
    Song
        Named after the file, with all parts that have notes, in order; notes of no length or velocity are left out.

    Raises
    ------
    InputError
        If the file is missing or no MIDI file, has no notes or more than ``MAX_NOTES``, or an impossible tempo,
        meter or grid.

    Examples
    --------
    >>> from wavecore.symbolic import midi
    >>> song = midi.read("tune.mid")  # doctest: +SKIP
    >>> song.write_midi("copy.mid")  # doctest: +SKIP
    """
    import symusic

    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no MIDI file {path}")
    try:
        score: Any = symusic.Score(path)  # its attributes have no types
    except Exception as error:  # symusic raises RuntimeError, ValueError and others for broken files
        raise InputError(f"{path} cannot be read as MIDI: {error}") from error
    n_notes = sum(len(track.notes) for track in score.tracks)
    if n_notes > MAX_NOTES:
        raise InputError(f"{path} has {n_notes:,} notes; the limit is {MAX_NOTES:,}")
    try:
        parts = [_part(track) for track in score.tracks]
        song = Song(
            score.ticks_per_quarter,
            tuple(part for part in parts if part.events),
            tuple(Tempo(tempo.time, tempo.mspq) for tempo in score.tempos),
            tuple(Meter(meter.time, meter.numerator, meter.denominator) for meter in score.time_signatures),
            name=path.stem,
            source=source,
            licence=licence,
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if not song.parts:
        raise InputError(f"{path} is a MIDI file without notes; choose another one")
    return song


def write(song: Song, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a MIDI file, completely or not at all.

    Parameters
    ----------
    path : str or Path
        Ends in .mid or .midi; its folder exists.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    UsageError
        If the suffix is another one, or the folder is missing.
    InputError
        If there are no notes.
    OutputExistsError
        If the file exists and `overwrite` is false.

    Examples
    --------
    >>> from wavecore.symbolic import midi
    >>> from wavecore.symbolic.song import Event, Part, Song
    >>> midi.write(Song(480, (Part([Event(0, 60, 480)]),)), "note.mid")  # doctest: +SKIP
    """
    import symusic

    path = require_path(path, overwrite=overwrite)
    if not song.n_notes:
        raise InputError(f"the song {song.name!r} has no notes; nothing is written to {path}")
    score: Any = symusic.Score(song.ticks_per_beat)
    for tempo in song.tempos:
        score.tempos.append(symusic.Tempo(tempo.tick, mspq=tempo.microseconds))
    for meter in song.meters:
        score.time_signatures.append(symusic.TimeSignature(meter.tick, meter.numerator, meter.denominator))
    for part in song.parts:
        track: Any = symusic.Track(part.name, part.program, part.is_drum)
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
    """Return a path that a MIDI file can be written to; raise as ``write`` does."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path} does not end in {' or '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise UsageError(f"{path} lies in {path.parent}, which is not a folder")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists already; choose another name, or allow overwriting")
    return path


def _part(track) -> Part:
    """Convert a track of symusic."""
    events = (
        Event(int(note.time), int(note.pitch), int(note.duration), int(note.velocity))
        for note in track.notes
        if note.duration > 0 and note.velocity > 0
    )
    return Part(tuple(events), track.name, int(track.program), bool(track.is_drum))
