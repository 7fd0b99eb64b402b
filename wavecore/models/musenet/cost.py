"""What a MuseNet costs, on paper: parameters, memory, arithmetic, and over how many devices it spreads.

Nothing is built here.  Weights, gradients, Adam's two moments and the weight average are float32; what is
kept for the way back is float32 as well, of attention that never holds its scores, as torch's does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from wavecore.errors import UsageError
from wavecore.models.musenet.config import MuseNetConfig
from wavecore.models.musenet.features import SIZES
from wavecore.models.musenet.tokens import GROUPS, N_PITCHES

FLOAT_BYTES = 4
STATES = 5
"""Numbers that training holds of every parameter: itself, its gradient, two moments, its average."""
KINDS = len(GROUPS) + 6
"""Vectors that tokens of one kind share: those of groups, of drums, waits, start, instruments, tempos, styles."""
KEPT, DROPPED = 16, 2
"""Vectors as wide as the network that a layer keeps of a token: two norms' inputs and outputs, query, key and value, what attention
found, and twice four for the wide product before and after its GELU.  With dropout also what both of its places multiply by."""


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Attributes
    ----------
    weight_bytes : int
        Of float32 weights.
    training_bytes : int
        Of all that training holds of the parameters.
    kept_bytes : int
        Kept for the way back of one window.
    recomputed_bytes : int
        The same where layers are computed again: what goes into each of them, and all of one.
    flops_per_token : float
        Of one token on the way forward, multiplications and additions, the mean over a window.
    training_flops_per_token : float
        There and back: three times as much.
    recomputed_flops_per_token : float
        Where layers are computed again.
    """

    parameters: int
    weight_bytes: int
    training_bytes: int
    kept_bytes: int
    recomputed_bytes: int
    flops_per_token: float
    training_flops_per_token: float
    recomputed_flops_per_token: float


@dataclass(frozen=True)
class Spread:
    """A training that is spread over devices.

    Attributes
    ----------
    bytes_per_device : float
        Of its share of all states, and of the one layer that is gathered whole at a time, with its gradient.
    windows_per_device : int
        That fit beside it; 0 if none does.
    fewest_devices : int or None
        On which one window fits each; None if no number suffices.
    """

    bytes_per_device: float
    windows_per_device: int
    fewest_devices: int | None


def layer_parameters(config: MuseNetConfig) -> int:
    """Count the weights of one layer."""
    width = config.channels
    return 12 * width * width + 13 * width  # products of 3, 1, 4 and 4 widths, their biases, two norms


def n_parameters(config: MuseNetConfig) -> int:
    """Count all weights."""
    width = config.channels
    vectors = (
        config.vocabulary.size + KINDS + N_PITCHES + config.context + sum(SIZES[name] for name in config.embeddings)
    )
    critic = width * width + 2 * width + 1 if config.critic else 0
    return vectors * width + config.n_layers * layer_parameters(config) + 2 * width + critic


def heard(config: MuseNetConfig) -> float:
    """Say how many positions a position of a whole window hears, the mean over positions and layers."""
    n, block, summary = config.context, config.block, config.summary
    means = []
    for pattern in config.layer_patterns:
        total = 0
        for i in range(n):
            if pattern.kind == "dense":
                total += i + 1
            elif pattern.kind == "strided":
                total += min(i + 1, block) + i // block
            else:
                total += i % block + 1 + summary * (i // block)
        means.append(total / n)
    return sum(means) / len(means)


def cost(config: MuseNetConfig) -> Cost:
    """Work out what a network costs."""
    width, n, parameters = config.channels, config.context, n_parameters(config)
    vocabulary = config.vocabulary.size
    layer = n * width * (KEPT + (DROPPED if config.dropout else 0)) * FLOAT_BYTES
    # The norm before the logits, what they are computed of, and their logarithms.
    around = n * (2 * width + 2 * vocabulary) * FLOAT_BYTES
    layers_flops = config.n_layers * (24.0 * width * width + 4.0 * heard(config) * width)
    flops = layers_flops + 2.0 * vocabulary * width
    return Cost(
        parameters=parameters,
        weight_bytes=parameters * FLOAT_BYTES,
        training_bytes=parameters * FLOAT_BYTES * STATES,
        kept_bytes=config.n_layers * layer + around,
        recomputed_bytes=config.n_layers * n * width * FLOAT_BYTES + layer + around,
        flops_per_token=flops,
        training_flops_per_token=3 * flops,
        recomputed_flops_per_token=3 * flops + layers_flops,
    )


def spread(config: MuseNetConfig, *, n_devices: int, gibibytes: float, recompute: bool = True) -> Spread:
    """Spread a training over devices, each of which holds an equal share of all states.

    Every device computes windows of its own and gathers the weights of one layer at a time.

    Parameters
    ----------
    gibibytes : float
        Memory of each.
    recompute : bool
        Whether activations are computed again.

    Raises
    ------
    UsageError
        If there is no device or no memory.

    References
    ----------
    Rajbhandari, Rasley, Ruwase and He, "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models", SC 2020: its third stage.
    """
    if n_devices < 1 or not 0 < gibibytes < math.inf:
        raise UsageError(f"{n_devices} devices of {gibibytes} GiB are none")
    costs, room = cost(config), gibibytes * 2**30
    outer = n_parameters(config) - config.n_layers * layer_parameters(config)
    whole = 2 * FLOAT_BYTES * max(layer_parameters(config), outer)
    window = costs.recomputed_bytes if recompute else costs.kept_bytes
    each = costs.training_bytes / n_devices + whole
    free = room - whole - window
    fewest = math.ceil(costs.training_bytes / free) if free > 0 else None
    return Spread(each, max(0, math.floor((room - each) / window)), fewest)


def described(config: MuseNetConfig) -> str:
    """Tell in a few lines what a network costs."""
    costs = cost(config)
    return (
        f"{config.n_layers} layers x {config.channels} channels, {config.n_heads} heads, {config.context:,} tokens: "
        f"{costs.parameters / 1e6:,.1f} M parameters\n"
        f"weights {_memory(costs.weight_bytes)}, all that training holds of them {_memory(costs.training_bytes)}\n"
        f"kept of a window {_memory(costs.kept_bytes)}, with recomputation {_memory(costs.recomputed_bytes)}\n"
        f"a token {costs.flops_per_token / 1e6:,.1f} MFLOP, in training {costs.training_flops_per_token / 1e6:,.1f}, with recomputation "
        f"{costs.recomputed_flops_per_token / 1e6:,.1f}"
    )


def _memory(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.1f} MiB"
