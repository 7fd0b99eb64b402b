"""Devices, backends and generators; the only module that imports the kernels.

All backends use the same counter-based random numbers and are tested against ``reference``: the choice changes the
speed, and the samples only by rounding.
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
from wavecore.nn.config import WaveNetConfig

DTYPES = {
    "reference": ("float32", "float64"),
    "numba": ("float32",),
    "native": ("int16", "float16", "float32", "int8"),
    "triton": ("float16", "float32"),
}
"""Formats in which a backend can keep the weights; see ``default_dtype``."""
BACKENDS = tuple(DTYPES)
"""What ``--backend`` takes beside ``auto``."""
STREAMS_PER_READ = {"reference": 1, "numba": 4, "native": 8}
"""Streams of one core that share a read of the weights."""


def resolve_device(name: str) -> tuple[str, str]:
    """Resolve a device's name.

    Parameters
    ----------
    name : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    device, reason : str
        ``cpu`` or ``cuda:N``, and why it was chosen.

    Raises
    ------
    DeviceError
        If the named device is missing.
    UsageError
        If the name is none of the above.

    Examples
    --------
    >>> from wavecore.nn.generate import resolve_device
    >>> resolve_device("cpu")
    ('cpu', 'as asked')
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
    """Resolve a backend's name.

    Parameters
    ----------
    name : str
        ``auto`` or one of ``BACKENDS``.
    device : str
        As ``resolve_device`` returned it.

    Returns
    -------
    backend, reason : str
        The backend, and why it was chosen; on a GPU ``auto`` stays.

    Raises
    ------
    DeviceError
        If the backend does not run on that device.
    UsageError
        If there is no such backend.

    Examples
    --------
    >>> from wavecore.nn.generate import resolve_backend
    >>> resolve_backend("reference", "cpu")
    ('reference', 'as asked')
    """
    if name == "auto":
        if device != "cpu":
            return "auto", "the fastest that agrees with the reference: measured once on this GPU, and remembered"
        from wavecore.kernels.cpu.native import library_path

        if library_path() is None:
            return "numba", "native was not built at install, for want of a C compiler"
        return "native", "the fastest on a CPU"
    if name not in BACKENDS:
        raise UsageError(f"there is no backend {name!r}; give auto or one of {', '.join(BACKENDS)}")
    if name in ("numba", "native") and device != "cpu":
        fix = "give --device cpu or --backend reference"
        raise DeviceError(f"the {name} backend runs on the CPU, not on {device}; {fix}")
    if name == "triton" and device == "cpu":
        fix = "give --device cuda, or --backend native, numba or reference"
        raise DeviceError(f"the triton backend runs on a CUDA device, not on the CPU; {fix}")
    if name == "native":
        from wavecore.kernels.cpu.native import load_library

        load_library()
    return name, "as asked"


def available_backends(device: str) -> list[str]:
    """List the backends that run on a device, as ``resolve_device`` returned it."""
    available = []
    for name in BACKENDS:
        try:
            resolve_backend(name, device)
        except DeviceError:
            continue
        available.append(name)
    return available


def native_kernel() -> str:
    """Describe the compiled CPU kernel, its instruction set and its file; raise DeviceError if it does not load."""
    from wavecore.kernels.cpu.native import best_isa, library_path

    return f"{best_isa()}, {library_path()}"


def cpu_ceilings(n_bytes: int):
    """Measure the ``kernels.cpu.roofline.Ceilings`` of one core for a working set; None without the native kernel."""
    from wavecore.kernels.cpu.native import library_path
    from wavecore.kernels.cpu.roofline import measure_ceilings

    return None if library_path() is None else measure_ceilings(n_bytes)


def cpu_read_speeds() -> dict[int, float] | None:
    """Measure one core's bytes per second by the size of the working set, bytes; None without the native kernel."""
    from wavecore.kernels.cpu.native import library_path
    from wavecore.kernels.cpu.roofline import read_speeds

    return None if library_path() is None else read_speeds()


@functools.lru_cache
def gpu_ceilings(device: str):
    """Measure the ``kernels.triton.roofline.GpuCeilings`` of a CUDA device, once in a process."""
    from wavecore.kernels.triton.roofline import measure_gpu

    return measure_gpu(device)


