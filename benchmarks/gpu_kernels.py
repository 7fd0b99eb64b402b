"""Everything that only a GPU can show about the Triton kernels, in one run of less than eight minutes.

What is not measured when `--minutes` have passed is left out, and said to be.  Ceilings; parity of every kernel with
the float64 reference; two long runs of the latency kernel that must be the same bytes; samples per second for one
stream, for as many as the GPU takes, and for 128 listeners at once; beside them the same network in PyTorch, step by
step and as a CUDA graph.  The JSON is written after every part, so that a run that is cut short has shown what it has
shown.

    python -P benchmarks/gpu_kernels.py --out benchmarks/results/

`--rehearse` runs the same parts on tiny networks in Triton's interpreter, without a GPU:
it shows that the script works, and no speed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from wavecore import benchmark as measure
from wavecore import checkpoint
from wavecore.kernels.packing import pack
from wavecore.kernels.triton.latency import TritonLatencyGenerator
from wavecore.kernels.triton.layers import TritonLayersGenerator
from wavecore.kernels.triton.throughput import TritonThroughputGenerator
from wavecore.nn import generate
from wavecore.nn.config import PRESETS, WaveNetConfig

sys.path.append(str(Path(__file__).parent))  # `python -P` leaves it out
import graph_step

NV_WAVENET = WaveNetConfig(2, 10, 2, 64, 64, 128, 256)
"""The network of nv-wavenet's table: 20 layers, 64 residual and 128 skip channels."""
TINY = WaveNetConfig(1, 2, 2, 16, 16, 16, 16, latent_channels=4, n_classes=16, hop_length=4)
TARGETS = {  # samples per second that were asked for, over all streams
    ("umt", 1): 20_000, ("nv-wavenet", 1): 50_000, ("small", 1): 40_000,
    ("umt", "total"): 3_000_000, ("small", "total"): 15_000_000, ("nsynth", "total"): 500_000,
}  # fmt: skip
TOLERANCES = {"float32": 1e-5, "float16": 2e-3}
LISTENERS = 128
STRESS_S = 150.0
"""After which the long runs end, however far they came; the JSON says how far."""


def main() -> None:
    arguments = _arguments()
    begun = time.monotonic()
    _Clock.end = begun + 60 * arguments.minutes
    sizes = {"small": PRESETS["small"], "umt": PRESETS["umt"], "nsynth": PRESETS["nsynth"], "nv-wavenet": NV_WAVENET}
    if arguments.rehearse:
        sizes = dict.fromkeys(sizes, TINY)
    device = "cpu" if arguments.rehearse else generate.resolve_device(arguments.device)[0]
    if not arguments.rehearse and device == "cpu":
        raise SystemExit("there is no CUDA device here; --rehearse runs without one")
    found: dict[str, object] = {"rehearsal": arguments.rehearse, "parts": {}}
    parts = {
        "machine": lambda: {} if arguments.rehearse else measure.machine(device),
        "parity": lambda: parity(sizes, device),
        "stress": lambda: stress(sizes["nv-wavenet"], device, 40 if arguments.rehearse else arguments.stress_samples),
        "baselines": lambda: baselines(sizes, device, arguments.rehearse),
        "one stream": lambda: one_stream(sizes, device, arguments.rehearse),
        "many streams": lambda: many_streams(sizes, device, arguments.rehearse),
        "listeners": lambda: listeners(sizes["umt"], device, arguments.rehearse),
    }
    Path(arguments.out).mkdir(parents=True, exist_ok=True)
    name = "rehearsal" if arguments.rehearse else torch.cuda.get_device_name(device).lower().replace(" ", "-")
    path = Path(arguments.out) / f"{name}.json"
    for part, work in parts.items():
        started = time.monotonic()
        try:
            found["parts"][part] = work()
        except Exception as error:  # one part that fails must not cost the figures of the others
            found["parts"][part] = {"failed": f"{type(error).__name__}: {error}"}
            traceback.print_exc()
        found["seconds"] = time.monotonic() - begun
        print(f"{part}: {time.monotonic() - started:.0f} s", flush=True)
        checkpoint.write_json(found, path)
    print(f"{path}: {found['seconds']:.0f} s in all")


