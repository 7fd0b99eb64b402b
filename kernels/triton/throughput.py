"""The throughput backend: many streams at once on a GPU, by a Triton kernel.

One program of the kernel owns a tile of streams and runs all layers of a block
of samples; weights are read once per tile.  The operands of products are half
precision (sums are float32), or float32 for comparisons with the reference.

Without a GPU the same kernel runs in Triton's interpreter, on tensors of the
CPU, if the environment variable TRITON_INTERPRET was 1 when Triton was first
imported: far too slow to hear, and fast enough to test.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from wavecore.errors import DeviceError, UsageError
from wavecore.kernels.base import BaseGenerator, Run, check_whole
from wavecore.kernels.packing import PackedWaveNet

DTYPES = {"float16": torch.float16, "float32": torch.float32}

LOWEST = -3e38
"""The logit of a class that is only padding: finite, and below all that a network says."""

# Where 1 / temperature, and its product with any difference of logits, mean in float32 what they should.
_COLDEST, _HOTTEST = 1e-30, 1e30
# Bytes that a launch may take for its projections and outputs; longer runs are cut into several launches.
_LAUNCH_BYTES = 1 << 28
# Classes that the draw reads at a time: what fits the registers in double precision.
_GROUP = 64
# Channels beyond which no tile fits a processor's shared memory and registers.
_WIDEST = 128
# Shared memory that a program may have, by compute capability (elsewhere the last), and what it needs beside weights.
_SHARED_BYTES, _SHARED_ELSEWHERE, _SCRATCH_BYTES = {80: 166_912, 90: 232_448}, 101_376, 24 << 10


@dataclass(frozen=True)
class Tiling:
    """How the kernel cuts the work; another tiling may change the last bits of a logit.

    Attributes
    ----------
    tile : int
        Streams per program.  Like `hidden` a power of two, at least 16.
    hidden : int
        Columns of the head's hidden layer that are computed at a time.
    warps : int
        Groups of 32 threads per program: a power of two.
    stages : int
        Of the software pipeline: with 2 or more, the next layer's weights are loaded while one is computed.
    """

    tile: int
    hidden: int = 32
    warps: int = 8
    stages: int = 1

    def __post_init__(self):
        for name, low in (("tile", 16), ("hidden", 16), ("warps", 1), ("stages", 1)):
            check_whole(getattr(self, name), name, low, 1025)
            if name != "stages" and getattr(self, name).bit_count() != 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be a power of two")


def choose_tiling(packed: PackedWaveNet, precision: str = "float16", capability: int = 90) -> Tiling:
    """Choose the tiling for a network and a GPU: the largest of those known to fit without spilling registers.

    The number of streams has no say, because a stream must not depend on those beside it.

    Parameters
    ----------
    packed : PackedWaveNet
        The weights.
    precision : {"float16", "float32"}
        Of the operands.
    capability : int
        The GPU's compute capability times ten.

    Raises
    ------
    DeviceError
        If the network is too wide for the kernel.
    """
    widest = max(packed.residual_channels, packed.gate_channels, packed.skip_channels)
    if widest > _WIDEST:
        raise DeviceError(
            f"the model's layers have {widest} channels; the Triton throughput kernel takes {_WIDEST} at most, "
            "so take --backend native"
        )
    if precision == "float32":
        return Tiling(16, hidden=16)
    r, g, s = _padded(packed.residual_channels), _padded(packed.gate_channels), _padded(packed.skip_channels)
    wide, hopper = widest > 64, capability == 90
    tiling = Tiling(32, stages=2) if wide else Tiling(64, stages=3) if hopper else Tiling(32, warps=4, stages=3)
    taps = packed.kernel_size
    layer_bytes = 2 * (taps * 2 * r * g + g * (r + s) + (taps - 1) * tiling.tile * r)
    limit = _SHARED_BYTES.get(capability, _SHARED_ELSEWHERE)
    fits = (tiling.stages - 1) * layer_bytes + _SCRATCH_BYTES <= limit
    return tiling if fits else Tiling(16)


class _Network:
    """The weights as the kernel reads them, padded, on the device; `tensors` and `sizes` are arguments of `advance`."""

    def __init__(self, packed: PackedWaveNet, *, precision: str, tiling: Tiling, device: str | torch.device):
        p, taps, layers = packed, packed.kernel_size, packed.n_layers
        r, g, s = _padded(p.residual_channels), _padded(p.gate_channels), _padded(p.skip_channels)
        hidden = min(tiling.hidden, _padded(p.head_channels))
        h, a, c = _padded(p.head_channels), _padded(p.n_classes), _padded(p.latent_channels)
        self.sizes = {
            "LAYERS": layers, "TAPS": taps, "RESIDUAL": r, "GATE": g, "SKIP": s, "HEAD": h, "HIDDEN": hidden,
            "CLASSES": a, "GROUP": min(_GROUP, a), "SLOTS": sum(p.ring_slots), "TILE": tiling.tile,
        }  # fmt: skip
        self.latent_channels = c
        starts = np.cumsum([0, *p.ring_slots[:-1]])
        scalars = np.arange(p.n_classes) / (p.n_classes - 1) - 0.5
        first = np.concatenate([p.first_weight, p.first_bias[None]])
        residual_skip = _split(p.residual_skip_weight, p.residual_channels, (layers, g, r), (layers, g, s))
        filters = p.filter_weight.reshape(layers, taps, p.residual_channels, 2, p.gate_channels).swapaxes(2, 3)
        into_hidden = _pad(p.head_weight, (s, h)).reshape(s, h // hidden, hidden).swapaxes(0, 1)
        operands = {
            "layers": _side_by_side(_pad(filters, (layers, taps, 2, r, g)), *residual_skip),
            "head": _side_by_side(into_hidden, _pad(p.output_weight, (h, a)).reshape(h // hidden, hidden, a)),
        }
        others = {
            "scalars": _pad(scalars, (a,)),
            "first": _side_by_side(*_split(first, p.residual_channels, (taps + 1, r), (taps + 1, s))),
            "layer_bias": _side_by_side(*_split(p.residual_skip_bias, p.residual_channels, (layers, r), (layers, s))),
            "output_bias": _pad(p.output_bias, (a,), LOWEST),
        }
        self.tensors = {name: _tensor(array, DTYPES[precision], device) for name, array in operands.items()}
        self.tensors |= {name: _tensor(array, torch.float32, device) for name, array in others.items()}
        self.ring_table = np.stack([starts, p.ring_slots, p.dilations, np.zeros(layers)], axis=1).astype(np.int32)
        self.condition_weight = _tensor(_pad_condition(p.condition_weight, p, (c,)), torch.float32, device)
        self.condition_bias = _tensor(_pad_condition(p.condition_bias, p, ()), torch.float32, device)


class TritonThroughputGenerator(BaseGenerator):
    """Generate many streams on a GPU.

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
    tiling : Tiling, optional
        How the kernel cuts the work; that of `choose_tiling` if not given.

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
        tiling: Tiling | None = None,
    ):
        super().__init__(packed, batch=batch, seed=seed, streams=streams, temperature=temperature)
        if precision not in DTYPES:
            raise UsageError(f"precision is {precision!r}; it must be one of {', '.join(DTYPES)}")
        self._ops = _load_ops()
        self._device = _usable_device(device, self._ops)
        tiling = choose_tiling(packed, precision, _capability(self._device)) if tiling is None else tiling
        self._tiling = tiling
        self._tiles = -(-batch // tiling.tile)
        self._rows = self._tiles * tiling.tile
        with self._on_device():
            self._network = _Network(packed, precision=precision, tiling=tiling, device=self._device)
            sizes, like = self._network.sizes, {"device": self._device}
            ring_shape = (self._tiles, sizes["SLOTS"], tiling.tile, sizes["RESIDUAL"])
            self._rings = torch.zeros(ring_shape, dtype=DTYPES[precision], **like)
            self._history = torch.zeros((self._tiles, packed.kernel_size + 1, tiling.tile), **like)
            self._history[:, -1] = 1.0  # what the bias of the first convolution hears
            numbers = np.pad(self._streams, (0, self._rows - batch)).view(np.int64)
            self._stream_numbers = torch.from_numpy(numbers).to(self._device)

    def _advance(self, run: Run, latent: np.ndarray, first: int, n_samples: int) -> int:
        hop, step, start = self._packed.hop_length, self._launch_samples(run), self._position
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
            text = f"{self._tiling} does not fit {self._device}; take smaller tiles, or fewer stages: {error}"
            raise DeviceError(text) from error

    def _launch_samples(self, run: Run) -> int:
        """Samples that one launch may run without its arrays growing beyond all bounds."""
        p, sizes = self._packed, self._network.sizes
        per_sample = 4 * len(self._network.condition_bias) / p.hop_length
        if run.logits.shape[1]:
            per_sample += 4 * sizes["CLASSES"]
        if run.skip.shape[1]:
            per_sample += 4 * (sizes["LAYERS"] + 1) * (sizes["RESIDUAL"] + sizes["SKIP"])
        return max(1, int(_LAUNCH_BYTES / (per_sample * self._rows)))

    def _launch(self, run: Run, latent: np.ndarray, start: int, first: int, n: int) -> int:
        """Run n samples from the time `start`, column `first` of the run; returns how many passed before a bad one."""
        sizes, rows, batch, columns = self._network.sizes, self._rows, self._batch, slice(first, first + n)
        like, trace = {"device": self._device}, bool(run.skip.shape[1])
        codes = torch.zeros((n, rows), dtype=torch.uint8)
        if run.forced:
            codes[:, :batch] = torch.from_numpy(run.codes[:, columns].T.copy())
        n_logits, n_trace = n if run.logits.shape[1] else 1, n if trace else 0
        ring_table = self._network.ring_table.copy()
        ring_table[:, 3] = start % ring_table[:, 1]
        outputs = {
            "codes": codes.to(self._device),
            "logits": torch.empty((n_logits, rows, sizes["CLASSES"]), **like),
            "residual_trace": torch.empty((n_trace, sizes["LAYERS"], rows, sizes["RESIDUAL"]), **like),
            "skip_trace": torch.empty((n_trace, sizes["LAYERS"] + 1, rows, sizes["SKIP"]), **like),
            "failed": torch.empty(self._tiles, dtype=torch.int32, **like),
        }
        numbers = {
            "n_samples": n, "batch": batch, "into_frame": start % self._packed.hop_length,
            "hop": self._packed.hop_length, "forced": int(run.forced),
            "logits_step": rows if n_logits == n else 0, "inverse_temperature": _inverse(self._temperature),
        }  # fmt: skip
        inputs = {
            "condition": self._project(latent),
            "clock": torch.from_numpy(np.array([self._seed, start], np.uint64).view(np.int64)).to(self._device),
            "ring_table": torch.from_numpy(ring_table).to(self._device),
            "streams": self._stream_numbers,
        }
        memory = {"rings": self._rings, "history": self._history}
        options = {"TRACE": trace, "num_warps": self._tiling.warps, "num_stages": self._tiling.stages}
        network = {**self._network.tensors, **sizes}
        self._ops.advance[(self._tiles,)](**outputs, **inputs, **memory, **network, **numbers, **options)
        failed = int(outputs["failed"].min())
        _fetch(run, outputs, columns, batch)
        return failed

    def _project(self, latent: np.ndarray) -> Tensor:
        """The projections (F, N, P) of latent frames (B, F, C)."""
        network, n_frames = self._network, latent.shape[1]
        frames = np.zeros((n_frames, self._rows, network.latent_channels), np.float32)
        frames[:, : self._batch, : latent.shape[2]] = latent.swapaxes(0, 1)
        width = len(network.condition_bias)
        columns = min(64, 2 * network.sizes["GATE"], network.sizes["HEAD"])
        condition = torch.empty((n_frames, self._rows, width), dtype=self._rings.dtype, device=self._device)
        weights = (network.condition_weight, network.condition_bias)
        sizes = {"TILE": self._tiling.tile, "LATENT": network.latent_channels, "WIDTH": width, "COLUMNS": columns}
        grid = (self._tiles, n_frames, width // columns)
        self._ops.project[grid](torch.from_numpy(frames).to(self._device), *weights, condition, **sizes)
        return condition

    def _save(self) -> tuple[Tensor, Tensor]:
        return self._rings.clone(), self._history.clone()

    def _load(self, memory: tuple[Tensor, Tensor]) -> None:
        rings, history = memory
        if (rings.shape, rings.dtype) != (self._rings.shape, self._rings.dtype):
            raise UsageError("the state is that of another precision or tile; both must be the same to restore it")
        self._rings.copy_(rings)
        self._history.copy_(history)


def _fetch(run: Run, outputs: dict[str, Tensor], columns: slice, batch: int) -> None:
    """Copy what a launch wrote into the run, the padding left out."""

    def put(target: np.ndarray, name: str, *order: int) -> None:
        source = outputs[name].permute(*order)[tuple(slice(size) for size in (batch, None, *target.shape[2:]))]
        target[:, columns] = source.cpu().numpy()

    if not run.forced:
        put(run.codes, "codes", 1, 0)
    if run.logits.shape[1]:
        put(run.logits, "logits", 1, 0, 2)
    if run.skip.shape[1]:
        put(run.residual, "residual_trace", 2, 0, 1, 3)
        put(run.skip, "skip_trace", 2, 0, 1, 3)


def _load_ops() -> ModuleType:
    try:
        from wavecore.kernels.triton import throughput_ops
    except ImportError as error:
        raise DeviceError(
            f"the Triton backend needs Triton ({error}): pip install triton, or take --backend native"
        ) from error
    return throughput_ops


def _usable_device(device: str | torch.device, ops: ModuleType) -> torch.device:
    """The device, if the kernel can run there."""
    from triton.runtime import JITFunction

    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"device is {device!r}; a CUDA device is needed, for example 'cuda'") from error
    if device.type == "cpu" and not isinstance(ops.advance, JITFunction):  # the interpreter
        return device
    if device.type != "cuda":
        raise DeviceError(
            f"the Triton backend runs on CUDA devices, not on {device}; take --backend native, or set "
            "TRITON_INTERPRET=1 before Python starts to test it without a GPU"
        )
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= n_devices:
        raise DeviceError(
            f"the Triton backend cannot use {device}: PyTorch sees {n_devices} CUDA devices; check the driver with "
            "nvidia-smi, or take --backend native"
        )
    return device


def _capability(device: torch.device) -> int:
    """Compute capability times ten; the interpreter is taken for a GPU on which all fits."""
    major, minor = torch.cuda.get_device_capability(device) if device.type == "cuda" else (9, 0)
    return 10 * major + minor


def _inverse(temperature: float) -> float:
    return 0.0 if temperature == 0 else 1 / min(max(temperature, _COLDEST), _HOTTEST)


def _padded(size: int) -> int:
    """The size in memory: a power of two, at least what a matrix product on tensor cores takes."""
    return max(16, 1 << (size - 1).bit_length())


def _pad(array: np.ndarray, shape: tuple[int, ...], fill: float = 0.0) -> np.ndarray:
    padded = np.full(shape, fill, np.float64)
    padded[tuple(slice(size) for size in array.shape)] = array
    return padded


def _split(array: np.ndarray, at: int, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """The columns of the residual stream and those of the skip stream, each padded to its shape."""
    return [_pad(half, shape) for half, shape in zip((array[..., :at], array[..., at:]), shapes, strict=True)]


def _side_by_side(*arrays: np.ndarray) -> np.ndarray:
    """Flatten all but the first axis, and join what belongs to the same layer."""
    return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)


def _pad_condition(array: np.ndarray, packed: PackedWaveNet, leading: tuple[int, ...]) -> np.ndarray:
    """Pad the columns of each layer's two halves and of the head: (..., L * 2G + H)."""
    layers, gate = packed.n_layers, packed.gate_channels
    split, before = layers * 2 * gate, array.shape[:-1]
    halves = array[..., :split].reshape(*before, layers, 2, gate)
    halves = _pad(halves, (*leading, layers, 2, _padded(gate))).reshape(*leading, -1)
    return np.concatenate([halves, _pad(array[..., split:], (*leading, _padded(packed.head_channels)))], axis=-1)


def _tensor(array: np.ndarray, dtype: torch.dtype, device: str | torch.device) -> Tensor:
    return torch.tensor(array).to(dtype).to(device).contiguous()
