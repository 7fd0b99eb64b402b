"""A WaveNet's weights in the order in which generation reads them.

At batch 1 every weight is read once per sample and used once, so generation is as fast as memory delivers them.
Therefore

- what is used together is stored together: the matrices of all layers are stacked into one array each, layer after
  layer, and the residual and skip products of a layer are one matrix with R + S columns;
- matrices are (in, out): a product is a sum of rows, each scaled by one input channel, and the rows are contiguous;
- the conditions of all layers and of the head are one matrix.  It is used once per latent frame and includes the
  biases of the filters and of the head, which the time loop then need not read;
- the skip stream starts as a product of the first convolution's output.  Both are linear, so they are one matrix from
  the input scalars to both streams.

The last layer has no residual product; its columns are zeros, so that all layers have one shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from wavecore.errors import ModelError


@dataclass(frozen=True, eq=False)
class PackedWaveNet:
    """Weights and sizes of one WaveNet, ready for every backend; the arrays are contiguous, float32 and read-only."""

    n_layers: int  # L
    kernel_size: int  # K
    residual_channels: int  # R
    gate_channels: int  # G
    skip_channels: int  # S
    head_channels: int  # H
    latent_channels: int  # C
    n_classes: int  # A
    hop_length: int  # samples per latent frame
    dilations: tuple[int, ...]  # of each layer, in samples
    # Starts the residual and the skip stream.  Tap k reads the input scalar K - 1 - k samples before the newest.
    first_weight: np.ndarray  # (K, R + S)
    first_bias: np.ndarray  # (R + S,)
    # P = L * 2G + H: layer l owns the columns from 2G * l on, the head the last H.  The biases are those of the
    # filters of all layers, then the head's.
    condition_weight: np.ndarray  # (C, P)
    condition_bias: np.ndarray  # (P,)
    # Tap k reads the layer's input (K - 1 - k) * dilation samples ago.  The first G columns feed tanh, the rest
    # sigmoid.
    filter_weight: np.ndarray  # (L, K, R, 2G)
    residual_skip_weight: np.ndarray  # (L, G, R + S)
    residual_skip_bias: np.ndarray  # (L, R + S)
    head_weight: np.ndarray  # (S, H)
    output_weight: np.ndarray  # (H, A)
    output_bias: np.ndarray  # (A,)

    @property
    def ring_slots(self) -> tuple[int, ...]:
        """Inputs that each layer must hold, including the newest: (K - 1) * dilation + 1."""
        return tuple((self.kernel_size - 1) * dilation + 1 for dilation in self.dilations)

    @property
    def receptive_field(self) -> int:
        """Past samples that one prediction depends on."""
        return (self.kernel_size - 1) * (sum(self.dilations) + 1) + 1

    @property
    def n_weights(self) -> int:
        """Numbers read for every sample, without those of the conditioning."""
        per_layer = self.filter_weight.size + self.residual_skip_weight.size
        return self.first_weight.size + per_layer + self.head_weight.size + self.output_weight.size


_SIZES = (
    "kernel_size", "residual_channels", "gate_channels", "skip_channels", "head_channels", "latent_channels",
    "n_classes", "hop_length",
)  # fmt: skip


def pack(state: Mapping[str, Any], config: Any) -> PackedWaveNet:
    """Check a WaveNet's weights and lay them out for generation.

    Parameters
    ----------
    state : mapping of str to Tensor
        The state dict of a WaveNet, of any float dtype, on any device.
    config : object
        Has kernel_size, residual_channels, gate_channels, skip_channels, head_channels, latent_channels, n_classes,
        hop_length (int) and dilations (one int per layer), as a WaveNetConfig has.

    Returns
    -------
    PackedWaveNet
        Holds copies.

    Raises
    ------
    ModelError
        If a size makes no sense, or a tensor is missing, unexpected, of the wrong shape, not of a float dtype, or not
        finite in float32.

    Examples
    --------
    >>> from wavecore.nn.config import WaveNetConfig
    >>> from wavecore.nn.wavenet import WaveNet
    >>> config = WaveNetConfig(1, 3, 2, 8, 8, 8, 12, latent_channels=4, hop_length=10)
    >>> packed = pack(WaveNet(config).state_dict(), config)
    >>> packed.filter_weight.shape, packed.ring_slots, packed.receptive_field
    ((3, 2, 8, 16), (2, 3, 5), 9)
    """
    sizes, dilations = _sizes(config)
    shapes = _shapes(sizes, len(dilations))
    _check_names(state, shapes)
    t = {name: _array(name, state[name], shape) for name, shape in shapes.items()}
    layers = [f"layers.{i}" for i in range(len(dilations))]
    gate, residual = sizes["gate_channels"], sizes["residual_channels"]
    t[f"{layers[-1]}.residual.weight"] = np.zeros((gate, residual), np.float32)
    t[f"{layers[-1]}.residual.bias"] = np.zeros(residual, np.float32)

    def over_layers(*names: str) -> list[np.ndarray]:
        return [np.concatenate([t[f"{layer}.{name}"] for name in names], axis=-1) for layer in layers]

    conditions = [*over_layers("condition.weight"), t["head_condition.weight"]]
    arrays = {
        "first_weight": _with_skip(t["first.weight"], t["first_skip.weight"], 0.0),
        "first_bias": _with_skip(t["first.bias"], t["first_skip.weight"], t["first_skip.bias"]),
        "condition_weight": np.concatenate(conditions, axis=-1),
        "condition_bias": np.concatenate([*over_layers("filter.bias"), t["head.bias"]]),
        "filter_weight": np.stack(over_layers("filter.weight")),
        "residual_skip_weight": np.stack(over_layers("residual.weight", "skip.weight")),
        "residual_skip_bias": np.stack(over_layers("residual.bias", "skip.bias")),
        "head_weight": t["head.weight"],
        "output_weight": t["output.weight"],
        "output_bias": t["output.bias"],
    }
    for array in arrays.values():
        array.setflags(write=False)
    return PackedWaveNet(n_layers=len(dilations), dilations=dilations, **sizes, **arrays)


def _with_skip(first: np.ndarray, weight: np.ndarray, bias: np.ndarray | float) -> np.ndarray:
    """Compute ``[first | first @ weight + bias]``, rounded once."""
    skip = first.astype(np.float64) @ weight.astype(np.float64) + bias
    return np.concatenate([first, skip.astype(np.float32)], axis=-1)


def _sizes(config: Any) -> tuple[dict[str, int], tuple[int, ...]]:
    """Read and check the sizes that generation needs."""
    missing = [name for name in (*_SIZES, "dilations") if not hasattr(config, name)]
    if missing:
        raise ModelError(f"the model's configuration has no {', '.join(missing)}; is it a WaveNet's?")
    sizes = {name: getattr(config, name) for name in _SIZES}
    for name, value in sizes.items():
        least = 2 if name == "n_classes" else 1
        if not _is_whole(value) or value < least:
            raise ModelError(f"{name} is {value!r}; a whole number of at least {least} is needed")
    if sizes["n_classes"] > 256:
        raise ModelError(f"n_classes is {sizes['n_classes']}; codes are stored in 8 bits, so 256 at most")
    dilations = tuple(config.dilations)
    if not dilations or not all(_is_whole(dilation) and dilation >= 1 for dilation in dilations):
        raise ModelError(f"dilations are {dilations!r}; whole numbers of at least 1 are needed, one a layer")
    return sizes, dilations


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shapes(sizes: dict[str, int], n_layers: int) -> dict[str, tuple[int, ...]]:
    """Return name and shape of every tensor in the state dict."""
    taps, classes = sizes["kernel_size"], sizes["n_classes"]
    residual, gate, skip = sizes["residual_channels"], sizes["gate_channels"], sizes["skip_channels"]
    hidden, latent = sizes["head_channels"], sizes["latent_channels"]
    shapes = {
        "first.weight": (taps, residual),
        "first.bias": (residual,),
        "first_skip.weight": (residual, skip),
        "first_skip.bias": (skip,),
        "head.weight": (skip, hidden),
        "head.bias": (hidden,),
        "head_condition.weight": (latent, hidden),
        "output.weight": (hidden, classes),
        "output.bias": (classes,),
    }
    layer = {
        "filter.weight": (taps, residual, 2 * gate),
        "filter.bias": (2 * gate,),
        "condition.weight": (latent, 2 * gate),
        "skip.weight": (gate, skip),
        "skip.bias": (skip,),
        "residual.weight": (gate, residual),
        "residual.bias": (residual,),
    }
    shapes |= {f"layers.{i}.{name}": shape for i in range(n_layers) for name, shape in layer.items()}
    for name in ("weight", "bias"):
        del shapes[f"layers.{n_layers - 1}.residual.{name}"]
    return shapes


def _check_names(state: Mapping[str, Any], shapes: dict[str, tuple[int, ...]]) -> None:
    missing, unexpected = shapes.keys() - state.keys(), state.keys() - shapes.keys()
    for problem, names in (("lacks", missing), ("has unexpected", unexpected)):
        if names:
            listed = sorted(names)
            more = f" and {len(listed) - 8} more" if len(listed) > 8 else ""
            raise ModelError(
                f"the model {problem} {', '.join(listed[:8])}{more}; do the weights belong to this configuration?"
            )


def _array(name: str, tensor: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Check a tensor and copy it to a float32 array."""
    tensor = torch.as_tensor(tensor).detach()
    if tuple(tensor.shape) != shape:
        raise ModelError(f"{name} has shape {tuple(tensor.shape)}; this configuration needs {shape}")
    if not tensor.is_floating_point():
        raise ModelError(f"{name} has dtype {tensor.dtype}; a float dtype is needed")
    array = np.array(tensor.to("cpu", torch.float32).numpy(), order="C")
    bad = array.size - int(np.isfinite(array).sum())
    if bad:
        raise ModelError(f"{name} has {bad} of {array.size} numbers that are not finite in float32")
    return array
