"""How many samples per second a backend generates, beside what the machine allows.

Parity comes first: a backend whose logits are not those of the reference has
no speed.  Weights are random but of the scale of trained ones, never zeros, for
which some processors are faster.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context

import numpy as np
import torch

from wavecore.errors import UsageError
from wavecore.nn import generate
from wavecore.nn.config import PRESETS, WaveNetConfig, preset
from wavecore.nn.wavenet import WaveNet
from wavecore.training import memory

TOLERANCES = {"float64": 1e-5, "float32": 1e-5, "float16": 3e-3, "int16": 3e-3, "int8": 1e-1}
"""Largest logit error against the reference, relative to the largest logit, per format of the weights."""
BLOCKS = 9
"""Timed stretches; the median is reported, and the spread between the quartiles."""
PARITY_SAMPLES = 48
HOPS_BESIDE_LAYERS = 3
"""From the last layer to the hidden channels, to the logits, and with the code back to the first layer."""


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes
    ----------
    preset : str
        A WaveNet's size.
    batch : int
        Streams.
    threads : int
        Cores.
    """

    preset: str
    backend: str
    device: str
    dtype: str
    batch: int
    threads: int


@dataclass(frozen=True)
class Result:
    """What was found.

    Attributes
    ----------
    batch, threads : int
        As in ``Case``.
    samples_per_s : float or None
        Over all streams; None if parity failed.
    realtime_factor : float or None
        Of one stream.
    median_s, spread : float or None
        Seconds per timed stretch, and the distance of its quartiles relative to it.
    roofline_samples_per_s, roofline_fraction : float or None
        What memory and arithmetic of this machine allow (on a GPU arithmetic, and for a few streams the
        way from layer to layer), and the share that was reached; None without the native kernel, which
        measures a CPU.
    first_sample_ms : float or None
        From latent to first sample with an open generator.
    peak_memory_bytes : int
        Of the process that measured, its libraries included.
    parity : float
        Largest logit error against the reference, relative to the largest logit.
    """

    preset: str
    backend: str
    device: str
    dtype: str
    batch: int
    threads: int
    samples_per_s: float | None
    realtime_factor: float | None
    median_s: float | None
    spread: float | None
    roofline_samples_per_s: float | None
    roofline_fraction: float | None
    first_sample_ms: float | None
    peak_memory_bytes: int
    parity: float


def plan(
    presets: list[str], backends: list[str], batches: list[int], dtypes: list[str] | None, device: str, threads: int
) -> tuple[list[Case], list[str]]:
    """List the cases that exist.

    Parameters
    ----------
    dtypes : list of str, optional
        That of each backend if not given.
    device : str
        As ``generate.resolve_device`` returned it.
    threads : int
        Cores to use at most.

    Returns
    -------
    skipped : list of str
        Why a combination is not among them.

    Raises
    ------
    UsageError, DeviceError
        If a preset or a backend is unknown or not here, or nothing is left.
    """
    cases, skipped = [], []
    for name in presets:
        if name not in PRESETS:
            raise UsageError(f"there is no preset {name!r}; choose from {', '.join(PRESETS)}")
    for backend in backends:
        generate.resolve_backend(backend, device)
        for dtype in dtypes or [None]:
            if dtype is not None and dtype not in generate.DTYPES[backend]:
                skipped.append(f"{backend} does not run in {dtype}")
                continue
            cases += [
                Case(name, backend, device, dtype or generate.default_dtype(backend, batch), batch, threads)
                for name in presets
                for batch in batches
            ]
    if not cases:
        raise UsageError(f"there is nothing to measure: {'; '.join(skipped)}")
    return cases, skipped


def measure_all(cases: list[Case], *, seconds: float) -> Iterator[Result]:
    """Measure case after case, each in a process of its own.

    Parameters
    ----------
    seconds : float
        To be timed per case.
    """
    for case in cases:
        # A new process: its peak memory is the case's, and no case inherits another's caches or threads.
        torch_threads = case.threads if case.backend == "reference" else 1
        context = get_context("spawn")
        with ProcessPoolExecutor(1, context, initializer=torch.set_num_threads, initargs=(torch_threads,)) as pool:
            yield pool.submit(measure, case, seconds=seconds).result()


def measure(case: Case, *, seconds: float, config: WaveNetConfig | None = None) -> Result:
    """Measure one case in this process.

    Parameters
    ----------
    seconds : float
        To be timed.
    config : WaveNetConfig, optional
        The sizes, where ``case.preset`` is only a name for them.

    Raises
    ------
    WavecoreError
        As of ``generate.open_generator``.
    """
    config = preset(case.preset) if config is None else config
    state = random_state(config)
    parity = logit_error(state, config, case)
    found: dict[str, float | None] = dict.fromkeys(
        ("samples_per_s", "realtime_factor", "median_s", "spread", "roofline_samples_per_s", "roofline_fraction",
         "first_sample_ms")
    )  # fmt: skip
    if parity <= TOLERANCES[case.dtype]:
        found |= _timed(state, config, case, seconds)
    return Result(**asdict(case), **found, peak_memory_bytes=memory.peak_bytes("cpu"), parity=parity)


