"""The numba backend: generation on a CPU, compiled on the machine it runs on.

One stream is computed by one core, bound by how fast the weights come in from
the caches.  Several streams are spread over threads; the streams of a thread go
through each layer together, so that one read of its weights serves them all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import numpy as np

from wavecore.errors import DeviceError
from wavecore.kernels.base import BaseGenerator, Run, check_whole
from wavecore.kernels.packing import PackedWaveNet

if TYPE_CHECKING:
    from wavecore.kernels.cpu import numba_ops


class NumbaGenerator(BaseGenerator):
    """Generate on the CPU with compiled loops, float32.

    The first instance in a process compiles them, or loads them from numba's
    cache on disk.

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
    threads : int, optional
        Threads to spread the streams over, at most one per stream;
        ``os.cpu_count()`` if not given.  It never changes the samples.

    Raises
    ------
    UsageError
        If an argument is out of its range.
    DeviceError
        If numba is not installed.
    """

    def __init__(
        self,
        packed: PackedWaveNet,
        *,
        batch: int,
        seed: int,
        streams: Sequence[int] | None = None,
        temperature: float = 1.0,
        threads: int | None = None,
    ):
        super().__init__(packed, batch=batch, seed=seed, streams=streams, temperature=temperature)
        threads = (os.cpu_count() or 1) if threads is None else threads
        check_whole(threads, "threads", 1, 2**16)
        self._ops = _load_ops()
        self._weights = _weights(self._ops, packed)
        self._buffers = _new_buffers(self._ops, packed, batch)
        self._draw = (np.uint64(self._seed), self._streams, np.float64(self._temperature))
        edges = np.linspace(0, batch, min(threads, batch) + 1).astype(int).tolist()
        self._shares = list(zip(edges[:-1], edges[1:], strict=True))
        self._pool = ThreadPoolExecutor(len(self._shares)) if len(self._shares) > 1 else None

    def _advance(self, run: Run, latent: np.ndarray, first: int, n_samples: int) -> int:
        def work(begin: int, end: int) -> int:
            return self._ops.advance(
                self._weights,
                self._buffers,
                latent,
                begin,
                end,
                self._position,
                first,
                first + n_samples,
                run.forced,
                self._draw,
                run.codes,
                run.logits,
                run.residual,
                run.skip,
            )

        if self._pool is None:
            return work(*self._shares[0])
        futures = [self._pool.submit(work, *share) for share in self._shares]
        try:
            wait(futures)
        finally:
            wait(futures)  # an interrupt ends the first wait while the threads still write
        bad = [future.result() for future in futures if future.result() >= 0]
        return min(bad, default=-1)

    def _save(self) -> tuple[np.ndarray, ...]:
        return tuple(array.copy() for array in _memory(self._buffers))

    def _load(self, memory: tuple[np.ndarray, ...]) -> None:
        for mine, saved in zip(_memory(self._buffers), memory, strict=True):
            mine[:] = saved


def _load_ops():
    try:
        from wavecore.kernels.cpu import numba_ops
    except ImportError as error:
        raise DeviceError(
            f"the numba backend needs numba, which does not load here ({error}); pip install numba, or take "
            "the reference backend"
        ) from error
    return numba_ops


def _memory(buffers: numba_ops.Buffers) -> tuple[np.ndarray, ...]:
    """The buffers that carry something from one sample to the next."""
    return buffers.rings, buffers.history, buffers.condition


def _weights(ops, packed: PackedWaveNet) -> numba_ops.Weights:
    return ops.Weights(
        first=packed.first_weight,
        first_bias=packed.first_bias,
        condition=packed.condition_weight,
        condition_bias=packed.condition_bias,
        filter=packed.filter_weight,
        residual_skip=packed.residual_skip_weight,
        residual_skip_bias=packed.residual_skip_bias,
        head=packed.head_weight,
        output=packed.output_weight,
        output_bias=packed.output_bias,
        dilations=np.array(packed.dilations, dtype=np.int64),
        ring_offsets=np.cumsum([0, *packed.ring_slots[:-1]], dtype=np.int64),
        hop=packed.hop_length,
    )


def _new_buffers(ops, packed: PackedWaveNet, batch: int) -> numba_ops.Buffers:
    """Zeros: nothing has been heard before the first sample."""
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
