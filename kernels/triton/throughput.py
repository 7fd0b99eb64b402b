"""The throughput backend: many streams at once on a GPU, by one Triton kernel.

One program of the kernel owns a tile of streams and runs all layers of a block of samples; weights are read once per
tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

import numpy as np
import torch

from wavecore.errors import DeviceError
from wavecore.kernels.base import Run
from wavecore.kernels.packing import PackedWaveNet
from wavecore.kernels.triton import tiled
from wavecore.kernels.triton.tiled import TiledGenerator, TiledOptions

# Channels beyond which no tile fits a processor's shared memory and registers.
_WIDEST = 128
# Shared memory that a program may have, by compute capability (elsewhere the last), and what it needs beside weights.
_SHARED_BYTES, _SHARED_ELSEWHERE, _SCRATCH_BYTES = {80: 166_912, 90: 232_448}, 101_376, 24 << 10


@dataclass(frozen=True)
class Tiling:
    """How the kernel cuts the work; another tiling may change the last bits of a logit."""

    tile: int  # streams per program; like `hidden` a power of two, at least 16
    hidden: int = 32  # columns of the head's hidden layer that are computed at a time
    warps: int = 8  # groups of 32 threads per program: a power of two
    stages: int = 1  # of the software pipeline: with 2 or more, the next layer's weights are loaded during one

    def __post_init__(self):
        tiled.check_tiling(self, {"tile": (16, 1025), "hidden": (16, 1025), "warps": (1, 1025), "stages": (1, 1025)})


def choose_tiling(packed: PackedWaveNet, precision: str = "float16", capability: int = 90) -> Tiling:
    """Choose the largest tiling known to fit a GPU of this compute capability (times ten) without spilling registers.

    The number of streams has no influence, because a stream must not depend on those beside it.  Raises DeviceError
    if the network is too wide for the kernel.
    """
    widest = max(packed.residual_channels, packed.gate_channels, packed.skip_channels)
    if widest > _WIDEST:
        raise DeviceError(
            f"the model's layers have {widest} channels; the Triton throughput kernel takes {_WIDEST} at most, "
            "so use --backend native"
        )
    if precision == "float32":
        return Tiling(16, hidden=16)
    r, g, s = map(tiled.padded_size, (packed.residual_channels, packed.gate_channels, packed.skip_channels))
    wide, hopper = widest > 64, capability == 90
    tiling = Tiling(32, stages=2) if wide else Tiling(64, stages=3) if hopper else Tiling(32, warps=4, stages=3)
    taps = packed.kernel_size
    layer_bytes = 2 * (taps * 2 * r * g + g * (r + s) + (taps - 1) * tiling.tile * r)
    limit = _SHARED_BYTES.get(capability, _SHARED_ELSEWHERE)
    fits = (tiling.stages - 1) * layer_bytes + _SCRATCH_BYTES <= limit
    return tiling if fits else Tiling(16)


class ThroughputWeights:
    """The weights in the kernel's layout, padded, on the device; `tensors` and `sizes` are arguments of `advance`."""

    def __init__(self, packed: PackedWaveNet, *, precision: str, tiling: Tiling, device: str | torch.device):
        p, taps, layers = packed, packed.kernel_size, packed.n_layers
        r, g, s = map(tiled.padded_size, (p.residual_channels, p.gate_channels, p.skip_channels))
        h, a, c = map(tiled.padded_size, (p.head_channels, p.n_classes, p.latent_channels))
        hidden = min(tiling.hidden, h)
        self.residual, self.gate, self.skip, self.head, self.classes, self.latent = r, g, s, h, a, c
        self.width, self.dtype = layers * 2 * g + h, tiled.DTYPES[precision]
        self.sizes = {
            "LAYERS": layers, "TAPS": taps, "RESIDUAL": r, "GATE": g, "SKIP": s, "HEAD": h, "HIDDEN": hidden,
            "CLASSES": a, "GROUP": min(tiled.CLASS_GROUP, a), "SLOTS": sum(p.ring_slots), "TILE": tiling.tile,
        }  # fmt: skip
        first = np.concatenate([p.first_weight, p.first_bias[None]])
        residual_skip = tiled.pad_streams(p.residual_skip_weight, p.residual_channels, (layers, g, r), (layers, g, s))
        filters = p.filter_weight.reshape(layers, taps, p.residual_channels, 2, p.gate_channels).swapaxes(2, 3)
        into_hidden = tiled.pad(p.head_weight, (s, h)).reshape(s, h // hidden, hidden).swapaxes(0, 1)
        operands = {
            "layers": _side_by_side(tiled.pad(filters, (layers, taps, 2, r, g)), *residual_skip),
            "head": _side_by_side(into_hidden, tiled.pad(p.output_weight, (h, a)).reshape(h // hidden, hidden, a)),
        }
        bias = tiled.pad_streams(p.residual_skip_bias, p.residual_channels, (layers, r), (layers, s))
        others = {
            "scalars": tiled.pad(tiled.input_scalars(p.n_classes), (a,)),
            "first": _side_by_side(*tiled.pad_streams(first, p.residual_channels, (taps + 1, r), (taps + 1, s))),
            "layer_bias": _side_by_side(*bias),
            "output_bias": tiled.pad(p.output_bias, (a,), tiled.LOWEST),
        }
        self.tensors = {name: tiled.to_tensor(array, self.dtype, device) for name, array in operands.items()}
        self.tensors |= {name: tiled.to_tensor(array, torch.float32, device) for name, array in others.items()}
        starts = np.cumsum([0, *p.ring_slots[:-1]])
        self.ring_table = np.stack([starts, p.ring_slots, p.dilations, np.zeros(layers)], axis=1).astype(np.int32)
        self.condition_weight = tiled.to_tensor(_pad_condition(p.condition_weight, p, (c,)), torch.float32, device)
        self.condition_bias = tiled.to_tensor(_pad_condition(p.condition_bias, p, ()), torch.float32, device)


class TritonThroughputGenerator(TiledGenerator):
    """Generate many streams on a GPU; `choose_tiling` chooses the tiling if it is not given.

    Raises DeviceError if Triton or the GPU is missing, the network is too wide, or the streams' memory does not fit.
    """

    def __init__(self, packed: PackedWaveNet, *, tiling: Tiling | None = None, **options: Unpack[TiledOptions]):
        super().__init__(packed, **options)
        tiling = choose_tiling(packed, self._precision, tiled.capability(self._device)) if tiling is None else tiling
        self._tiling = tiling
        self._tiles = -(-self._batch // tiling.tile)
        self._rows = self._tiles * tiling.tile
        with self._on_device():
            self._weights = ThroughputWeights(packed, precision=self._precision, tiling=tiling, device=self._device)
            ring_shape = (self._tiles, self._weights.sizes["SLOTS"], tiling.tile, self._weights.residual)
            self._rings = torch.zeros(ring_shape, dtype=self._weights.dtype, device=self._device)
            self._history = torch.zeros((self._tiles, packed.kernel_size + 1, tiling.tile), device=self._device)
            self._history[:, -1] = 1.0  # the input of the first convolution's bias
            self._numbers = self._stream_numbers()

    def _launch(self, run: Run, latent: np.ndarray, start: int, first: int, n: int) -> int:
        from wavecore.kernels.triton import throughput_ops

        w, rows, columns, hop = self._weights, self._rows, slice(first, first + n), self._packed.hop_length
        like, trace, n_layers = {"device": self._device}, bool(run.skip.shape[1]), self._packed.n_layers
        n_logits, n_trace = n if run.logits.shape[1] else 1, n if trace else 0
        ring_table = w.ring_table.copy()
        ring_table[:, 3] = start % ring_table[:, 1]
        outputs = {
            "codes": self._padded_codes(run, columns).to(self._device),
            "logits": torch.empty((n_logits, rows, w.classes), **like),
            "residual_trace": torch.empty((n_trace, n_layers, rows, w.residual), **like),
            "skip_trace": torch.empty((n_trace, n_layers + 1, rows, w.skip), **like),
            "failed": torch.empty(self._tiles, dtype=torch.int32, **like),
        }
        numbers = {
            "n_samples": n, "batch": self._batch, "into_frame": start % hop, "hop": hop, "forced": int(run.forced),
            "logits_step": rows if n_logits == n else 0, "inverse_temperature": tiled.inverse(self._temperature),
        }  # fmt: skip
        condition = torch.empty((latent.shape[1], rows, w.width), dtype=w.dtype, **like)
        self._project(latent, condition, self._tiling.tile)
        inputs = {
            "condition": condition,
            "clock": torch.from_numpy(np.array([self._seed, start], np.uint64).view(np.int64)).to(self._device),
            "ring_table": torch.from_numpy(ring_table).to(self._device),
            "streams": self._numbers,
        }
        memory = {"rings": self._rings, "history": self._history}
        options = {"TRACE": trace, "num_warps": self._tiling.warps, "num_stages": self._tiling.stages}
        throughput_ops.advance[(self._tiles,)](
            **outputs, **inputs, **memory, **w.tensors, **w.sizes, **numbers, **options
        )
        failed = int(outputs["failed"].min())
        self._fetch(run, outputs, columns)
        return failed


def _side_by_side(*arrays: np.ndarray) -> np.ndarray:
    """Flatten all but the first axis, and join what belongs to the same layer."""
    return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)


def _pad_condition(array: np.ndarray, packed: PackedWaveNet, leading: tuple[int, ...]) -> np.ndarray:
    """Pad the columns of each layer's two halves and of the head: (..., L * 2G + H)."""
    layers, gate = packed.n_layers, packed.gate_channels
    split, before = layers * 2 * gate, array.shape[:-1]
    halves = array[..., :split].reshape(*before, layers, 2, gate)
    halves = tiled.pad(halves, (*leading, layers, 2, tiled.padded_size(gate))).reshape(*leading, -1)
    return np.concatenate(
        [halves, tiled.pad(array[..., split:], (*leading, tiled.padded_size(packed.head_channels)))], axis=-1
    )
