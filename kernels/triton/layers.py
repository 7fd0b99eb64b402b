"""The layers backend: networks of any width on a GPU, layer by layer, by Triton kernels under a CUDA graph.

If a layer's weights fit neither registers nor shared memory, no program can compute a sample by itself.  So every
layer is two launches, and each spreads its product over the whole GPU; the launches of a sample, some sixty, are
captured in a CUDA graph once and replayed, because starting them one by one from Python would take far longer than
they run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import numpy as np
import torch
from torch import Tensor

from wavecore.errors import DeviceError
from wavecore.kernels.base import Run
from wavecore.kernels.packing import PackedWaveNet
from wavecore.kernels.triton import tiled
from wavecore.kernels.triton.tiled import TiledGenerator, TiledOptions

Launch = tuple[Any, tuple[int, ...], dict[str, Any]]
"""A kernel, its grid and its arguments by name."""
ROWS = 16
"""Streams per program where no matrix product asks for more."""

# Columns of a program, and channels that it multiplies at a time, are at most this; larger sizes are padded to it.
_BLOCK = 64


@dataclass(frozen=True)
class LayersTiling:
    """How the kernels cut their products; another tiling may change the last bits of a logit."""

    tile: int = 64  # streams per program; like the next two a power of two, at least 16
    columns: int = 64  # of a product per program, at most 64; gate channels have two columns each
    depth: int = 64  # channels that are multiplied at a time, at most 64
    warps: int = 4  # groups of 32 threads per program: a power of two
    stages: int = 3  # of the software pipeline: with 2 or more, the next operands are loaded during a product

    def __post_init__(self):
        block = (16, _BLOCK + 1)
        sizes = {"tile": (16, 257), "columns": block, "depth": block, "warps": (1, 33), "stages": (1, 17)}
        tiled.check_tiling(self, sizes)


def choose_layers_tiling(precision: str = "float16", capability: int = 90) -> LayersTiling:
    """Choose the tiling for a GPU of this compute capability (times ten).

    Neither the network nor the number of streams has an influence: programs are all alike, and a stream must not
    depend on those beside it.
    """
    if precision == "float32":
        return LayersTiling(tile=32, columns=32, depth=32, stages=2)
    return LayersTiling(stages=4 if capability >= 90 else 3)


class LayersWeights:
    """The weights in the kernels' layout, padded, on the device, and the sizes that the kernels are compiled for."""

    def __init__(self, packed: PackedWaveNet, *, precision: str, tiling: LayersTiling, device: str | torch.device):
        p, layers = packed, range(packed.n_layers)
        sizes = (p.residual_channels, p.gate_channels, p.skip_channels, p.head_channels, p.n_classes, p.latent_channels)
        r, g, s, h, a, c = map(_padded_to_block, sizes)
        self.residual, self.gate, self.skip, self.head, self.classes, self.latent = r, g, s, h, a, c
        self.taps, self.n_layers, self.width = p.kernel_size, p.n_layers, p.n_layers * 2 * g + h
        self.dtype, self.tiling = tiled.DTYPES[precision], tiling
        self.ring_slots, self.dilations = p.ring_slots, p.dilations
        self.hop = p.hop_length

        def operand(array: np.ndarray) -> Tensor:
            return tiled.to_tensor(array, self.dtype, device)

        def addend(array: np.ndarray) -> Tensor:
            return tiled.to_tensor(array, torch.float32, device)

        def both(array: np.ndarray, *leading: int) -> np.ndarray:
            """Pad the columns of the residual stream and those of the skip stream."""
            return np.concatenate(tiled.pad_streams(array, p.residual_channels, (*leading, r), (*leading, s)), axis=-1)

        # Layer by layer, because padding takes double precision.
        self.filter = [operand(_interleave(p.filter_weight[i], p, (p.kernel_size, r))) for i in layers]
        self.residual_skip = [operand(both(p.residual_skip_weight[i], g)) for i in layers]
        self.residual_skip_bias = [addend(both(p.residual_skip_bias[i])) for i in layers]
        self.first, self.first_bias = addend(both(p.first_weight, p.kernel_size)), addend(both(p.first_bias))
        self.head_weight = operand(tiled.pad(p.head_weight, (s, h)))
        self.output_weight = operand(tiled.pad(p.output_weight, (h, a)))
        self.output_bias = addend(tiled.pad(p.output_bias, (a,), tiled.LOWEST))
        self.scalars = addend(tiled.pad(tiled.input_scalars(p.n_classes), (a,)))
        self.condition_weight = addend(_condition_columns(p.condition_weight, p, (c,)))
        self.condition_bias = addend(_condition_columns(p.condition_bias, p, ()))


