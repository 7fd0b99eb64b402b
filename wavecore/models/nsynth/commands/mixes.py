"""The mixes that ``wavecore interpolate`` is asked for: weights, and weights that change over time."""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavecore.errors import UsageError

Row = tuple[float, ...]


@dataclass(frozen=True)
class Mix:
    """A mix and its name: a weight for each sound, or such weights by seconds."""

    name: str
    weights: Row | dict[float, Row]

    def document(self) -> list:
        """Return the weights as plain JSON values."""
        if isinstance(self.weights, dict):
            return [[time, list(row)] for time, row in self.weights.items()]
        return list(self.weights)


def requested(args: argparse.Namespace) -> list[Mix]:
    """Return the mixes of ``--steps``, ``--weights`` or ``--morph``.

    Raises
    ------
    UsageError
        If there are fewer than two sounds or steps, or weights do not fit the sounds.
    """
    n = len(args.sounds)
    if n < 2:
        raise UsageError(f"{n} sound cannot be interpolated; give two, or more with --weights or --morph")
    if args.morph is not None:
        length_s = args.seconds * args.stretch
        even = [(length_s * i / (n - 1), [float(k == i) for k in range(n)]) for i in range(n)]
        points = {time: _fitting(row, n) for time, row in args.morph or even}
        return [Mix("__to__".join(path.stem for path in args.sounds), points)]
    rows = args.weights
    if rows is None:
        n_steps = 5 if args.steps is None else args.steps
        if n_steps < 2:
            raise UsageError(f"--steps {n_steps} has no two ends; at least 2 are needed")
        rows = [[1 - share, share] for share in np.linspace(0, 1, n_steps).tolist()]
    return [Mix(_name(args.sounds, row), _fitting(row, n)) for row in rows]


def _fitting(row: list[float], n_sounds: int) -> Row:
    if len(row) != n_sounds:
        raise UsageError(f"{len(row)} weights for {n_sounds} sounds; give --weights or --morph with one for each")
    return tuple(row)


def _name(sounds: list[Path], row: list[float]) -> str:
    """Return the name of an output by its weights in hundredths, ``trumpet-075__flute-025``."""
    total = sum(row) or 1.0
    shares = zip(sounds, row, strict=False)
    return "__".join(f"{path.stem}-{round(100 * weight / total):03d}" for path, weight in shares)


def weights(text: str) -> list[list[float]]:
    """Parse ``--weights``, ``0.5,0.5`` or ``1,0:0.3,0.7``."""
    try:
        rows = [[float(word) for word in mix.split(",")] for mix in text.split(":")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} are no weights; write 0.5,0.5 or 1,0:0.3,0.7") from error
    for row in rows:
        if not all(np.isfinite(row)) or min(row) < 0 or sum(row) <= 0:
            raise argparse.ArgumentTypeError(f"weights must be finite, not negative and not all zero: {text!r}")
    return rows


def points(text: str) -> list[tuple[float, list[float]]]:
    """Parse ``--morph``, seconds and weights: ``0=1,0:1.5=1,0:3=0,1``."""
    parts = [part.partition("=") for part in text.split(":")]
    try:
        times = [float(time) for time, _, _ in parts]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} has no seconds; write 0=1,0:1.5=1,0:3=0,1") from error
    if not np.isfinite(times).all() or times[0] < 0 or any(b <= a for a, b in itertools.pairwise(times)):
        raise argparse.ArgumentTypeError(f"seconds must ascend from 0 or later: {text!r}")
    return list(zip(times, weights(":".join(mix for _, _, mix in parts)), strict=True))