def random_state(config: WaveNetConfig, *, seed: int = 0) -> dict[str, torch.Tensor]:
    """Draw weights whose activations and logits are of the scale of a trained network's.

    Returns
    -------
    dict of str to Tensor
        A state dict of ``WaveNet(config)``.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = WaveNet(config)
        torch.nn.init.normal_(network.output.weight, std=2 / config.head_channels**0.5)
    return {name: tensor.detach() for name, tensor in network.state_dict().items()}


def logit_error(state: dict[str, torch.Tensor], config: WaveNetConfig, case: Case) -> float:
    """Run a case teacher-forced beside the reference in float64 on the CPU.

    Returns
    -------
    float
        The largest error of a logit, relative to the largest logit.
    """
    rng = np.random.default_rng(1)
    batch = min(case.batch, 9)  # every size of tile, and no more: the reference is slow
    codes = rng.integers(0, config.n_classes, (batch, PARITY_SAMPLES)).astype(np.uint8)
    latent = _latent(config, batch, PARITY_SAMPLES, rng)
    logits = []
    for backend, dtype, device in (("reference", "float64", "cpu"), (case.backend, case.dtype, case.device)):
        generator = generate.open_generator(
            state, config, batch=batch, seed=0, backend=backend, dtype=dtype, device=device, threads=case.threads
        )
        generator.feed(latent)
        logits.append(generator.force(codes).astype(np.float64))
    return float(np.abs(logits[1] - logits[0]).max() / np.abs(logits[0]).max())


def _timed(state, config: WaveNetConfig, case: Case, seconds: float) -> dict[str, float | None]:
    """Time a case: a first sample, a warm-up, then stretches of equal length."""
    rng = np.random.default_rng(2)
    generator = generate.open_generator(
        state, config, batch=case.batch, seed=0, backend=case.backend, dtype=case.dtype, device=case.device,
        threads=case.threads,
    )  # fmt: skip
    generator.feed(_latent(config, case.batch, 1, rng))
    generator.generate(1)  # compiles, fills caches
    generator.feed(_latent(config, case.batch, config.hop_length, rng))
    first = _clock(generator, 1)
    n, took = 1, first
    while took < seconds / (2 * BLOCKS):  # the warm-up finds how long a stretch is to be
        n *= 2
        took = _clock(generator, n, config, rng)
    stretch = max(1, round(n * seconds / BLOCKS / took))
    times = sorted(_clock(generator, stretch, config, rng) for _ in range(BLOCKS))
    median = statistics.median(times)
    speed = stretch * case.batch / median
    roofline = _roofline(config, case, getattr(generator, "bytes_per_sample", 4 * config.multiply_adds))
    return {
        "samples_per_s": speed,
        "realtime_factor": stretch / median / config.sample_rate,
        "median_s": median,
        "spread": (times[3 * BLOCKS // 4] - times[BLOCKS // 4]) / median,
        "roofline_samples_per_s": roofline,
        "roofline_fraction": speed / roofline if roofline else None,
        "first_sample_ms": 1e3 * first,
    }


def _clock(generator, n_samples: int, config: WaveNetConfig | None = None, rng=None) -> float:
    """Seconds for the next samples; the latent they need is fed first, outside the clock."""
    if config is not None and generator.available < n_samples:
        batch = generator.state().latent.shape[0]
        generator.feed(_latent(config, batch, n_samples - generator.available, rng))
    begun = time.perf_counter()
    generator.generate(n_samples)
    return time.perf_counter() - begun


def _roofline(config: WaveNetConfig, case: Case, n_bytes: int) -> float | None:
    """Samples per second that reading the weights and multiplying allow, over all cores used."""
    if case.device != "cpu":
        handed_on = case.batch <= generate.LATENCY_BATCH and case.dtype == "float32"
        return generate.gpu_ceilings(case.device).samples_per_s(
            streams=case.batch, multiply_adds=config.multiply_adds,
            hops=config.n_layers + HOPS_BESIDE_LAYERS if handed_on else 0,
        )  # fmt: skip
    splits = case.backend == "native" and case.batch == 1 and case.threads > 1  # two cores read half each
    ceilings = generate.cpu_ceilings(n_bytes // 2 if splits else n_bytes)
    if ceilings is None:
        return None
    whole = case.backend == "native" and case.dtype.startswith("int")
    if splits:
        return ceilings.samples_per_s(streams=1, reads=1, multiply_adds=config.multiply_adds // 2, whole_numbers=whole)
    cores = 1 if case.backend == "reference" else min(case.threads, case.batch)
    streams = -(-case.batch // cores)
    reads = -(-streams // generate.STREAMS_PER_READ[case.backend])
    one = ceilings.samples_per_s(streams=streams, reads=reads, multiply_adds=config.multiply_adds, whole_numbers=whole)
    return one / streams * case.batch


def _latent(config: WaveNetConfig, batch: int, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    n_frames = -(-n_samples // config.hop_length)
    return rng.standard_normal((batch, n_frames, config.latent_channels)).astype(np.float32)


def machine(device: str) -> dict[str, object]:
    """Describe what the figures were measured on.

    Returns
    -------
    dict
        Names, versions, and one core's ceilings (None without the native kernel).
    """
    found: dict[str, object] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu",
    }
    if device.startswith("cuda"):
        found["gpu"] = asdict(generate.gpu_ceilings(device))
    ceilings = generate.cpu_ceilings(1 << 20)
    found["native"] = None if ceilings is None else generate.native_kernel().partition(",")[0]
    found["multiply_adds_per_s"] = None if ceilings is None else ceilings.multiply_adds_per_s
    found["dots_per_s"] = None if ceilings is None else ceilings.dots_per_s
    speeds = generate.cpu_read_speeds()
    found["read_bytes_per_s"] = None if speeds is None else {str(size): speed for size, speed in speeds.items()}
    return found


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"
