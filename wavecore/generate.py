"""Choose a backend and open a generator; the only module that knows the kernels.

Every backend draws from the same counter-based generator and is tested against
``reference``, so the choice changes the speed and nothing a listener hears.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from wavecore.errors import DeviceError, UsageError
from wavecore.kernels.interface import Generator
from wavecore.kernels.packing import pack
from wavecore.models.wavenet import WaveNetConfig

BACKENDS = ("reference", "numba", "native")
"""What ``--backend`` takes beside ``auto``."""
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
            from wavecore.kernels.native_cpu import library_path

            if library_path() is None:
                return "numba", "native was not built at install, for want of a C compiler"
            return "native", "the fastest on a CPU"
        return "reference", "the only one that runs on a GPU"
    if name not in BACKENDS:
        raise UsageError(f"there is no backend {name!r}; give auto or one of {', '.join(BACKENDS)}")
    if name in _ON_CPU and device != "cpu":
        raise DeviceError(f"the {name} backend runs on the CPU, not on {device}; give --device cpu or --backend reference")
    if name == "native":
        from wavecore.kernels.native_cpu import load_library

        load_library()
    return name, "as asked"


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
    from wavecore.kernels.native_cpu import best_isa, library_path

    return f"{best_isa()}, {library_path()}"


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
        ``auto`` or one of ``BACKENDS``.
    device : str
        As ``resolve_device`` returned it.
    threads : int
        Cores that this generator may use on a CPU; it never changes the samples.

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
    packed = pack(state, config)
    shared = {"batch": batch, "seed": seed, "streams": streams, "temperature": temperature}
    if backend == "numba":
        from wavecore.kernels.numba_cpu import NumbaGenerator

        return NumbaGenerator(packed, threads=threads, **shared)
    if backend == "native":
        from wavecore.kernels.native_cpu import NativeGenerator

        return NativeGenerator(packed, threads=threads, **shared)
    from wavecore.kernels.reference import ReferenceGenerator

    return ReferenceGenerator(packed, device=device, **shared)


def generate_blocks(generator: Generator, latent: np.ndarray, *, block_samples: int = 16_000) -> Iterator[np.ndarray]:
    """Generate all that a latent allows, in blocks.

    Parameters
    ----------
    generator : Generator
    latent : ndarray, shape (B, F, C), float32
    block_samples : int
        Largest block; it does not change the samples.

    Yields
    ------
    ndarray, shape (B, n), uint8
        Mu-law codes.
    """
    generator.feed(latent)
    while generator.available:
        yield generator.generate(min(block_samples, generator.available))
