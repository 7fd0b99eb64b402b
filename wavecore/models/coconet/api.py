"""What ``wavecore.load`` returns for a Coconet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wavecore.errors import UsageError
from wavecore.models.base import Model, draw_seed
from wavecore.models.coconet import masks
from wavecore.models.coconet.sample import METHODS, fill
from wavecore.symbolic import chorale_song
from wavecore.symbolic.song import Song

DEFAULT_BARS = 8


@dataclass(frozen=True, repr=False)
class CoconetModel(Model):
    """A composer of four-voice chorales: it fills any cells of a grid of sixteenths from all others."""

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
            A piece of four parts, of which ``keep`` and ``bridge`` say what stays.
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
                raise UsageError("keep and bridge say what of a piece stays; give a piece")
            grid, free = masks.from_nothing(DEFAULT_BARS if bars is None else bars)
        else:
            if bars is not None or not (keep or bridge):
                raise UsageError("of a piece, keep or bridge says what stays, and its length is that of the piece")
            grid = chorale_song.from_song(piece)
            free = masks.keeping(grid, keep) if keep else None
            free = masks.between(grid, *bridge, free) if bridge else free
        return self._song(
            grid,
            free,
            method=method,
            n_steps=n_steps,
            temperature=temperature,
            seed=seed,
            device=device,
            on_progress=on_progress,
        )

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
            Its part of the name melody or soprano, or the one that lies highest.
        method, n_steps, temperature, seed, device, on_progress
            As of ``compose``.

        Raises
        ------
        InputError
            If the melody has no notes or leaves the network's range.
        """
        grid, free = masks.harmony(chorale_song.melody_line(melody), self.network.config)
        return self._song(
            grid,
            free,
            method=method,
            n_steps=n_steps,
            temperature=temperature,
            seed=seed,
            device=device,
            on_progress=on_progress,
        )

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
            MIDI numbers of soprano, alto, tenor and bass for each sixteenth, -1 for a rest.
        free : ndarray, shape (T, 4), bool
            Cells to fill; the others stay.
        method, n_steps, temperature, seed, device, on_progress
            As of ``compose``.

        Returns
        -------
        ndarray, shape (T, 4), int16
        """
        from wavecore.nn.generate import resolve_device

        if method not in METHODS:
            raise UsageError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
        if n_steps is not None and method != "gibbs":
            raise UsageError(f"n_steps ({n_steps}) is for the method gibbs")
        network = self.network.to(resolve_device(device)[0])
        options = {} if n_steps is None else {"n_steps": n_steps}
        return fill(
            network,
            grid[None],
            free,
            method=method,
            rng=np.random.default_rng(draw_seed(seed)),
            temperature=temperature,
            on_progress=on_progress,
            **options,
        )[0]

    def _song(self, grid: np.ndarray, free: np.ndarray, *, seed: int | None, **options) -> Song:
        seed = draw_seed(seed)
        filled = self.fill(grid, free, seed=seed, **options)
        info = {"model": self.name, "model_sha256": self.sha256, "seed": seed}
        info |= {"bars": -(-len(filled) // masks.STEPS_PER_BAR), "cells": int(free.sum()), "cells_in_all": free.size}
        return replace(chorale_song.to_song(filled), info=info)
