"""Open the kernel that is the fastest on a GPU for a network and a number of streams.

Three Triton kernels share the work: one for few streams, whose layers sit on processors of
their own; one for many streams, each of whose programs owns some of them; and one that goes
layer by layer, for networks too wide for the other two.
"""

from __future__ import annotations

import importlib.metadata
import warnings
from collections.abc import Callable, Sequence

import torch

from wavecore.kernels import choice
from wavecore.kernels.interface import LATENCY_BATCH, Generator
from wavecore.kernels.packing import PackedWaveNet
from wavecore.kernels.reference import ReferenceGenerator
from wavecore.kernels.triton.latency import TritonLatencyGenerator
from wavecore.kernels.triton.layers import TritonLayersGenerator
from wavecore.kernels.triton.throughput import TritonThroughputGenerator


def open_fastest(
    packed: PackedWaveNet,
    precisions: Sequence[str],
    *,
    device: str,
    reference_too: bool,
    batch: int,
    seed: int,
    streams: Sequence[int] | None = None,
    temperature: float = 1.0,
) -> Generator:
    """Open the fastest kernel; measured where that was not done before, and then remembered.

    Parameters
    ----------
    packed : PackedWaveNet
        The weights.
    precisions : sequence of {"float16", "float32"}
        That may be chosen.
    device : str
        A CUDA device.
    reference_too : bool
        Whether the reference may be chosen, where no kernel is faster or none works.
    batch, seed, streams, temperature
        As for every `Generator`.

    Raises
    ------
    DeviceError
        If nothing runs this network there.
    """
    shared = {"batch": batch, "seed": seed, "streams": streams, "temperature": temperature}
    found = candidates(packed, precisions, device=device, reference_too=reference_too, **shared)
    key, path = choice_key(packed, batch, device, list(found)), choice.cache_path()
    chosen = choice.recall(key, list(found), path)
    if chosen is None:
        plain = {"seed": 0, "streams": None, "temperature": 1.0}
        chosen = choice.measure_choice(
            candidates(packed, precisions, device=device, reference_too=reference_too, batch=batch, **plain),
            lambda n: ReferenceGenerator(packed, device=device, batch=n, **plain),
            batch=batch, latent_channels=packed.latent_channels, hop_length=packed.hop_length,
            n_classes=packed.n_classes,
        )  # fmt: skip
        for name, reason in chosen.refused.items():
            warnings.warn(f"on {device}, {name} is not taken: {reason}", RuntimeWarning, stacklevel=3)
        try:
            choice.remember(key, chosen, path)
        except OSError as error:
            warnings.warn(f"the choice of a kernel cannot be remembered: {error}", RuntimeWarning, stacklevel=3)
    return found[chosen.name]()


def candidates(
    packed: PackedWaveNet,
    precisions: Sequence[str],
    *,
    device: str,
    reference_too: bool,
    batch: int,
    seed: int,
    streams: Sequence[int] | None = None,
    temperature: float = 1.0,
) -> dict[str, Callable[[], Generator]]:
    """List the kernels that might run this, each as a callable that opens it.

    Parameters
    ----------
    packed, precisions, device, reference_too, batch, seed, streams, temperature
        As of `open_fastest`.
    """
    shared = {"batch": batch, "seed": seed, "streams": streams, "temperature": temperature, "device": device}
    found: dict[str, Callable[[], Generator]] = {}
    if batch <= LATENCY_BATCH and "float32" in precisions:
        found["triton latency float32"] = lambda: TritonLatencyGenerator(packed, **shared)
    for precision in precisions:
        found[f"triton throughput {precision}"] = lambda precision=precision: TritonThroughputGenerator(
            packed, precision=precision, **shared
        )
        found[f"triton layers {precision}"] = lambda precision=precision: TritonLayersGenerator(
            packed, precision=precision, **shared
        )
    if reference_too and "float32" in precisions:
        found["reference float32"] = lambda: ReferenceGenerator(packed, **shared)
    return found


def choice_key(packed: PackedWaveNet, batch: int, device: str, names: Sequence[str]) -> str:
    """Name what a measured choice holds for.

    Parameters
    ----------
    names : sequence of str
        The candidates.

    Returns
    -------
    str
        GPU, versions, sizes of the network, streams, candidates.
    """
    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("wavecore", "torch", "triton")]
    sizes = [
        packed.n_layers, packed.kernel_size, packed.residual_channels, packed.gate_channels, packed.skip_channels,
        packed.head_channels, packed.latent_channels, packed.n_classes, sum(packed.ring_slots), packed.hop_length,
    ]  # fmt: skip
    return f"{gpu}; {', '.join(versions)}; sizes {sizes}; {batch} streams; {', '.join(names)}"
