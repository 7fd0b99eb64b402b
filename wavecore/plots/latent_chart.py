"""A picture of latents: every channel a track over time."""

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
    """Write a PNG with the tracks of one or more latents, side by side.

    Parameters
    ----------
    latents : sequence of (title, ndarray of shape (F, C), frames per second)
        At least one.  All are drawn to one scale, so that they can be compared.
    path : path-like
        Where the PNG is to be.
    overwrite : bool
        Whether an existing file may be replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If there are none, or one is no finite latent.
    OutputExistsError
        If the file exists and ``overwrite`` is false.
    UsageError
        If the name does not end in .png.
    """
    if not latents:
        raise InputError("there are no latents to draw")
    for title, latent, _ in latents:
        if np.ndim(latent) != 2 or 0 in np.shape(latent) or not np.isfinite(latent).all():
            raise InputError(f"{title} is no finite latent (F, C); its shape is {np.shape(latent)}")
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
            axes.plot(
                seconds, centred - _SPACING * channel, color=canvas.LINES[channel % len(canvas.LINES)], linewidth=1.2
            )
        axes.set_yticks(
            [-_SPACING * channel for channel in range(latent.shape[1])], [str(c + 1) for c in range(latent.shape[1])]
        )
        axes.set_xlim(0, max(seconds[-1], 1 / rate))
        axes.set_xlabel("seconds", color=canvas.MUTED)
    return canvas.save(figure, path, overwrite)
