"""What a GPU can do at best: copying, matrix products, and the hop from one program to another."""

from __future__ import annotations

import time
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
    """The limits of a GPU.

    Attributes
    ----------
    copy_bytes_per_s : float
        Read and written bytes of a large copy.
    multiply_adds_per_s : float
        Of a large float16 matrix product.
    hop_s : float
        From one program's store to another program's having it.
    """

    copy_bytes_per_s: float
    multiply_adds_per_s: float
    hop_s: float

    def samples_per_s(self, *, streams: int, multiply_adds: int, hops: int) -> float:
        """Bound the speed of streams that advance together, weights resident.

        Parameters
        ----------
        multiply_adds : int
            For one sample of one stream.
        hops : int
            That a sample waits for one after the other; 0 where nothing is handed on.

        Returns
        -------
        float
            Samples per second over all streams.
        """
        return streams / max(streams * multiply_adds / self.multiply_adds_per_s, hops * self.hop_s)


def measure_gpu(device: str) -> GpuCeilings:
    """Measure a GPU.

    Returns
    -------
    GpuCeilings
        The best of several runs each.

    Raises
    ------
    DeviceError
        If the device is no CUDA device, or a program waited in vain.
    """
    if not device.startswith("cuda") or not torch.cuda.is_available():
        raise DeviceError(f"{device} is not a CUDA device that is here; its ceilings cannot be measured")
    source = torch.ones(COPIED_BYTES, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    copied = 2 * COPIED_BYTES / _best(lambda: target.copy_(source), device)
    del source, target
    a = torch.randn(MATRIX, MATRIX, device=device, dtype=torch.float16)
    products = MATRIX**3 / _best(lambda: a @ a, device)
    return GpuCeilings(copied, products, measure_hop(device))


def measure_hop(device: str) -> float:
    """Time the hop.

    Returns
    -------
    float
        Seconds, the best of several runs.

    Raises
    ------
    DeviceError
        If a program waited in vain.
    """
    from wavecore.kernels.triton.roofline_ops import ping_pong

    status = torch.zeros(1, dtype=torch.int32, device=device)

    def run() -> None:
        words = torch.zeros(2 * HOP_WIDTH, dtype=torch.int64, device=device)
        ping_pong[(2,)](words, status, HOPS, _LIMIT, WIDTH=HOP_WIDTH, SPIN=True, EXCHANGE=False, num_warps=2)

    took = _best(run, device)
    if int(status):
        raise DeviceError("a program waited in vain for the other one: the hop cannot be measured on this GPU")
    return took / (2 * HOPS)


def _best(work, device: str) -> float:
    """Seconds of the fastest of several runs, after one that is not timed."""
    work()
    times = []
    for _ in range(REPEATS):
        torch.cuda.synchronize(device)
        begun = time.perf_counter()
        work()
        torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begun)
    return min(times)
