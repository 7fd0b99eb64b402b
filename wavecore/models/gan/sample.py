"""Composing melodies with a GAN: sequences from noise, cut at bar lines and joined.

A sequence has a fixed number of notes, not of bars: each is cut at its last bar line, where the next one begins.
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
def generate(network: GAN, n: int, rng: np.random.Generator) -> list[NoteLine]:
    """Generate independent sequences with a network in evaluation mode, on any device."""
    noise = draw_noise(network.config, n, rng).to(next(network.parameters()).device)
    return [network.config.encoding.decode(values) for values in network(noise).cpu().numpy()]


def compose(
    network: GAN,
    *,
    n_steps: int,
    bar: int,
    rng: np.random.Generator,
    scale: Iterable[int] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> NoteLine:
    """Compose a line of ``n_steps`` steps in bars of ``bar`` steps; the last note is cut at its end.

    Parameters
    ----------
    scale : iterable of int, optional
        Pitch classes to which the notes are moved.

    Raises
    ------
    UsageError
        If a length is out of its range.
    """
    if not 1 <= n_steps <= LONGEST or bar < 1:
        raise UsageError(f"a piece has 1 to {LONGEST:,} steps in bars of 1 or more, not {n_steps} in bars of {bar}")
    line = NoteLine((), (), steps_per_beat=network.config.steps_per_beat)
    while line.n_steps < n_steps:
        (sequence,) = generate(network, 1, rng)
        line = joined(line, whole_bars(sequence, bar))
        if on_progress is not None:
            on_progress(min(line.n_steps, n_steps), n_steps)
    return line.cut(n_steps) if scale is None else snap(line.cut(n_steps), scale)


def whole_bars(line: NoteLine, bar: int) -> NoteLine:
    """Cut a line at its last bar line, or, if it is shorter than a bar, fill the bar with a rest."""
    if line.n_steps >= bar:
        return line.cut(line.n_steps // bar * bar)
    velocities = (*line.velocities, 0) if line.velocities else ()
    durations = (*line.durations, bar - line.n_steps)
    return replace(line, symbols=(*line.symbols, REST), durations=durations, velocities=velocities)


def joined(first: NoteLine, second: NoteLine) -> NoteLine:
    """Append a line to another of the same grid; unless one is empty, both have velocities or neither has."""
    names = ("symbols", "durations", "velocities")
    return replace(first, **{name: (*getattr(first, name), *getattr(second, name)) for name in names})


def snap(line: NoteLine, scale: Iterable[int]) -> NoteLine:
    """Move the notes to the nearest ones of some pitch classes, of two to the lower."""
    tones = [pitch for pitch in range(128) if pitch % 12 in set(scale)]
    nearest = {pitch: min(tones, key=lambda tone: (abs(tone - pitch), tone)) for pitch in range(128)}
    symbols = (symbol_of(nearest[pitch] for pitch in pitches_of(symbol)) for symbol in line.symbols)
    return replace(line, symbols=tuple(symbols))


def pitch_classes(name: str) -> tuple[int, ...]:
    """Return the pitch classes of a scale, from the tonic on.

    Parameters
    ----------
    name : str
        Such as c-major, f#-minor or bb-major, in any case, with a hyphen, a colon or a space.

    Raises
    ------
    UsageError
        If there is no such scale.
    """
    match = re.fullmatch(r"([a-g])(#|b)?[-: ](major|minor)", name.strip().lower())
    if not match:
        raise UsageError(f"there is no scale {name!r}; c-major, f#-minor and bb-major are some")
    tonic = TONICS[match[1]] + {"#": 1, "b": -1, None: 0}[match[2]]
    return tuple((tonic + step) % 12 for step in MODES[match[3]])
