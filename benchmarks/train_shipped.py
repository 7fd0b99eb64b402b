"""Train the models that ship further, or larger ones of their kind, each for so many minutes of the device that is
there.

Every job is a `wavecore train` with the best settings known.  How many steps fit its minutes is measured first, in a
short run of the same settings, so that the learning rate has fallen when they are over.  The script ends when
`--until` minutes have passed, whatever runs then saves its state, and the same command goes on with it:

    python -P benchmarks/train_shipped.py --jobs universal,notes --universal data/domains --notes data/notes --minutes
    9 --until 9.5 \\
        --runs runs --keep kept

What is finished is written to `--keep`: the model in half precision, curves, and what it cost (`JOB.json`).  `--scale`
makes every batch so many times as large: a GPU has idle units otherwise.  `--rehearse` does it all with tiny batches
and a dozen steps, and shows that the script works.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from wavecore import benchmark as measure
from wavecore import checkpoint
from wavecore.nn import generate

SPEED_STEPS = 40
"""Of the run that says how many steps fit."""
UNUSED = 0.12
"""Share of the minutes that validations, samples and starts take."""
TO_SAVE_S = 20.0
"""That a run is given to save its state."""


@dataclass(frozen=True)
class Job:
    """What is trained.

    Attributes
    ----------
    verb : str
        Of `wavecore train`.
    batch_size : int
        With ``--scale 1``.
    arguments : tuple of str
    settings : tuple of str
        Each KEY=VALUE.
    rehearsal : tuple of str
        In place of ``arguments``, of a network that a CPU can rehearse with.
    smallest_batch : int
        To rehearse with.
    """

    verb: str
    batch_size: int
    arguments: tuple[str, ...]
    settings: tuple[str, ...]
    rehearsal: tuple[str, ...]
    smallest_batch: int = 1


PASTS = ("context_noise_db=-15", "context_tone_probability=0.6")
MUON = ("optimizer=muon", "warmup_steps=60", "decay_fraction=0.8")
JOBS = {
    "universal": Job(
        "translation",
        10,
        ("--init", "universal"),
        (
            *MUON,
            *PASTS,
            "targets_per_step=5",
            "crop_frames=15",
            "learning_rate=0.0008",
            "paired_probability=0.8",
            "confusion_weight=0",
            "confusion_crops=0",
            "glide_probability=0.4",
            "glide_semitones=5",
            "augment_probability=0.2",
            "rest_probability=0.2",
            "freeze_encoder=true",
            "train_bottleneck_context=true",
            "ema_decay=0.997",
            "context_offset_probability=0.3",
        ),
        ("--init", "universal"),
        smallest_batch=5,
    ),
    "universal-waveform": Job(
        "translation",
        10,
        ("--encoder", "waveform", "--hop", "320"),
        (
            *MUON,
            *PASTS,
            "targets_per_step=5",
            "crop_frames=50",
            "learning_rate=0.001",
            "paired_probability=0.8",
            "confusion_crops=0",
            "augment_probability=0.5",
            "ema_decay=0.997",
        ),
        ("--encoder", "waveform", "--hop", "320", "--preset", "tiny"),
        smallest_batch=5,
    ),
    "notes": Job(
        "nsynth",
        4,
        ("--init", "notes"),
        (
            *MUON,
            *PASTS,
            "crop_frames=8",
            "learning_rate=0.001",
            "freeze_encoder=true",
            "ema_decay=0.997",
            "context_offset_probability=0.3",
        ),
        ("--init", "notes"),
    ),
    "coconet": Job(
        "coconet", 16, ("--preset", "coconet"), ("optimizer=muon", "learning_rate=0.004"), ("--preset", "tiny")
    ),
    "musenet": Job("musenet", 8, ("--preset", "medium"), (), ("--preset", "tiny")),
}


def main() -> None:
    """Train what is asked for, in turn, and keep what is finished."""
    arguments = _arguments()
    end = None if arguments.until is None else time.monotonic() + 60 * arguments.until
    device, why = generate.resolve_device(arguments.device)
    print(f"device: {device} ({why})" if why else f"device: {device}", flush=True)
    for name in arguments.jobs.split(","):
        data = getattr(arguments, name.replace("-", "_"))
        if data is None:
            print(f"{name}: no data given, left out")
        elif (arguments.keep / f"{name}.json").exists():
            print(f"{name}: finished before")
        elif not advance(name, data, device, arguments, end):
            print("the minutes are over; the same command goes on", flush=True)
            return


def advance(name: str, data: Path, device: str, arguments: argparse.Namespace, end: float | None) -> bool:
    """Begin a job or go on with it; say whether it is finished."""
    job, run = JOBS[name], arguments.runs / name
    plan_path = arguments.runs / f"{name}-plan.json"
    if plan_path.exists():
        plan = json.loads(plan_path.read_text())
    else:
        plan = make_plan(name, data, device, arguments, end)
        if plan is None:
            return False
        arguments.runs.mkdir(parents=True, exist_ok=True)
        checkpoint.write_json(plan, plan_path)
    print(
        f"{name}: {plan['steps']:,} steps of {plan['batch_size']} crops, seen to go at {plan['samples_per_s']:,.0f}"
        " samples/s",
        flush=True,
    )
    if (run / "checkpoint").exists():
        command = ["--out", str(run), "--resume", "--device", device]
    else:
        remove(run)  # it was stopped before anything was saved
        command = told(job, data, run, plan["batch_size"], plan["steps"], device, arguments.rehearse)
    summary = train(job.verb, command, end)
    if summary is None:
        return False
    keep(name, run, plan, summary, device, arguments.keep)
    return True


def make_plan(name: str, data: Path, device: str, arguments: argparse.Namespace, end: float | None) -> dict | None:
    """Measure how fast a job goes, and say how many steps fit its minutes; None if the time for that is over."""
    job, folder = JOBS[name], arguments.runs / f"{name}-speed"
    batch_size = job.smallest_batch if arguments.rehearse else job.batch_size * arguments.scale
    n_steps = 6 if arguments.rehearse else SPEED_STEPS
    remove(folder)
    summary = train(job.verb, told(job, data, folder, batch_size, n_steps, device, arguments.rehearse), end)
    remove(folder)
    if summary is None:
        return None
    steps_per_s = summary["samples_per_s"] / summary["samples_per_step"]
    steps = 12 if arguments.rehearse else max(1, int(60 * arguments.minutes * (1 - UNUSED) * steps_per_s))
    return {
        "batch_size": batch_size,
        "steps": steps,
        "minutes": arguments.minutes,
        "samples_per_s": summary["samples_per_s"],
        "samples_per_step": summary["samples_per_step"],
        "peak_memory_bytes": summary["peak_memory_bytes"],
    }


def remove(run: Path) -> None:
    """Take away a run of this script that is of no use any more."""
    if run.exists():
        shutil.rmtree(run)


def told(job: Job, data: Path, run: Path, batch_size: int, steps: int, device: str, rehearse: bool) -> list[str]:
    """The arguments of a new run."""
    validations = 4 if steps > SPEED_STEPS else 1
    often = (f"validate_every={steps // validations}", f"checkpoint_every={max(1, steps // 20)}")
    settings = [*job.settings, f"batch_size={batch_size}", f"steps={steps}", *often]
    spelt = [word for setting in settings for word in ("--set", setting)]
    return [
        "--data",
        str(data),
        "--out",
        str(run),
        *(job.rehearsal if rehearse else job.arguments),
        *spelt,
        "--seed",
        "1",
        "--device",
        device,
    ]


def train(verb: str, command: list[str], end: float | None) -> dict | None:
    """Run `wavecore train` until it is finished, and return its summary; None if it was stopped, its state saved."""
    left = None if end is None else end - time.monotonic() - TO_SAVE_S
    if left is not None and left < 0:
        return None
    words = [shutil.which("wavecore") or sys.exit("wavecore is not installed here"), "train", verb, *command, "--json"]
    print(" ".join(words[1:]), flush=True)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        said, _ = process.communicate(timeout=left)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        process.communicate()
        return None
    if process.returncode:
        sys.exit(f"wavecore train {verb} ended with {process.returncode}")
    return json.loads(said)["summary"]


def keep(name: str, run: Path, plan: dict, summary: dict, device: str, folder: Path) -> None:
    """Set aside what a finished job left: its best model in half precision, its curves, its cost."""
    folder.mkdir(parents=True, exist_ok=True)
    model = checkpoint.load(run / "best", kind=None)
    checkpoint.save(model.network, folder / name, training=model.card["training"], dtype=torch.float16, overwrite=True)
    if (run / "curves.png").exists():
        shutil.copy(run / "curves.png", folder / name / "curves.png")
    found = {"machine": measure.machine(device), "plan": plan, "summary": summary}
    checkpoint.write_json(found, folder / f"{name}.json")
    print(f"{name}: {folder / name}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", default=",".join(JOBS), help=f"of {', '.join(JOBS)} (default: all)")
    for kind, built_by in (
        ("universal", "data domains`"),
        ("universal-waveform", "data domains`, without a whistle: that encoder cannot shift octaves"),
        ("notes", "data soundfont`"),
        ("coconet", "data chorales`"),
        ("musenet", "data midi`"),
    ):
        parser.add_argument(f"--{kind}", type=Path, metavar="DIR", help=f"data from `wavecore {built_by}")
    parser.add_argument("--minutes", type=float, default=9.0, help="for each job")
    parser.add_argument("--until", type=float, metavar="MINUTES", help="when this start is to be over (default: never)")
    parser.add_argument("--scale", type=int, default=1, help="crops in a batch, in multiples of what a CPU was given")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--runs", type=Path, required=True, metavar="DIR")
    parser.add_argument("--keep", type=Path, required=True, metavar="DIR")
    parser.add_argument("--rehearse", action="store_true")
    arguments = parser.parse_args()
    unknown = set(arguments.jobs.split(",")) - set(JOBS)
    if unknown:
        parser.error(f"no job {', '.join(sorted(unknown))}; there are {', '.join(JOBS)}")
    return arguments


if __name__ == "__main__":
    main()
