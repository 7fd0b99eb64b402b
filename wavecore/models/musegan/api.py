"""What ``wavecore.load`` returns for a MuseGAN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from wavecore.console.composing import DEFAULT_BARS
from wavecore.errors import UsageError
from wavecore.models.base import Model, draw_seed
from wavecore.models.musegan import rolls
from wavecore.models.musegan.sample import accompanied_part, compose, given_track
from wavecore.symbolic.song import Song


@dataclass(frozen=True, repr=False)
class MuseGANModel(Model):
    """A composer of several tracks from noise, or of the accompaniment of a given one."""

    verbs = ("compose",)

    def describe(self) -> str:
        """Return the tracks and the size of a phrase."""
        config = self.network.config
        tracks = ", ".join(track.label for track in config.tracks)
        given = f" to {config.given}" if config.given else ""
        return f"{tracks}{given}, phrases of {config.bars} bars of {config.steps} steps"

    def compose(
        self,
        bars: int | None = None,
        *,
        accompany: Song | None = None,
        binarise: str = "threshold",
        vary: float = 1.0,
        tempo: float | None = None,
        seed: int | None = None,
        device: str = "auto",
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Song:
        """Compose a piece of several tracks.

        Parameters
        ----------
        bars : int, optional
            Length of the piece; 16 if neither this nor a piece to accompany is given.
        accompany : Song, optional
            The piece with the given track, which is kept exactly, for models that have one and for those only.  A
            piece of one part need not name it so.
        binarise : {"threshold", "bernoulli", "likeliest"}
            Which cells sound: those with a probability above one half, each with its probability, or the most likely
            one of a track at a time.
        vary : float
            How much the chords and melodies of a phrase differ from the last one's: 0 for none, 1 for noise of their
            own.
        tempo : float, optional
            Quarter notes a minute; that of the given piece if not given, else 100.
        seed : int, optional
            Seed of the random draws; drawn if not given, and reported in ``song.info["seed"]``.
        device : str
            "auto", "cpu", "cuda" or "cuda:N".
        on_progress : callable, optional
            Called with (phrases done, phrases in all).

        Returns
        -------
        Song
            A part for every track; ``info`` holds model, seed, bars and the number of notes by part.

        Raises
        ------
        UsageError
            If the arguments contradict each other or the model, or a number is out of its range.
        InputError
            If the piece to accompany does not fit the model, or there is no such tempo.

        Examples
        --------
        >>> import wavecore
        >>> song = wavecore.load("musegan").compose(bars=2, seed=1)
        >>> [part.name for part in song.parts]
        ['soprano', 'alto', 'tenor', 'bass']
        """
        from wavecore.nn.generate import resolve_device

        config, seed = self.network.config, draw_seed(seed)
        if accompany is None and config.given:
            raise UsageError(f"{self.name} accompanies a track; give it a piece with a part {config.given!r}")
        if accompany is not None and bars is not None:
            raise UsageError(f"the piece to accompany has a length of its own; leave bars ({bars}) out")
        given = None if accompany is None else given_track(self.network, accompany)
        bars = len(given) if given is not None else DEFAULT_BARS if bars is None else bars
        cells = compose(
            self.network.to(resolve_device(device)[0]),
            bars,
            rng=np.random.default_rng(seed),
            given=given,
            method=binarise,
            vary=vary,
            on_progress=on_progress,
        )
        beats_per_minute = rolls.BEATS_PER_MINUTE if tempo is None else tempo
        song = rolls.to_song(cells, config.tracks, config.grid, beats_per_minute=beats_per_minute)
        if accompany is not None:
            song = self._with_given(song, accompany, keep_tempo=tempo is None)
        info = {"model": self.name, "model_sha256": self.sha256, "seed": seed, "bars": bars}
        return replace(song, info=info | {"notes": {part.name: len(part.events) for part in song.parts}})

    def _with_given(self, song: Song, source: Song, *, keep_tempo: bool) -> Song:
        """Put the given part, as it was off the grid, in its place, with its meters and tempos."""
        config, source = self.network.config, source.regrid(song.ticks_per_beat)
        parts = list(song.parts)
        parts[config.given_index] = accompanied_part(source, config.tracks[config.given_index])
        tempos = source.tempos if keep_tempo else song.tempos
        return replace(song, parts=tuple(parts), meters=source.meters, tempos=tempos)
