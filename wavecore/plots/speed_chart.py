"""Figure of a benchmark."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wavecore.errors import InputError
from wavecore.plots import style as canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(results: Sequence[Mapping], path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a PNG of samples per second against streams, a panel per preset, with real time and the roofline.

    Parameters
    ----------
    results : sequence of mappings
        With the keys of ``benchmark.Result``: preset, backend, dtype, batch, samples_per_s, roofline_samples_per_s.

    Raises
    ------
    InputError
        If no case has a speed.
    UsageError, OutputExistsError
        As ``style.require_png``.
    """
    timed = [result for result in results if result["samples_per_s"]]
    if not timed:
        raise InputError("no case has a speed to draw")
    canvas.require_png(path, overwrite)
    presets = list(dict.fromkeys(result["preset"] for result in timed))
    figure = canvas.figure(4.6 * len(presets) + 0.5, 4.2)
    for index, name in enumerate(presets):
        axes = figure.add_subplot(1, len(presets), index + 1)
        canvas.style(axes, name)
        _draw_lines(axes, [result for result in timed if result["preset"] == name])
    caption = "streams at once; dashed: the machine's limit; dotted: real time for every stream"
    figure.supxlabel(caption, color=canvas.MUTED, fontsize=7.5)
    return canvas.save(figure, path, overwrite)


def _draw_lines(axes: Axes, results: Sequence[Mapping]) -> None:
    """Draw lines of samples per second on logarithmic axes."""
    batches = sorted({result["batch"] for result in results})
    for number, label in enumerate(dict.fromkeys((result["backend"], result["dtype"]) for result in results)):
        series = sorted((r for r in results if (r["backend"], r["dtype"]) == label), key=lambda r: r["batch"])
        colour = canvas.LINES[number % len(canvas.LINES)]
        streams, speeds, limits = (
            [result[key] for result in series] for key in ("batch", "samples_per_s", "roofline_samples_per_s")
        )
        axes.plot(streams, speeds, "o-", color=colour, label=" ".join(label), markersize=4)
        if all(limits):
            axes.plot(streams, limits, "--", color=colour, linewidth=1, alpha=0.6)
    axes.plot(batches, [16_000 * batch for batch in batches], ":", color=canvas.MUTED)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(batches, [str(batch) for batch in batches])
    axes.grid(axis="y", color=canvas.GRID, linewidth=0.6)
    axes.set_ylabel("samples per second", color=canvas.MUTED, fontsize=8)
    canvas.legend(axes)
