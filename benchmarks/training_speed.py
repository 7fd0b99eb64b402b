"""How fast do the shipped networks learn, beside what the machine allows, and what holds them up?

Of every network, with the settings it was shipped with and a batch so many times as large (`--scale`): how fast one
core draws batches; how fast the network learns from batches that are there; how fast the training loop goes with so
many processes that draw (`--workers`).  Beside them two floors.  Arithmetic: the multiplications of a step's products
and convolutions, forward and back, at the speed of the largest square product that this machine was seen to do.
Memory: every operation reads its inputs and writes its outputs once, at the speed of a copy; that is what a program
pays that runs operation by operation, and what fusing them would save. (A small step lives in a processor's caches and
goes below the second floor; attention on a CPU is not counted in the first.)

    python -P benchmarks/training_speed.py --notes data/notes --domains data/domains --chorales data/chorales --songs
    data/songs \\
        --out benchmarks/results/training-cpu.json

Networks whose data are not given are left out, and said to be.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from wavecore import benchmark as measure
from wavecore import checkpoint, registry
from wavecore.errors import WavecoreError
from wavecore.nn import generate
from wavecore.training import autocast, memory, prefetch
from wavecore.training.config import TrainingConfig
from wavecore.training.loop import run_task

READY = 3
"""Batches that are drawn before the clock runs, and learnt from in turn."""
VIEWS = {
    "view",
    "_unsafe_view",
    "t",
    "transpose",
    "permute",
    "expand",
    "slice",
    "select",
    "unsqueeze",
    "squeeze",
    "detach",
    "alias",
    "as_strided",
    "split",
    "unbind",
}


def main() -> None:
    """Measure, say, and write."""
    arguments = _arguments()
    device, _ = generate.resolve_device(arguments.device)
    torch.set_num_threads(arguments.threads)
    memory.keep_freed_memory()  # as `wavecore train` does
    workers = prefetch.default_workers(device) if arguments.workers is None else arguments.workers
    found = {
        "machine": measure.machine(device),
        "threads": arguments.threads,
        "workers": workers,
        "scale": arguments.scale,
        "ceilings": ceilings(device, arguments.side),
        "networks": {},
    }
    print(found["ceilings"], flush=True)
    for name, data in networks(arguments).items():
        if data is None:
            print(f"{name}: no data given, left out")
            continue
        try:
            found["networks"][name] = learning(
                lambda name=name, data=data: TASKS[name](data, arguments.scale),
                device,
                workers,
                arguments.seconds,
                found["ceilings"],
            )
        except (
            WavecoreError,
            torch.OutOfMemoryError,
        ) as error:  # one that fails must not cost the figures of the others
            found["networks"][name] = {"failed": f"{type(error).__name__}: {error}"}
        print(f"{name}: {found['networks'][name]}", flush=True)
        if arguments.out:
            checkpoint.write_json(found, arguments.out)


def networks(arguments: argparse.Namespace) -> dict[str, Path | None]:
    """Say where the data of each network are."""
    return {
        "universal": arguments.domains,
        "notes": arguments.notes,
        "coconet": arguments.chorales,
        "musenet": arguments.songs,
    }


def settings(model, scale: int) -> TrainingConfig:
    """What the shipped model was trained with, over more crops at once, and without an end."""
    kept = registry.kind(model.network.kind).load("training").from_dict(model.card["training"]["settings"])
    return replace(kept, batch_size=scale * kept.batch_size, steps=10**6, validate_every=10**6, checkpoint_every=10**6)


def universal(data: Path, scale: int):
    """Build the task of the translation network."""
    from wavecore.datasets.domains.reader import DomainsDataset
    from wavecore.training.loop import TranslationTask

    model = checkpoint.load("universal", kind="translation")
    return TranslationTask(DomainsDataset.open(data), model.network.config, settings(model, scale), model.network)


def notes(data: Path, scale: int):
    """Build the task of the autoencoder of notes."""
    from wavecore.datasets.notes.reader import NotesDataset
    from wavecore.models.nsynth.train import NSynthTask

    model = checkpoint.load("notes", kind="nsynth")
    return NSynthTask(NotesDataset.open(data), model.network.config, settings(model, scale), model.network)


def coconet(data: Path, scale: int):
    """Build the task of the chorale composer."""
    from wavecore.datasets.chorales import ChoralesDataset
    from wavecore.models.coconet.train import CoconetTask

    model = checkpoint.load("coconet", kind="coconet")
    return CoconetTask(ChoralesDataset.open(data), model.network.config, settings(model, scale), model.network)


def musenet(data: Path, scale: int):
    """Build the task of the transformer, which learns from its first weights: the shipped ones have a critic and
    are finished."""
    from wavecore.datasets.songs import SongsDataset
    from wavecore.models.musenet.train import MuseNetTask

    model = checkpoint.load("musenet", kind="musenet")
    config = replace(model.network.config, critic=False)
    return MuseNetTask(SongsDataset.open(data), config, settings(model, scale))


TASKS: dict[str, Callable] = {"universal": universal, "notes": notes, "coconet": coconet, "musenet": musenet}


def learning(build: Callable, device: str, workers: int, seconds: float, allowed: dict) -> dict[str, object]:
    """Measure one network."""
    task = build()
    size, config = task.samples_per_step, task.training
    begun = time.perf_counter()
    batches = [task.batch(step) for step in range(1, READY + 1)]
    drawn_per_s = READY * size / (time.perf_counter() - begun)
    trainer = task.trainer(task.build(), device)
    trainer.update(batches[0])
    flops, traffic = cost(partial(trainer.update, batches[1]))
    times = step_times(trainer, batches, seconds)
    learnt_per_s = size / statistics.median(times)
    kind = autocast.resolve(config.precision, torch.device(device))
    floors = {"arithmetic": allowed[kind] / (flops / size), "memory": allowed["copy_bytes_per_s"] / (traffic / size)}
    del trainer
    return {
        "samples_per_step": size,
        "precision": kind,
        "mflop_per_sample": flops / size / 1e6,
        "kib_per_sample": traffic / size / 1024,
        "drawn_per_s_by_one_core": drawn_per_s,
        "learnt_per_s": learnt_per_s,
        "step_s": statistics.median(times),
        "loop_per_s": loop_speed(build, device, workers, seconds / statistics.median(times)),
        "arithmetic_floor_per_s": floors["arithmetic"],
        "memory_floor_per_s": floors["memory"],
        "of_arithmetic_floor": learnt_per_s / floors["arithmetic"],
        "of_memory_floor": learnt_per_s / floors["memory"],
        "cores_that_must_draw": learnt_per_s / drawn_per_s,
    }


def step_times(trainer, batches: list, seconds: float) -> list[float]:
    """Seconds of every step, for so long, over and over the same batches."""
    times: list[float] = []
    for batch in itertools.cycle(batches):
        begun = time.perf_counter()
        trainer.update(batch)  # its losses are numbers: a GPU has finished with most of it when they are there
        if trainer.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
        if len(times) >= READY and sum(times) > seconds:
            return times[1:]
    raise AssertionError("a cycle has no end")


def loop_speed(build: Callable, device: str, workers: int, steps: float) -> float:
    """Samples per second of the training loop, validation and checkpoints left out."""
    task = build()
    n = max(5, int(steps))
    task.training = replace(task.training, steps=n, validate_every=10 * n, checkpoint_every=10 * n)
    with tempfile.TemporaryDirectory() as folder:
        task.validate = lambda network, device: {
            "valid/bits": 0.0
        }  # the last step always measures; its time is not the loop's
        return run_task(task, Path(folder) / "run", device=device, workers=workers)["samples_per_s"]


def cost(step: Callable[[], object]) -> tuple[int, int]:
    """Count the operations of products and convolutions of a step, and the bytes that its operations read and write."""
    with FlopCounterMode(display=False) as counted:
        step()
    with _Traffic() as moved:
        step()
    return counted.get_total_flops(), moved.n_bytes


class _Traffic(TorchDispatchMode):
    """Adds up the bytes of what operations are given and what they return; views move none."""

    def __init__(self):
        super().__init__()
        self.n_bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ not in VIEWS:
            leaves = torch.utils._pytree.tree_leaves((args, kwargs, found))
            self.n_bytes += sum(leaf.nbytes for leaf in leaves if isinstance(leaf, torch.Tensor))
        return found


def ceilings(device: str, side: int) -> dict[str, float]:
    """Operations per second of square products in both formats, and bytes per second of a copy (read and written)."""
    found = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        a = torch.randn(side, side, device=device).to(dtype)
        found[name] = 2 * side**3 / best_time(lambda a=a: a @ a, device)
    x = torch.randn(2**26 if device == "cpu" else 2**30, device=device)
    y = torch.empty_like(x)
    found["copy_bytes_per_s"] = 2 * x.nbytes / best_time(lambda: y.copy_(x), device)
    return found


def best_time(work: Callable[[], object], device: str) -> float:
    """Seconds of the fastest of a few calls."""
    times = []
    for _ in range(6):
        begun = time.perf_counter()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    return min(times[1:])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, built_by in (
        ("domains", "data domains"),
        ("notes", "data soundfont"),
        ("chorales", "data chorales"),
        ("songs", "data midi"),
    ):
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help=f"from `wavecore {built_by}`")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="cores that learn on a CPU")
    parser.add_argument(
        "--workers", type=int, help="processes that draw in the loop (default: as `wavecore train` chooses)"
    )
    parser.add_argument("--scale", type=int, default=1, help="crops in a batch, in multiples of the shipped settings")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each speed")
    parser.add_argument("--side", type=int, default=4096, help="of the square products that say what arithmetic allows")
    parser.add_argument("--out", type=Path, metavar="JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
