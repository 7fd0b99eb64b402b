"""The looks of every picture: figures without pyplot, a global state or a display."""

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
    """Make an empty figure.

    Parameters
    ----------
    width_in, height_in : float
        Inches, at 160 dots each.
    """
    from matplotlib.figure import Figure

    made = Figure(figsize=(width_in, height_in), dpi=_DPI, facecolor=BACKGROUND, layout="constrained")
    made.get_layout_engine().set(w_pad=0.1, h_pad=0.08, wspace=0.02)
    return made


def style(axes: Axes, title: str) -> None:
    """Give axes the house's looks and a title."""
    axes.set_facecolor(BACKGROUND)
    axes.set_title(title, loc="left", color=TEXT, fontsize=10.5, fontweight="bold", pad=7)
    axes.tick_params(which="both", colors=MUTED, labelsize=8, length=0, pad=4)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)


def legend(axes: Axes, *, outside: bool = False) -> None:
    """Put names in the colours of their lines, without a frame.

    Parameters
    ----------
    outside : bool
        Below the axes, where long names overlap nothing.
    """
    looks = {"frameon": False, "labelcolor": "linecolor", "fontsize": 8, "handlelength": 1.2}
    if outside:
        axes.figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=4, **looks)
    else:
        axes.legend(**looks)


def require_png(path: str | os.PathLike[str], overwrite: bool) -> None:
    """Refuse a picture's name before any work.

    Raises
    ------
    UsageError
        If it does not end in .png.
    OutputExistsError
        If it exists and may not be replaced.
    """
    if Path(path).suffix.lower() != ".png":
        raise UsageError(f"{path}: pictures are written as PNG; give a name that ends in .png")
    output.refuse_existing(path, overwrite=overwrite)


def save(made: Figure, path: str | os.PathLike[str], overwrite: bool) -> Path:
    """Write a figure, whole or not at all.

    Parameters
    ----------
    path : path-like
        Ends in .png.

    Raises
    ------
    UsageError, OutputExistsError
        As ``require_png`` says.
    """
    require_png(path, overwrite)
    with output.whole_file(path, overwrite=overwrite) as temporary:
        made.savefig(temporary, format="png")
    return Path(path)
