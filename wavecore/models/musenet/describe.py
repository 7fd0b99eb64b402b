"""Descriptions of a MuseNet: what a configuration costs, computed without building it, and a map of its styles.

References
----------
van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavecore.errors import InputError
from wavecore.models.musenet.config import MuseNetConfig
from wavecore.models.musenet.tokens import GROUPS, N_PITCHES, SIZES
from wavecore.plots import style as canvas

FLOAT_BYTES = 4
STATES = 5
"""Numbers that training holds of every parameter: itself, its gradient, Adam's two moments, its average."""
N_KINDS = len(GROUPS) + 6
"""Kinds of tokens: groups, drums, waits, start, instruments, tempos, styles."""
KEPT, DROPPED = 16, 2
"""Vectors of the network's width that a layer keeps of a token for the backward pass: inputs and outputs of two norms,
query, key and value, the result of attention, and twice four for the wide product before and after its GELU; with
dropout also the masks of both of its places."""
MAX_PRINTED = 12
"""Styles up to which similarities are printed as numbers."""
MIN_TSNE = 4
"""Styles from which on t-SNE has neighbourhoods."""


@dataclass(frozen=True)
class Cost:
    """What a network costs; all its numbers are float32, and attention does not keep its scores, as in PyTorch.

    Attributes
    ----------
    parameters : int
    weight_bytes, training_bytes : int
        Of the weights, and of all that training holds of them.
    kept_bytes, recomputed_bytes : int
        Of what a window keeps for the backward pass, and where layers are recomputed: their inputs, and one layer.
    flops_per_token : float
        Forward, multiplications and additions, the mean over a window.
    training_flops_per_token, recomputed_flops_per_token : float
        Forward and backward, three times as many; and where layers are recomputed.
    """

    parameters: int
    weight_bytes: int
    training_bytes: int
    kept_bytes: int
    recomputed_bytes: int
    flops_per_token: float
    training_flops_per_token: float
    recomputed_flops_per_token: float


def n_parameters(config: MuseNetConfig) -> int:
    """Count all weights."""
    width = config.channels
    tables = (
        config.vocabulary.size + N_KINDS + N_PITCHES + config.context + sum(SIZES[name] for name in config.embeddings)
    )
    layer = 12 * width * width + 13 * width  # products of 3, 1, 4 and 4 widths, their biases, two norms
    critic = width * width + 2 * width + 1 if config.critic else 0
    return tables * width + config.n_layers * layer + 2 * width + critic