def default_dtype(backend: str, batch: int) -> str:
    """Return the format in which a backend keeps the weights by default."""
    if backend == "triton" and batch <= LATENCY_BATCH:
        return "float32"
    return DTYPES["triton" if backend == "auto" else backend][0]


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
    batch : int
        Streams B.
    seed : int
        Seed of the random numbers, 0 <= seed < 2**64.
    streams : sequence of int, optional
        Numbers of the streams, which with the seed determine their random numbers; 0 to B - 1 by default.
    temperature : float
        Divides the logits; 0 takes the likeliest code.
    backend : str
        ``auto`` or one of ``BACKENDS``.  On a GPU the fastest kernel is found by measuring at first use, see
        `kernels.gpu`.
    device : str
        As ``resolve_device`` returned it.
    threads : int
        Cores that this generator may use on a CPU; it does not change the samples.
    dtype : str, optional
        Format of the weights, one of ``DTYPES[backend]``; ``default_dtype`` by default.

    Returns
    -------
    Generator
        Its ``feed`` takes latents, shape (B, F, C), its ``generate`` returns mu-law codes, shape (B, n).

    Raises
    ------
    DeviceError, UsageError, ModelError
        If the backend does not run there, an argument is out of range, or the weights do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from wavecore.nn.generate import open_generator
    >>> from wavecore.nn.config import WaveNetConfig
    >>> from wavecore.nn.wavenet import WaveNet
    >>> config = WaveNetConfig(1, 3, 2, 8, 8, 8, 8, latent_channels=4, hop_length=10)
    >>> generator = open_generator(WaveNet(config).state_dict(), config, batch=2, seed=0, backend="reference")
    >>> generator.feed(np.zeros((2, 3, 4), np.float32))
    >>> generator.generate(generator.available).shape
    (2, 30)
    """
    backend, _ = resolve_backend(backend, device)
    formats = DTYPES["triton" if backend == "auto" else backend]
    if dtype is not None and dtype not in formats:
        raise UsageError(f"the {backend} backend does not run in {dtype!r}; it takes {', '.join(formats)}")
    packed = pack(state, config)
    options = {"batch": batch, "seed": seed, "streams": streams, "temperature": temperature}
    if backend in ("auto", "triton"):
        from wavecore.kernels.gpu import open_fastest

        precisions = formats if dtype is None else (dtype,)
        return open_fastest(packed, precisions, device=device, reference_too=backend == "auto", **options)
    dtype = formats[0] if dtype is None else dtype
    if backend == "numba":
        from wavecore.kernels.cpu.numba import NumbaGenerator

        return NumbaGenerator(packed, threads=threads, **options)
    if backend == "native":
        from wavecore.kernels.cpu.native import NativeGenerator

        return NativeGenerator(packed, threads=threads, storage=dtype, **options)
    from wavecore.kernels.reference import ReferenceGenerator

    return ReferenceGenerator(packed, device=device, dtype=getattr(torch, dtype), **options)


def generate_blocks(
    generator: Generator,
    latent: np.ndarray,
    *,
    block_samples: int = 16_000,
    first_samples: int = 800,
    on_progress: Callable[[int, int], None] | None = None,
) -> Iterator[np.ndarray]:
    """Generate all samples of a latent, block by block.

    Closing the iterator cancels the rest; the generator can then be used further.

    Parameters
    ----------
    generator : Generator
    latent : ndarray, shape (B, F, C), float32
    block_samples : int
        Largest block, at least 1; it does not change the samples.
    first_samples : int
        The first block, shorter for a low latency, at least 1.
    on_progress : callable, optional
        Called with (samples done, samples in all) after every block, before it is yielded.

    Yields
    ------
    ndarray, shape (B, n), uint8
        Mu-law codes.

    Raises
    ------
    UsageError
        If a block length is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from wavecore.nn.generate import generate_blocks, open_generator
    >>> from wavecore.nn.config import WaveNetConfig
    >>> from wavecore.nn.wavenet import WaveNet
    >>> config = WaveNetConfig(1, 3, 2, 8, 8, 8, 8, latent_channels=4, hop_length=10)
    >>> generator = open_generator(WaveNet(config).state_dict(), config, batch=2, seed=0, backend="reference")
    >>> latent = np.zeros((2, 3, 4), np.float32)
    >>> [block.shape for block in generate_blocks(generator, latent, block_samples=20, first_samples=10)]
    [(2, 10), (2, 20)]
    """
    for name, value in (("block_samples", block_samples), ("first_samples", first_samples)):
        if value < 1:
            raise UsageError(f"{name} is {value}; it must be at least 1")
    generator.feed(latent)
    total, done = generator.available, 0
    while generator.available:
        size = min(block_samples, generator.available, block_samples if done else first_samples)
        codes = generator.generate(size)
        done += size
        if on_progress is not None:
            on_progress(done, total)
        yield codes
