"""Timbre transfer: a sound in, the same music in other domains out.

The sound streams through encoder and decoders block by block with their state carried over: memory is bounded by the
block, whose size changes no sample.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from os import cpu_count

import numpy as np
import torch

from wavecore.audio import mulaw, pitch
from wavecore.audio.resample import Resampler
from wavecore.audio.writing import AudioWriter
from wavecore.checkpoint import LoadedModel
from wavecore.errors import UsageError
from wavecore.metrics.pitch import raw_chroma_accuracy
from wavecore.models.translation.survey import Excerpts, Source, Survey, best_octave, share_outside, survey
from wavecore.nn.generate import Generator, open_generator, resolve_backend, resolve_device
from wavecore.nn.sampling import predicted_mean

BLOCK_SAMPLES = 16_000
"""About so many samples are encoded and generated at a time."""
DEFAULT_LEVEL_DB = -20.0
MAX_LAG_S = 0.05
"""Lag at which a translation still follows its input."""
MOST_OUTSIDE = 0.1
"""Share of pitches outside a target's range from which on a warning is given."""


@dataclass(frozen=True)
class Options:
    """How sounds are generated; ``TranslationModel.translate`` describes the fields."""

    seed: int
    temperature: float = 1.0
    octave: int | None = None
    native: bool = False
    draws: bool = False
    backend: str = "auto"
    device: str = "auto"

    def output_rate(self, source: Source, model_rate: int) -> int:
        """Return the sample rate of the outputs, Hz."""
        return source.sample_rate if self.native else model_rate


@dataclass(frozen=True)
class TranslationResult:
    """One translated sound.

    Attributes
    ----------
    input, path : str
        Files read and written; empty for samples in memory.
    domain : str
        The target.
    seconds : float
        Length of the sound.
    samples_per_s : float
        Samples generated per second of work, at the model's rate.
    realtime_factor : float
        Seconds of sound per second of work.
    octave_shift : int
        By which the input was moved, octaves.
    pitch_accuracy : float or None
        Share of the input's voiced frames in which the output is within 50 cents, octaves folded; None if the input has
        no voiced frame.
    peak_db : float
        Of the output, dB of full scale.
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


class Memory:
    """Keeps the samples that are written to it, where no file is wanted."""

    path = ""

    def __init__(self):
        self.peak = 0.0
        self._blocks: list[np.ndarray] = []

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *exception) -> None:
        pass

    def write(self, block: np.ndarray) -> None:
        """Append a block, (n,) float32."""
        self.peak = max(self.peak, float(np.abs(block).max(initial=0.0)))
        self._blocks.append(block)

    def samples(self) -> np.ndarray:
        """Return all samples, (T,) float32."""
        return np.concatenate(self._blocks)


def translate(
    model: LoadedModel,
    source: Source,
    outputs: Mapping[str, AudioWriter | Memory],
    options: Options,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[TranslationResult]:
    """Translate a sound to every target, side by side; ``TranslationModel`` documents the errors.

    Parameters
    ----------
    outputs : mapping of str to AudioWriter or Memory
        By target; at ``options.output_rate``, of the input's length.
    on_progress : callable, optional
        Called with (samples done, samples in all), over all targets.
    """
    for target in outputs:
        require_target(model, target)
    device, _ = resolve_device(options.device)
    resolve_backend(options.backend, device)
    encoding = Encoding(model, source, device)
    # Voices run in parallel; cores that are left over are shared among them.
    threads = max(1, (cpu_count() or 1) // len(outputs))
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(min(len(outputs), cpu_count() or 1)))
        voices = []
        for number, (target, output) in enumerate(outputs.items()):
            generator = open_voice(model, target, options, device=device, stream=number, threads=threads)
            voices.append(_Voice(encoding, target, generator, stack.enter_context(output), options))
        for latents in encoding.latents({voice.octave_shift for voice in voices}):
            list(pool.map(lambda voice, latents=latents: voice.advance(latents[voice.octave_shift]), voices))
            if on_progress is not None:
                on_progress(sum(voice.done for voice in voices), encoding.survey.n_samples * len(voices))
        for voice in voices:
            voice.finish()
    return [voice.result() for voice in voices]


def decode(
    model: LoadedModel,
    latent: np.ndarray,
    target: str,
    options: Options,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Decode a latent, shape (F, C) float32, to samples, (F * hop_length,) float32."""
    require_target(model, target)
    n_channels = model.network.config.decoder.latent_channels
    if latent.ndim != 2 or latent.shape[1] != n_channels:
        raise UsageError(f"the latent has shape {latent.shape}; (F, {n_channels}) is needed")
    device, _ = resolve_device(options.device)
    generator = open_voice(model, target, options, device=device, threads=cpu_count() or 1)
    generator.feed(latent[None])
    total, blocks = generator.available, []
    while generator.available:
        blocks.append(generate(generator, min(BLOCK_SAMPLES, generator.available), draws=options.draws))
        if on_progress is not None:
            on_progress(total - generator.available, total)
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


