"""Which sounds ``wavecore interpolate`` is asked for: mixes, and mixes that change on the way."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavecore.errors import UsageError


@dataclass(frozen=True)
class Station:
    """One of the sounds that are asked for.

    Attributes
    ----------
    points : tuple of (float or None, tuple of float)
        Seconds and a weight for each sound; without seconds the weights hold from beginning to end.
    """

    name: str
    points: tuple[tuple[float | None, tuple[float, ...]], ...]

    def weights(self, n_frames: int, frame_s: float) -> np.ndarray:
        """Say the weights of every sound.

        Parameters
        ----------
        frame_s : float
            Seconds per frame.

        Returns
        -------
        ndarray, shape (n,) or (n_frames, n), float
        """
        from wavecore.models.nsynth import interpolate

        time, weights = self.points[0]
        return np.array(weights) if time is None else interpolate.weights_over_time(self.points, n_frames, frame_s)

    def document(self) -> list:
        """Return the weights as plain JSON values."""
        time, weights = self.points[0]
        return list(weights) if time is None else [[time, list(weights)] for time, weights in self.points]


def requested(args: argparse.Namespace) -> list[Station]:
    """Work out which sounds are asked for.

    Raises
    ------
    UsageError
        If there are fewer than two sounds, the steps make no sense, or weights do not fit the sounds.
    """
    from wavecore.models.nsynth import interpolate

    n = len(args.sounds)
    if n < 2:
        raise UsageError(f"there is nothing between {n} sound and itself; give two, or more with --weights or --morph")
    if args.morph is not None:
        length_s = args.seconds * args.stretch
        even = [(length_s * i / max(1, n - 1), [float(k == i) for k in range(n)]) for i in range(n)]
        name = "__to__".join(path.stem for path in args.sounds)
        return [Station(name, tuple((time, _fitting(row, n)) for time, row in args.morph or even))]
    rows = (
        args.weights
        if args.weights is not None
        else interpolate.steps(5 if args.steps is None else args.steps).tolist()
    )
    return [Station(station_name(args.sounds, row), ((None, _fitting(row, n)),)) for row in rows]


def _fitting(row: list[float], n_sounds: int) -> tuple[float, ...]:
    if len(row) != n_sounds:
        raise UsageError(f"{len(row)} weights for {n_sounds} sounds; give --weights or --morph with one for each")
    return tuple(row)


def station_name(sounds: list[Path], row: list[float]) -> str:
    """Name an output after its weights.

    Returns
    -------
    str
        ``trumpet-075__flute-025``, in hundredths.
    """
    total = sum(row) or 1.0
    return "__".join(
        f"{path.stem}-{round(100 * weight / total):03d}" for path, weight in zip(sounds, row, strict=False)
    )


def weights(text: str) -> list[list[float]]:
    """Read ``--weights``.

    Parameters
    ----------
    text : str
        ``0.5,0.5`` or ``1,0:0.3,0.7``.

    Raises
    ------
    argparse.ArgumentTypeError
        If one is no number, is negative, or all of a mix are zero.
    """
    try:
        rows = [[float(word) for word in mix.split(",")] for mix in text.split(":")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} are no weights; write 0.5,0.5 or 1,0:0.3,0.7") from error
    for row in rows:
        if not all(np.isfinite(row)) or min(row) < 0 or sum(row) <= 0:
            raise argparse.ArgumentTypeError(f"weights must be finite, not negative and not all zero: {text!r}")
    return rows


def points(text: str) -> list[tuple[float, list[float]]]:
    """Read ``--morph``.

    Parameters
    ----------
    text : str
        ``0=1,0:1.5=1,0:3=0,1``.

    Returns
    -------
    list of (float, list of float)
        Seconds and weights.

    Raises
    ------
    argparse.ArgumentTypeError
        If one is no number, the seconds do not ascend, or weights are negative or all zero.
    """
    parts = [part.partition("=") for part in text.split(":")]
    try:
        times = [float(time) for time, _, _ in parts]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no way; write 0=1,0:1.5=1,0:3=0,1") from error
    if not np.isfinite(times).all() or times[0] < 0 or any(b <= a for a, b in zip(times, times[1:], strict=False)):
        raise argparse.ArgumentTypeError(f"seconds must ascend from 0 or later: {text!r}")
    return list(zip(times, weights(":".join(mix for _, _, mix in parts)), strict=True))
