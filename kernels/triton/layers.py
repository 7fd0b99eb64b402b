"""The layers backend: networks of any width on a GPU, layer by layer, by Triton kernels under a CUDA graph.

Where a layer's weights fit neither registers nor shared memory, no program can
keep a sample to itself.  So every layer is two launches, and each spreads its
product over the whole GPU; the launches of a sample, some sixty, are captured
in a CUDA graph once and replayed, because starting them one by one from Python
would take far longer than they run.  The operands of products are half
precision (sums are float32), or float32 for comparisons with the reference.

Without a GPU the same launches run in Triton's interpreter, on tensors of the
CPU, if the environment variable TRITON_INTERPRET was 1 when Triton was first
imported: far too slow to hear, and fast enough to test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wavecore.errors import DeviceError, UsageError
from wavecore.kernels.base import BaseGenerator, Run, check_whole
from wavecore.kernels.packing import PackedWaveNet
from wavecore.kernels.triton.throughput import (
    DTYPES,
    LOWEST,
    _capability,
    _fetch,
    _inverse,
    _load_ops,
    _pad,
    _tensor,
    _usable_device,
)  # fmt: skip

ROWS = 16
"""Streams per program where no matrix product asks for more."""

# Samples per captured graph, the largest first; empty: every launch is started from Python.
_GRAPH_SAMPLES = (16, 1)
# Bytes that a launch may take for its projections and outputs; longer runs are cut into several.
_LAUNCH_BYTES = 1 << 28
# Columns of a program, and channels that it multiplies at a time, are at most this; larger sizes are padded to it.
_BLOCK = 64


@dataclass(frozen=True)
class LayersTiling:
    """How the kernels cut their products; another tiling may change the last bits of a logit.

    Attributes
    ----------
    tile : int
        Streams per program.  Like the next two a power of two, at least 16.
    columns : int
        Of a product per program, at most 64; gate channels have two columns each.
    depth : int
        Channels that are multiplied at a time, at most 64.
    warps : int
        Groups of 32 threads per program: a power of two.
    stages : int
        Of the software pipeline: with 2 or more, the next operands are loaded while one product is computed.
    """

    tile: int = 64
    columns: int = 64
    depth: int = 64
    warps: int = 4
    stages: int = 3

    def __post_init__(self):
        limits = {"tile": (16, 257), "columns": (16, _BLOCK + 1), "depth": (16, _BLOCK + 1), "warps": (1, 33)}
        for name, (low, high) in limits.items():
            check_whole(getattr(self, name), name, low, high)
            if getattr(self, name).bit_count() != 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be a power of two")
        check_whole(self.stages, "stages", 1, 17)


def choose_layers_tiling(precision: str = "float16", capability: int = 90) -> LayersTiling:
    """Choose the tiling for a GPU.

    Neither the network nor the number of streams has a say: programs are all
    alike, and a stream must not depend on those beside it.

    Parameters
    ----------
    precision : {"float16", "float32"}
        Of the operands.
    capability : int
        The GPU's compute capability times ten.
    """
    if precision == "float32":
        return LayersTiling(tile=32, columns=32, depth=32, stages=2)
    return LayersTiling(stages=4 if capability >= 90 else 3)


class _Weights:
    """The weights as the kernels read them, padded, on the device, and the sizes that the kernels are compiled for."""

    def __init__(self, packed: PackedWaveNet, *, precision: str, tiling: LayersTiling, device: str | torch.device):
        p, layers = packed, range(packed.n_layers)
        r, g, s, h, a, c = (
            _padded_to_block(size)
            for size in (
                p.residual_channels, p.gate_channels, p.skip_channels, p.head_channels, p.n_classes, p.latent_channels,
            )
        )  # fmt: skip
        self.residual, self.gate, self.skip, self.head, self.classes, self.latent = r, g, s, h, a, c
        self.taps, self.n_layers, self.width = p.kernel_size, p.n_layers, p.n_layers * 2 * g + h
        self.precision, self.tiling, self.ring_slots, self.dilations = precision, tiling, p.ring_slots, p.dilations
        self.hop = p.hop_length

        def operand(array: np.ndarray) -> Tensor:
            return _tensor(array, DTYPES[precision], device)

        def plain(array: np.ndarray) -> Tensor:
            return _tensor(array, torch.float32, device)

        def both(array: np.ndarray, *leading: int) -> np.ndarray:
            """The columns of the residual stream and those of the skip stream, each padded."""
            halves = array[..., : p.residual_channels], array[..., p.residual_channels :]
            return np.concatenate([_pad(half, (*leading, n)) for half, n in zip(halves, (r, s), strict=True)], axis=-1)

        # Layer by layer, because padding goes through double precision.
        self.filter = [operand(_alternate(p.filter_weight[i], p, (p.kernel_size, r))) for i in layers]
        self.residual_skip = [operand(both(p.residual_skip_weight[i], g)) for i in layers]
        self.residual_skip_bias = [plain(both(p.residual_skip_bias[i])) for i in layers]
        self.first, self.first_bias = plain(both(p.first_weight, p.kernel_size)), plain(both(p.first_bias))
        self.head_weight = operand(_pad(p.head_weight, (s, h)))
        self.output_weight = operand(_pad(p.output_weight, (h, a)))
        self.output_bias = plain(_pad(p.output_bias, (a,), LOWEST))
        self.scalars = plain(_pad(np.arange(p.n_classes) / (p.n_classes - 1) - 0.5, (a,)))
        self.condition_weight = plain(_condition_columns(p.condition_weight, p, (c,)))
        self.condition_bias = plain(_condition_columns(p.condition_bias, p, ()))


class _Sample:
    """The launches of one sample, and on a GPU the graphs that were captured of them."""

    def __init__(self, launches: list[tuple[Any, tuple[int, ...], dict[str, Any]]], sizes: tuple[int, ...]):
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
            # Other threads of the process may go on using the GPU.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                for _ in range(n_samples):
                    self._start()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise DeviceError(f"the launches of {n_samples} samples cannot be captured as a graph: {error}") from error
        return graph


class TritonLayersGenerator(BaseGenerator):
    """Generate streams of a wide network on a GPU.

    Parameters
    ----------
    packed : PackedWaveNet
        The weights.
    batch : int
        Number of streams B, at least 1.
    seed : int
        Key of all draws, in [0, 2**64).
    streams : sequence of B ints, optional
        The number of each stream, in [0, 2**64); 0 to B - 1 if not given.
    temperature : float
        Divides the logits; 0 takes the likeliest code.
    precision : {"float16", "float32"}
        Of the operands of products and of what is remembered; sums are float32.
    device : str or torch.device
        A CUDA device; "cpu" in Triton's interpreter.
    tiling : LayersTiling, optional
        How the kernels cut their products; that of `choose_layers_tiling` if not given.

    Raises
    ------
    UsageError
        If an argument is out of its range.
    DeviceError
        If Triton or the GPU is missing, or the streams' memory does not fit it.
    """

    block_samples = 512

    def __init__(
        self,
        packed: PackedWaveNet,
        *,
        batch: int,
        seed: int,
        streams: Sequence[int] | None = None,
        temperature: float = 1.0,
        precision: str = "float16",
        device: str | torch.device = "cuda",
        tiling: LayersTiling | None = None,
    ):
        super().__init__(packed, batch=batch, seed=seed, streams=streams, temperature=temperature)
        if precision not in DTYPES:
            raise UsageError(f"precision is {precision!r}; it must be one of {', '.join(DTYPES)}")
        shared_ops = _load_ops()
        self._device = _usable_device(device, shared_ops)
        from wavecore.kernels.triton import layers_ops

        self._ops, self._project_kernel = layers_ops, shared_ops.project
        tiling = choose_layers_tiling(precision, _capability(self._device)) if tiling is None else tiling
        self._rows = -(-batch // tiling.tile) * tiling.tile
        self._samples: dict[bool, tuple[dict[str, Tensor], _Sample]] = {}
        with self._on_device():
            self._weights = _Weights(packed, precision=precision, tiling=tiling, device=self._device)
            span = self._span(logits=False, trace=False)
            self._memory = _allocate(self._weights, self._rows, span, self._device)
            numbers = np.pad(self._streams, (0, self._rows - batch)).view(np.int64)
            self._memory["streams"].copy_(torch.from_numpy(numbers))

    def _advance(self, run: Run, latent: np.ndarray, first: int, n_samples: int) -> int:
        hop, start = self._packed.hop_length, self._position
        step = self._span(logits=run.logits.shape[1] > 0, trace=run.skip.shape[1] > 0)
        for done in range(0, n_samples, step):
            n = min(step, n_samples - done)
            begin, end = (start + done) // hop - start // hop, (start + done + n - 1) // hop - start // hop + 1
            with self._on_device():
                bad = self._launch(run, latent[:, begin:end], start + done, first + done, n)
            if bad < n:
                return done + bad
        return -1

    @contextmanager
    def _on_device(self) -> Iterator[None]:
        """Make the device the current one, where kernels are started, and name what it lacks."""
        from triton.runtime.errors import OutOfResources

        try:
            with torch.cuda.device(self._device) if self._device.type == "cuda" else nullcontext():
                yield
        except torch.OutOfMemoryError as error:
            text = f"{self._device} has no memory for {self._batch} streams of this model; take fewer: {error}"
            raise DeviceError(text) from error
        except OutOfResources as error:
            text = f"{self._weights.tiling} does not fit {self._device}; take smaller blocks, or fewer stages: {error}"
            raise DeviceError(text) from error

    def _span(self, *, logits: bool, trace: bool) -> int:
        """Samples that one launch may run without its arrays growing beyond all bounds."""
        w = self._weights
        per_sample = 1 + w.width * DTYPES[w.precision].itemsize / w.hop
        if logits:
            per_sample += 4 * w.classes
        if trace:
            per_sample += 4 * (w.n_layers + 1) * (w.residual + w.skip)
        return min(self.block_samples, max(1, int(_LAUNCH_BYTES / (per_sample * self._rows))))

    def _launch(self, run: Run, latent: np.ndarray, start: int, first: int, n: int) -> int:
        """Run n samples from the time `start`, column `first` of the run; returns how many passed before a bad one."""
        memory, columns = self._memory, slice(first, first + n)
        if run.forced:
            codes = np.zeros((n, self._rows), np.uint8)
            codes[:, : self._batch] = run.codes[:, columns].T
            memory["codes"][:n].copy_(torch.from_numpy(codes))
        call = np.array([self._seed, start, int(run.forced)], np.uint64).view(np.int64)
        memory["call"].copy_(torch.from_numpy(call))
        memory["clock"].fill_(start)
        memory["failed"].fill_(n)
        self._project(latent)
        if run.skip.shape[1]:
            outputs = self._new_outputs(n)
            self._new_sample(outputs, keep=True, trace=True, graphs=()).run(n)
        else:
            keep = run.logits.shape[1] > 0
            if keep not in self._samples:
                outputs = self._new_outputs(self._span(logits=True, trace=False) if keep else 1, trace=False)
                graphs = _GRAPH_SAMPLES if self._device.type == "cuda" else ()
                self._samples[keep] = outputs, self._new_sample(outputs, keep=keep, trace=False, graphs=graphs)
            outputs, sample = self._samples[keep]
            sample.run(n)
            outputs = {"logits": outputs["logits"][:n]}
        failed = int(memory["failed"].min())
        _fetch(run, {**outputs, "codes": memory["codes"][:n]}, columns, self._batch)
        return failed

    def _new_outputs(self, n: int, *, trace: bool = True) -> dict[str, Tensor]:
        """Where n samples' logits go, and what their layers hear."""
        w, rows, like, traced = self._weights, self._rows, {"device": self._device}, n if trace else 0
        return {
            "logits": torch.empty((n, rows, w.classes), **like),
            "residual_trace": torch.empty((traced, w.n_layers, rows, w.residual), **like),
            "skip_trace": torch.empty((traced, w.n_layers + 1, rows, w.skip), **like),
        }

    def _new_sample(self, outputs: dict[str, Tensor], *, keep: bool, trace: bool, graphs: tuple[int, ...]) -> _Sample:
        """The launches that write to `outputs`: the logits of every sample, or only of the last one."""
        launches = self._ops.list_launches(
            self._weights, {**self._memory, **outputs}, batch=self._batch,
            logits_step=self._rows if keep else 0, inverse_temperature=_inverse(self._temperature), trace=trace,
        )  # fmt: skip
        return _Sample(launches, graphs)

    def _project(self, latent: np.ndarray) -> None:
        """Write the projections (F, N, P) of latent frames (B, F, C) to the memory."""
        w, n_frames = self._weights, latent.shape[1]
        frames = np.zeros((n_frames, self._rows, w.latent), np.float32)
        frames[:, : self._batch, : latent.shape[2]] = latent.swapaxes(0, 1)
        columns = min(_BLOCK, 2 * w.gate, w.head)
        sizes = {"TILE": ROWS, "LATENT": w.latent, "WIDTH": w.width, "COLUMNS": columns}
        self._project_kernel[(self._rows // ROWS, n_frames, w.width // columns)](
            torch.from_numpy(frames).to(self._device), w.condition_weight, w.condition_bias,
            self._memory["condition"], **sizes,
        )  # fmt: skip

    def _save(self) -> tuple[Tensor, Tensor]:
        return self._memory["rings"].clone(), self._memory["history"].clone()

    def _load(self, memory: tuple[Tensor, Tensor]) -> None:
        rings, history = memory
        mine = self._memory["rings"]
        if (rings.shape, rings.dtype) != (mine.shape, mine.dtype):
            raise UsageError("the state is that of another precision or tile; both must be the same to restore it")
        mine.copy_(rings)
        self._memory["history"].copy_(history)


def _allocate(w: _Weights, rows: int, span: int, device: str | torch.device) -> dict[str, Tensor]:
    """What a generator keeps on the device, for launches of up to `span` samples; the past is silence."""
    operand = {"dtype": DTYPES[w.precision], "device": device}
    n_frames = (span + w.hop - 2) // w.hop + 1
    return {
        "rings": torch.zeros((sum(w.ring_slots), rows, w.residual), **operand),
        "history": torch.zeros((w.taps, rows), device=device),
        "condition": torch.empty((n_frames, rows, w.width), **operand),
        "residual": torch.empty((rows, w.residual), device=device),
        "skip": torch.empty((rows, w.skip), device=device),
        "gated": torch.empty((rows, w.gate), **operand),
        "hidden": torch.empty((rows, w.head), **operand),
        "codes": torch.empty((span, rows), dtype=torch.uint8, device=device),
        "failed": torch.empty(rows // ROWS, dtype=torch.int32, device=device),
        "clock": torch.empty(rows // ROWS, dtype=torch.int64, device=device),
        "call": torch.empty(3, dtype=torch.int64, device=device),
        "streams": torch.empty(rows, dtype=torch.int64, device=device),
    }


def _padded_to_block(size: int) -> int:
    """The size in memory: what blocks that are powers of two cut evenly."""
    return max(16, 1 << (size - 1).bit_length()) if size <= _BLOCK else -(-size // _BLOCK) * _BLOCK


def _alternate(array: np.ndarray, packed: PackedWaveNet, leading: tuple[int, ...]) -> np.ndarray:
    """Pad columns of all gates for tanh, then all for sigmoid, and let the two of a gate stand side by side."""
    halves = array.reshape(*array.shape[:-1], 2, packed.gate_channels).swapaxes(-1, -2)
    halves = _pad(halves, (*leading, _padded_to_block(packed.gate_channels), 2))
    return halves.reshape(-1, halves.shape[-2] * 2)


def _condition_columns(array: np.ndarray, packed: PackedWaveNet, leading: tuple[int, ...]) -> np.ndarray:
    """Pad the columns of each layer's gates and of the head: (..., L * 2G + H)."""
    layers, split = packed.n_layers, packed.n_layers * 2 * packed.gate_channels
    gates = _alternate(array[..., :split].reshape(*array.shape[:-1], layers, -1), packed, (*leading, layers))
    head = _pad(array[..., split:], (*leading, _padded_to_block(packed.head_channels)))
    return np.concatenate([gates.reshape(*leading, -1), head], axis=-1)
