"""Rendering of a song through a WaveNet: lines are generated, let through while their notes sound, and mixed."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from wavecore.audio.sound import Sound
from wavecore.audio.writing import AudioWriter
from wavecore.checkpoint import LoadedModel
from wavecore.errors import UsageError
from wavecore.models.base import draw_seed, load
from wavecore.nn.generate import resolve_backend, resolve_device
from wavecore.rendering import mixer, nsynth, translation
from wavecore.rendering.bank import Bank, for_model
from wavecore.rendering.casting import Line, Range, cast
from wavecore.rendering.sketch import CLOSE_S, gate
from wavecore.symbolic.song import Song

PEAK_DB = -1.0
"""Level of the mix's loudest sample."""


@dataclass(frozen=True)
class RenderedLine:
    """A rendered line (see ``casting.Line``), and the path of the file that holds it alone, if there is one."""

    part: str
    instrument: str
    n_notes: int
    octave: int
    outside: float
    path: str | None


@dataclass(frozen=True)
class RenderResult:
    """A rendered file; samples of all lines and seconds of sound are counted per second of work."""

    path: str
    seconds: float
    samples_per_s: float
    realtime_factor: float
    lines: tuple[RenderedLine, ...]


def render(
    song: Song,
    *,
    model: str | Path | LoadedModel = "notes",
    instrument: str | None = None,
    parts: Mapping[str, str] | None = None,
    bank: Bank | None = None,
    temperature: float | None = None,
    seed: int | None = None,
    draws: bool = False,
    backend: str = "auto",
    device: str = "auto",
    on_progress: Callable[[int, int], None] | None = None,
) -> Sound:
    """Render a song.

    Parameters
    ----------
    song : Song
    model : str, Path or LoadedModel
        An autoencoder of notes, as the shipped ``notes``, or a translation network, whose domains are the instruments.
    instrument : str, optional
        Plays all parts; by default each is played by the instrument most like its General MIDI program, or by the first
        domain of a translation network.
    parts : mapping of str to str, optional
        Instruments by the names of parts, or by their numbers from 1 on; `instrument` plays the others.
    bank : Bank, optional
        Notes for an autoencoder of notes; its own by default.
    temperature : float, optional
        Divides the logits; by default what the model's card recommends.
    seed : int, optional
        Drawn by default; reported in ``info["seed"]``.
    draws : bool
        Whether to return the sampled codes and not the means of the distributions, which have less noise.
    backend, device : str
        See ``generate.resolve_backend`` and ``generate.resolve_device``.
    on_progress : callable, optional
        Called with (samples done, samples in all).

    Returns
    -------
    Sound
        With a peak of -1 dB.

    Raises
    ------
    InputError
        If there is nothing to play, or more than 64 lines are needed.
    UsageError
        If there is no such instrument or part, or the model cannot play.
    ModelError, DeviceError
        If the model or the device cannot be used.

    Examples
    --------
    >>> from wavecore.rendering.api import render
    >>> from wavecore.symbolic.song import Event, Part, Song
    >>> song = Song(480, (Part([Event(0, 69, 48)]),))
    >>> sound = render(song, instrument="flute", seed=1)
    >>> sound.duration_s, sound.rate, sound.info["seed"]
    (0.3, 16000, 1)
    """
    model = model if isinstance(model, LoadedModel) else load(model)
    temperature = model.temperature if temperature is None else temperature
    generation = {"seed": draw_seed(seed), "temperature": temperature, "backend": backend, "device": device}
    performer = _Performer(model, bank, draws, generation)
    lines = performer.cast(song, instrument, parts)
    mix = np.concatenate([block.sum(axis=0) for block in performer.play(lines, on_progress)])
    info = {"model": model.name, "model_sha256": model.sha256, "seed": generation["seed"], "temperature": temperature}
    return Sound(_gain(float(np.abs(mix).max())) * mix, performer.rate, info)