class _Clock:
    """When the run is to be over."""

    end = float("inf")


def kernels(config: WaveNetConfig, batch: int, device: str) -> dict[str, object]:
    """The kernels that claim to run this, by name: callables that open a generator."""
    packed = pack(measure.random_state(config), config)
    shared = {"batch": batch, "seed": 7, "device": device}
    found = {
        f"{name} {precision}": lambda opener=opener, precision=precision: opener(packed, precision=precision, **shared)
        for name, opener in (("throughput", TritonThroughputGenerator), ("layers", TritonLayersGenerator))
        for precision in ("float16", "float32")
    }
    if batch <= generate.LATENCY_BATCH:
        found["latency float32"] = lambda: TritonLatencyGenerator(packed, **shared)
    return found


def parity(sizes: dict[str, WaveNetConfig], device: str) -> list[dict]:
    """Teacher-forced logits of every kernel beside float64; chunks and reruns must be the same bits."""
    rows = []
    for name, config in sizes.items():
        if device == "cpu" and rows:
            break
        rng = np.random.default_rng(3)
        n_samples, batch = (4, 2) if device == "cpu" else (40, 4)
        codes = rng.integers(0, config.n_classes, (batch, n_samples)).astype(np.uint8)
        latent = _latent(rng, config, batch, n_samples)
        state = measure.random_state(config)
        reference = generate.open_generator(state, config, batch=1, seed=7, backend="reference", dtype="float64")
        reference.feed(latent[:1])
        want = reference.force(codes[:1]).astype(np.float64)
        for kernel, opener in kernels(config, batch, device).items():
            if device == "cpu" and kernel.startswith("latency"):
                continue  # its programs wait for each other: the tests run it, one process each
            row = {"size": name, "kernel": kernel}
            try:
                generator = opener()
                generator.feed(latent)
                got = generator.force(codes)[:1]
                row["error"] = float(np.abs(got - want).max() / np.abs(want).max())
                row["agrees"] = row["error"] <= TOLERANCES[kernel.split()[1]]
                runs = []
                for chunks in ([n_samples], [1, n_samples - 1]):
                    generator = opener()
                    generator.feed(latent)
                    runs.append(np.concatenate([generator.generate(n) for n in chunks], axis=1))
                row["chunks_same"] = bool(np.array_equal(*runs))
            except Exception as error:
                row["failed"] = f"{type(error).__name__}: {error}"[:400]
            rows.append(row)
            print(row, flush=True)
    return rows


def stress(config: WaveNetConfig, device: str, n_samples: int) -> dict[str, object]:
    """Two runs of the latency kernel over millions of samples: no stall, and the same bytes."""
    batch, block = (2, 8) if device == "cpu" else (4, 100_000)
    kernel = "throughput float16" if device == "cpu" else "latency float32"
    rng = np.random.default_rng(5)
    first, second = (kernels(config, batch, device)[kernel]() for _ in range(2))
    done, differs, begun = 0, 0, time.monotonic()
    while done < n_samples and time.monotonic() - begun < STRESS_S:
        latent = _latent(rng, config, batch, block)
        runs = []
        for generator in (first, second):
            generator.feed(latent)
            runs.append(generator.generate(block))
        differs += int((runs[0] != runs[1]).sum())
        done += 2 * batch * block
    took = time.monotonic() - begun
    return {"samples": done, "differences": differs, "seconds": took, "samples_per_s": done / took}


