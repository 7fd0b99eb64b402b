"""Open the fastest kernel on a GPU for a network and a number of streams: checked, measured once, and cached.

Three Triton kernels share the work: one for few streams, whose layers run on processors of their own; one for many
streams, each of whose programs owns some of them; and one that launches layer by layer, for networks too wide for the
other two.  Which is the fastest depends on the network, the number of streams and the GPU.  So each candidate runs
for a moment: first teacher-forced beside the reference, because a wrong kernel must not be chosen, then against the
clock.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Unpack

import numpy as np
import torch

from wavecore.errors import DeviceError, WavecoreError
from wavecore.kernels.base import StreamOptions
from wavecore.kernels.interface import LATENCY_BATCH, Generator
from wavecore.kernels.packing import PackedWaveNet
from wavecore.kernels.reference import ReferenceGenerator
from wavecore.kernels.triton.latency import TritonLatencyGenerator
from wavecore.kernels.triton.layers import TritonLayersGenerator
from wavecore.kernels.triton.throughput import TritonThroughputGenerator

TOLERANCE = 3e-3
"""Largest logit error against the reference, relative to the largest logit: half precision stays well below it."""
FORCED_SAMPLES = 24
TIMED_S = 0.3
COMPARED = 2
"""Streams that are compared with the reference, which computes them one by one."""


@dataclass(frozen=True)
class Choice:
    """The result of a measurement: the fastest candidate, speeds over all streams, and why others were refused."""

    name: str
    samples_per_s: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def open_fastest(
    packed: PackedWaveNet,
    precisions: Sequence[str],
    *,
    device: str,
    reference_too: bool,
    **options: Unpack[StreamOptions],
) -> Generator:
    """Open the fastest kernel, and measure which one that is if the cache does not have it.

    Parameters
    ----------
    precisions : sequence of {"float16", "float32"}
        The formats of the weights that may be chosen.
    device : str
        A CUDA device.
    reference_too : bool
        Whether the reference may be chosen, for a network that no kernel runs faster or at all.
    **options
        batch, seed, streams and temperature of the generator.

    Returns
    -------
    Generator

    Raises
    ------
    DeviceError
        If nothing runs this network on the device.
    """
    limits = {"device": device, "reference_too": reference_too}
    openers = candidates(packed, precisions, **limits, **options)
    key, path = choice_key(packed, options["batch"], device, openers), cache_path()
    choice = read_choice(key, openers, path)
    if choice is None:
        default = {"batch": options["batch"], "seed": 0, "streams": None, "temperature": 1.0}
        choice = measure_choice(
            candidates(packed, precisions, **limits, **default),
            lambda n: ReferenceGenerator(packed, device=device, **{**default, "batch": n}),
            packed,
            options["batch"],
        )
        for name, reason in choice.refused.items():
            warnings.warn(f"on {device}, {name} is not used: {reason}", RuntimeWarning, stacklevel=3)
        try:
            write_choice(key, choice, path)
        except OSError as error:
            warnings.warn(f"the choice of a kernel cannot be cached: {error}", RuntimeWarning, stacklevel=3)
    return openers[choice.name]()


def candidates(
    packed: PackedWaveNet,
    precisions: Sequence[str],
    *,
    device: str,
    reference_too: bool,
    **options: Unpack[StreamOptions],
) -> dict[str, Callable[[], Generator]]:
    """List the kernels that might run this, each as a callable that opens it; parameters as of `open_fastest`."""
    shared = {"device": device, **options}
    openers: dict[str, Callable[[], Generator]] = {}
    if options["batch"] <= LATENCY_BATCH and "float32" in precisions:
        openers["triton latency float32"] = lambda: TritonLatencyGenerator(packed, **shared)
    kernels = {"throughput": TritonThroughputGenerator, "layers": TritonLayersGenerator}
    for precision in precisions:
        for name, kernel in kernels.items():
            openers[f"triton {name} {precision}"] = lambda kernel=kernel, precision=precision: kernel(
                packed, precision=precision, **shared
            )
    if reference_too and "float32" in precisions:
        openers["reference float32"] = lambda: ReferenceGenerator(packed, **shared)
    return openers


def choice_key(packed: PackedWaveNet, batch: int, device: str, names: Iterable[str]) -> str:
    """Name what a choice is valid for: GPU, versions, sizes of the network, streams, candidates."""
    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("wavecore", "torch", "triton")]
    sizes = [
        packed.n_layers, packed.kernel_size, packed.residual_channels, packed.gate_channels, packed.skip_channels,
        packed.head_channels, packed.latent_channels, packed.n_classes, sum(packed.ring_slots), packed.hop_length,
    ]  # fmt: skip
    return f"{gpu}; {', '.join(versions)}; sizes {sizes}; {batch} streams; {', '.join(names)}"


def measure_choice(
    openers: Mapping[str, Callable[[], Generator]],
    reference: Callable[[int], Generator],
    packed: PackedWaveNet,
    batch: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Choice:
    """Compare every candidate of `batch` streams with the reference, opened for fewer, and time those that agree."""
    rng = np.random.default_rng(0)
    latent = _random_latent(rng, packed, batch, FORCED_SAMPLES)
    codes = rng.integers(0, packed.n_classes, (batch, FORCED_SAMPLES)).astype(np.uint8)
    compared = min(batch, COMPARED)
    specification = reference(compared)
    specification.feed(latent[:compared])
    expected = specification.force(codes[:compared])
    speeds, refused = {}, {}
    for name, open_candidate in openers.items():
        try:
            generator = open_candidate()
            generator.feed(latent)
            logits = generator.force(codes)[:compared]
        # A compiler or a driver may fail in ways of its own; the reason is kept and reported with the choice.
        except (WavecoreError, RuntimeError, OSError, ValueError, TypeError) as error:
            refused[name] = f"{type(error).__name__}: {error}"[:500]
            continue
        error = float(np.abs(logits - expected).max() / np.abs(expected).max())
        if not error <= TOLERANCE:  # NaN is refused, too
            refused[name] = f"its logits differ from the reference by {error:.2g} of the largest"
            continue
        speeds[name] = _speed(generator, rng, packed, batch, clock)
    if not speeds:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
        raise DeviceError(f"no kernel runs this model here ({reasons}); use --backend reference")
    return Choice(max(speeds, key=speeds.__getitem__), speeds, refused)


def _speed(generator: Generator, rng, packed: PackedWaveNet, batch: int, clock: Callable[[], float]) -> float:
    """Measure samples per second over all streams, without what is compiled or captured at first use."""
    n = 16
    while True:
        generator.feed(_random_latent(rng, packed, batch, n))
        start = clock()
        generator.generate(n)
        seconds = clock() - start
        if n > 16 and seconds >= TIMED_S:  # never the first run
            return n * batch / seconds
        n *= 2 if seconds >= TIMED_S / 4 else 4


def _random_latent(rng: np.random.Generator, packed: PackedWaveNet, batch: int, n_samples: int) -> np.ndarray:
    n_frames = -(-n_samples // packed.hop_length)
    return rng.standard_normal((batch, n_frames, packed.latent_channels)).astype(np.float32)


def cache_path() -> Path:
    """Return the file of cached choices in the user's cache folder; neither needs to exist."""
    if sys.platform == "win32":
        root = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "wavecore" / "choices.json"


def read_choice(key: str, names: Iterable[str], path: Path) -> Choice | None:
    """Read the choice among these candidates; None if there is none or the file is damaged."""
    try:
        choice = Choice(**json.loads(path.read_text(encoding="utf-8"))[key])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    known = {*choice.samples_per_s, *choice.refused}
    return choice if choice.name in choice.samples_per_s and known == set(names) else None


def write_choice(key: str, choice: Choice, path: Path) -> None:
    """Add a choice to the file, which is created if it is missing; raises OSError if it cannot be written."""
    try:
        choices = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        choices = {}
    choices = choices if isinstance(choices, dict) else {}
    choices[key] = asdict(choice)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(choices, indent=1, sort_keys=True), encoding="utf-8")
    os.replace(temporary, path)  # atomic, because another process may be reading
