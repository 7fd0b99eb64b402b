"""Lines sung by a translation network.

A plain sketch of each line is heard by the encoder and said by a decoder; where notes are what passes
from one to the other, the score is told directly.  All lines of one instrument that play equally fast are streams of one WaveNet batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import numpy as np
import torch

from wavecore.audio import mulaw
from wavecore.audio.resample import Resampler
from wavecore.expectation import expected
from wavecore.generate import open_generator
from wavecore.models.checkpoint import LoadedModel
from wavecore.render.casting import Line
from wavecore.render.decisions import answers
from wavecore.render.sketch import sketch

BLOCK_SAMPLES = 16_000
"""That are encoded at once, about."""
LOGITS_SAMPLES = 8_000
"""Of all streams together, that are drawn at once: each has 256 logits."""
DEFAULT_LEVEL_DB = -20.0


def play(
    model: LoadedModel,
    lines: Sequence[Line],
    n_samples: int,
    *,
    seed: int,
    temperature: float,
    draws: bool = False,
    backend: str = "auto",
    device: str = "cpu",
) -> Iterator[np.ndarray]:
    """Play lines side by side.

    Parameters
    ----------
    model : LoadedModel
        Of kind ``translation``.
    lines : sequence of n Line
        Instruments are targets of the model.
    n_samples : int
        In all, at the model's rate.
    seed : int
        Of the draws; line i has stream i, whoever plays beside it.
    temperature : float
        Divides the logits.
    draws : bool
        Whether samples are told as they were drawn, and not what was expected in their place.
    backend, device : str
        See ``generate.open_generator``.

    Yields
    ------
    ndarray, shape (n, m), float32
        The next m samples of every line; memory is bounded by the block.
    """
    places: dict[tuple[str, int], list[int]] = {}
    for index, line in enumerate(lines):
        places.setdefault((line.instrument, line.octave), []).append(index)
    threads = max(1, (cpu_count() or 1) // max(1, len(places)))
    options = {"seed": seed, "temperature": temperature, "backend": backend, "device": device, "threads": threads}
    sections = [_Section(model, lines, found, draws, options) for found in places.values()]
    with ThreadPoolExecutor(max(1, min(len(sections), cpu_count() or 1))) as pool:
        for begin in range(0, n_samples, BLOCK_SAMPLES):
            n = min(BLOCK_SAMPLES, n_samples - begin)
            block = np.zeros((len(lines), n), np.float32)
            for section, sound in zip(sections, pool.map(lambda section, n=n: section.take(n), sections), strict=True):
                block[section.places] = sound
            yield block


class _Section:
    """Lines of one instrument at one speed: one generator, and what was played and not yet taken."""

    def __init__(self, model: LoadedModel, lines: Sequence[Line], places: list[int], draws: bool, options: dict):
        network = model.network
        self.lines, self.places, self.draws = [lines[place] for place in places], places, draws
        self.encoder = network.encoder.to(options["device"])
        self.device, self.rate = options["device"], network.config.decoder.sample_rate
        self.octave = self.lines[0].octave
        self.level_db = float(model.card["training"].get("data", {}).get("level_db", DEFAULT_LEVEL_DB))
        self.generator = open_generator(
            network.decoder_state(self.lines[0].instrument), network.config.decoder, batch=len(places), streams=places, **options
        )
        up, down = 2 ** max(0, self.octave), 2 ** max(0, -self.octave)
        self.resamplers = [Resampler(down * self.rate, up * self.rate) for _ in places] if self.octave else []
        self.waiting = np.zeros((len(places), 0), np.float32)
        self.frame = 0

    def take(self, n: int) -> np.ndarray:
        """Return the next n samples of every line, (m, n)."""
        while self.waiting.shape[1] < n:
            self._more()
        found, self.waiting = self.waiting[:, :n], self.waiting[:, n:]
        return found

    def _more(self) -> None:
        """Encode the next frames and say what they condition."""
        n_frames = max(1, BLOCK_SAMPLES // self.encoder.config.hop_length)
        with torch.inference_mode():
            latent = (self._heard if self.encoder.config.bottleneck == "" else self._told)(n_frames).cpu().numpy()
        self.generator.feed(latent)
        self.frame += n_frames
        parts = [self.waiting]
        while self.generator.available:
            n = min(self.generator.available, max(1, LOGITS_SAMPLES // len(self.lines)))
            said = mulaw.decode(self.generator.generate(n)) if self.draws else expected(self.generator.generate(n, logits=True)[1])
            parts.append(self._slowed(said))
        self.waiting = np.concatenate(parts, axis=1)

    def _heard(self, n_frames: int) -> torch.Tensor:
        """What the encoder hears in a sketch of the next frames, (m, F, C)."""
        hop, around = self.encoder.config.hop_length, self.encoder.context_frames
        begin, length = (self.frame - around) * hop, (n_frames + 2 * around) * hop
        plain = [sketch(line.score, begin, length, sample_rate=self.rate, level_db=self.level_db, octave=self.octave) for line in self.lines]
        return self.encoder(torch.from_numpy(np.stack(plain)).to(self.device))

    def _told(self, n_frames: int) -> torch.Tensor:
        """What passes the bottleneck in the next frames, (m, F, C)."""
        around, frame_s = self.encoder.config.bottleneck_context, self.encoder.config.hop_length / self.rate
        said = [answers(line.score, self.frame - around, n_frames + 2 * around, frame_s=frame_s, octave=self.octave) for line in self.lines]
        return self.encoder.bottleneck(torch.from_numpy(np.stack(said)).to(self.device))

    def _slowed(self, said: np.ndarray) -> np.ndarray:
        """What was played fast and high, as it was written."""
        if not self.resamplers:
            return said
        return np.stack([resampler.push(row) for resampler, row in zip(self.resamplers, said, strict=True)])
