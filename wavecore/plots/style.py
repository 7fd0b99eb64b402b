"""The style of every figure; figures without pyplot, a global state or a display."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from wavecore.audio import output
from wavecore.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BACKGROUND = "#101319"
PANEL = "#07080b"
TEXT = "#e8ebf1"
MUTED = "#8d95a5"
GRID = "#262c38"
LINES = ("#4cc9f0", "#ffb454", "#f2719b", "#9be564", "#b892ff", "#f4e285", "#ff7b54", "#64dfdf")

_DPI = 160


def figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure of a size in inches, at 160 dots each."""
    from matplotlib.figure import Figure

    empty = Figure(figsize=(width_in, height_in), dpi=_DPI, facecolor=BACKGROUND, layout="constrained")
    empty.get_layout_engine().set(w_pad=0.1, h_pad=0.08, wspace=0.02)
    return empty


def style(axes: Axes, title: str) -> None:
    """Set the colours, the ticks and the title of axes."""
    axes.set_facecolor(BACKGROUND)
    axes.set_title(title, loc="left", color=TEXT, fontsize=10.5, fontweight="bold", pad=7)
    axes.tick_params(which="both", colors=MUTED, labelsize=8, length=0, pad=4)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def legend(axes: Axes, *, outside: bool = False) -> None:
    """Add a legend in the colours of the lines; `outside` below the axes, where long names overlap nothing."""
    options = {"frameon": False, "labelcolor": "linecolor", "fontsize": 8, "handlelength": 1.2}
    if outside:
        axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=4, **options)
    else:
        axes.legend(**options)


def require_png(path: str | os.PathLike[str], overwrite: bool) -> None:
    """Raise UsageError unless a path ends in .png, OutputExistsError if it exists and may not be replaced."""
    if Path(path).suffix.lower() != ".png":
        raise UsageError(f"{path}: figures are written as PNG; give a name that ends in .png")
    output.refuse_existing(path, overwrite=overwrite)


def save(figure: Figure, path: str | os.PathLike[str], overwrite: bool) -> Path:
    """Write a figure, whole or not at all; raise the errors of ``require_png``."""
    require_png(path, overwrite)
    with output.whole_file(path, overwrite=overwrite) as temporary:
        figure.savefig(temporary, format="png")
    return Path(path)
