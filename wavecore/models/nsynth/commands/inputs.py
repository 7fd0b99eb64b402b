"""What the commands of an NSynth autoencoder share: the model, its flag, and sounds read as notes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wavecore.console import common
from wavecore.console.console import Console
from wavecore.errors import InputError, UsageError

if TYPE_CHECKING:
    from wavecore.models.nsynth.api import NSynthModel

SECONDS = 4.0
CLEAR_PITCH = 0.7
"""Share of a sound's power on one harmonic series, above which its pitch is certain."""


def add_model(parser: argparse._ActionsContainer) -> None:
    """Add ``--model``."""
    parser.add_argument(
        "--model", metavar="M", help="an nsynth model: shipped, a folder or a run (default: the shipped one)"
    )


def add_method(parser: argparse._ActionsContainer) -> None:
    """Add ``--method``."""
    parser.add_argument(
        "--method", choices=("linear", "slerp"), default="linear", help="lines or great circles (default: linear)"
    )


def open_model(name: str | None, console: Console) -> NSynthModel:
    """Load the nsynth model that was named, or the shipped one; raise ModelError if there is none."""
    from wavecore.models import base

    model = base.load(common.shipped("nsynth") if name is None else name, kind="nsynth")
    console.say(f"model: {model.name} ({model.sha256[:12]}, {model.path})")
    return model


def settle_generation(args: argparse.Namespace, model: NSynthModel, console: Console) -> dict[str, Any]:
    """Return temperature, seed, device and backend, and print those that were chosen here."""
    device = common.settle_device(args.device, console)
    return {
        "temperature": common.settle_temperature(args.temperature, model, console),
        "device": device,
        "backend": common.settle_backend(args.backend, device, console),
        "seed": common.settle_seed(args.seed, console),
    }


def check_seconds(seconds: float) -> None:
    """Refuse a length that is out of range before a model is loaded."""
    if not 0.1 <= seconds <= 60:
        raise UsageError(f"--seconds must be from 0.1 to 60, not {seconds}")


def read_note(path: Path, model: NSynthModel, seconds: float, console: Console) -> np.ndarray:
    """Read the beginning of a sound at the model's rate, (T,) float32, without the silence before it.

    A pitch outside of the range that the model was trained on is warned of.

    Raises
    ------
    InputError
        If it cannot be read, or is silent.
    """
    from wavecore.audio import files
    from wavecore.metrics import harmonics

    x = np.asarray(files.read(path, sample_rate=model.rate)[0], np.float32)
    loudest = float(np.abs(x).max(initial=0.0))
    if loudest < 1e-4:
        raise InputError(f"{path} is silent; there is nothing to mix")
    begin = max(0, int(np.argmax(np.abs(x) > 0.02 * loudest)) - round(0.01 * model.rate))
    x = x[begin : begin + round(seconds * model.rate)]
    lowest, highest = model.card.get("training", {}).get("data", {}).get("midi_range", (0, 127))
    if len(x) >= harmonics.SHORTEST and x.any():
        series = harmonics.harmonic_series(x, model.rate)
        midi = 69 + 12 * np.log2(series.f0_hz / 440)
        if series.share > CLEAR_PITCH and not lowest - 1 < midi < highest + 1:
            console.warn(
                f"{path} has the pitch MIDI {midi:.0f}, and {model.name} was trained on {lowest} to {highest}: "
                "expect another pitch"
            )
    return x
