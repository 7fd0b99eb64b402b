"""What ``wavecore.load`` returns for a Coconet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wavecore.errors import UsageError
from wavecore.models.base import Model, draw_seed
from wavecore.models.coconet import sample
from wavecore.models.coconet.config import DEFAULT_BARS, METHODS
from wavecore.symbolic import chorale_song
from wavecore.symbolic.song import Song


@dataclass(frozen=True, repr=False)
class CoconetModel(Model):
    """A composer of four-voice chorales: it fills any cells of a grid of sixteenths from all others.

    Returned by ``wavecore.load`` for a Coconet.
    """

    verbs = ("compose", "harmonize", "fill")

    def describe(self) -> str:
        """Return the voices and their range."""
        config = self.network.config
        return f"four voices, MIDI {config.lowest}-{config.highest}"

    def compose(
        self,
        bars: int | None = None,
        *,
        piece: Song | None = None,
        keep: Sequence[str] = (),
        bridge: tuple[int, int] | None = None,
        method: str = "gibbs",
        n_steps: int | None = None,
        temperature: float = 1.0,
        seed: int | None = None,
        device: str = "auto",
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Song:
        """Compose a chorale, or rewrite voices or bars of one.

        Parameters
        ----------
        bars : int, optional
            Length of a new chorale in bars of 4/4; 8 if neither this nor a piece is given.
        piece : Song, optional
            A piece of four parts, of which ``keep`` and ``bridge`` select what stays.
        keep : sequence of str
            Voices of ``piece`` that stay: soprano, alto, tenor, bass.
        bridge : tuple of int, optional
            First and last bar of ``piece``, counted from 1, that are rewritten; all others stay.
        method : {"gibbs", "ancestral"}
            Annealed blocked Gibbs sampling, or one cell after the other.
        n_steps : int, optional
            Steps of Gibbs sampling; four for every sixteenth if not given.
        temperature : float
            Divides the logits; 0 takes the most likely pitches.
        seed : int, optional
            Seed of the random draws; drawn if not given, and reported in ``song.info["seed"]``.
        device : str
            "auto", "cpu", "cuda" or "cuda:N".
        on_progress : callable, optional
            Called with (steps done, steps in all).

        Returns
        -------
        Song
            Four parts on a grid of sixteenths; ``info`` holds model, seed, bars and the number of cells written.

        Raises
        ------
        UsageError, InputError
            If the arguments contradict each other, or the piece does not fit the network.

        Examples
        --------
        >>> import wavecore
        >>> song = wavecore.load("coconet").compose(bars=1, n_steps=4, seed=1)
        >>> len(song.parts), song.info["seed"]
        (4, 1)
        """
        if piece is None:
            if keep or bridge:
                raise UsageError("keep and bridge select cells of a piece; give a piece")
            grid, free = sample.empty_grid(DEFAULT_BARS if bars is None else bars)
        else:
            if bars is not None or not (keep or bridge):
                raise UsageError("a piece needs keep or bridge, which select what stays, and no bars: it has a length")
            grid = chorale_song.from_song(piece)
            free = sample.free_voices(grid, keep)
            if bridge:
                free &= sample.free_bars(grid, *bridge)
        sampling = {"method": method, "n_steps": n_steps, "temperature": temperature, "device": device}
        return self._song(grid, free, seed=seed, on_progress=on_progress, **sampling)

    def harmonize(
        self,
        melody: Song,
        *,
        method: str = "gibbs",
        n_steps: int | None = None,
        temperature: float = 1.0,
        seed: int | None = None,
        device: str = "auto",
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Song:
        """Write three voices below a melody, which stays exactly as it is.

        Parameters
        ----------
        melody : Song
            The part named melody or soprano is taken, or the highest one.
        method, n_steps, temperature, seed, device, on_progress
            As of ``compose``.

        Returns
        -------
        Song
            As of ``compose``; its soprano is the melody.

        Raises
        ------
        InputError
            If the melody has no notes or leaves the network's range.

        Examples
        --------
        >>> import wavecore
        >>> from wavecore.symbolic.song import Event, Part, Song
        >>> melody = Song(480, (Part((Event(0, 67, 960), Event(960, 65, 960)), "melody"),))
        >>> song = wavecore.load("coconet").harmonize(melody, n_steps=4, seed=1)
        >>> [event.pitch for event in song.parts[0].events]
        [67, 65]
        """
        grid, free = sample.melody_grid(chorale_song.melody_line(melody), self.network.config)
        sampling = {"method": method, "n_steps": n_steps, "temperature": temperature, "device": device}
        return self._song(grid, free, seed=seed, on_progress=on_progress, **sampling)

    def fill(
        self,
        grid: np.ndarray,
        free: np.ndarray,
        *,
        method: str = "gibbs",
        n_steps: int | None = None,
        temperature: float = 1.0,
        seed: int | None = None,
        device: str = "auto",
        on_progress: Callable[[int, int], None] | None = None,
    ) -> np.ndarray:
        """Fill any cells of a grid from all others.

        Parameters
        ----------
        grid : ndarray, shape (T, 4), integer
            MIDI note numbers of soprano, alto, tenor and bass for each sixteenth, -1 for a rest.
        free : ndarray, shape (T, 4), bool
            Cells to fill; the others stay.
        method, n_steps, temperature, seed, device, on_progress
            As of ``compose``.

        Returns
        -------
        ndarray, shape (T, 4), int16

        Examples
        --------
        >>> import numpy as np
        >>> import wavecore
        >>> grid = np.tile(np.array([72, 67, 64, 48], np.int16), (16, 1))
        >>> free = np.zeros(grid.shape, bool)
        >>> free[8:, 1:3] = True
        >>> filled = wavecore.load("coconet").fill(grid, free, n_steps=4, seed=1)
        >>> filled.shape, bool((filled[~free] == grid[~free]).all())
        ((16, 4), True)
        """
        from wavecore.nn.generate import resolve_device

        if method not in METHODS:
            raise UsageError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
        if n_steps is not None and method != "gibbs":
            raise UsageError(f"n_steps ({n_steps}) is for the method gibbs")
        network = self.network.to(resolve_device(device)[0])
        options: dict[str, Any] = {"temperature": temperature, "on_progress": on_progress}
        if n_steps is not None:
            options["n_steps"] = n_steps
        rng = np.random.default_rng(draw_seed(seed))
        return sample.SAMPLERS[method](network, grid[None], free, rng=rng, **options)[0]

    def _song(self, grid: np.ndarray, free: np.ndarray, *, seed: int | None, **sampling) -> Song:
        seed = draw_seed(seed)
        filled = self.fill(grid, free, seed=seed, **sampling)
        info = {"model": self.name, "model_sha256": self.sha256, "seed": seed}
        info |= {"bars": -(-len(filled) // sample.STEPS_PER_BAR), "cells": int(free.sum()), "cells_in_all": free.size}
        return replace(chorale_song.to_song(filled), info=info)
