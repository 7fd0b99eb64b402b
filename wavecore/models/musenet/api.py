"""What ``wavecore.load`` returns for a MuseNet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wavecore.errors import InputError, UsageError
from wavecore.models.base import Model, draw_seed
from wavecore.models.musenet.config import DEFAULT_TEMPERATURE
from wavecore.models.musenet.sample import Request, critic_scores, generate
from wavecore.models.musenet.tokens import TICKS_PER_BEAT, decode, encode, instruments_of, mean_tempo
from wavecore.symbolic.song import Song


@dataclass(frozen=True, repr=False)
class MuseNetModel(Model):
    """A composer of pieces in a style, for up to ten instruments, from nothing or as the continuation of another piece.

    Returned by ``wavecore.load`` for a MuseNet.
    """

    verbs = ("compose",)

    @property
    def styles(self) -> tuple[str, ...]:
        """Composers and collections that the model was trained on."""
        return self.network.config.styles

    def describe(self) -> str:
        """Return styles and context."""
        critic = ", a critic" if self.network.config.critic else ""
        return f"styles {', '.join(self.styles) or 'none'}; {self.network.config.context:,} tokens of context{critic}"

    def compose(
        self,
        bars: int = 16,
        *,
        composer: str | None = None,
        instruments: Sequence[str] = (),
        tempo: float | None = None,
        prime: Song | None = None,
        prime_bars: int | None = None,
        temperature: float = DEFAULT_TEMPERATURE,
        top_k: int | None = None,
        best_of: int = 1,
        seed: int | None = None,
        device: str = "auto",
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Song:
        """Compose a piece.

        Parameters
        ----------
        bars : int
            Length of the piece, that of ``prime`` included: bars of its meter, or of 4/4.
        composer : str, optional
            One of ``styles``; any if not given.
        instruments : sequence of str
            Requested but not forced: piano, violin, cello, bass, guitar, flute, clarinet, trumpet, harp, drums.  If
            not given, those of ``prime``, or any.
        tempo : float, optional
            Beats per minute; that of ``prime`` if not given, else 120.
        prime : Song, optional
            The beginning of the piece.
        prime_bars : int, optional
            Bars of ``prime`` that are used; all if not given.
        temperature : float
            Divides the logits; 0 takes the most likely tokens.
        top_k : int, optional
            Number of most likely tokens that are sampled from; all if not given.
        best_of : int
            Pieces to generate, of which the one that the critic scores highest is returned.
        seed : int, optional
            Seed of the random draws; drawn if not given, and reported in ``song.info["seed"]``.
        device : str
            "auto", "cpu", "cuda" or "cuda:N".
        on_progress : callable, optional
            Called with (ticks done, ticks in all), 48 ticks to a beat.

        Returns
        -------
        Song
            A part for each instrument; ``info`` holds model, seed and bars, and of several pieces the critic's
            ``scores`` (mean log odds of data against samples) and the index of the ``best``.

        Raises
        ------
        UsageError
            If a style or an instrument is unknown, a number is out of its range, ``prime`` is as long as the piece, or
            ``best_of`` needs a critic and the model has none.
        InputError
            If ``prime`` has no notes for the instruments.

        Examples
        --------
        >>> import wavecore
        >>> song = wavecore.load("musenet").compose(bars=1, composer="bach", instruments=["violin"], tempo=90, seed=1)
        >>> song.ticks_per_beat, song.info["bars"], song.info["seed"]
        (48, 1, 1)
        """
        from wavecore.nn.generate import resolve_device

        if prime_bars is not None and prime is None:
            raise UsageError("prime_bars selects bars of prime; give a piece as prime")
        if best_of > 1 and not self.network.config.critic:
            raise UsageError(
                f"best_of needs an inner critic, and {self.name} has none; "
                "train one: wavecore train musenet --critic --init MODEL"
            )
        meter = prime.meter_at(0) if prime else None
        ticks_per_bar = 4 * TICKS_PER_BEAT * meter.numerator // meter.denominator if meter else 4 * TICKS_PER_BEAT
        instruments = tuple(instruments)
        opening: np.ndarray | tuple[()] = ()
        if prime:
            opening = encode(beginning(prime, prime_bars * ticks_per_bar) if prime_bars else prime)
            if not len(opening):
                raise InputError(f"{prime.name or 'the piece'} begins with no notes for any of MuseNet's instruments")
            instruments, tempo = instruments or instruments_of(opening), tempo or mean_tempo(prime)
        request = Request(bars * ticks_per_bar, composer, tempo, instruments, opening)
        network, seed = self.network.to(resolve_device(device)[0]), draw_seed(seed)
        bodies = generate(
            network,
            request,
            rng=np.random.default_rng(seed),
            n_samples=best_of,
            temperature=temperature,
            top_k=top_k,
            on_progress=on_progress,
        )
        best, info = 0, {"model": self.name, "model_sha256": self.sha256, "seed": seed, "bars": bars}
        if best_of > 1:
            scores = critic_scores(network, request, bodies)
            best = int(scores.argmax())
            info |= {"scores": scores.tolist(), "best": best}
        song = decode(np.concatenate([request.prefix(network), bodies[best]]))
        return replace(song, meters=prime.meters[:1] if prime else (), info=info)


def beginning(song: Song, n_ticks: int) -> Song:
    """Return the first ticks of a piece, on a grid of 48 to a beat; notes that sound at the cut end there."""
    song = song.regrid(TICKS_PER_BEAT)
    parts = []
    for part in song.parts:
        events = (event for event in part.events if event.onset < n_ticks)
        cut = (replace(event, duration=min(event.duration, n_ticks - event.onset)) for event in events)
        parts.append(replace(part, events=tuple(cut)))
    return replace(song, parts=tuple(parts))