class Encoding:
    """A sound on its way through the encoder."""

    def __init__(self, model: LoadedModel, source: Source, device: str):
        decoder = model.network.config.decoder
        self.model, self.source = model, source
        self.survey: Survey = survey(source, sample_rate=decoder.sample_rate, min_samples=decoder.hop_length)
        self.encoder, self.device = model.network.encoder.to(device), device
        self.gain = 10 ** ((model.level_db(DEFAULT_LEVEL_DB) - self.survey.level_db) / 20)

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the sound at the model's rate and level."""
        for block in self.source.blocks(self.survey.sample_rate):
            yield np.clip(self.gain * block, -1, 1).astype(np.float32)

    def latents(self, shifts: set[int]) -> Iterator[dict[int, np.ndarray]]:
        """Yield, block by block, the latents (F, C) by octave shift."""
        for window in frame_windows(
            self.blocks(), hop_length=self.encoder.config.hop_length, context_frames=self.encoder.context_frames
        ):
            audio = torch.from_numpy(window)[None].to(self.device)
            with torch.inference_mode():
                yield {shift: self.encoder(audio, octave_shift=shift)[0].cpu().numpy() for shift in sorted(shifts)}

    def octave_shift(self, target: str, octave: int | None) -> tuple[int, tuple[str, ...]]:
        """Return the octave shift for a target, the best one if ``octave`` is None, and warnings about it."""
        midi = self.survey.voiced_midi()
        ranges = self.model.card["training"].get("data", {}).get("midi_ranges", {})
        if self.encoder.config.kind != "cqt" or target not in ranges or not len(midi):
            return octave or 0, ()
        low, high = ranges[target]
        best = best_octave(midi, low, high)
        shift = best if octave is None else octave
        outside = share_outside(midi, low, high, shift)
        if outside <= MOST_OUTSIDE:
            return shift, ()
        better = "" if best == shift else f"; octave {best} would leave {share_outside(midi, low, high, best):.0%}"
        return shift, (
            f"{outside:.0%} of the pitches lie outside the range of {target}, MIDI {low:.0f}-{high:.0f}{better}",
        )


