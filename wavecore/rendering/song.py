"""A piece to a file: lines are played, let through while they sound, and mixed."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from wavecore.audio.writing import AudioWriter
from wavecore.checkpoint import LoadedModel
from wavecore.errors import UsageError
from wavecore.nn.generate import resolve_backend, resolve_device
from wavecore.rendering import mixer as ensemble
from wavecore.rendering import notes, translation
from wavecore.rendering.bank import Bank
from wavecore.rendering.casting import Line, cast, instruments
from wavecore.rendering.sketch import CLOSE_S, gate
from wavecore.symbolic.song import Song

PEAK_DB = -1.0
"""Of the mix: the loudest sample lies there."""


@dataclass(frozen=True)
class RenderedLine:
    """A line that was played.

    Attributes
    ----------
    octave : int
        By which it was played higher and faster, and slowed down again.
    outside : float
        Share of the notes beyond the instrument's range, 0 to 1.
    path : str or None
        Of the file that holds this line alone.
    """

    part: str
    instrument: str
    n_notes: int
    octave: int
    outside: float
    path: str | None


@dataclass(frozen=True)
class RenderResult:
    """A piece that was played.

    Attributes
    ----------
    seconds : float
        Of sound.
    samples_per_s : float
        Of all lines together, generated per second of work.
    realtime_factor : float
        Seconds of sound per second of work.
    """

    path: str
    seconds: float
    samples_per_s: float
    realtime_factor: float
    lines: tuple[RenderedLine, ...]


def render_song(
    model: LoadedModel,
    song: Song,
    out: str | Path,
    *,
    seed: int,
    bank: Bank | None = None,
    instrument: str | None = None,
    chosen: Mapping[str, str] | None = None,
    temperature: float = 1.0,
    draws: bool = False,
    stems: str | Path | None = None,
    backend: str = "auto",
    device: str = "auto",
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> RenderResult:
    """Play a piece through a WaveNet.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``translation`` or ``nsynth``.
    out : str or Path
        An audio file.
    seed : int
        Of the draws.
    bank : Bank, optional
        The notes that a model of kind ``nsynth`` plays with; needed by it, and of no use to the other.
    instrument, chosen
        As of ``casting.cast``.
    temperature : float
        Divides the logits.
    draws : bool
        Whether samples are written as they were drawn, and not what was expected in their place (see ``expectation``).
    stems : str or Path, optional
        A folder for a WAV of every line; their sum is the mix.
    backend, device : str
        See ``generate.open_generator``.
    overwrite : bool
        Whether files that exist may be replaced.
    on_progress : callable, optional
        Called with (samples done, samples in all), of the mix.

    Raises
    ------
    InputError, UsageError
        As ``casting.cast`` says.
    OutputExistsError
        If a file exists and ``overwrite`` is false.
    """
    device, _ = resolve_device(device)
    resolve_backend(backend, device)
    rate = model.network.config.decoder.sample_rate
    by_notes = model.network.kind == "nsynth"
    if by_notes != (bank is not None):
        raise UsageError(
            f"a model of kind {model.network.kind!r} plays {'with a bank of notes' if by_notes else 'without a bank of notes'}"
        )
    casting = {"instrument": instrument, "chosen": chosen}
    lines = _cast_notes(song, bank, casting) if by_notes else _cast_domains(song, model, casting)
    n_samples = math.ceil((max(line.score.duration_s for line in lines) + CLOSE_S) * rate)
    paths = [Path(out), *(() if stems is None else _stem_paths(Path(stems), lines))]
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError(f"{out} is the name of a line's own file as well; choose another one")
    with ExitStack() as stack:
        writers = [stack.enter_context(AudioWriter(path, rate, overwrite=overwrite)) for path in paths]
        took = stack.enter_context(tempfile.TemporaryFile())
        began = time.perf_counter()
        options = {"seed": seed, "temperature": temperature, "backend": backend, "device": device}
        sections = (
            notes.sections(model, bank, lines, **options) if by_notes else translation.sections(model, lines, **options)
        )
        blocks = ensemble.play(sections, n_samples, sample_rate=rate, draws=draws)
        peak, sizes = _record(
            blocks,
            lines,
            rate,
            took,
            keep_lines=stems is not None,
            by_velocity=by_notes,
            told=on_progress,
            n_samples=n_samples,
        )
        work = max(time.perf_counter() - began, 1e-9)
        _write(took, sizes, len(writers), 10 ** (PEAK_DB / 20) / max(peak, 1e-6), writers)
    found = tuple(
        RenderedLine(
            line.part, line.instrument, len(line.score.notes), line.octave, line.outside, str(path) if path else None
        )
        for line, path in zip(lines, paths[1:] or [None] * len(lines), strict=True)
    )
    return RenderResult(str(out), n_samples / rate, len(lines) * n_samples / work, n_samples / rate / work, found)


def _cast_domains(song: Song, model: LoadedModel, casting: dict) -> list[Line]:
    known = model.card["training"].get("data", {}).get("midi_ranges", {})
    return cast(song, instruments(model.network.config.targets, known), **casting)


def _cast_notes(song: Song, bank: Bank, casting: dict) -> list[Line]:
    programs = {name: found.program for name, found in bank.instruments.items()}
    return cast(song, bank.ranges(), programs=programs, **casting)


def _stem_paths(folder: Path, lines: list[Line]) -> list[Path]:
    """A name for every line: its number, part and instrument."""
    names = (
        "".join(c if c.isalnum() or c in "-_" else "_" for c in f"{line.part}_{line.instrument}") for line in lines
    )
    return [folder / f"{number:02d}_{name}.wav" for number, name in enumerate(names, 1)]


def _record(
    blocks, lines, rate: int, took: BinaryIO, *, keep_lines: bool, by_velocity: bool, n_samples: int, told
) -> tuple[float, list[int]]:
    """Let the lines through as they sound, and keep the mix, and the lines if they are wanted.

    Returns the mix's largest absolute sample and the sizes of the blocks.
    """
    peak, done, sizes = 0.0, 0, []
    for block in blocks:
        n = block.shape[1]
        heard = block * np.stack(
            [gate(line.score, done, n, sample_rate=rate, by_velocity=by_velocity) for line in lines]
        )
        mix = heard.sum(axis=0, keepdims=True)
        took.write(np.concatenate([mix, heard] if keep_lines else [mix]).astype(np.float32).tobytes())
        peak, done = max(peak, float(np.abs(mix).max())), done + n
        sizes.append(n)
        if told is not None:
            told(done, n_samples)
    return peak, sizes


def _write(took: BinaryIO, sizes: list[int], n_rows: int, gain: float, writers: list[AudioWriter]) -> None:
    """Write what was kept, as loud as it may be."""
    took.seek(0)
    for n in sizes:
        rows = np.frombuffer(took.read(4 * n_rows * n), np.float32).reshape(n_rows, n)
        for writer, row in zip(writers, rows, strict=True):
            writer.write(gain * row)
