"""A WaveNet's weights in the order in which generation reads them.

At batch 1 every weight is read once per sample and used once, so generation is
as fast as memory delivers them.  Therefore

- whatever is used together is stored together: the matrices of all layers are
  stacked into one array each, layer after layer, and the residual and skip
  products of a layer are one matrix with R + S columns;
- matrices are (in, out): a product is a sum of rows, each scaled by one input
  channel, and the rows are contiguous;
- the conditions of all layers and of the head are one matrix too.  It is used
  once per latent frame, and takes the filters' and the head's biases along, so
  that the time loop never sees them;
- the skip stream starts as a product of the first convolution's output.  Both
  are linear, so they are one matrix from the input scalars to both streams.

The last layer has no residual product; its columns are zeros, for the sake of
one shape in all layers.
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
    """Weights and sizes of one WaveNet, ready for every backend.

    All arrays are contiguous, float32 and read-only.

    Attributes
    ----------
    n_layers, kernel_size, residual_channels, gate_channels, skip_channels : int
        L, K, R, G and S.
    head_channels, latent_channels, n_classes : int
        H, C and A.
    hop_length : int
        Samples per latent frame.
    dilations : tuple of int
        Of each layer, in samples.
    first_weight : ndarray, shape (K, R + S)
        Starts the residual and the skip stream.  Tap k sees the input scalar of
        K - 1 - k samples before the newest.
    first_bias : ndarray, shape (R + S,)
    condition_weight : ndarray, shape (C, P)
        P = L * 2G + H.  Layer l owns the columns from 2G * l on, the head the
        last H.
    condition_bias : ndarray, shape (P,)
        The filter biases of all layers, then the head's.
    filter_weight : ndarray, shape (L, K, R, 2G)
        Tap k sees the layer's input of (K - 1 - k) * dilation samples ago.  The
        first G columns go to tanh, the others to sigmoid.
    residual_skip_weight : ndarray, shape (L, G, R + S)
    residual_skip_bias : ndarray, shape (L, R + S)
    head_weight : ndarray, shape (S, H)
    output_weight : ndarray, shape (H, A)
    output_bias : ndarray, shape (A,)
    """

    n_layers: int
    kernel_size: int
    residual_channels: int
    gate_channels: int
    skip_channels: int
    head_channels: int
    latent_channels: int
    n_classes: int
    hop_length: int
    dilations: tuple[int, ...]
    first_weight: np.ndarray
    first_bias: np.ndarray
    condition_weight: np.ndarray
    condition_bias: np.ndarray
    filter_weight: np.ndarray
    residual_skip_weight: np.ndarray
    residual_skip_bias: np.ndarray
    head_weight: np.ndarray
    output_weight: np.ndarray
    output_bias: np.ndarray

    @property
    def ring_slots(self) -> tuple[int, ...]:
        """Inputs each layer must hold, the newest among them: (K - 1) * dilation + 1."""
        return tuple((self.kernel_size - 1) * dilation + 1 for dilation in self.dilations)

    @property
    def receptive_field(self) -> int:
        """Samples of the past that one prediction depends on."""
        return (self.kernel_size - 1) * (sum(self.dilations) + 1) + 1

    @property
    def n_weights(self) -> int:
        """Numbers read for every sample, those of the conditioning left out."""
        per_layer = self.filter_weight.size + self.residual_skip_weight.size
        return self.first_weight.size + per_layer + self.head_weight.size + self.output_weight.size


_SIZES = {
    "kernel_size": 1,
    "residual_channels": 1,
    "gate_channels": 1,
    "skip_channels": 1,
    "head_channels": 1,
    "latent_channels": 1,
    "n_classes": 2,
    "hop_length": 1,
}


def pack(state: Mapping[str, Any], config: Any) -> PackedWaveNet:
    """Check a WaveNet's weights and lay them out for generation.

    Parameters
    ----------
    state : mapping of str to Tensor
        The state dict of a WaveNet, of any float dtype, on any device.
    config : object
        Has kernel_size, residual_channels, gate_channels, skip_channels,
        head_channels, latent_channels, n_classes, hop_length (whole numbers) and
        dilations (one whole number per layer), as a WaveNetConfig has.

    Returns
    -------
    PackedWaveNet
        Copies; the state is not referred to.

    Raises
    ------
    ModelError
        If a size makes no sense, or a tensor is missing, unexpected, of the
        wrong shape, not of a float dtype, or not finite in float32.
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
    """``[first | first @ weight + bias]``, rounded once."""
    skip = first.astype(np.float64) @ weight.astype(np.float64) + bias
    return np.concatenate([first, skip.astype(np.float32)], axis=-1)


def _sizes(config: Any) -> tuple[dict[str, int], tuple[int, ...]]:
    """The sizes that generation needs, checked."""
    missing = [name for name in (*_SIZES, "dilations") if not hasattr(config, name)]
    if missing:
        raise ModelError(f"the model's configuration has no {', '.join(missing)}; is it a WaveNet's?")
    sizes = {name: getattr(config, name) for name in _SIZES}
    for name, value in sizes.items():
        if not _is_whole(value) or value < _SIZES[name]:
            raise ModelError(f"{name} is {value!r}; a whole number of at least {_SIZES[name]} is needed")
    if sizes["n_classes"] > 256:
        raise ModelError(f"n_classes is {sizes['n_classes']}; codes are stored in 8 bits, so 256 at most")
    dilations = tuple(config.dilations)
    if not dilations or not all(_is_whole(dilation) and dilation >= 1 for dilation in dilations):
        raise ModelError(f"dilations are {dilations!r}; whole numbers of at least 1 are needed, one a layer")
    return sizes, dilations


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _shapes(sizes: dict[str, int], n_layers: int) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor in the state dict."""
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
    for i in range(n_layers):
        shapes[f"layers.{i}.filter.weight"] = (taps, residual, 2 * gate)
        shapes[f"layers.{i}.filter.bias"] = (2 * gate,)
        shapes[f"layers.{i}.condition.weight"] = (latent, 2 * gate)
        shapes[f"layers.{i}.skip.weight"] = (gate, skip)
        shapes[f"layers.{i}.skip.bias"] = (skip,)
        if i < n_layers - 1:
            shapes[f"layers.{i}.residual.weight"] = (gate, residual)
            shapes[f"layers.{i}.residual.bias"] = (residual,)
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
    """A fresh float32 array of one tensor, checked."""
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
