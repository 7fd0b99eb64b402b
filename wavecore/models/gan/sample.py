"""Lines out of noise: sequences of a GAN, several of them joined to a piece.

A sequence has a number of notes and not of bars.  For a longer piece each is cut at its last bar line,
and the next one begins there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import torch

from wavecore.errors import UsageError
from wavecore.models.gan.model import GAN, draw_noise
from wavecore.symbolic.note_sequence import REST, NoteLine, pitches_of, symbol_of

MODES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
TONICS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
LONGEST = 100_000
"""Steps of a piece."""


@torch.inference_mode()
def sequences(network: GAN, n: int, rng: np.random.Generator) -> list[NoteLine]:
    """Write sequences, each for itself.

    Parameters
    ----------
    network : GAN
        In evaluation mode, on any device.
    """
    noise = draw_noise(network.config, n, rng).to(next(network.parameters()).device)
    return [network.config.scale.decode(values) for values in network(noise).cpu().numpy()]


def compose(
    network: GAN,
    *,
    n_steps: int,
    bar: int,
    rng: np.random.Generator,
    scale: Iterable[int] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> NoteLine:
    """Write a piece.

    Parameters
    ----------
    network : GAN
        In evaluation mode, on any device.
    n_steps : int
        Of the grid, at which it ends: what would sound on is cut there.
    bar : int
        Steps.  A sequence that has no whole bar is followed by a rest up to the bar line.
    scale : iterable of int, optional
        Pitch classes, as of ``pitch_classes``, to which notes are moved; they stay as they are if not given.
    on_progress : callable, optional
        Called with (steps done, steps in all).

    Raises
    ------
    UsageError
        If a length is out of its range, or the scale is empty.
    """
    if not 1 <= n_steps <= LONGEST or bar < 1:
        raise UsageError(
            f"a piece of {n_steps} steps in bars of {bar} cannot be written; 1 to {LONGEST:,} in bars of 1 or more can"
        )
    found = NoteLine((), (), steps_per_beat=network.config.steps_per_beat)
    while found.n_steps < n_steps:
        (line,) = sequences(network, 1, rng)
        found = joined(found, to_bar_line(line, bar))
        if on_progress is not None:
            on_progress(min(found.n_steps, n_steps), n_steps)
    return snapped(found.cut(n_steps), scale) if scale is not None else found.cut(n_steps)


def to_bar_line(line: NoteLine, bar: int) -> NoteLine:
    """End a line at its last bar line, or, where it has none, at the first one behind it.

    Parameters
    ----------
    line : NoteLine
        Not empty.
    bar : int
        Steps.

    Returns
    -------
    NoteLine
        Of whole bars.
    """
    if line.n_steps >= bar:
        return line.cut(line.n_steps // bar * bar)
    velocities = (*line.velocities, 0) if line.velocities else ()
    return replace(
        line, symbols=(*line.symbols, REST), durations=(*line.durations, bar - line.n_steps), velocities=velocities
    )


def joined(first: NoteLine, second: NoteLine) -> NoteLine:
    """Put one line behind another.

    Parameters
    ----------
    first, second : NoteLine
        Of one grid; both with velocities or both without, where both have symbols.
    """
    names = ("symbols", "durations", "velocities")
    return replace(first, **{name: (*getattr(first, name), *getattr(second, name)) for name in names})


def snapped(line: NoteLine, scale: Iterable[int]) -> NoteLine:
    """Move notes to the nearest ones of a scale, of two to the lower.

    Parameters
    ----------
    scale : iterable of int
        Pitch classes, 0 to 11.

    Raises
    ------
    UsageError
        If the scale is empty, or holds something else.
    """
    known = set(scale)
    if not known or not known <= set(range(12)):
        raise UsageError(f"the scale {sorted(known)} holds no pitch classes from 0 to 11")
    tones = [pitch for pitch in range(128) if pitch % 12 in known]
    nearest = {pitch: min(tones, key=lambda tone: (abs(tone - pitch), tone)) for pitch in range(128)}
    symbols = (symbol_of(nearest[pitch] for pitch in pitches_of(symbol)) for symbol in line.symbols)
    return replace(line, symbols=tuple(symbols))


def pitch_classes(name: str) -> tuple[int, ...]:
    """Read a scale's name.

    Parameters
    ----------
    name : str
        Such as c-major, f#-minor or bb-major, in any case, with a hyphen, a colon or a space.

    Returns
    -------
    tuple of int
        Pitch classes from the tonic on.

    Raises
    ------
    UsageError
        If it is none.
    """
    found = re.fullmatch(r"([a-g])(#|b)?[-: ](major|minor)", name.strip().lower())
    if not found:
        raise UsageError(f"there is no scale {name!r}; c-major, f#-minor and bb-major are some")
    tonic = TONICS[found[1]] + {"#": 1, "b": -1, None: 0}[found[2]]
    return tuple((tonic + step) % 12 for step in MODES[found[3]])
