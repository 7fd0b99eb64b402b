"""Figures of sound: rainbowgrams, spectrograms, pitch, training curves.

Each function writes one PNG, whole or not at all, and returns its path; it raises UsageError if the name does not end
in .png, and OutputExistsError if the file exists and ``overwrite`` is false.  Each uses a figure of its own: no
pyplot, no global state, no display.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from wavecore.audio.pitch import PitchTrack, hz_to_midi
from wavecore.errors import InputError, UsageError
from wavecore.plots import images
from wavecore.plots import style as canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Samples = np.ndarray | torch.Tensor
History = Mapping[str, Sequence[tuple[float, float]]] | Sequence[Mapping[str, float]]
Curve = list[tuple[float, float]]

_NOTE_NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
_TITLE_LENGTH = 38
# The endings of names whose last part is a measure and not one of several series.
_MEASURES = ("accuracy", "bits", "loss", "norm", "rate")
_HELD_OUT = "valid"


def rainbowgram(axes: Axes, x: Samples, sample_rate: int) -> None:
    """Draw the rainbowgram of a sound, shape (T,), on axes (see ``images.rainbow``)."""
    image = images.rainbow(x, sample_rate=sample_rate)
    _show(axes, image, len(x) / sample_rate, images.RAINBOW_BINS_PER_OCTAVE, interpolation="nearest")


def _spectrogram(axes: Axes, x: Samples, sample_rate: int) -> None:
    """Draw magnitudes over time and pitch, from C2 to just below half the rate."""
    from matplotlib import colormaps

    image = colormaps["magma"](images.note_spectrum(x, sample_rate=sample_rate))[..., :3]
    _show(axes, image, len(x) / sample_rate, images.SPECTRUM_BINS_PER_OCTAVE, interpolation="bilinear")


def rainbowgram_sheet(
    sounds: Sequence[tuple[str, Samples, int]],
    path: str | os.PathLike[str],
    *,
    columns: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Plot the rainbowgrams of several sounds, one panel each.

    Parameters
    ----------
    sounds : sequence of (title, samples, sample_rate)
        At least one; samples have the shape (T,).
    columns : int, optional
        Panels side by side; by default up to four.

    Raises
    ------
    InputError
        If there are no sounds, or one is no finite, non-empty mono signal.
    """
    caption = "brightness: level, 70 dB    colour: instantaneous frequency"
    return _sheet(sounds, path, rainbowgram, caption, columns, overwrite)


