"""Rendering the ``notes`` data set from a SoundFont, in NSynth's layout.

Every note is 4 s of 16 kHz mono whose key is held for 3 s, as in NSynth, and its pitch is its key's. An instrument is a
General MIDI program (see `wavecore.datasets.notes.programs`). All its notes get one gain, so that velocities and
registers keep their differences: the median peak at its loudest velocity becomes -8 dBFS. Notes that are silent or
would clip then are left out and listed in the manifest.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wavecore.audio import mulaw
from wavecore.datasets import storage, workers
from wavecore.datasets.domains.shards import Parts, save_part
from wavecore.datasets.notes import qualities
from wavecore.datasets.notes.programs import PROGRAMS, Program, assign_splits, group_by_recordings
from wavecore.datasets.notes.reader import NotesDataset, split_folder
from wavecore.datasets.notes.writer import write_manifest, write_split
from wavecore.datasets.nsynth import note as nsynth_note
from wavecore.datasets.nsynth import wav
from wavecore.datasets.nsynth.note import FAMILIES, N_SAMPLES, SAMPLE_RATE, Note
from wavecore.datasets.splits import SPLITS
from wavecore.datasets.synths.soundfont import SoundFont
from wavecore.datasets.synths.soundfont_file import recordings_by_program
from wavecore.errors import InputError, UsageError
from wavecore.symbolic import score as scores

PITCHES = tuple(range(24, 97))
VELOCITIES = (50, 100)
HELD_S = qualities.HELD_S
MEDIAN_PEAK = 0.4
SILENT_PEAK = 10 ** (-50 / 20)


@dataclass(frozen=True)
class _Task:
    """One instrument to render."""

    program: Program
    split: str
    pitches: tuple[int, ...]
    velocities: tuple[int, ...]
    soundfont: str
    out: Path
    part: Path


def build_notes(
    out: str | Path,
    *,
    soundfont_path: str | Path | None = None,
    families: Sequence[str] | None = None,
    programs: Sequence[int] | None = None,
    pitches: Sequence[int] = PITCHES,
    velocities: Sequence[int] = VELOCITIES,
    instruments: int | None = None,
    jobs: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> NotesDataset:
    """Render the notes of a SoundFont.

    A build that was stopped continues with the missing instruments when the function is called again with the same
    arguments.

    Parameters
    ----------
    out : str or Path
        The data set's folder: new, empty, or one where the same build was stopped.
    soundfont_path : str, Path or None
        FluidR3 GM from its usual places when None.
    families : sequence of str, optional
        Of NSynth's; all of them if not given.
    programs : sequence of int, optional
        General MIDI programs, 0 to 127; all that belong to a family if not given.
    pitches, velocities : sequence of int
        MIDI, 0 to 127 and 1 to 127.
    instruments : int, optional
        At most so many programs of every family, the first ones.
    jobs : int
        Number of processes; a script that asks for more than one needs the ``if __name__ == "__main__":`` of all
        programs that start processes.
    on_progress : callable, optional
        Called with the instruments done and the instruments in all.

    Raises
    ------
    OutputExistsError
        If the folder holds a finished data set or other files.
    UsageError
        If it holds parts of another build, or an argument is out of range.
    InputError
        If there is no SoundFont, or nothing in it sounds.
    """
    out = Path(out)
    pitches = _midi_numbers(pitches, "pitches", 0)
    velocities = _midi_numbers(velocities, "velocities", 1)
    if jobs < 1:
        raise UsageError(f"jobs is {jobs}; it must be 1 or more")
    sounds = SoundFont(soundfont_path)
    recordings = recordings_by_program(sounds.path)
    chosen = choose_programs(recordings, families=families, programs=programs, instruments=instruments)
    splits = assign_splits(group_by_recordings(recordings, [program.number for program in chosen]))
    settings = {
        "soundfont": {"name": sounds.path.name, "sha256": storage.file_sha256(sounds.path)},
        "programs": [asdict(program) | {"split": splits[program.number]} for program in chosen],
        "pitches": pitches,
        "velocities": velocities,
        "held_s": HELD_S,
        "median_peak": MEDIAN_PEAK,
    }
    parts = Parts(out, settings)
    tasks = [
        _Task(program, splits[program.number], pitches, velocities, str(sounds.path), out, parts.path(program.name))
        for program in chosen
    ]
    remaining = [task for task in tasks if not task.part.exists()]
    workers.run_remaining(_render_part, remaining, jobs, total=len(tasks), on_progress=on_progress)
    _join(parts, tasks, settings, sounds)
    parts.remove()
    return NotesDataset.open(out)


def choose_programs(
    recordings: Mapping[int, frozenset[int]],
    *,
    families: Sequence[str] | None = None,
    programs: Sequence[int] | None = None,
    instruments: int | None = None,
) -> list[Program]:
    """Return the programs to render in the order of their names; the parameters are those of `build_notes`."""
    unknown = sorted(set(families or ()) - set(FAMILIES))
    if unknown:
        raise UsageError(f"there is no family {unknown[0]!r}; choose from {', '.join(FAMILIES)}")
    if instruments is not None and instruments < 1:
        raise UsageError(f"instruments is {instruments}; it must be 1 or more")
    other = sorted(set(programs or ()) - {program.number for program in PROGRAMS})
    if other:
        raise UsageError(
            f"program {other[0]} belongs to no family; `wavecore.datasets.notes.programs` lists those that do"
        )
    chosen = []
    for family in families or FAMILIES:
        present = [p for p in PROGRAMS if p.family == family and recordings.get(p.number)]
        chosen += [p for p in present if programs is None or p.number in programs][:instruments]
    if not chosen:
        raise InputError(f"the SoundFont has no program of {', '.join(families or FAMILIES)} in bank 0")
    return sorted(set(chosen), key=lambda program: program.name)


def render_instrument(
    sounds: SoundFont, program: Program, pitches: Sequence[int], velocities: Sequence[int]
) -> tuple[list[Note], np.ndarray, dict[str, Any]]:
    """Render all notes of an instrument; pitches and velocities ascend.

    Returns
    -------
    notes : list of Note
        Those that sound, by pitch and velocity.
    samples : ndarray, shape (n_notes, 64000), int16
    report : dict
        ``preset``, ``gain``, and the names of the ``silent`` and the ``clipped`` notes.
    """
    keys = [(pitch, velocity) for pitch in pitches for velocity in velocities]
    rendered = np.stack([_render_note(sounds, program, *key) for key in keys])  # (n_keys, T)
    peaks = np.abs(rendered).max(axis=1)
    loudest = [peak for peak, (_, velocity) in zip(peaks, keys, strict=True) if velocity == max(velocities) and peak]
    gain = np.float32(MEDIAN_PEAK / np.median(loudest)) if loudest else np.float32(1.0)
    notes, kept = [], []
    report: dict[str, Any] = {
        "preset": sounds.preset_name(program.number),
        "gain": round(float(gain), 6),
        "silent": [],
        "clipped": [],
    }
    for (pitch, velocity), x, peak in zip(keys, rendered, peaks, strict=True):
        samples = wav.to_int16(gain * x)
        note = _describe(program, pitch, velocity, wav.to_float(samples))
        if gain * peak < SILENT_PEAK:
            report["silent"].append(note.note_str)
        elif gain * peak > 1:
            report["clipped"].append(note.note_str)
        else:
            notes.append(note)
            kept.append(samples)
    return notes, np.stack(kept) if kept else np.zeros((0, N_SAMPLES), np.int16), report


def _render_note(sounds: SoundFont, program: Program, pitch: int, velocity: int) -> np.ndarray:
    score = scores.Score((scores.Note(0.0, HELD_S, pitch, velocity),))
    return sounds.render(score, instrument=program.number, n_samples=N_SAMPLES)


def _describe(program: Program, pitch: int, velocity: int, x: np.ndarray) -> Note:
    return nsynth_note.make(
        note=program.number << 14 | pitch << 7 | velocity,
        instrument=program.number,
        number=program.number,
        family=program.family,
        source=program.source,
        pitch=pitch,
        velocity=velocity,
        qualities=qualities.measure(x, pitch=pitch, sample_rate=SAMPLE_RATE),
    )


def _midi_numbers(values: Sequence[int], name: str, lowest: int) -> tuple[int, ...]:
    numbers = tuple(sorted(set(values)))
    if not numbers or not all(lowest <= number <= 127 for number in numbers):
        raise UsageError(f"{name} are {list(values)}; one or more of {lowest} to 127 are needed")
    return numbers


@functools.lru_cache(maxsize=1)
def _sounds(path: str) -> SoundFont:
    """Return the SoundFont of this process, opened once."""
    return SoundFont(path)


def _render_part(task: _Task) -> None:
    """Render one instrument: its WAV files, its description, and last, as the mark of completion, its codes."""
    notes, samples, report = render_instrument(_sounds(task.soundfont), task.program, task.pitches, task.velocities)
    audio = task.out / split_folder(task.split) / "audio"
    audio.mkdir(parents=True, exist_ok=True)
    for note, x in zip(notes, samples, strict=True):
        (audio / f"{note.note_str}.wav").write_bytes(wav.encode(x, SAMPLE_RATE))
    entry = {"notes": [note.document() for note in notes], "report": report}
    storage.write_text(task.part.with_suffix(".json"), json.dumps(entry))
    save_part(task.part, mulaw.encode(wav.to_float(samples)))


def _join(parts: Parts, tasks: list[_Task], settings: dict[str, Any], sounds: SoundFont) -> None:
    """Write every split's notes and codes, and the manifest."""
    entries = {task: storage.read_json(task.part.with_suffix(".json")) for task in tasks}
    splits = {}
    for split in SPLITS:
        members = [task for task in tasks if task.split == split and entries[task]["notes"]]
        notes = [nsynth_note.parse(note) for task in members for note in entries[task]["notes"]]
        if notes:
            codes = (parts.read(task.program.name) for task in members)
            splits[split] = write_split(parts.out / split_folder(split), notes, codes)
    if not splits:
        raise InputError(
            f"nothing sounds in {sounds.path} at MIDI {settings['pitches'][0]} to {settings['pitches'][-1]}"
        )
    reports = {task.program.name: entries[task]["report"] | {"split": task.split} for task in tasks}
    source = f"{sounds.path.name}, rendered note by note"
    write_manifest(parts.out, splits, source=source, settings=settings, instruments=reports)
