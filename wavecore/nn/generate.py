"""Choose a backend and open a generator; the only module that knows the kernels.

Every backend draws from the same counter-based generator and is tested against
``reference``, so the choice changes the speed and nothing a listener hears.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from wavecore.errors import DeviceError, UsageError
from wavecore.kernels.interface import LATENCY_BATCH, Generator
from wavecore.kernels.packing import pack
from wavecore.nn.wavenet import WaveNetConfig

BACKENDS = ("reference", "numba", "native", "triton")
"""What ``--backend`` takes beside ``auto``."""
DTYPES = {
    "reference": ("float32", "float64"),
    "numba": ("float32",),
    "native": ("int16", "float16", "float32", "int8"),
    "triton": ("float16", "float32"),
}
"""In which formats a backend can keep the weights; see ``usual_dtype``."""
STREAMS_PER_READ = {"reference": 1, "numba": 4, "native": 8}
"""Streams of one core that share a read of the weights."""
_ON_CPU = ("numba", "native")


def resolve_device(name: str) -> tuple[str, str]:
    """Turn a device's name into a device that is there.

    Parameters
    ----------
    name : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    device, reason : str
        The device, and why it was chosen.

    Raises
    ------
    DeviceError
        If the named device is missing.
    UsageError
        If the name is none of the above.
    """
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return ("cuda:0", "a CUDA device is here") if n_gpus else ("cpu", "no CUDA device is here")
    if name == "cpu":
        return "cpu", "as asked"
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if match is None:
        raise UsageError(f"there is no device {name!r}; give auto, cpu, cuda or cuda:N")
    index = int(match.group(1) or 0)
    if index >= n_gpus:
        raise DeviceError(f"device {name!r} is not here ({n_gpus} CUDA devices found); try --device cpu or auto")
    return f"cuda:{index}", "as asked"


def resolve_backend(name: str, device: str) -> tuple[str, str]:
    """Turn a backend's name into a backend that runs on a device.

    Parameters
    ----------
    name : str
        ``auto`` or one of ``BACKENDS``.
    device : str
        As ``resolve_device`` returned it.

    Returns
    -------
    backend, reason : str
        The backend, and why it was chosen.

    Raises
    ------
    DeviceError
        If the backend does not run on that device.
    UsageError
        If there is no such backend.
    """
    if name == "auto":
        if device == "cpu":
            from wavecore.kernels.cpu.native import library_path

            if library_path() is None:
                return "numba", "native was not built at install, for want of a C compiler"
            return "native", "the fastest on a CPU"
        return "auto", "the fastest that agrees with the reference: measured once on this GPU, and remembered"
    if name not in BACKENDS:
        raise UsageError(f"there is no backend {name!r}; give auto or one of {', '.join(BACKENDS)}")
    if name in _ON_CPU and device != "cpu":
        raise DeviceError(
            f"the {name} backend runs on the CPU, not on {device}; give --device cpu or --backend reference"
        )
    if name == "triton" and device == "cpu":
        raise DeviceError(
            "the triton backend runs on a CUDA device, not on the CPU; give --device cuda, or --backend native, numba or reference"
        )
    if name == "native":
        from wavecore.kernels.cpu.native import load_library

        load_library()
    return name, "as asked"


def available_backends(device: str) -> list[str]:
    """List the backends that run on a device of this machine.

    Parameters
    ----------
    device : str
        As ``resolve_device`` returned it.
    """
    found = []
    for name in BACKENDS:
        try:
            resolve_backend(name, device)
        except DeviceError:
            continue
        found.append(name)
    return found


def native_kernel() -> str:
    """Describe the compiled CPU kernel.

    Returns
    -------
    str
        Its instruction set and its file.

    Raises
    ------
    DeviceError
        If it was not built, or does not load.
    """
    from wavecore.kernels.cpu.native import best_isa, library_path

    return f"{best_isa()}, {library_path()}"


def cpu_ceilings(n_bytes: int):
    """Measure what one core can do at best with a working set of this size.

    Returns
    -------
    kernels.roofline.Ceilings or None
        None where the native kernel, which measures, was not built.
    """
    from wavecore.kernels.cpu.native import library_path
    from wavecore.kernels.roofline import measure_ceilings

    return None if library_path() is None else measure_ceilings(n_bytes)


def cpu_read_speeds() -> dict[int, float] | None:
    """Measure how fast one core reads working sets of growing size.

    Returns
    -------
    dict of int to float, or None
        Bytes per second for each number of bytes; None without the native kernel.
    """
    from wavecore.kernels.cpu.native import library_path
    from wavecore.kernels.roofline import read_speeds

    return None if library_path() is None else read_speeds()


@functools.lru_cache
def gpu_ceilings(device: str):
    """Measure what a GPU can do at best.

    Returns
    -------
    kernels.triton.roofline.GpuCeilings
        Measured once in a process.

    Raises
    ------
    DeviceError
        If it is no CUDA device that is here.
    """
    from wavecore.kernels.triton.roofline import measure_gpu

    return measure_gpu(device)


def open_generator(
    state: Mapping[str, Tensor],
    config: WaveNetConfig,
    *,
    batch: int,
    seed: int,
    streams: Sequence[int] | None = None,
    temperature: float = 1.0,
    backend: str = "auto",
    device: str = "cpu",
    threads: int = 1,
    dtype: str | None = None,
) -> Generator:
    """Open a generator of ``batch`` streams.

    Parameters
    ----------
    state : mapping of str to Tensor
        A WaveNet's state dict.
    config : WaveNetConfig
        Its sizes.
    batch : int
        Streams B.
    seed : int
        Of the draws, 0 <= seed < 2**64.
    streams : sequence of int, optional
        Numbers of the streams, which with the seed decide their draws; 0 to B - 1 if not given.
    temperature : float
        Divides the logits; 0 takes the likeliest code.
    backend : str
        ``auto`` or one of ``BACKENDS``.  Where several kernels could do it, which is so on a GPU alone, the
        fastest is found by measuring at first use, see `kernels.choice`.
    device : str
        As ``resolve_device`` returned it.
    threads : int
        Cores that this generator may use on a CPU; it never changes the samples.
    dtype : str, optional
        Format of the weights, one of ``DTYPES[backend]``; ``usual_dtype`` if not given.

    Returns
    -------
    Generator
        ``feed`` latents to it and ``generate`` codes.

    Raises
    ------
    DeviceError, UsageError, ModelError
        If the backend does not run there, an argument is off, or the weights do not fit.
    """
    backend, _ = resolve_backend(backend, device)
    if dtype is not None and dtype not in (known := DTYPES["triton" if backend == "auto" else backend]):
        raise UsageError(f"the {backend} backend does not run in {dtype!r}; it takes {', '.join(known)}")
    packed = pack(state, config)
    shared = {"batch": batch, "seed": seed, "streams": streams, "temperature": temperature}
    if backend not in ("auto", "triton"):
        dtype = usual_dtype(backend, batch) if dtype is None else dtype
    if backend == "numba":
        from wavecore.kernels.cpu.numba import NumbaGenerator

        return NumbaGenerator(packed, threads=threads, **shared)
    if backend == "native":
        from wavecore.kernels.cpu.native import NativeGenerator

        return NativeGenerator(packed, threads=threads, storage=dtype, **shared)
    if backend in ("auto", "triton"):
        from wavecore.kernels.gpu import open_fastest

        precisions = DTYPES["triton"] if dtype is None else (dtype,)
        return open_fastest(packed, precisions, device=device, reference_too=backend == "auto", **shared)
    from wavecore.kernels.reference import ReferenceGenerator

    return ReferenceGenerator(packed, device=device, dtype=getattr(torch, dtype), **shared)


def usual_dtype(backend: str, batch: int) -> str:
    """Name the format in which a backend keeps the weights unless told.

    Parameters
    ----------
    backend : str
        One of ``BACKENDS``.
    batch : int
        Streams.

    Returns
    -------
    str
        One of ``DTYPES[backend]``.
    """
    if backend == "triton" and batch <= LATENCY_BATCH:
        return "float32"
    return DTYPES["triton" if backend == "auto" else backend][0]


def generate_blocks(
    generator: Generator,
    latent: np.ndarray,
    *,
    block_samples: int = 16_000,
    first_samples: int = 800,
    on_progress: Callable[[int, int], None] | None = None,
) -> Iterator[np.ndarray]:
    """Generate all that a latent allows, in blocks: play one while the next is made.

    Closing the iterator, or dropping it, cancels what is left; only the generator
    is still held, by whoever opened it, and can go on from there.

    Parameters
    ----------
    latent : ndarray, shape (B, F, C), float32
    block_samples : int
        Largest block, at least 1; it does not change the samples.
    first_samples : int
        The first block, shorter so that something is heard soon; at least 1.
    on_progress : callable, optional
        Called with (samples done, samples in all) after every block, before it is yielded.

    Yields
    ------
    ndarray, shape (B, n), uint8
        Mu-law codes.

    Raises
    ------
    UsageError
        If a block is to be shorter than a sample.
    """
    for name, value in (("block_samples", block_samples), ("first_samples", first_samples)):
        if value < 1:
            raise UsageError(f"{name} is {value}; at least 1 is needed")
    generator.feed(latent)
    total, done = generator.available, 0
    while generator.available:
        size = min(block_samples, generator.available, block_samples if done else first_samples)
        codes = generator.generate(size)
        done += size
        if on_progress is not None:
            on_progress(done, total)
        yield codes
