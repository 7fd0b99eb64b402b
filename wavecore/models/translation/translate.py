"""Timbre transfer: a recording in, the same music in other domains out.

The sound streams through encoder and decoders block by block with state
carried over, so memory is bounded by the block and the block size does not
change a sample.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

import numpy as np
import torch

from wavecore.audio import files, mulaw, pitch
from wavecore.audio.resample import Resampler
from wavecore.audio.writing import AudioWriter
from wavecore.checkpoint import LoadedModel
from wavecore.errors import OutputExistsError, UsageError
from wavecore.metrics.pitch import raw_chroma_accuracy
from wavecore.models.translation.octaves import best_octave, share_outside
from wavecore.models.translation.survey import ExcerptCollector, Survey, survey
from wavecore.nn.expectation import expected
from wavecore.nn.generate import open_generator, resolve_backend, resolve_device

BLOCK_SAMPLES = 16_000
"""Of a block, about."""
DEFAULT_LEVEL_DB = -20.0
MAX_LAG_S = 0.05
"""Lag at which a translation still follows its input."""


@dataclass(frozen=True)
class TranslationResult:
    """One translated output.

    Attributes
    ----------
    input : str
        Path of the source.
    domain : str
        What it was translated to.
    path : str
        The file written.
    seconds : float
        Length of the sound.
    samples_per_s : float
        Samples generated per second of work, at the model's rate.
    realtime_factor : float
        Seconds of sound per second of work.
    octave_shift : int
        By which the input was moved, octaves.
    pitch_accuracy : float or None
        Share of the input's voiced frames in which the output is within 50 cents,
        octaves folded; None if the input has no voiced frame.
    peak_db : float
        Of the output, relative to full scale.
    """

    input: str
    domain: str
    path: str
    seconds: float
    samples_per_s: float
    realtime_factor: float
    octave_shift: int
    pitch_accuracy: float | None
    peak_db: float
    warnings: tuple[str, ...] = ()


def translate_file(
    model: LoadedModel,
    source: str | Path,
    outputs: Mapping[str, str | Path],
    *,
    seed: int,
    octave: int | None = None,
    temperature: float = 1.0,
    rate: str = "model",
    draws: bool = False,
    backend: str = "auto",
    device: str = "auto",
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[TranslationResult]:
    """Translate one file to one or more domains.

    Parameters
    ----------
    source : str or Path
        Any audio file.
    outputs : mapping of str to str or Path
        For every target domain the file to write, of the input's length.
    seed : int
        Of the draws.
    octave : int, optional
        Octaves by which the input is moved first; None finds the shift that
        brings it into the target's range.
    temperature : float
        Divides the logits.
    rate : {"model", "native"}
        Sample rate of the outputs: the model's or the input's.
    draws : bool
        Whether the samples are written as they were drawn, and not what the decoder expected in
        their place, which has less noise (see ``expectation``).
    backend, device : str
        See ``generate.open_generator``.
    overwrite : bool
        Whether outputs that exist may be replaced.
    on_progress : callable, optional
        Called with (samples done, samples in all), over all targets.

    Returns
    -------
    list of TranslationResult
        In the order of ``outputs``.

    Raises
    ------
    UsageError
        If a domain is unknown, an output is the input, or an option makes no sense.
    OutputExistsError
        If an output exists and ``overwrite`` is false.
    InputError
        If the input cannot be used.
    """
    check_request(model, source, outputs, rate=rate, overwrite=overwrite)
    device, _ = resolve_device(device)
    resolve_backend(backend, device)
    config = model.network.config.decoder
    found = survey(source, sample_rate=config.sample_rate, min_samples=config.hop_length)
    job = _Job(model, Path(source), found, octave, device)
    workers = min(len(outputs), cpu_count() or 1)
    # Voices run side by side; cores that are left over help each of them.
    threads = max(1, (cpu_count() or 1) // len(outputs))
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(workers))
        voices = [
            stack.enter_context(
                _Voice(
                    job, target, Path(path), number, seed, temperature, rate, draws, backend, device, threads, overwrite
                )
            )
            for number, (target, path) in enumerate(outputs.items())
        ]
        total = found.n_samples * len(voices)
        for latent in job.latents([voice.octave_shift for voice in voices]):
            list(pool.map(lambda voice, shifts=latent: voice.advance(shifts[voice.octave_shift]), voices))
            if on_progress is not None:
                on_progress(sum(voice.done for voice in voices), total)
        for voice in voices:
            voice.finish()
    return [voice.result() for voice in voices]


def check_request(
    model: LoadedModel, source: str | Path, outputs: Mapping[str, str | Path], *, rate: str, overwrite: bool
) -> None:
    """Refuse what cannot be done before anything is done.

    Raises
    ------
    UsageError, OutputExistsError
        As ``translate_file`` says.
    """
    targets = model.network.config.targets
    if not outputs:
        raise UsageError(f"no target domain was given; choose from {', '.join(targets)}")
    for target in outputs:
        if target not in targets:
            raise UsageError(f"model {model.name} has no domain {target!r}; it generates {', '.join(targets)}")
    if rate not in ("model", "native"):
        raise UsageError(f"rate must be 'model' or 'native', not {rate!r}")
    paths = [Path(path).resolve() for path in outputs.values()]
    if len(set(paths)) < len(paths):
        raise UsageError("two targets would be written to the same file")
    if Path(source).resolve() in paths:
        raise UsageError(f"the output equals the input, {source}; choose another name")
    existing = [str(path) for path in outputs.values() if Path(path).exists()]
    if existing and not overwrite:
        raise OutputExistsError(f"{', '.join(existing)} exists already; allow overwriting, or choose another name")


class _Job:
    """One source on its way through the encoder."""

    def __init__(self, model: LoadedModel, source: Path, found: Survey, octave: int | None, device: str):
        self.model, self.source, self.survey, self.octave = model, source, found, octave
        self.encoder = model.network.encoder.to(device)
        self.device = device
        level_db = model.card["training"].get("data", {}).get("level_db", DEFAULT_LEVEL_DB)
        self.gain = 10 ** ((level_db - found.level_db) / 20)

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the sound at the model's rate and level."""
        rate = self.survey.sample_rate
        for block in files.stream(self.source, sample_rate=rate, block_frames=rate):
            yield np.clip(self.gain * block, -1, 1).astype(np.float32)

    def latents(self, shifts: list[int]) -> Iterator[dict[int, np.ndarray]]:
        """Yield, block by block, the latent (F, C) for every octave shift wanted."""
        for window in frame_windows(
            self.blocks(), hop_length=self.encoder.config.hop_length, context_frames=self.encoder.context_frames
        ):
            audio = torch.from_numpy(window)[None].to(self.device)
            with torch.inference_mode():
                yield {shift: self.encoder(audio, octave_shift=shift)[0].cpu().numpy() for shift in sorted(set(shifts))}

    def octave_shift(self, target: str) -> tuple[int, tuple[str, ...]]:
        """Choose the octave shift for a target, and say what to know of it."""
        midi = self.survey.voiced_midi()
        ranges = self.model.card["training"].get("data", {}).get("midi_ranges", {})
        if self.encoder.config.kind != "cqt" or target not in ranges or not len(midi):
            return self.octave or 0, ()
        low, high = ranges[target]
        best = best_octave(midi, low, high)
        shift = best if self.octave is None else self.octave
        outside = share_outside(midi, low, high, shift)
        if outside <= 0.1:
            return shift, ()
        better = "" if best == shift else f"; --octave {best} would leave {share_outside(midi, low, high, best):.0%}"
        return shift, (
            f"{outside:.0%} of the pitches lie outside the range of {target}, MIDI {low:.0f}-{high:.0f}{better}",
        )