def frame_windows(blocks: Iterator[np.ndarray], *, hop_length: int, context_frames: int) -> Iterator[np.ndarray]:
    """Cut a stream into windows of whole frames with the encoder's context on either side.

    Encoding the windows one by one equals encoding the whole sound with silence before and after it.

    Parameters
    ----------
    blocks : iterator of ndarray, shape (n,), float32
        The sound, in order, in blocks of any size.

    Yields
    ------
    ndarray, shape ((F + 2 * context_frames) * hop_length,), float32
        F frames are about ``BLOCK_SAMPLES``, fewer in the last window.
    """
    margin = context_frames * hop_length
    step = max(1, BLOCK_SAMPLES // hop_length) * hop_length
    waiting = np.zeros(margin, np.float32)
    for block in blocks:
        waiting = np.concatenate([waiting, block])
        while len(waiting) >= step + 2 * margin:
            yield waiting[: step + 2 * margin]
            waiting = waiting[step:]
    padding = -(len(waiting) - margin) % hop_length + margin
    waiting = np.concatenate([waiting, np.zeros(padding, np.float32)])
    while len(waiting) > 2 * margin:
        yield waiting[: step + 2 * margin]
        waiting = waiting[step:]


def require_target(model: LoadedModel, target: str) -> None:
    """Raise UsageError unless a model generates a domain."""
    targets = model.network.config.targets
    if target not in targets:
        raise UsageError(f"model {model.name} has no domain {target!r}; it generates {', '.join(targets)}")


def open_voice(
    model: LoadedModel, target: str, options: Options, *, device: str, stream: int = 0, threads: int = 1
) -> Generator:
    """Open the generator of one target."""
    network = model.network
    return open_generator(
        network.decoder_state(target),
        network.config.decoder,
        batch=1,
        seed=options.seed,
        streams=[stream],
        temperature=options.temperature,
        backend=options.backend,
        device=device,
        threads=threads,
    )


def generate(generator: Generator, n_samples: int, *, draws: bool) -> np.ndarray:
    """Generate samples, (n,) float32: those drawn, or the mean of the distribution that each was drawn from."""
    if draws:
        return mulaw.decode(generator.generate(n_samples)[0])
    return predicted_mean(generator.generate(n_samples, logits=True)[1][0])


class _Voice:
    """One target: its generator, its output, and the excerpts whose pitch is measured."""

    def __init__(
        self, encoding: Encoding, target: str, generator: Generator, output: AudioWriter | Memory, options: Options
    ):
        self.survey, self.source, self.target = encoding.survey, encoding.source, target
        self.generator, self.output, self.draws = generator, output, options.draws
        self.octave_shift, self.warnings = encoding.octave_shift(target, options.octave)
        self.excerpts = Excerpts(self.survey.excerpts)
        self.done, self.written, self.seconds_of_work = 0, 0, 0.0
        model_rate = self.survey.sample_rate
        rate = options.output_rate(self.source, model_rate)
        self.resampler = None if rate == model_rate else Resampler(model_rate, rate)
        self.length = self.source.n_samples if options.native else self.survey.n_samples

    def advance(self, latent: np.ndarray) -> None:
        """Generate the samples of one block of latent frames, (F, C)."""
        began = time.perf_counter()
        self.generator.feed(latent[None])
        x = generate(self.generator, min(self.generator.available, self.survey.n_samples - self.done), draws=self.draws)
        self.seconds_of_work += time.perf_counter() - began
        self.done += len(x)
        self.excerpts.add(x)
        self._write(x if self.resampler is None else self.resampler.push(x))

    def finish(self) -> None:
        """Write what the resampler holds back, and zeros up to the output's length."""
        if self.resampler is not None:
            self._write(self.resampler.finish())
        self._write(np.zeros(self.length - self.written, np.float32))

    def _write(self, x: np.ndarray) -> None:
        x = x[: self.length - self.written]
        if len(x):
            self.output.write(x)
            self.written += len(x)

    def result(self) -> TranslationResult:
        """Return the summary, with the share of the melody that was kept."""
        seconds, work = self.survey.n_samples / self.survey.sample_rate, max(self.seconds_of_work, 1e-9)
        return TranslationResult(
            input="" if self.source.path is None else str(self.source.path),
            domain=self.target,
            path=str(self.output.path),
            seconds=seconds,
            samples_per_s=self.survey.n_samples / work,
            realtime_factor=seconds / work,
            octave_shift=self.octave_shift,
            pitch_accuracy=self._pitch_accuracy(),
            peak_db=20 * float(np.log10(max(self.output.peak, 1e-6))),
            warnings=self.warnings,
        )

    def _pitch_accuracy(self) -> float | None:
        right = voiced = 0.0
        for reference, sound in zip(self.survey.tracks, self.excerpts.sounds(), strict=True):
            n_voiced = int(reference.voiced.sum())
            if n_voiced and len(sound):
                estimate = pitch.track_f0(sound, sample_rate=self.survey.sample_rate)
                right += n_voiced * raw_chroma_accuracy(reference, estimate, max_lag_s=MAX_LAG_S)
                voiced += n_voiced
        return right / voiced if voiced else None