class SampleLaunches:
    """The launches of one sample, and on a GPU the graphs captured of `sizes` samples, the largest first."""

    def __init__(self, launches: list[Launch], sizes: tuple[int, ...]):
        self._launches, self._sizes = launches, sizes
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self._loaded = False

    def run(self, n_samples: int) -> None:
        """Run n samples; their time and everything else that changes is on the device."""
        if n_samples and not self._loaded:
            self._start()  # a kernel's first launch compiles and loads it, which must not happen in a capture
            self._loaded, n_samples = True, n_samples - 1
        for size in self._sizes:
            while n_samples >= size:
                if size not in self._graphs:
                    self._graphs[size] = self._capture(size)
                self._graphs[size].replay()
                n_samples -= size
        for _ in range(n_samples):
            self._start()

    def _start(self) -> None:
        for kernel, grid, arguments in self._launches:
            kernel[grid](**arguments)

    def _capture(self, n_samples: int) -> torch.cuda.CUDAGraph:
        graph = torch.cuda.CUDAGraph()
        try:
            # Other threads of the process may use the GPU meanwhile.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                for _ in range(n_samples):
                    self._start()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise DeviceError(f"the launches of {n_samples} samples cannot be captured as a graph: {error}") from error
        return graph


class TritonLayersGenerator(TiledGenerator):
    """Generate streams of a wide network on a GPU; `choose_layers_tiling` chooses the tiling if it is not given.

    Raises DeviceError if Triton or the GPU is missing, or the streams' memory does not fit it.
    """

    # Samples per captured graph, the largest first; empty: every launch is started from Python.
    graph_samples = (16, 1)

    def __init__(self, packed: PackedWaveNet, *, tiling: LayersTiling | None = None, **options: Unpack[TiledOptions]):
        super().__init__(packed, **options)
        tiling = choose_layers_tiling(self._precision, tiled.capability(self._device)) if tiling is None else tiling
        self._tiling = tiling
        self._rows = -(-self._batch // tiling.tile) * tiling.tile
        self._samples: dict[bool, tuple[dict[str, Tensor], SampleLaunches]] = {}
        with self._on_device():
            self._weights = LayersWeights(packed, precision=self._precision, tiling=tiling, device=self._device)
            n_samples = self._launch_samples(logits=False, trace=False)
            self._memory = allocate(self._weights, self._rows, n_samples, self._device)
            self._memory["streams"].copy_(self._stream_numbers())
        self._rings, self._history = self._memory["rings"], self._memory["history"]

    def _launch(self, run: Run, latent: np.ndarray, start: int, first: int, n: int) -> int:
        memory, columns = self._memory, slice(first, first + n)
        if run.forced:
            memory["codes"][:n].copy_(self._padded_codes(run, columns))
        call = np.array([self._seed, start, int(run.forced)], np.uint64).view(np.int64)
        memory["call"].copy_(torch.from_numpy(call))
        memory["clock"].fill_(start)
        memory["failed"].fill_(n)
        self._project(latent, memory["condition"], ROWS)
        if run.skip.shape[1]:
            outputs = self._new_outputs(n, trace=True)
            self._new_launches(outputs, keep=True, trace=True, graphs=()).run(n)
        else:
            keep = run.logits.shape[1] > 0
            if keep not in self._samples:
                outputs = self._new_outputs(self._launch_samples(logits=True, trace=False) if keep else 1, trace=False)
                graphs = self.graph_samples if self._device.type == "cuda" else ()
                self._samples[keep] = outputs, self._new_launches(outputs, keep=keep, trace=False, graphs=graphs)
            outputs, sample = self._samples[keep]
            sample.run(n)
            outputs = {"logits": outputs["logits"][:n]}
        failed = int(memory["failed"].min())
        self._fetch(run, {**outputs, "codes": memory["codes"][:n]}, columns)
        return failed

    def _new_outputs(self, n: int, *, trace: bool) -> dict[str, Tensor]:
        """Allocate the logits of n samples, and their traces."""
        w, rows, like, traced = self._weights, self._rows, {"device": self._device}, n if trace else 0
        return {
            "logits": torch.empty((n, rows, w.classes), **like),
            "residual_trace": torch.empty((traced, w.n_layers, rows, w.residual), **like),
            "skip_trace": torch.empty((traced, w.n_layers + 1, rows, w.skip), **like),
        }

    def _new_launches(
        self, outputs: dict[str, Tensor], *, keep: bool, trace: bool, graphs: tuple[int, ...]
    ) -> SampleLaunches:
        """List the launches that write to `outputs` the logits of every sample, or only of the last one."""
        launches = list_launches(
            self._weights, {**self._memory, **outputs}, batch=self._batch,
            logits_step=self._rows if keep else 0, inverse_temperature=tiled.inverse(self._temperature), trace=trace,
        )  # fmt: skip
        return SampleLaunches(launches, graphs)


def allocate(w: LayersWeights, rows: int, n_samples: int, device: str | torch.device) -> dict[str, Tensor]:
    """Allocate the memory of a generator for launches of up to `n_samples`; the context before the first is zero."""
    operand = {"dtype": w.dtype, "device": device}
    n_frames = (n_samples + w.hop - 2) // w.hop + 1
    return {
        "rings": torch.zeros((sum(w.ring_slots), rows, w.residual), **operand),
        "history": torch.zeros((w.taps, rows), device=device),
        "condition": torch.empty((n_frames, rows, w.width), **operand),
        "residual": torch.empty((rows, w.residual), device=device),
        "skip": torch.empty((rows, w.skip), device=device),
        "gated": torch.empty((rows, w.gate), **operand),
        "hidden": torch.empty((rows, w.head), **operand),
        "codes": torch.empty((n_samples, rows), dtype=torch.uint8, device=device),
        "failed": torch.empty(rows // ROWS, dtype=torch.int32, device=device),
        "clock": torch.empty(rows // ROWS, dtype=torch.int64, device=device),
        "call": torch.empty(3, dtype=torch.int64, device=device),
        "streams": torch.empty(rows, dtype=torch.int64, device=device),
    }


def list_launches(
    weights: LayersWeights,
    memory: dict[str, Tensor],
    *,
    batch: int,
    logits_step: int,
    inverse_temperature: float,
    trace: bool,
) -> list[Launch]:
    """List the launches of one sample, in order.

    `memory` holds what the kernels read and write, by the names of their arguments; the first `batch` streams are no
    padding.  From one sample to the next the logits advance by `logits_step` rows: all streams,
    or 0 to keep only those of the last sample.
    """
    from wavecore.kernels.triton import layers_ops as ops

    w, m, tiling, n_rows = weights, memory, weights.tiling, len(memory["residual"])
    tiles, n_layers = n_rows // tiling.tile, w.n_layers
    now = {"clock": m["clock"], "call": m["call"], "n_rows": n_rows}
    streams = {name: m[name] for name in ("residual", "skip", "residual_trace", "skip_trace")}
    sizes = {"LAYERS": n_layers, "RESIDUAL": w.residual, "SKIP": w.skip, "TRACE": trace}
    width, gates = min(tiling.columns, w.residual, w.skip), min(tiling.columns, w.gate)
    rings = m["rings"].split(w.ring_slots)

    def cut(depth: int, columns: int) -> dict[str, int]:
        options = {"num_warps": tiling.warps, "num_stages": tiling.stages}
        return {"TILE": tiling.tile, "DEPTH": min(tiling.depth, depth), "COLUMNS": columns, **options}

    start = {
        **now, **streams, **sizes, "ring": rings[0], "history": m["history"], "first": w.first,
        "first_bias": w.first_bias, "slots": w.ring_slots[0], "TAPS": w.taps, "TILE": ROWS, "COLUMNS": width,
    }  # fmt: skip
    launches = [(ops.begin, (n_rows // ROWS, (w.residual + w.skip) // width), start)]
    for layer, (ring, slots, dilation) in enumerate(zip(rings, w.ring_slots, w.dilations, strict=True)):
        inputs = {
            **now, "gated": m["gated"], "ring": ring, "weight": w.filter[layer], "condition": m["condition"],
            "layer": layer, "slots": slots, "dilation": dilation, "hop": w.hop, "TAPS": w.taps, "GATE": w.gate,
            "RESIDUAL": w.residual, "WIDTH": w.width, **cut(w.residual, gates),
        }  # fmt: skip
        launches.append((ops.filter_gate, (tiles, w.gate // gates), inputs))
        after = min(layer + 1, n_layers - 1)
        first_block = 0 if after > layer else w.residual // width
        outputs = {
            **now, **streams, **sizes, "ring": rings[after], "slots": w.ring_slots[after], "layer": layer + 1,
            "gated": m["gated"], "weight": w.residual_skip[layer], "bias": w.residual_skip_bias[layer],
            "first_block": first_block, "GATE": w.gate, **cut(w.gate, width),
        }  # fmt: skip
        launches.append((ops.residual_skip, (tiles, (w.residual + w.skip) // width - first_block), outputs))
    for x, weight, addend, out, step, condition_width in (
        ("skip", w.head_weight, m["condition"], "hidden", 0, w.width),
        ("hidden", w.output_weight, w.output_bias, "logits", logits_step, 0),
    ):
        columns = min(tiling.columns, weight.shape[1])
        product = {
            **now, "out": m[out], "x": m[x], "weight": weight, "addend": addend, "hop": w.hop, "out_step": step,
            "IN": weight.shape[0], "OUT": weight.shape[1], "WIDTH": condition_width, **cut(weight.shape[0], columns),
        }  # fmt: skip
        launches.append((ops.dense, (tiles, weight.shape[1] // columns), product))
    last = {
        **now, **{name: m[name] for name in ("codes", "history", "failed", "logits", "streams")},
        "scalars": w.scalars, "batch": batch, "logits_step": logits_step, "inverse_temperature": inverse_temperature,
        "TAPS": w.taps, "CLASSES": w.classes, "GROUP": min(tiled.CLASS_GROUP, w.classes), "ROWS": ROWS,
    }  # fmt: skip
    return [*launches, (ops.draw, (n_rows // ROWS,), last)]


def _padded_to_block(size: int) -> int:
    """Return the size that blocks, which are powers of two, cut evenly."""
    return tiled.padded_size(size) if size <= _BLOCK else -(-size // _BLOCK) * _BLOCK


def _interleave(array: np.ndarray, packed: PackedWaveNet, leading: tuple[int, ...]) -> np.ndarray:
    """Pad columns of all gates for tanh, then all for sigmoid, and put the two of a gate side by side."""
    halves = array.reshape(*array.shape[:-1], 2, packed.gate_channels).swapaxes(-1, -2)
    halves = tiled.pad(halves, (*leading, _padded_to_block(packed.gate_channels), 2))
    return halves.reshape(-1, halves.shape[-2] * 2)


def _condition_columns(array: np.ndarray, packed: PackedWaveNet, leading: tuple[int, ...]) -> np.ndarray:
    """Pad the columns of each layer's gates and of the head: (..., L * 2G + H)."""
    layers, split = packed.n_layers, packed.n_layers * 2 * packed.gate_channels
    gates = _interleave(array[..., :split].reshape(*array.shape[:-1], layers, -1), packed, (*leading, layers))
    head = tiled.pad(array[..., split:], (*leading, _padded_to_block(packed.head_channels)))
    return np.concatenate([gates.reshape(*leading, -1), head], axis=-1)
