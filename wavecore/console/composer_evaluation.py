"""What ``wavecore evaluate symbolic`` needs of each kind of composer."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, ClassVar

from wavecore.console.console import Console


class ComposerEvaluation:
    """The evaluation of one kind of composer, named by ``registry.Kind.evaluate``.

    Attributes
    ----------
    default_samples : int or None
        Default of ``--samples``; None for no samples.
    """

    default_samples: ClassVar[int | None] = 64

    def open_data(self, path: Path) -> Any:
        """Open the data set that samples are compared with: songs, unless a subclass opens another kind."""
        from wavecore.datasets.songs import SongsDataset

        return SongsDataset.open(path)

    def run(self, args: argparse.Namespace, model: Any, dataset: Any, device: str, console: Console) -> dict:
        """Return the measures as entries of the JSON document."""
        raise TypeError(f"{type(self).__name__} measures nothing")

    def lines(self, model: Any, measures: dict) -> list[str]:
        """Return the measures as lines of text."""
        raise TypeError(f"{type(self).__name__} has no text")


def number(value: float | None) -> str:
    """Return a measure as text; a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"