def render_file(
    model: LoadedModel,
    song: Song,
    out: str | Path,
    *,
    seed: int,
    bank: Bank | None = None,
    instrument: str | None = None,
    parts: Mapping[str, str] | None = None,
    temperature: float = 1.0,
    draws: bool = False,
    stems: str | Path | None = None,
    backend: str = "auto",
    device: str = "auto",
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> RenderResult:
    """Render a song of any length to an audio file; see ``render``.

    Parameters
    ----------
    stems : str or Path, optional
        A folder for a WAV of every line; their sum is the mix.
    overwrite : bool
        Whether existing files may be replaced; if not, OutputExistsError is raised for one.
    """
    generation = {"seed": seed, "temperature": temperature, "backend": backend, "device": device}
    performer = _Performer(model, bank, draws, generation)
    lines = performer.cast(song, instrument, parts)
    paths = [Path(out), *(() if stems is None else _stem_paths(Path(stems), lines))]
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError(f"{out} is also the name of a line's own file; choose another one")
    with ExitStack() as stack:
        writers = [stack.enter_context(AudioWriter(path, performer.rate, overwrite=overwrite)) for path in paths]
        recording = stack.enter_context(tempfile.TemporaryFile())
        began, peak, sizes = time.perf_counter(), 0.0, []
        for block in performer.play(lines, on_progress):
            rows = np.concatenate([block.sum(axis=0, keepdims=True), block])[: len(writers)]
            recording.write(rows.tobytes())
            peak = max(peak, float(np.abs(rows[0]).max()))
            sizes.append(block.shape[1])
        work = max(time.perf_counter() - began, 1e-9)
        _write(recording, sizes, _gain(peak), writers)
    stem_paths = map(str, paths[1:]) if stems is not None else [None] * len(lines)
    rendered = tuple(
        RenderedLine(line.part, line.instrument, len(line.score.notes), line.octave, line.outside, path)
        for line, path in zip(lines, stem_paths, strict=True)
    )
    seconds = sum(sizes) / performer.rate
    return RenderResult(str(out), seconds, len(lines) * sum(sizes) / work, seconds / work, rendered)


class _Performer:
    """A model and its bank or targets."""

    def __init__(self, model: LoadedModel, bank: Bank | None, draws: bool, generation: dict):
        device, _ = resolve_device(generation["device"])
        resolve_backend(generation["backend"], device)
        kind = model.network.kind
        if kind not in ("nsynth", "translation"):
            raise UsageError(f"{model.name} is a model of kind {kind!r}; nsynth and translation models render songs")
        if kind == "translation" and bank is not None:
            raise UsageError(f"{model.name} is a model of kind {kind!r}, which needs no bank of notes")
        self.bank = for_model(model) if kind == "nsynth" and bank is None else bank
        self.model, self.draws, self.generation = model, draws, generation | {"device": device}
        self.rate = model.network.config.decoder.sample_rate

    def cast(self, song: Song, instrument: str | None, parts: Mapping[str, str] | None) -> list[Line]:
        """Choose instruments of the bank, or of the translation network's targets."""
        ranges: dict[str, Range] = {}
        if self.bank is not None:
            ranges |= self.bank.ranges()
            programs = {name: notes.program for name, notes in self.bank.instruments.items()}
            return cast(song, ranges, instrument=instrument, parts=parts, programs=programs)
        known = self.model.card["training"].get("data", {}).get("midi_ranges", {})
        targets = self.model.network.config.targets
        for name in targets:
            ranges[name] = (float(known[name][0]), float(known[name][1])) if name in known else None
        return cast(song, ranges, instrument=instrument, parts=parts)

    def play(self, lines: list[Line], on_progress: Callable[[int, int], None] | None) -> Iterator[np.ndarray]:
        """Yield the gated lines, (lines, n), block by block, until the last note has faded."""
        n_samples = math.ceil((max(line.score.duration_s for line in lines) + CLOSE_S) * self.rate)
        if self.bank is not None:
            sections = nsynth.sections(self.model, self.bank, lines, **self.generation)
        else:
            sections = translation.sections(self.model, lines, **self.generation)
        options = {"sample_rate": self.rate, "by_velocity": self.bank is not None}
        done = 0
        for block in mixer.play(sections, n_samples, sample_rate=self.rate, draws=self.draws):
            n = block.shape[1]
            block *= np.stack([gate(line.score, done, n, **options) for line in lines])
            done += n
            if on_progress is not None:
                on_progress(done, n_samples)
            yield block


def _stem_paths(folder: Path, lines: list[Line]) -> list[Path]:
    """Name a file for every line by its number, part and instrument."""
    names = (
        "".join(c if c.isalnum() or c in "-_" else "_" for c in f"{line.part}_{line.instrument}") for line in lines
    )
    return [folder / f"{number:02d}_{name}.wav" for number, name in enumerate(names, 1)]


def _gain(peak: float) -> float:
    """Return the factor from a peak to ``PEAK_DB``."""
    return 10 ** (PEAK_DB / 20) / max(peak, 1e-6)


def _write(recording: BinaryIO, sizes: list[int], gain: float, writers: list[AudioWriter]) -> None:
    """Write the recorded rows, one for every writer, with a gain."""
    recording.seek(0)
    for n in sizes:
        rows = np.frombuffer(recording.read(4 * len(writers) * n), np.float32).reshape(len(writers), n)
        for writer, row in zip(writers, rows, strict=True):
            writer.write(gain * row)
