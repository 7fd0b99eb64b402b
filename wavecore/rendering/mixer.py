"""Simultaneous generation of lines, as streams of one or several WaveNet batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count

import numpy as np
from torch import Tensor

from wavecore.audio import mulaw
from wavecore.audio.dc import OffsetFilter
from wavecore.audio.resample import Resampler
from wavecore.nn.config import WaveNetConfig
from wavecore.nn.generate import Generator, open_generator
from wavecore.nn.sampling import predicted_mean
from wavecore.rendering.casting import Line

BLOCK_SAMPLES = 16_000
"""Samples per yielded block."""
LOGITS_SAMPLES = 8_000
"""Samples of all streams of a section that are generated at once: each has 256 logits."""


@dataclass(frozen=True)
class Section:
    """Lines, by their indices, that are streams of one generator, played higher and slowed down by the same octaves."""

    indices: tuple[int, ...]
    octave: int
    generator: Generator
    conditioning: Iterator[np.ndarray]  # endless, each (m, F, C), float32


def open_sections(
    lines: Sequence[Line],
    config: WaveNetConfig,
    decoder_state: Callable[[str], Mapping[str, Tensor]],
    condition: Callable[[Sequence[Line]], Iterator[np.ndarray]],
    *,
    by_instrument: bool,
    seed: int,
    temperature: float,
    backend: str = "auto",
    device: str = "cpu",
) -> list[Section]:
    """Open a generator for all lines of one speed, and of one instrument if each has a decoder.

    Line i has the random numbers of stream i, whatever is played beside it.
    """
    groups: dict[tuple[str, int], list[int]] = {}
    for index, line in enumerate(lines):
        groups.setdefault((line.instrument if by_instrument else "", line.octave), []).append(index)
    options = {"seed": seed, "temperature": temperature, "backend": backend, "device": device}
    options["threads"] = max(1, (cpu_count() or 1) // max(1, len(groups)))
    sections = []
    for (instrument, octave), indices in groups.items():
        state = decoder_state(instrument)
        generator = open_generator(state, config, batch=len(indices), streams=indices, **options)
        sections.append(Section(tuple(indices), octave, generator, condition([lines[index] for index in indices])))
    return sections


def play(sections: Sequence[Section], n_samples: int, *, sample_rate: int, draws: bool) -> Iterator[np.ndarray]:
    """Generate the lines 0 to n - 1 of sections in parallel; yield their next samples, (n, m), float32.

    There are `n_samples` of every line in all: the sampled codes with `draws`, else the means of their distributions
    (see ``sampling.predicted_mean``).
    """
    players = [_Player(section, sample_rate, draws) for section in sections]
    n_lines = sum(len(section.indices) for section in sections)
    with ThreadPoolExecutor(max(1, min(len(players), cpu_count() or 1))) as pool:
        for begin in range(0, n_samples, BLOCK_SAMPLES):
            n = min(BLOCK_SAMPLES, n_samples - begin)
            block = np.zeros((n_lines, n), np.float32)
            for player, sound in zip(players, pool.map(lambda player, n=n: player.take(n), players), strict=True):
                block[list(player.section.indices)] = sound
            yield block


class _Player:
    """A section and the samples that were generated and not yet taken."""

    def __init__(self, section: Section, sample_rate: int, draws: bool):
        self.section, self.draws = section, draws
        n_lines, octave = len(section.indices), section.octave
        up, down = 2 ** max(0, octave), 2 ** max(0, -octave)
        self.resamplers = [Resampler(down * sample_rate, up * sample_rate) for _ in range(n_lines if octave else 0)]
        self.offset = OffsetFilter(n_lines, sample_rate)
        self.waiting = np.zeros((n_lines, 0), np.float32)

    def take(self, n: int) -> np.ndarray:
        """Return the next n samples of every line, (m, n)."""
        parts = [self.waiting]
        while sum(part.shape[1] for part in parts) < n:
            parts.append(self.offset.push(self._slowed(self._generate())))
        samples = np.concatenate(parts, axis=1)
        self.waiting = samples[:, n:]
        return samples[:, :n]

    def _generate(self) -> np.ndarray:
        """Generate the next samples, (m, k)."""
        generator = self.section.generator
        if not generator.available:
            generator.feed(next(self.section.conditioning))
        n = min(generator.available, max(1, LOGITS_SAMPLES // len(self.section.indices)))
        if self.draws:
            return mulaw.decode(generator.generate(n))
        return predicted_mean(generator.generate(n, logits=True)[1])

    def _slowed(self, samples: np.ndarray) -> np.ndarray:
        """Slow down what was played higher and faster, (m, k)."""
        if not self.resamplers:
            return samples
        return np.stack([resampler.push(row) for resampler, row in zip(self.resamplers, samples, strict=True)])
