"""What ``wavecore.load`` returns for an LSTM with attention."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from wavecore.models.base import Model, draw_seed
from wavecore.models.lstm.sample import compose
from wavecore.symbolic.note_sequence import BEATS_PER_MINUTE, read_line
from wavecore.symbolic.song import Song


@dataclass(frozen=True, repr=False)
class LSTMModel(Model):
    """A composer of melodies, from nothing or as the continuation of another one."""

    verbs = ("compose",)

    def describe(self) -> str:
        """Return the sizes of the vocabulary and the grid."""
        config = self.network.config
        return f"{len(config.symbols)} symbols, {len(config.durations)} durations, {config.steps_per_beat} steps a beat"

    def compose(
        self,
        bars: int = 16,
        *,
        prime: Song | None = None,
        tempo: float | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        seed: int | None = None,
        device: str = "auto",
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Song:
        """Compose a melody.

        Parameters
        ----------
        bars : int
            Length of the piece, that of ``prime`` included: bars of its meter, or of 4/4.
        prime : Song, optional
            The piece whose melody is continued: its part of that name, or the one that lies highest.
        tempo : float, optional
            Quarter notes a minute; that of ``prime`` if not given, else 100.
        temperature : float
            Divides the logits; 0 takes the most likely notes.
        top_k : int, optional
            Number of most likely symbols, and of durations, that are sampled from; all if not given.
        seed : int, optional
            Seed of the random draws; drawn if not given, and reported in ``song.info["seed"]``.
        device : str
            "auto", "cpu", "cuda" or "cuda:N".
        on_progress : callable, optional
            Called with (steps done, steps in all).

        Returns
        -------
        Song
            One part on a grid of sixteenths, if the model's has four steps a beat; ``info`` holds model, seed and bars.

        Raises
        ------
        UsageError
            If a number is out of its range, or ``prime`` is as long as the piece.
        InputError
            If ``prime`` has no melody.

        Examples
        --------
        >>> import wavecore
        >>> song = wavecore.load("lstm").compose(bars=2, seed=1)
        >>> song.info["bars"], song.info["seed"]
        (2, 1)
        """
        from wavecore.nn.generate import resolve_device

        config, seed = self.network.config, draw_seed(seed)
        meter, steps_per_bar = meter_of(prime, config.steps_per_beat)
        line = compose(
            self.network.to(resolve_device(device)[0]),
            rng=np.random.default_rng(seed),
            n_steps=bars * steps_per_bar,
            prime=None
            if prime is None
            else read_line(prime, steps_per_beat=config.steps_per_beat, chords=config.chords),
            temperature=temperature,
            top_k=top_k,
            on_progress=on_progress,
        )
        if tempo is None:
            tempo = prime.tempos[0].beats_per_minute if prime and prime.tempos else BEATS_PER_MINUTE
        info = {"model": self.name, "model_sha256": self.sha256, "seed": seed, "bars": bars}
        return replace(line.to_song(beats_per_minute=tempo, meter=meter), info=info)


def meter_of(song: Song | None, steps_per_beat: int) -> tuple[tuple[int, int], int]:
    """Return a piece's first meter and the steps of its bar; 4/4 without a piece, or if a bar is no whole steps."""
    meter = song.meter_at(0) if song else None
    if meter is None or 4 * steps_per_beat * meter.numerator % meter.denominator:
        return (4, 4), 4 * steps_per_beat
    return (meter.numerator, meter.denominator), 4 * steps_per_beat * meter.numerator // meter.denominator
