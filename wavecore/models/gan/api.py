"""What ``wavecore.load`` returns for a GAN of melodies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from wavecore.models.base import Model, draw_seed
from wavecore.models.gan.sample import compose, pitch_classes
from wavecore.symbolic.note_sequence import BEATS_PER_MINUTE
from wavecore.symbolic.song import Song

BEATS_PER_BAR = 4
"""Sequences have no meter; they are joined in 4/4."""


@dataclass(frozen=True, repr=False)
class GANModel(Model):
    """A composer of melodies from noise."""

    verbs = ("compose",)

    def describe(self) -> str:
        """Return the length of a sequence and the range."""
        config = self.network.config
        return f"{config.variant}, {config.length} notes, MIDI {config.lowest}-{config.highest}"

    def compose(
        self,
        bars: int = 16,
        *,
        scale: str | None = None,
        tempo: float | None = None,
        seed: int | None = None,
        device: str = "auto",
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Song:
        """Compose a melody.

        Parameters
        ----------
        bars : int
            Length of the piece in bars of 4/4.
        scale : str, optional
            Scale to which the notes are moved: "c-major", "f#-minor", ...; they stay as they are if not given.
        tempo : float, optional
            Quarter notes a minute; 100 if not given.
        seed : int, optional
            Seed of the random draws; drawn if not given, and reported in ``song.info["seed"]``.
        device : str
            "auto", "cpu", "cuda" or "cuda:N".
        on_progress : callable, optional
            Called with (steps done, steps in all).

        Returns
        -------
        Song
            One part; ``info`` holds model, seed and bars.

        Raises
        ------
        UsageError
            If a number is out of its range, or there is no such scale.

        Examples
        --------
        >>> import wavecore
        >>> song = wavecore.load("gan").compose(bars=2, scale="c-major", seed=1)
        >>> sorted({event.pitch % 12 for event in song.parts[0].events} - {0, 2, 4, 5, 7, 9, 11})
        []
        """
        from wavecore.nn.generate import resolve_device

        config, seed = self.network.config, draw_seed(seed)
        bar = BEATS_PER_BAR * config.steps_per_beat
        line = compose(
            self.network.to(resolve_device(device)[0]),
            n_steps=bars * bar,
            bar=bar,
            rng=np.random.default_rng(seed),
            scale=None if scale is None else pitch_classes(scale),
            on_progress=on_progress,
        )
        info = {"model": self.name, "model_sha256": self.sha256, "seed": seed, "bars": bars}
        return replace(line.to_song(beats_per_minute=BEATS_PER_MINUTE if tempo is None else tempo), info=info)