def baselines(sizes: dict[str, WaveNetConfig], device: str, rehearse: bool) -> list[dict]:
    """The same networks in PyTorch alone, right first: eager, and recorded as a CUDA graph."""
    rows = []
    ways = ("eager",) if rehearse else ("eager", "graph")
    for name, config in sizes.items():
        state = measure.random_state(config)
        for dtype in (torch.float32, torch.float16):
            if rehearse and dtype == torch.float16:
                continue  # a CPU's half precision is a case of its own
            row = {"size": name, "dtype": str(dtype).removeprefix("torch.")}
            row["error"] = graph_step.parity(config, state, device, dtype)
            row["agrees"] = row["error"] <= TOLERANCES[row["dtype"]]
            for batch in (1, 3) if rehearse else (1, LISTENERS, 1024):
                row[f"batch {batch}"] = {
                    way: _baseline(config, state, device, dtype, batch, way, rehearse) for way in ways
                }
            rows.append(row)
            print(row, flush=True)
    return rows


def _baseline(
    config: WaveNetConfig, state: dict, device: str, dtype: torch.dtype, batch: int, way: str, rehearse: bool
) -> float | str:
    if time.monotonic() > _Clock.end - 10:
        return "skipped: the time was over"
    try:
        return graph_step.speed(config, state, device, dtype, batch, 0.1 if rehearse else 1.0, recorded=way == "graph")
    except Exception as error:  # one that fails must not cost the figures of the others
        return f"failed: {type(error).__name__}: {error}"[:400]


def one_stream(sizes: dict[str, WaveNetConfig], device: str, rehearse: bool) -> list[dict]:
    """Samples per second of one stream, by the kernel that is the fastest."""
    return [_timed(name, config, 1, "float32", device, rehearse) for name, config in sizes.items()]


def many_streams(sizes: dict[str, WaveNetConfig], device: str, rehearse: bool) -> list[dict]:
    """Samples per second over all streams, for ever more of them."""
    batches = {"small": (1024, 8448, 33_792), "umt": (1024, 4224, 16_896), "nsynth": (256, 1024, 4096)}
    return [
        _timed(name, sizes[name], 3 if rehearse else batch, "float16", device, rehearse)
        for name in batches
        for batch in batches[name]
    ]


def listeners(config: WaveNetConfig, device: str, rehearse: bool) -> dict[str, object]:
    """So many streams at once, each of which is to be faster than it is heard."""
    row = _timed("umt", config, 3 if rehearse else LISTENERS, "float16", device, rehearse)
    row["in_real_time"] = row.get("realtime_factor") is not None and row["realtime_factor"] >= 1
    return row


def _timed(name: str, config: WaveNetConfig, batch: int, dtype: str, device: str, rehearse: bool) -> dict[str, object]:
    backend, dtype = ("numba", "float32") if rehearse else ("triton", dtype)
    case = measure.Case(name, backend, device, dtype, batch, 1)
    if time.monotonic() > _Clock.end - 10:
        return {"preset": name, "batch": batch, "dtype": dtype, "skipped": "the time was over"}
    try:
        row = asdict(measure.measure(case, seconds=0.3 if rehearse else 3.0, config=config))
    except Exception as error:
        row = {"preset": name, "batch": batch, "dtype": dtype, "failed": f"{type(error).__name__}: {error}"[:400]}
    asked = TARGETS.get((name, 1 if batch == 1 else "total"))
    row["asked"] = asked
    print(name, batch, dtype, row.get("samples_per_s") or row.get("failed"), "asked", asked, flush=True)
    return row


def _latent(rng: np.random.Generator, config: WaveNetConfig, batch: int, n_samples: int) -> np.ndarray:
    n_frames = -(-n_samples // config.hop_length)
    return rng.standard_normal((batch, n_frames, config.latent_channels)).astype(np.float32)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", default="benchmarks/results", help="the folder of the JSON, named after the GPU")
    parser.add_argument("--stress-samples", type=int, default=10_000_000)
    parser.add_argument("--minutes", type=float, default=7.5, help="after which nothing more is begun")
    parser.add_argument("--rehearse", action="store_true")
    arguments = parser.parse_args()
    if arguments.rehearse:
        os.environ["TRITON_INTERPRET"] = "1"  # before triton is first imported
    return arguments


if __name__ == "__main__":
    main()