def mean_attended(config: MuseNetConfig) -> float:
    """Return how many positions a position of a whole window attends to, the mean over positions and layers."""
    position, block = np.arange(config.context), config.block
    counts = {
        "dense": position + 1,
        "strided": np.minimum(position + 1, block) + position // block,
        "fixed": position % block + 1 + config.summary * (position // block),
    }
    return float(np.mean([counts[pattern.kind].mean() for pattern in config.layer_patterns]))


def cost(config: MuseNetConfig) -> Cost:
    """Compute what a network costs."""
    width, n, parameters, vocabulary = config.channels, config.context, n_parameters(config), config.vocabulary.size
    layer = n * width * (KEPT + (DROPPED if config.dropout else 0)) * FLOAT_BYTES
    # The norm before the logits, its input, the logits and their logarithms.
    output = n * (2 * width + 2 * vocabulary) * FLOAT_BYTES
    layers_flops = config.n_layers * (24.0 * width * width + 4.0 * mean_attended(config) * width)
    flops = layers_flops + 2.0 * vocabulary * width
    return Cost(
        parameters=parameters,
        weight_bytes=parameters * FLOAT_BYTES,
        training_bytes=parameters * FLOAT_BYTES * STATES,
        kept_bytes=config.n_layers * layer + output,
        recomputed_bytes=config.n_layers * n * width * FLOAT_BYTES + layer + output,
        flops_per_token=flops,
        training_flops_per_token=3 * flops,
        recomputed_flops_per_token=3 * flops + layers_flops,
    )


def cost_lines(config: MuseNetConfig) -> list[str]:
    """Return the size of a network and its cost as text."""
    of = cost(config)
    return [
        f"{config.n_layers} layers x {config.channels} channels, {config.n_heads} heads, {config.context:,} tokens: "
        f"{of.parameters / 1e6:,.1f} M parameters",
        f"weights {_memory(of.weight_bytes)}, in training {_memory(of.training_bytes)}",
        f"activations of a window {_memory(of.kept_bytes)}, with recomputation {_memory(of.recomputed_bytes)}",
        f"a token {of.flops_per_token / 1e6:,.1f} MFLOP, in training {of.training_flops_per_token / 1e6:,.1f}, "
        f"with recomputation {of.recomputed_flops_per_token / 1e6:,.1f}",
    ]


def _memory(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.1f} MiB"


def similarities(vectors: np.ndarray) -> np.ndarray:
    """Return the cosines between vectors, (n, C): float64 of shape (n, n)."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    unit = vectors / np.maximum(lengths, 1e-12)
    return np.clip(unit @ unit.T, -1.0, 1.0)


def positions(vectors: np.ndarray) -> np.ndarray:
    """Lay vectors, (n, C), out in a plane so that similar ones lie together: float64 of shape (n, 2).

    From ``MIN_TSNE`` on by t-SNE of cosine distances; fewer, which have no neighbourhoods, by classical scaling of the
    distances between their directions.  The same vectors always lie at the same positions.
    """
    if len(vectors) < MIN_TSNE:
        return _scaled(vectors)
    from sklearn.manifold import TSNE

    distances = 1.0 - similarities(vectors)
    np.fill_diagonal(distances, 0.0)
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    chart = TSNE(metric="precomputed", perplexity=perplexity, init="random", method="exact", random_state=0)
    return chart.fit_transform(distances).astype(np.float64)


def _scaled(vectors: np.ndarray) -> np.ndarray:
    """Return the first two principal components of the unit vectors."""
    cosines = similarities(vectors)
    centred = cosines - cosines.mean(0) - cosines.mean(1, keepdims=True) + cosines.mean()
    values, axes = np.linalg.eigh(centred)
    plane = axes[:, ::-1][:, :2] * np.sqrt(np.maximum(values[::-1][:2], 0.0))
    # The sign of an axis is arbitrary: its largest element is made positive, so that the picture is always the same.
    largest = plane[np.abs(plane).argmax(axis=0), np.arange(plane.shape[1])]
    plane = plane * np.where(largest < 0, -1.0, 1.0)
    return np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))


def draw_styles(
    vectors: np.ndarray, names: Sequence[str], path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a PNG with a map of styles and their similarities.

    Parameters
    ----------
    vectors : ndarray, shape (n, C), float
        A network's, of its styles.

    Raises
    ------
    InputError
        If there are no styles, or their vectors are not finite or not as many as names.
    OutputExistsError, UsageError
        If the file exists and ``overwrite`` is false, or its name does not end in .png.
    """
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or 0 in vectors.shape or len(vectors) != len(names) or not np.isfinite(vectors).all():
        raise InputError(f"vectors of shape {vectors.shape} must be finite and one for each of {len(names)} styles")
    canvas.require_png(path, overwrite)
    figure = canvas.figure(9.0, 4.2)
    chart, table = figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)
    canvas.style(chart, "styles, similar ones together")
    canvas.style(table, "cosine similarity")
    labels = [name.replace("$", r"\$") for name in names]
    for number, (x, y) in enumerate(positions(vectors)):
        chart.plot(x, y, "o", color=canvas.LINES[number % len(canvas.LINES)])
        chart.annotate(labels[number], (x, y), xytext=(6, 4), textcoords="offset points", color=canvas.TEXT, fontsize=8)
    chart.margins(0.3)
    chart.set_aspect("equal", adjustable="datalim")
    chart.set(xticks=[], yticks=[])
    cosines = similarities(vectors)
    table.imshow(cosines, vmin=-1, vmax=1, cmap="magma")
    table.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    table.set_yticks(range(len(labels)), labels)
    if len(labels) <= MAX_PRINTED:
        text = {"ha": "center", "va": "center", "fontsize": 7}
        for (row, column), cosine in np.ndenumerate(cosines):
            table.text(column, row, f"{cosine:.2f}", color="black" if cosine > 0.4 else canvas.TEXT, **text)
    return canvas.save(figure, path, overwrite)
