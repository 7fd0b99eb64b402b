"""Figure of latents: every channel a line over time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wavecore.errors import InputError
from wavecore.plots import style as canvas

_SPACING = 1.15


def draw(
    latents: Sequence[tuple[str, np.ndarray, float]], path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a PNG with the channels of one or more latents over time, side by side, and return its path.

    Parameters
    ----------
    latents : sequence of (title, ndarray of shape (F, C), frames per second)
        At least one; all have one scale, so that they can be compared.

    Raises
    ------
    InputError
        If there are none, or one is empty, not finite or of another shape.
    UsageError, OutputExistsError
        As ``style.require_png``.
    """
    if not latents:
        raise InputError("there are no latents to draw")
    for title, latent, _ in latents:
        if np.ndim(latent) != 2 or 0 in np.shape(latent) or not np.isfinite(latent).all():
            raise InputError(f"{title} has shape {np.shape(latent)}; a finite latent (F, C) is needed")
    canvas.require_png(path, overwrite)
    scale = max(float(np.ptp(latent, axis=0).max()) for _, latent, _ in latents) or 1.0
    channels = max(latent.shape[1] for _, latent, _ in latents)
    figure = canvas.figure(max(6.0, 4.5 * len(latents)), 1.2 + 0.32 * channels)
    for index, (title, latent, rate) in enumerate(latents):
        axes = figure.add_subplot(1, len(latents), index + 1)
        canvas.style(axes, title.replace("$", r"\$"))
        seconds = np.arange(len(latent)) / rate
        for channel, track in enumerate(latent.T):
            centred = (track - track.mean()) / scale
            color = canvas.LINES[channel % len(canvas.LINES)]
            axes.plot(seconds, centred - _SPACING * channel, color=color, linewidth=1.2)
        axes.set_yticks(-_SPACING * np.arange(latent.shape[1]), [str(c + 1) for c in range(latent.shape[1])])
        axes.set_xlim(0, max(seconds[-1], 1 / rate))
        axes.set_xlabel("seconds", color=canvas.MUTED)
    return canvas.save(figure, path, overwrite)
