"""Judging a Coconet: how likely it thinks held-out chorales and its own, and what counterpoint says of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from wavecore.errors import InputError
from wavecore.models.coconet import counterpoint
from wavecore.models.coconet.likelihood import framewise
from wavecore.models.coconet.masks import from_nothing, keeping
from wavecore.models.coconet.model import Coconet
from wavecore.models.coconet.sample import ancestral, gibbs

METHODS = ("gibbs", "ancestral")
Told = Callable[[str, int, int], None]


def cut(grids: Sequence[np.ndarray], n_steps: int, *, seed: int, n_pieces: int | None = None) -> list[np.ndarray]:
    """Take a crop of each chorale.

    Parameters
    ----------
    grids : sequence of ndarray, shape (T, 4), integer
    n_steps : int
        Of a crop; shorter chorales are left out.
    seed : int
        Of where the crops begin.
    n_pieces : int, optional
        At most; the first ones.

    Returns
    -------
    list of ndarray, shape (n_steps, 4)

    Raises
    ------
    InputError
        If no chorale is long enough.
    """
    rng = np.random.default_rng(seed)
    long_enough = [grid for grid in grids if len(grid) >= n_steps][:n_pieces]
    if not long_enough:
        raise InputError(f"no chorale has {n_steps} sixteenths; the longest has {max(map(len, grids), default=0)}")
    starts = [int(rng.integers(0, len(grid) - n_steps + 1)) for grid in long_enough]
    return [grid[start : start + n_steps] for grid, start in zip(long_enough, starts, strict=True)]


def likelihood(
    network: Coconet,
    crops: Sequence[np.ndarray],
    *,
    seed: int,
    n_orderings: int,
    chronological: bool = False,
    told: Told,
) -> dict:
    """Measure by the published protocol (see ``coconet_likelihood``).

    Parameters
    ----------
    crops : sequence of ndarray, shape (T, 4), integer
    told : callable
        Called with (what, done, in all).

    Returns
    -------
    dict
        ``framewise_nll``: nats per frame by grid, ``framewise_nll_alone``: of each ordering for itself, ``standard_error``, ``n_pieces``,
        ``n_frames``, ``orderings``.
    """
    found = framewise(
        network,
        crops,
        seed=seed,
        n_orderings=n_orderings,
        chronological=chronological,
        on_progress=lambda *done: told("measuring", *done),
    )
    return {
        "framewise_nll": {"16th": found.nats}, "framewise_nll_alone": {"16th": found.nats_alone}, "standard_error": found.standard_error,
        "n_frames": found.n_frames, "n_pieces": found.n_pieces, "orderings": found.n_orderings,
    }  # fmt: skip


def samples(network: Coconet, *, n_samples: int, n_bars: int, seed: int, told: Told) -> dict[str, np.ndarray]:
    """Compose from nothing, in both ways.

    Returns
    -------
    dict of str to ndarray, shape (n_samples, T, 4), int16
        By ``METHODS``.
    """
    grid, free = from_nothing(n_bars)
    grids = np.repeat(grid[None], n_samples, axis=0)
    return {
        name: fill(
            network,
            grids,
            free,
            rng=np.random.default_rng(seed),
            on_progress=lambda *done, name=name: told(name, *done),
        )
        for name, fill in (("gibbs", gibbs), ("ancestral", ancestral))
    }


def harmonised(network: Coconet, crops: Sequence[np.ndarray], *, seed: int, told: Told) -> np.ndarray:
    """Keep the soprano of chorales and write the other voices anew.

    Parameters
    ----------
    crops : sequence of ndarray, shape (T, 4), integer

    Returns
    -------
    ndarray, shape (N, T, 4), int16
    """
    stacked = np.stack(crops)
    free = keeping(stacked[0], ["soprano"])
    return gibbs(
        network, stacked, free, rng=np.random.default_rng(seed), on_progress=lambda *done: told("harmonising", *done)
    )


def counted(grids: Sequence[np.ndarray]) -> dict[str, float]:
    """Count what counterpoint forbids.

    Parameters
    ----------
    grids : sequence of ndarray, shape (T, 4), integer

    Returns
    -------
    dict of str to float
        As of ``counterpoint.Counterpoint``.
    """
    return counterpoint.count(list(grids)).to_dict()


def judge_samples(
    network: Coconet,
    crops: Sequence[np.ndarray],
    *,
    n_samples: int,
    n_bars: int,
    n_orderings: int,
    seed: int,
    told: Told,
) -> dict:
    """Compose and harmonize, and measure the result by likelihood and counterpoint beside the data.

    Returns
    -------
    dict
        ``samples_nll``: nats per frame by method, ``soprano_kept``, ``counterpoint``: counts of the data, of each method
        and of the harmonized crops.
    """
    pieces = samples(network, n_samples=n_samples, n_bars=n_bars, seed=seed, told=told)
    written = harmonised(network, crops, seed=seed, told=told)
    nats = {
        name: likelihood(network, list(grids), seed=seed, n_orderings=n_orderings, told=told)["framewise_nll"]["16th"]
        for name, grids in pieces.items()
    }
    counts = {"data": counted(crops), **{name: counted(grids) for name, grids in pieces.items()}}
    return {
        "samples_nll": nats,
        "soprano_kept": all(bool((a[:, 0] == b[:, 0]).all()) for a, b in zip(crops, written, strict=True)),
        "counterpoint": counts | {"harmonised": counted(written)},
    }