def frame_windows(blocks: Iterator[np.ndarray], *, hop_length: int, context_frames: int) -> Iterator[np.ndarray]:
    """Cut a stream into windows of whole frames that carry the encoder's context.

    Encoding the windows one by one equals encoding the whole sound with
    silence before and behind it.

    Parameters
    ----------
    blocks : iterator of ndarray, shape (n,), float32
        The sound, in order, in blocks of any size.
    hop_length : int
        Samples per frame.
    context_frames : int
        Frames that the encoder needs on either side.

    Yields
    ------
    ndarray, shape ((F + 2 * context_frames) * hop_length,), float32
        F frames are about ``BLOCK_SAMPLES`` but in the last window.
    """
    margin = context_frames * hop_length
    step = max(1, BLOCK_SAMPLES // hop_length) * hop_length
    waiting = np.zeros(margin, np.float32)
    for block in blocks:
        waiting = np.concatenate([waiting, block])
        while len(waiting) >= step + 2 * margin:
            yield waiting[: step + 2 * margin]
            waiting = waiting[step:]
    rest = len(waiting) - margin
    padding = -rest % hop_length + margin
    waiting = np.concatenate([waiting, np.zeros(padding, np.float32)])
    while len(waiting) > 2 * margin:
        yield waiting[: step + 2 * margin]
        waiting = waiting[step:]


class _Voice:
    """One target: its generator, its file, its excerpts for the pitch measure."""

    def __init__(self, job, target, path, number, seed, temperature, rate, draws, backend, device, threads, overwrite):
        network = job.model.network
        self.job, self.target, self.path = job, target, path
        self.octave_shift, self.warnings = job.octave_shift(target)
        self.draws = draws
        self.generator = open_generator(
            network.decoder_state(target),
            network.config.decoder,
            batch=1,
            seed=seed,
            streams=[number],
            temperature=temperature,
            backend=backend,
            device=device,
            threads=threads,
        )
        self.excerpts = ExcerptCollector(job.survey.excerpts)
        self.done, self.written, self.seconds_of_work = 0, 0, 0.0
        model_rate = network.config.decoder.sample_rate
        info = files.probe(job.source)
        self.rate = info.sample_rate if rate == "native" else model_rate
        self.length = info.frames if rate == "native" else job.survey.n_samples
        self.resampler = None if self.rate == model_rate else Resampler(from_rate=model_rate, to_rate=self.rate)
        self.writer = AudioWriter(path, self.rate, overwrite=overwrite)

    def __enter__(self) -> _Voice:
        self.writer.__enter__()
        return self

    def __exit__(self, *exception) -> None:
        self.writer.__exit__(*exception)

    def advance(self, latent: np.ndarray) -> None:
        """Generate what one block of latent frames conditions."""
        began = time.perf_counter()
        self.generator.feed(latent[None])
        n = min(self.generator.available, self.job.survey.n_samples - self.done)
        x = (
            mulaw.decode(self.generator.generate(n)[0])
            if self.draws
            else expected(self.generator.generate(n, logits=True)[1][0])
        )
        self.seconds_of_work += time.perf_counter() - began
        self.done += n
        self.excerpts.add(x)
        self._write(x if self.resampler is None else self.resampler.push(x))

    def finish(self) -> None:
        """Flush, and give the file exactly the length it is to have."""
        if self.resampler is not None:
            self._write(self.resampler.finish())
        if self.written < self.length:
            self._write(np.zeros(self.length - self.written, np.float32))

    def _write(self, x: np.ndarray) -> None:
        x = x[: self.length - self.written]
        if len(x):
            self.writer.write(x)
            self.written += len(x)

    def result(self) -> TranslationResult:
        """Sum up, measuring how well the output follows the input's melody."""
        n_samples, rate = self.job.survey.n_samples, self.job.survey.sample_rate
        work = max(self.seconds_of_work, 1e-9)
        return TranslationResult(
            input=str(self.job.source),
            domain=self.target,
            path=str(self.path),
            seconds=n_samples / rate,
            samples_per_s=n_samples / work,
            realtime_factor=n_samples / rate / work,
            octave_shift=self.octave_shift,
            pitch_accuracy=self._pitch_accuracy(rate),
            peak_db=20 * float(np.log10(max(self.writer.peak, 1e-6))),
            warnings=self.warnings,
        )

    def _pitch_accuracy(self, rate: int) -> float | None:
        right = voiced = 0.0
        for reference, sound in zip(self.job.survey.tracks, self.excerpts.sounds(), strict=True):
            n_voiced = int(reference.voiced.sum())
            if n_voiced and len(sound):
                estimate = pitch.track_f0(sound, sample_rate=rate)
                right += n_voiced * raw_chroma_accuracy(reference, estimate, max_lag_s=MAX_LAG_S)
                voiced += n_voiced
        return right / voiced if voiced else None
