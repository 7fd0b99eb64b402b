"""Lines that sound together: the streams of one or several WaveNet batches, brought to one time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count

import numpy as np

from wavecore.audio import mulaw
from wavecore.audio.dc import OffsetFilter
from wavecore.audio.resample import Resampler
from wavecore.nn.expectation import expected
from wavecore.nn.generate import Generator

BLOCK_SAMPLES = 16_000
"""That are handed over at once."""
LOGITS_SAMPLES = 8_000
"""Of all streams of a section, that are drawn at once: each has 256 logits."""


@dataclass(frozen=True)
class Section:
    """Lines that are streams of one generator.

    Attributes
    ----------
    places : tuple of int
        Which of all lines they are, stream by stream.
    octave : int
        By which they are played higher and faster; they are slowed down again.
    told : iterator of ndarray, shape (m, F, C), float32
        What conditions the generator, without an end.
    """

    places: tuple[int, ...]
    octave: int
    generator: Generator
    told: Iterator[np.ndarray]


def threads_for(n_sections: int) -> int:
    """Share the cores.

    Returns
    -------
    int
        Cores for each, at least 1.
    """
    return max(1, (cpu_count() or 1) // max(1, n_sections))


def play(sections: Sequence[Section], n_samples: int, *, sample_rate: int, draws: bool) -> Iterator[np.ndarray]:
    """Play side by side.

    Parameters
    ----------
    sections : sequence of Section
        Together they have the lines 0 to n - 1.
    n_samples : int
        In all.
    sample_rate : int
        Hz.
    draws : bool
        Whether samples are told as they were drawn, and not what was expected in their place (see ``expectation``).

    Yields
    ------
    ndarray, shape (n, m), float32
        The next m samples of every line; memory is bounded by the block.
    """
    players = [_Player(section, sample_rate, draws) for section in sections]
    n_lines = sum(len(section.places) for section in sections)
    with ThreadPoolExecutor(max(1, min(len(players), cpu_count() or 1))) as pool:
        for begin in range(0, n_samples, BLOCK_SAMPLES):
            n = min(BLOCK_SAMPLES, n_samples - begin)
            block = np.zeros((n_lines, n), np.float32)
            for player, sound in zip(players, pool.map(lambda player, n=n: player.take(n), players), strict=True):
                block[list(player.section.places)] = sound
            yield block


class _Player:
    """A section at work: what it has played and nobody has taken yet."""

    def __init__(self, section: Section, sample_rate: int, draws: bool):
        self.section, self.draws = section, draws
        up, down = 2 ** max(0, section.octave), 2 ** max(0, -section.octave)
        self.resamplers = (
            [Resampler(down * sample_rate, up * sample_rate) for _ in section.places] if section.octave else []
        )
        self.offset = OffsetFilter(len(section.places), sample_rate)
        self.waiting = np.zeros((len(section.places), 0), np.float32)

    def take(self, n: int) -> np.ndarray:
        """Return the next n samples of every line, (m, n)."""
        parts = [self.waiting]
        while sum(part.shape[1] for part in parts) < n:
            parts.append(self.offset.push(self._slowed(self._say())))
        found = np.concatenate(parts, axis=1)
        self.waiting = found[:, n:]
        return found[:, :n]

    def _say(self) -> np.ndarray:
        """Draw the next samples, (m, k)."""
        generator = self.section.generator
        if not generator.available:
            generator.feed(next(self.section.told))
        n = min(generator.available, max(1, LOGITS_SAMPLES // len(self.section.places)))
        if self.draws:
            return mulaw.decode(generator.generate(n))
        return expected(generator.generate(n, logits=True)[1])

    def _slowed(self, said: np.ndarray) -> np.ndarray:
        """What was played fast and high, as it was written."""
        if not self.resamplers:
            return said
        return np.stack([resampler.push(row) for resampler, row in zip(self.resamplers, said, strict=True)])
