"""The limits of a GPU: copying, matrix products, and the hop from one program to another."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from wavecore.errors import DeviceError

COPIED_BYTES = 1 << 30
MATRIX = 8192
HOPS = 20_000
HOP_WIDTH = 64
REPEATS = 5
_LIMIT = 1 << 24


@dataclass(frozen=True)
class GpuCeilings:
    """The limits of a GPU."""

    copy_bytes_per_s: float  # read and written bytes of a large copy
    multiply_adds_per_s: float  # of a large float16 matrix product
    hop_s: float  # from one program's store to its arrival in another program

    def samples_per_s(self, *, streams: int, multiply_adds: int, hops: int) -> float:
        """Bound the samples per second of streams that advance together, over all streams, weights resident.

        A sample of one stream takes `multiply_adds`, and `hops` one after the other, 0 if programs pass nothing on.
        """
        return streams / max(streams * multiply_adds / self.multiply_adds_per_s, hops * self.hop_s)


def measure_gpu(device: str) -> GpuCeilings:
    """Measure a GPU, the best of several runs.

    Raises DeviceError if it is no CUDA device, or a program waits in vain.
    """
    if not device.startswith("cuda") or not torch.cuda.is_available():
        raise DeviceError(f"{device} is not a CUDA device of this machine; its ceilings cannot be measured")
    source = torch.ones(COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copied = 2 * COPIED_BYTES / _best(lambda: target.copy_(source), device)
    a = torch.randn(MATRIX, MATRIX, device=device, dtype=torch.float16)
    products = MATRIX**3 / _best(lambda: a @ a, device)
    return GpuCeilings(copied, products, measure_hop(device))


def measure_hop(device: str) -> float:
    """Measure the seconds of a hop, the best of several runs; raises DeviceError if a program waits in vain."""
    from wavecore.kernels.triton.words import ping_pong

    status = torch.zeros(1, dtype=torch.int32, device=device)

    def run() -> None:
        words = torch.zeros(2 * HOP_WIDTH, dtype=torch.int64, device=device)
        ping_pong[(2,)](words, status, HOPS, _LIMIT, WIDTH=HOP_WIDTH, SPIN=True, EXCHANGE=False, num_warps=2)

    seconds = _best(run, device)
    if int(status):
        raise DeviceError("a program waited in vain for the other one: the hop cannot be measured on this GPU")
    return seconds / (2 * HOPS)


def _best(work: Callable[[], object], device: str) -> float:
    """Return the seconds of the fastest of several runs, after one that is not timed."""
    work()
    times = []
    for _ in range(REPEATS):
        torch.cuda.synchronize(device)
        start = time.perf_counter()
        work()
        torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return min(times)
