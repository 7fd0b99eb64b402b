"""What the backends share whose programs own tiles of streams: device, launches of limited size, layout of weights.

A tile is the only batch there is inside a kernel, and the order of all sums depends on the sizes of the network alone,
so a stream's samples do not depend on the other streams.  The operands of products are half precision (sums are
float32), or float32 for comparisons with the reference.

Without a GPU the same kernels run in Triton's interpreter, on tensors of the CPU, if the environment variable
TRITON_INTERPRET was 1 when Triton was first imported: far too slow for use, and fast enough for tests.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Unpack

import numpy as np
import torch
from torch import Tensor

from wavecore.errors import DeviceError, UsageError
from wavecore.kernels.base import BaseGenerator, Run, StreamOptions, check_whole
from wavecore.kernels.packing import PackedWaveNet

DTYPES = {"float16": torch.float16, "float32": torch.float32}

LOWEST = -3e38
"""The logit of a class that is only padding: finite, and below every logit of a network."""

CLASS_GROUP = 64
"""Classes that the draw reads at a time: what fits the registers in double precision."""

# Where 1 / temperature, and its product with any difference of logits, are exact enough in float32.
_COLDEST, _HOTTEST = 1e-30, 1e30
# Columns of a program of the projection.
_PROJECTION_COLUMNS = 64


class TiledOptions(StreamOptions, total=False):
    """The keyword arguments that both backends pass on to `TiledGenerator`."""

    precision: str  # of the operands of products and of the streams' memory: "float16" or "float32"; sums are float32
    device: str | torch.device  # a CUDA device; "cpu" in Triton's interpreter


class TiledGenerator(BaseGenerator):
    """A generator whose kernels run tiles of streams; a backend implements `_launch`.

    Its constructor sets `_tiling`, `_rows` (the streams, padded to whole tiles), `_weights`, and the memory of the
    streams: `_rings` and `_history`.
    """

    block_samples = 512
    # Bytes that a launch may take for its projections and outputs; longer runs are cut into several launches.
    launch_bytes = 1 << 28

    def __init__(
        self,
        packed: PackedWaveNet,
        *,
        precision: str = "float16",
        device: str | torch.device = "cuda",
        **options: Unpack[StreamOptions],
    ):
        super().__init__(packed, **options)
        if precision not in DTYPES:
            raise UsageError(f"precision is {precision!r}; it must be one of {', '.join(DTYPES)}")
        require_triton()
        from triton.runtime import JITFunction

        from wavecore.kernels.triton import throughput_ops

        self._precision = precision
        self._project_kernel = throughput_ops.project
        interpreted = not isinstance(self._project_kernel, JITFunction)
        self._device = usable_device(device, cpu_too=interpreted)

    @abstractmethod
    def _launch(self, run: Run, latent: np.ndarray, start: int, first: int, n: int) -> int:
        """Run n samples from time `start`, column `first` of the run; returns the number before the first bad one."""

    def _advance(self, run: Run, latent: np.ndarray, first: int, n_samples: int) -> int:
        hop, start = self._packed.hop_length, self._position
        step = self._launch_samples(logits=run.logits.shape[1] > 0, trace=run.skip.shape[1] > 0)
        for done in range(0, n_samples, step):
            n = min(step, n_samples - done)
            begin, end = (start + done) // hop - start // hop, (start + done + n - 1) // hop - start // hop + 1
            with self._on_device():
                bad = self._launch(run, latent[:, begin:end], start + done, first + done, n)
            if bad < n:
                return done + bad
        return -1

    def _launch_samples(self, *, logits: bool, trace: bool) -> int:
        """Return the samples that one launch may run within `launch_bytes`."""
        w = self._weights
        per_sample = 1 + w.width * w.dtype.itemsize / self._packed.hop_length
        if logits:
            per_sample += 4 * w.classes
        if trace:
            per_sample += 4 * (self._packed.n_layers + 1) * (w.residual + w.skip)
        return min(self.block_samples, max(1, int(self.launch_bytes / (per_sample * self._rows))))

    @contextmanager
    def _on_device(self) -> Iterator[None]:
        """Make the device the current one, on which kernels are started, and turn its errors into DeviceError."""
        from triton.runtime.errors import OutOfResources

        try:
            with torch.cuda.device(self._device) if self._device.type == "cuda" else nullcontext():
                yield
        except torch.OutOfMemoryError as error:
            text = f"{self._device} has no memory for {self._batch} streams of this model; use fewer: {error}"
            raise DeviceError(text) from error
        except OutOfResources as error:
            text = f"{self._tiling} does not fit {self._device}; use smaller blocks, or fewer stages: {error}"
            raise DeviceError(text) from error

    def _project(self, latent: np.ndarray, condition: Tensor, tile: int) -> None:
        """Write the projections (F, N, WIDTH) of latent frames (B, F, C) to `condition`."""
        w, n_frames = self._weights, latent.shape[1]
        frames = np.zeros((n_frames, self._rows, w.latent), np.float32)
        frames[:, : self._batch, : latent.shape[2]] = latent.swapaxes(0, 1)
        columns = min(_PROJECTION_COLUMNS, 2 * w.gate, w.head)
        sizes = {"TILE": tile, "LATENT": w.latent, "WIDTH": w.width, "COLUMNS": columns}
        self._project_kernel[(self._rows // tile, n_frames, w.width // columns)](
            torch.from_numpy(frames).to(self._device), w.condition_weight, w.condition_bias, condition, **sizes
        )

    def _stream_numbers(self) -> Tensor:
        """Return the padded numbers of the streams (N,), int64, on the device."""
        numbers = np.pad(self._streams, (0, self._rows - self._batch)).view(np.int64)
        return torch.from_numpy(numbers).to(self._device)

    def _padded_codes(self, run: Run, columns: slice) -> Tensor:
        """Return the codes (n, N) of some columns if the run is forced, else zeros."""
        codes = np.zeros((columns.stop - columns.start, self._rows), np.uint8)
        if run.forced:
            codes[:, : self._batch] = run.codes[:, columns].T
        return torch.from_numpy(codes)

    def _fetch(self, run: Run, outputs: dict[str, Tensor], columns: slice) -> None:
        """Copy the outputs of a launch into the run, without the padding."""

        def put(target: np.ndarray, name: str, *order: int) -> None:
            source = outputs[name].permute(*order)[tuple(slice(n) for n in (self._batch, None, *target.shape[2:]))]
            target[:, columns] = source.cpu().numpy()

        if not run.forced:
            put(run.codes, "codes", 1, 0)
        if run.logits.shape[1]:
            put(run.logits, "logits", 1, 0, 2)
        if run.skip.shape[1]:
            put(run.residual, "residual_trace", 2, 0, 1, 3)
            put(run.skip, "skip_trace", 2, 0, 1, 3)

    def _save(self) -> tuple[Tensor, Tensor]:
        return self._rings.clone(), self._history.clone()

    def _load(self, memory: tuple[Tensor, Tensor]) -> None:
        rings, history = memory
        if (rings.shape, rings.dtype) != (self._rings.shape, self._rings.dtype):
            raise UsageError("the state is that of another precision or tile; both must be the same to restore it")
        self._rings.copy_(rings)
        self._history.copy_(history)


def require_triton() -> None:
    """Raise DeviceError if Triton is not installed."""
    try:
        import triton  # noqa: F401
    except ImportError as error:
        raise DeviceError(
            f"the Triton backend needs Triton ({error}): pip install triton, or use --backend native"
        ) from error


def usable_device(device: str | torch.device, *, cpu_too: bool = False) -> torch.device:
    """Return the device if the kernels can run there; else raise DeviceError, or UsageError for an unknown one."""
    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"device is {device!r}; a CUDA device is needed, for example 'cuda'") from error
    if device.type == "cpu" and cpu_too:
        return device
    if device.type != "cuda":
        raise DeviceError(
            f"the Triton backend runs on CUDA devices, not on {device}; use --backend native, or set "
            "TRITON_INTERPRET=1 before Python starts to test it without a GPU"
        )
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (device.index or 0) >= n_devices:
        raise DeviceError(
            f"the Triton backend cannot use {device}: PyTorch sees {n_devices} CUDA devices; check the driver with "
            "nvidia-smi, or use --backend native"
        )
    return device


def capability(device: torch.device) -> int:
    """Return the compute capability times ten; the interpreter counts as a GPU on which everything fits."""
    major, minor = torch.cuda.get_device_capability(device) if device.type == "cuda" else (9, 0)
    return 10 * major + minor


def check_tiling(tiling: Any, limits: dict[str, tuple[int, int]]) -> None:
    """Raise UsageError unless each named size is in its range [low, high) and, except `stages`, a power of two."""
    for name, (low, high) in limits.items():
        size = check_whole(getattr(tiling, name), name, low, high)
        if name != "stages" and size.bit_count() != 1:
            raise UsageError(f"{name} is {size}; it must be a power of two")


def inverse(temperature: float) -> float:
    """Return 1 / temperature within float32's range, and 0, which takes the most likely code, for temperature 0."""
    return 0.0 if temperature == 0 else 1 / min(max(temperature, _COLDEST), _HOTTEST)


def input_scalars(n_classes: int) -> np.ndarray:
    """Return the input scalar (A,) of each code."""
    return np.arange(n_classes) / (n_classes - 1) - 0.5


def padded_size(size: int) -> int:
    """Return the next power of two, at least 16: what a matrix product on tensor cores takes."""
    return max(16, 1 << (size - 1).bit_length())


def pad(array: np.ndarray, shape: tuple[int, ...], fill: float = 0.0) -> np.ndarray:
    """Pad an array at its ends, in double precision."""
    padded = np.full(shape, fill, np.float64)
    padded[tuple(slice(size) for size in array.shape)] = array
    return padded


def pad_streams(array: np.ndarray, n_residual: int, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Split the columns of the residual and of the skip stream, and pad each to its shape."""
    halves = array[..., :n_residual], array[..., n_residual:]
    return [pad(half, shape) for half, shape in zip(halves, shapes, strict=True)]


def to_tensor(array: np.ndarray, dtype: torch.dtype, device: str | torch.device) -> Tensor:
    """Copy an array to a contiguous tensor."""
    return torch.tensor(array).to(dtype).to(device).contiguous()
