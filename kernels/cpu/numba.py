"""The numba backend: generation on a CPU, compiled on the machine it runs on.

One stream is computed by one core, bound by the speed at which the weights arrive from the caches.  Several streams
are spread over threads; the streams of a thread go through each layer together, so that one read of its weights
serves them all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import numpy as np

from wavecore.errors import DeviceError
from wavecore.kernels.base import BaseGenerator, Run, StreamOptions
from wavecore.kernels.cpu.threads import StreamThreads
from wavecore.kernels.packing import PackedWaveNet

if TYPE_CHECKING:
    from wavecore.kernels.cpu import numba_ops


class NumbaGenerator(BaseGenerator):
    """Generate on the CPU with compiled loops, float32.

    The first instance in a process compiles them, or loads them from numba's cache on disk.

    Parameters
    ----------
    threads : int, optional
        Threads to spread the streams over, at most one per stream; ``os.cpu_count()`` if not given.  It never changes
        the samples.
    **options
        batch, seed, streams and temperature of `BaseGenerator`.

    Raises
    ------
    UsageError
        If an argument is out of its range.
    DeviceError
        If numba is not installed.
    """

    def __init__(self, packed: PackedWaveNet, *, threads: int | None = None, **options: Unpack[StreamOptions]):
        super().__init__(packed, **options)
        self._threads = StreamThreads(self._batch, threads)
        self._ops = _load_ops()
        self._weights = _weights(self._ops, packed)
        self._buffers = _new_buffers(self._ops, packed, self._batch)
        self._draw = (np.uint64(self._seed), self._streams, np.float64(self._temperature))

    def _advance(self, run: Run, latent: np.ndarray, first: int, n_samples: int) -> int:
        span = (self._position, first, first + n_samples)
        outputs = (run.codes, run.logits, run.residual, run.skip)

        def work(begin: int, end: int) -> int:
            return self._ops.advance(
                self._weights, self._buffers, latent, begin, end, *span, run.forced, self._draw, *outputs
            )

        return min((index for index in self._threads.run(work) if index >= 0), default=-1)

    def _save(self) -> tuple[np.ndarray, ...]:
        return tuple(array.copy() for array in self._memory())

    def _load(self, memory: tuple[np.ndarray, ...]) -> None:
        for own, saved in zip(self._memory(), memory, strict=True):
            own[:] = saved

    def _memory(self) -> tuple[np.ndarray, ...]:
        """Return what the streams carry from sample to sample."""
        return self._buffers.rings, self._buffers.history, self._buffers.condition


def _load_ops():
    try:
        from wavecore.kernels.cpu import numba_ops
    except ImportError as error:
        raise DeviceError(
            f"the numba backend needs numba, which does not load here ({error}); pip install numba, or use "
            "the reference backend"
        ) from error
    return numba_ops


def _weights(ops, packed: PackedWaveNet) -> numba_ops.Weights:
    names = ("first", "condition", "filter", "residual_skip", "head", "output")
    biases = ("first_bias", "condition_bias", "residual_skip_bias", "output_bias")
    return ops.Weights(
        **{name: getattr(packed, f"{name}_weight") for name in names},
        **{name: getattr(packed, name) for name in biases},
        dilations=np.array(packed.dilations, dtype=np.int64),
        ring_offsets=np.cumsum([0, *packed.ring_slots[:-1]], dtype=np.int64),
        hop=packed.hop_length,
    )


def _new_buffers(ops, packed: PackedWaveNet, batch: int) -> numba_ops.Buffers:
    """Allocate buffers of zeros, which is the context before the first sample."""
    widths = {
        "history": packed.kernel_size,
        "condition": len(packed.condition_bias),
        "frame": packed.latent_channels,
        "streams": packed.residual_channels + packed.skip_channels,
        "tap": packed.residual_channels,
        "z": 2 * packed.gate_channels,
        "gated": packed.gate_channels,
        "skip": packed.skip_channels,
        "hidden": packed.head_channels,
        "logits": packed.n_classes,
        "weights": packed.n_classes,
    }
    rings = np.zeros((batch, sum(packed.ring_slots), packed.residual_channels), np.float32)
    rows = {name: np.zeros((batch, width), np.float32) for name, width in widths.items()}
    return ops.Buffers(rings=rings, **rows)
