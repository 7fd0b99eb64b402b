"""A picture of styles: which of them a composer takes for alike.

References
----------
van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wavecore.errors import InputError
from wavecore.plots import style as canvas

MOST_PRINTED = 12
"""Styles up to which similarities are printed as numbers."""
FEWEST = 4
"""Styles from which on neighbourhoods decide where they lie."""


def similarities(vectors: np.ndarray) -> np.ndarray:
    """Compare vectors by their directions.

    Parameters
    ----------
    vectors : ndarray, shape (n, C), float

    Returns
    -------
    ndarray, shape (n, n), float64
        Cosines, -1 to 1.
    """
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit = vectors / np.maximum(lengths, 1e-12)
    return np.clip(unit @ unit.T, -1.0, 1.0)


def places(vectors: np.ndarray) -> np.ndarray:
    """Lay vectors out so that what is alike lies together.

    Parameters
    ----------
    vectors : ndarray, shape (n, C), float

    Returns
    -------
    ndarray, shape (n, 2), float64
        From `FEWEST` on by t-SNE of cosine distances, of which near ones count; the same vectors always lie in the same places.  For fewer, which
        have no neighbourhoods, distances come as near as a plane allows to those between the directions (classical scaling).
    """
    return _neighbours_together(vectors) if len(vectors) >= FEWEST else _scaled(vectors)


def _neighbours_together(vectors: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE

    apart = 1.0 - similarities(vectors)
    np.fill_diagonal(apart, 0.0)
    neighbours = min(30.0, (len(vectors) - 1) / 3)
    chart = TSNE(metric="precomputed", perplexity=neighbours, init="random", method="exact", random_state=0)
    return chart.fit_transform(apart).astype(np.float64)


def _scaled(vectors: np.ndarray) -> np.ndarray:
    """The principal components of the unit vectors."""
    cosines = similarities(vectors)
    centred = cosines - cosines.mean(0) - cosines.mean(1, keepdims=True) + cosines.mean()
    values, axes = np.linalg.eigh(centred)
    found = axes[:, ::-1][:, :2] * np.sqrt(np.maximum(values[::-1][:2], 0.0))
    # An axis has no direction of its own; the first of the largest is made positive, so that the picture is always the same.
    largest = found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])]
    found = found * np.where(largest < 0, -1.0, 1.0)
    return np.pad(found, ((0, 0), (0, 2 - found.shape[1])))


def draw(vectors: np.ndarray, names: Sequence[str], path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a PNG with a map of styles and their similarities.

    Parameters
    ----------
    vectors : ndarray, shape (n, C), float
        A composer's of its styles.
    names : sequence of str
        n of them.
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
        If there are no styles, or their vectors are not finite or not as many as names.
    OutputExistsError
        If the file exists and ``overwrite`` is false.
    UsageError
        If the name does not end in .png.
    """
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or 0 in vectors.shape or len(vectors) != len(names) or not np.isfinite(vectors).all():
        raise InputError(
            f"vectors of shape {vectors.shape} are not finite ones of {len(names)} styles; there is one (C,) for each"
        )
    canvas.require_png(path, overwrite)
    figure = canvas.figure(9.0, 4.2)
    chart, table = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
    canvas.style(chart, "styles by what the model takes for alike")
    canvas.style(table, "cosine similarity")
    labels = [name.replace("$", r"\$") for name in names]
    for number, (x, y) in enumerate(places(vectors)):
        chart.plot(x, y, "o", color=canvas.LINES[number % len(canvas.LINES)])
        chart.annotate(labels[number], (x, y), xytext=(6, 4), textcoords="offset points", color=canvas.TEXT, fontsize=8)
    chart.margins(0.3)
    chart.set_aspect("equal", adjustable="datalim")
    chart.set_xticks([])
    chart.set_yticks([])
    cosines = similarities(vectors)
    table.imshow(cosines, vmin=-1, vmax=1, cmap="magma")
    ticks = range(len(labels))
    table.set_xticks(ticks, labels, rotation=45, ha="right")
    table.set_yticks(ticks, labels)
    if len(labels) <= MOST_PRINTED:
        for row in ticks:
            for column in ticks:
                dark = cosines[row, column] > 0.4
                table.text(
                    column,
                    row,
                    f"{cosines[row, column]:.2f}",
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="black" if dark else canvas.TEXT,
                )
    return canvas.save(figure, path, overwrite)