def spectrogram_sheet(
    sounds: Sequence[tuple[str, Samples, int]],
    path: str | os.PathLike[str],
    *,
    columns: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Plot the spectrograms of several sounds over time and pitch, as `rainbowgram_sheet` their rainbowgrams."""
    return _sheet(sounds, path, _spectrogram, "brightness: level, 80 dB", columns, overwrite)


def pitch_overlay(
    tracks: Mapping[str, PitchTrack],
    path: str | os.PathLike[str],
    *,
    title: str = "Pitch",
    overwrite: bool = False,
) -> Path:
    """Plot several pitch tracks by name over each other, the first, the original, as a broad band.

    Unvoiced frames are gaps.  Raises InputError if there are no tracks.
    """
    if not tracks:
        raise InputError("there are no pitch tracks to draw")
    figure = canvas.figure(9.0, 4.2)
    axes = figure.add_subplot()
    canvas.style(axes, title)
    axes.grid(axis="y", color=canvas.GRID, linewidth=0.7)
    for index, (name, track) in enumerate(tracks.items()):
        broad = index == 0 and len(tracks) > 1
        axes.plot(
            track.times_s,
            hz_to_midi(track.f0_hz),
            color=canvas.LINES[index % len(canvas.LINES)],
            linewidth=7.0 if broad else 1.7,
            alpha=0.4 if broad else 1.0,
            solid_capstyle="round",
            label=_plain(name),
        )
    _note_axis(axes, [hz_to_midi(track.f0_hz[track.voiced]) for track in tracks.values()])
    _seconds_axis(axes)
    axes.set_xlim(0.0, max(float(track.times_s.max(initial=0.0)) for track in tracks.values()) or 1.0)
    canvas.legend(axes, outside=True)
    return canvas.save(figure, path, overwrite)


def curves(history: History, path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
    """Plot the curves of a training run.

    Names are flat.  ``valid/`` in front means held out; the rest determines the panel.  A last part that is no measure
    (loss, accuracy, bits, norm, rate) is one of several series in a panel: ``bits``, ``valid/bits`` and
    ``valid/bits/strings`` share one.

    Parameters
    ----------
    history : mapping of str to sequence of (step, value), or sequence of mappings
        Either each curve by its name, or the records of a run, each with its ``"step"`` and any of the values by name.

    Raises
    ------
    InputError
        If there is not a single value, or a record has no step.
    """
    panels = _panels(_by_name(history))
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = canvas.figure(4.4 * columns + 0.4, 3.1 * rows + 0.3)
    for index, (title, series) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, columns, index + 1)
        canvas.style(axes, _plain(title))
        axes.grid(color=canvas.GRID, linewidth=0.7)
        _draw_series(axes, series)
    return canvas.save(figure, path, overwrite)


def _by_name(history: History) -> dict[str, Curve]:
    """Return each curve by its name, whichever form the history has, without empty ones."""
    if isinstance(history, Mapping):
        named = {name: list(points) for name, points in history.items() if len(points)}
    else:
        named = {}
        for record in history:
            if "step" not in record:
                raise InputError(f"a record of the history has no step: {dict(record)}")
            for name in record.keys() - {"step"}:
                named.setdefault(name, []).append((record["step"], record[name]))
        named = dict(sorted(named.items()))
    if not named:
        raise InputError("the history holds no values to draw; train for a few steps first")
    return named


def _panels(named: dict[str, Curve]) -> dict[str, dict[str, Curve]]:
    """Group curves by panel title and series label, panels of most series first."""
    panels: dict[str, dict[str, Curve]] = {}
    for name, points in named.items():
        held_out = name.startswith(_HELD_OUT + "/")
        parts = name.removeprefix(_HELD_OUT + "/").removeprefix("train/").split("/")
        series = "" if len(parts) == 1 or parts[-1].endswith(_MEASURES) else parts.pop()
        kind = "held out" if held_out else "training"
        # classifier/accuracy and valid/classifier_accuracy are the same measure.
        title = " ".join(parts).replace("_", " ")
        panels.setdefault(title, {})[f"{kind}, {series}" if series else kind] = points
    return dict(sorted(panels.items(), key=lambda item: -len(item[1])))


def _draw_series(axes: Axes, series: dict[str, Curve]) -> None:
    """Draw each curve, a long one smoothed on its own raw trace."""
    from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

    for index, (label, points) in enumerate(sorted(series.items(), key=lambda item: item[0].count(","))):
        steps, values = np.asarray(points, dtype=np.float64).T
        color = canvas.LINES[index % len(canvas.LINES)]
        window = len(values) // 40
        if window > 1 and np.abs(np.diff(values)).sum() > 4 * np.ptp(values):  # long, and noisy
            axes.plot(steps, values, color=color, linewidth=0.7, alpha=0.3)
            values = _smoothed(values, window)
        marker = "o" if len(values) < 12 else None
        axes.plot(steps, values, color=color, linewidth=1.6, marker=marker, markersize=3.5, label=label)
    finite = np.concatenate([np.asarray(points, dtype=np.float64)[:, 1] for points in series.values()])
    finite = finite[np.isfinite(finite)]
    if len(finite) and finite.min() > 0 and finite.max() > 100 * finite.min():
        axes.set_yscale("log")
    else:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if list(series) != ["training"]:
        canvas.legend(axes)


def _smoothed(values: np.ndarray, window: int) -> np.ndarray:
    """Compute a centred moving average whose window shrinks at the ends."""
    ones = np.ones(2 * window + 1)
    return np.convolve(values, ones, "same") / np.convolve(np.ones(len(values)), ones, "same")


def _sheet(
    sounds: Sequence[tuple[str, Samples, int]],
    path: str | os.PathLike[str],
    draw: Callable[[Axes, Samples, int], None],
    caption: str,
    columns: int | None,
    overwrite: bool,
) -> Path:
    """Plot a grid of panels of one kind, with titles and one caption."""
    if not len(sounds):
        raise InputError("there are no sounds to draw")
    canvas.require_png(path, overwrite)  # before the work
    if columns is not None and columns < 1:
        raise UsageError(f"columns is {columns}; at least 1 is needed")
    columns = columns or next(n for n in (1, 2, 3, 4) if n == 4 or n * n >= len(sounds))
    rows = -(-len(sounds) // columns)
    figure = canvas.figure(max(7.0, 4.0 * columns + 0.5), 2.8 * rows + 0.5)
    for index, (title, x, sample_rate) in enumerate(sounds):
        axes = figure.add_subplot(rows, columns, index + 1)
        canvas.style(axes, _plain(title))
        axes.set_facecolor(canvas.PANEL)
        draw(axes, x, sample_rate)
        if index % columns:
            axes.tick_params(axis="y", labelleft=False)
    figure.supxlabel(caption, color=canvas.MUTED, fontsize=7.5)
    return canvas.save(figure, path, overwrite)


def _show(axes: Axes, image: np.ndarray, seconds: float, bins_per_octave: int, *, interpolation: str) -> None:
    """Draw an RGB image (bins, frames, 3) in [0, 1] on axes of seconds and note names."""
    octaves = image.shape[0] / bins_per_octave
    extent = (0.0, seconds, 0.0, octaves)
    axes.imshow(image, origin="lower", aspect="auto", extent=extent, interpolation=interpolation)
    names = [f"C{2 + octave}" for octave in range(int(octaves) + 1)]
    axes.set_yticks(range(len(names)), names)
    _seconds_axis(axes)


def _note_axis(axes: Axes, voiced_midi: Sequence[np.ndarray]) -> None:
    """Set limits around the pitches, and ticks at every note, third, or octave as space allows."""
    pitches = np.concatenate(voiced_midi)
    low, high = (pitches.min(), pitches.max()) if len(pitches) else (60.0, 72.0)
    low, high = low - 1.5, high + 1.5
    step = next((step for step in (1, 2, 4, 6) if (high - low) / step <= 14), 12)
    ticks = [note for note in range(math.ceil(low), math.floor(high) + 1) if (note - 60) % step == 0]
    axes.set_ylim(low, high)
    axes.set_yticks(ticks, [f"{_NOTE_NAMES[note % 12]}{note // 12 - 1}" for note in ticks])


def _seconds_axis(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g} s"))


def _plain(text: str) -> str:
    """Escape a text, so that matplotlib does not read it as a formula, and shorten it to fit above a panel."""
    if len(text) > _TITLE_LENGTH:
        half = _TITLE_LENGTH // 2
        text = f"{text[:half].rstrip()} … {text[-half:].lstrip()}"
    return text.replace("$", r"\$")
