"""The latency backend: a few streams on a GPU, as fast as one sample can follow the other.

At batch 1 a sample is a chain of small products, and the time goes into the way from one to the next.  So the network
is spread over the whole GPU once: every program (CTA) of one persistent kernel has one role, holds the weights of that
role in its registers, and passes vectors of activations to the next role through the L2 cache.  Per layer, one role
applies the current tap, the gate and the residual product, which is all that the next layer waits for; others compute
in advance (the past taps) or afterwards (the skip product).

The kernel and its synchronisation are in `wavecore.kernels.triton.latency_ops`; this file lays out its memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Unpack

import numpy as np
import torch

from wavecore.errors import DeviceError
from wavecore.kernels.base import BaseGenerator, Run, StreamOptions
from wavecore.kernels.packing import PackedWaveNet
from wavecore.kernels.sampling import philox_uniform
from wavecore.kernels.triton.tiled import input_scalars, padded_size, require_triton, usable_device

WARPS = 8  # of every program: 256 threads, so that each may have 255 registers
BLOCK_WEIGHTS = 32_768  # of one column block of a product: 128 registers of each thread
LAYER_WEIGHTS = 49_152  # at most, of a role that cannot be cut into columns: 192 registers of each thread
LIMIT = 4_000_000  # loads after which waiting is given up: seconds, where a sample takes microseconds

KINDS = ("current", "past", "skip", "head", "output", "sampler")
FIELDS = (
    "kind", "layer", "column", "weights", "source", "source_slots", "lag", "partial", "post", "post_slots", "extra",
)  # fmt: skip
"""The columns of the plan, as `wavecore.kernels.triton.latency_ops` numbers them."""
N_FIELDS = 12
_STUCK, _NOT_FINITE = 1, 2


@dataclass(frozen=True, eq=False)
class Layout:
    """The roles of all programs, and the memory they share."""

    plan: np.ndarray  # (P, N_FIELDS), int64: a row for every program
    weights: np.ndarray  # float32: the blocks of all programs
    condition_weight: np.ndarray  # (C, L * 2G + H), float32, of padded G and H
    condition_bias: np.ndarray  # (L * 2G + H,), float32
    mail: np.ndarray  # int64: the stamped words of all mailboxes as they are before the first sample
    constants: dict[str, int]  # sizes that the kernel is compiled for


class TritonLatencyGenerator(BaseGenerator):
    """Generate a few streams on a GPU with one persistent kernel, in float32.

    Any batch works; above `LATENCY_BATCH` streams another kernel is faster.  With `exchange` activations are passed on
    by atomic exchange instead of plain stores: slower, for a device that needs it.

    Raises DeviceError if triton or the GPU is missing, or the network does not fit the GPU, and when generating if the
    programs wait for each other in vain.
    """

    # A launch loads all weights once, a small part of the time for so many samples, and ends within some 20 ms.
    block_samples = 512

    def __init__(
        self,
        packed: PackedWaveNet,
        *,
        device: str | torch.device = "cuda",
        exchange: bool = False,
        **options: Unpack[StreamOptions],
    ):
        super().__init__(packed, **options)
        require_triton()
        layout = lay_out(packed, self._batch)
        self._device = self._open_device(device, len(layout.plan))
        self._exchange = bool(exchange)
        self._constants, self._n_programs = layout.constants, len(layout.plan)
        self._plan, self._weights = self._tensor(layout.plan), self._tensor(layout.weights)
        self._condition = self._tensor(layout.condition_weight), self._tensor(layout.condition_bias)
        self._mail = self._tensor(layout.mail)
        # Below 1e-300 a temperature differs from 0 for ties only; its inverse would be infinite.
        inverse = 1.0 / max(self._temperature, 1e-300)
        self._inverse_temperature = self._tensor(np.array([inverse], np.float64))

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        """Copy an array to the device."""
        return torch.from_numpy(np.array(array)).to(self._device)

    def _advance(self, run: Run, latent: np.ndarray, first: int, n_samples: int) -> int:
        columns = slice(first, first + n_samples)
        times = self._position + np.arange(n_samples)
        call = (
            n_samples, self._batch, self._position, _stamp(self._position), self._packed.hop_length, LIMIT,
            int(run.forced), int(self._temperature == 0), int(run.logits.shape[1] > 0),
        )  # fmt: skip
        codes = self._tensor(run.codes[:, columns])
        logits, residual, skip = (
            self._tensor(np.zeros((self._batch, array[:, columns].shape[1], *array.shape[2:]), np.float32))
            for array in (run.logits, run.residual, run.skip)
        )
        status = self._tensor(np.zeros(2, np.int32))
        arguments = [
            self._plan, self._tensor(np.array(call, np.int64)), self._weights, self._mail, self._project(latent),
            self._inverse_temperature, self._tensor(philox_uniform(self._seed, self._streams[:, None], times[None])),
            codes, logits, residual, skip, status,
        ]  # fmt: skip
        self._launch(arguments, trace=run.skip.shape[1] > 0)
        flag, index = status.tolist()
        if flag == _STUCK:
            raise DeviceError(
                f"the {self._n_programs} programs of the latency kernel waited in vain for each other at one of the "
                f"samples {self._position} to {self._position + n_samples - 1}; another program may hold the GPU. "
                "Generate again, or use another backend"
            )
        run.codes[:, columns] = codes.cpu().numpy()
        for array, tensor in ((run.logits, logits), (run.residual, residual), (run.skip, skip)):
            array[:, columns] = tensor.cpu().numpy()
        return index if flag == _NOT_FINITE else -1

    def _launch(self, arguments: list[torch.Tensor], *, trace: bool) -> None:
        from wavecore.kernels.triton.latency_ops import advance

        constants = {**self._constants, "TRACE": trace, "SPIN": True, "EXCHANGE": self._exchange}
        # Cooperative: all programs run at once, or the launch fails.
        options = {"num_warps": WARPS, "num_stages": 1, "launch_cooperative_grid": True}
        try:
            with torch.cuda.device(self._device):
                advance[(self._n_programs,)](*arguments, **constants, **options)
        except RuntimeError as error:
            raise DeviceError(f"the latency kernel does not start: {error}; use another backend") from error

    def _open_device(self, device: str | torch.device, n_programs: int) -> torch.device:
        """Return the device if it can run all programs at once."""
        opened = usable_device(device)
        _check_programs(n_programs, torch.cuda.get_device_properties(opened).multi_processor_count)
        return opened

    def _project(self, latent: np.ndarray) -> torch.Tensor:
        """Compute the conditions (F, B, L * 2G + H) of latent (B, F, C).

        Every frame is projected by itself, because the bits of a product depend on its shape, and a frame may be in
        one call with others or alone.
        """
        weight, bias = self._condition
        frames = self._tensor(latent.transpose(1, 0, 2))
        rows = [(frame[:, None] * weight).sum(0) + bias for frame in frames.flatten(0, 1)]
        return torch.stack(rows).contiguous()

    def _save(self) -> torch.Tensor:
        return self._mail.clone()

    def _load(self, memory: torch.Tensor) -> None:
        # All words are replaced together, so none remains that a later sample has stamped.
        self._mail.copy_(memory)


def _check_programs(n_programs: int, n_processors: int) -> None:
    if n_programs > n_processors:
        raise DeviceError(
            f"this network takes {n_programs} programs that run at once, one on each multiprocessor, and the GPU has "
            f"{n_processors} multiprocessors; use another backend"
        )


def lay_out(packed: PackedWaveNet, batch: int) -> Layout:
    """Spread a network over programs and lay out their memory for `batch` streams.

    Raises DeviceError if a layer is too large for the registers of one program.
    """
    builder = _Builder(packed, batch)
    for layer, dilation in enumerate(packed.dilations):
        builder.add_current(layer, builder.add_past(layer, dilation))
    builder.add_head()
    return builder.finish()


def _stamp(t: int) -> int:
    """Return the stamp of sample t: its low 32 bits, as a signed number."""
    return (t + 2**31) % 2**32 - 2**31


def _padded(array: np.ndarray, *shape: int) -> np.ndarray:
    padded = np.zeros(shape, np.float32)
    padded[tuple(slice(0, size) for size in array.shape)] = array
    return padded


class _Builder:
    """Adds roles one by one; every role has a row of the plan, its weights, and words to post to."""

    def __init__(self, packed: PackedWaveNet, batch: int):
        self.packed, self.batch = packed, batch
        self.r, self.g, self.s = map(
            padded_size, (packed.residual_channels, packed.gate_channels, packed.skip_channels)
        )
        self.h, self.a = padded_size(packed.head_channels), padded_size(packed.n_classes)
        if 3 * self.r * self.g > LAYER_WEIGHTS:
            raise DeviceError(
                f"a layer of {packed.residual_channels} residual and {packed.gate_channels} gate channels is too large "
                "for the registers of one program of the latency kernel (128 of each fit); use another backend"
            )
        self.rows: list[list[int]] = []
        self.weights: list[np.ndarray] = []
        self.n_weights = 0
        self.mail: list[np.ndarray] = []
        self.n_words = 0
        # The words of the streams: the scalars, the inputs of all layers, the skip stream before each and at the end.
        self.history = self.box(1, packed.kernel_size)
        self.rings = [self.box(self.r, slots) for slots in packed.ring_slots]
        self.skips = [self.box(self.s) for _ in range(packed.n_layers + 1)]

    def box(self, width: int, n_slots: int = 1) -> int:
        """Reserve words (n_slots, B, width); slot j belongs to the samples t with t mod n_slots = j."""
        # Time -m, for m = n_slots ... 1, lies in slot n_slots - m: all zeros, the context of the first samples.
        stamps = np.repeat(np.arange(-n_slots, 0, dtype=np.int64) << 32, self.batch * width)
        self.mail.append(stamps)
        self.n_words += stamps.size
        return self.n_words - stamps.size

    def role(self, kind: str, *weights: np.ndarray, **fields: int) -> None:
        """Add a program."""
        fields = {"kind": KINDS.index(kind), "weights": self.n_weights, **fields}
        self.rows.append([fields.get(name, -1) for name in FIELDS] + [0] * (N_FIELDS - len(FIELDS)))
        self.weights += [np.ravel(weight) for weight in weights]
        self.n_weights += sum(weight.size for weight in weights)

    def tap(self, layer: int, k: int) -> np.ndarray:
        """Return the weights (R, G, 2) of one tap: each channel's column for tanh, and that for sigmoid beside it."""
        halves = self.packed.filter_weight[layer, k].reshape(self.packed.residual_channels, 2, -1)
        return _padded(halves.swapaxes(1, 2), self.r, self.g, 2)

    def add_past(self, layer: int, dilation: int) -> int:
        """Add a role for each past tap, the oldest first; returns where the last one posts, or -1."""
        posted, slots = -1, self.packed.ring_slots[layer]
        for k in range(self.packed.kernel_size - 1):
            partial, posted = posted, self.box(2 * self.g, 2)
            self.role(
                "past", self.tap(layer, k), layer=layer, source=self.rings[layer], source_slots=slots,
                lag=(self.packed.kernel_size - 1 - k) * dilation, partial=partial, post=posted,
            )  # fmt: skip
        return posted

    def add_current(self, layer: int, partial: int) -> None:
        """Add the role of the current tap, and those of the skip product."""
        packed, gated = self.packed, self.box(self.g)
        n_residual, is_last = packed.residual_channels, layer == packed.n_layers - 1
        weight, bias = packed.residual_skip_weight[layer], packed.residual_skip_bias[layer]
        self.role(
            "current", self.tap(layer, -1), _padded(weight[:, :n_residual], self.g, self.r),
            _padded(bias[:n_residual], self.r), layer=layer, source=self.rings[layer],
            source_slots=packed.ring_slots[layer], partial=partial, post=-1 if is_last else self.rings[layer + 1],
            post_slots=1 if is_last else packed.ring_slots[layer + 1], extra=gated,
        )  # fmt: skip
        self.add_columns(
            "skip", _padded(weight[:, n_residual:], self.g, self.s), _padded(bias[n_residual:], self.s), layer=layer,
            source=gated, partial=self.skips[layer], post=self.skips[layer + 1],
        )  # fmt: skip

    def add_columns(self, kind: str, weight: np.ndarray, bias: np.ndarray, **fields: int) -> None:
        """Add a role for every block of columns that fits."""
        n_columns = _columns(*weight.shape)
        for column in range(0, weight.shape[1], n_columns):
            block = slice(column, column + n_columns)
            self.role(kind, weight[:, block], bias[block], column=column, **fields)

    def add_head(self) -> None:
        """Add the roles after the last layer."""
        packed, n_residual = self.packed, self.packed.residual_channels
        hidden, logits = self.box(self.h), self.box(self.a)
        # The head's bias is in its condition.
        head = _padded(packed.head_weight, self.s, self.h), np.zeros(self.h, np.float32)
        self.add_columns("head", *head, source=self.skips[-1], post=hidden)
        output = _padded(packed.output_weight, self.h, self.a), _padded(packed.output_bias, self.a)
        self.add_columns("output", *output, source=hidden, post=logits)
        taps, weight, bias = 1 << (packed.kernel_size - 1).bit_length(), packed.first_weight, packed.first_bias
        self.role(
            "sampler", _padded(input_scalars(packed.n_classes), self.a), _padded(weight[:, :n_residual], taps, self.r),
            _padded(weight[:, n_residual:], taps, self.s), _padded(bias[:n_residual], self.r),
            _padded(bias[n_residual:], self.s), source=logits, partial=self.history, post=self.rings[0],
            post_slots=packed.ring_slots[0], extra=self.skips[0],
        )  # fmt: skip

    def finish(self) -> Layout:
        """Join what was added."""
        packed = self.packed
        condition = np.concatenate([packed.condition_weight, packed.condition_bias[None]])
        layers = condition[:, : -packed.head_channels].reshape(-1, packed.n_layers, 2, packed.gate_channels)
        layers = _padded(layers.swapaxes(2, 3), len(condition), packed.n_layers, self.g, 2).reshape(len(condition), -1)
        head = _padded(condition[:, -packed.head_channels :], len(condition), self.h)
        condition = np.concatenate([layers, head], axis=1)
        constants = {
            "R": self.r, "G": self.g, "S": self.s, "H": self.h, "A": self.a,
            "TAPS": 1 << (packed.kernel_size - 1).bit_length(), "SKIP_COLUMNS": _columns(self.g, self.s),
            "HEAD_COLUMNS": _columns(self.s, self.h), "OUTPUT_COLUMNS": _columns(self.h, self.a),
            "N_LAYERS": packed.n_layers, "N_TAPS": packed.kernel_size, "N_RESIDUAL": packed.residual_channels,
            "N_SKIP": packed.skip_channels, "N_CLASSES": packed.n_classes,
        }  # fmt: skip
        return Layout(
            np.array(self.rows, np.int64), np.concatenate(self.weights), condition[:-1], condition[-1],
            np.concatenate(self.mail), constants,
        )  # fmt: skip


def _columns(n_rows: int, n_columns: int) -> int:
    """Return the number of columns of a product that one program computes."""
    return min(n_columns, max(1, BLOCK_WEIGHTS // n_rows))
