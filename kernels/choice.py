"""Which of several generators is the fastest here?  Measured once, checked first, and remembered.

What is fast depends on the network, the number of streams and the GPU, and no rule of
thumb knows the next GPU.  So the candidates run for a moment each: first teacher-forced
beside the reference, because a wrong kernel has no speed, then against the clock.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from wavecore.errors import DeviceError, WavecoreError
from wavecore.kernels.interface import Generator

TOLERANCE = 3e-3
"""Largest logit error against the reference, relative to the largest logit: what half precision costs, with room."""
FORCED_SAMPLES = 24
TIMED_S = 0.3
COMPARED = 2
"""Streams that are compared; the reference takes them one by one."""


@dataclass(frozen=True)
class Choice:
    """What was found.

    Attributes
    ----------
    name : str
        The fastest candidate that agrees with the reference.
    samples_per_s : dict of str to float
        Of each candidate that agrees, over all streams.
    refused : dict of str to str
        Why a candidate was not measured.
    """

    name: str
    samples_per_s: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def cache_path() -> Path:
    """Say where choices are remembered.

    Returns
    -------
    Path
        In the user's folder for caches; the file and the folder may not be there.
    """
    if sys.platform == "win32":
        root = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches"
    else:
        root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "wavecore" / "choices.json"


def recall(key: str, names: list[str], path: Path) -> Choice | None:
    """Look a choice up.

    Parameters
    ----------
    key : str
        What it was made for: `Choice` belongs to one device, one network, one batch.
    names : list of str
        The candidates; a choice among others is none.

    Returns
    -------
    Choice or None
        None if there is none, or the file cannot be understood: then it is measured again.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))[key]
        choice = Choice(**found)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    known = {*choice.samples_per_s, *choice.refused}
    return choice if choice.name in choice.samples_per_s and known == set(names) else None


def remember(key: str, choice: Choice, path: Path) -> None:
    """Write a choice beside those that are there.

    Parameters
    ----------
    path : Path
        Made where it is missing.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    known = known if isinstance(known, dict) else {}
    known[key] = asdict(choice)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    beside.write_text(json.dumps(known, indent=1, sort_keys=True), encoding="utf-8")
    os.replace(beside, path)  # at once: another process may be reading


def measure_choice(
    candidates: Mapping[str, Callable[[], Generator]],
    reference: Callable[[int], Generator],
    *,
    batch: int,
    latent_channels: int,
    hop_length: int,
    n_classes: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Choice:
    """Run every candidate for a moment.

    Parameters
    ----------
    candidates : mapping of str to callable
        Each opens a generator of `batch` streams.
    reference : callable
        Opens the specification for a number of streams.
    batch, latent_channels, hop_length, n_classes : int
        What the generators were made for.
    clock : callable
        Seconds.

    Raises
    ------
    DeviceError
        If no candidate agrees with the reference; it names why for each.
    """
    rng = np.random.default_rng(0)
    n_frames = -(-FORCED_SAMPLES // hop_length)
    latent = rng.standard_normal((batch, n_frames, latent_channels)).astype(np.float32)
    codes = rng.integers(0, n_classes, (batch, FORCED_SAMPLES)).astype(np.uint8)
    compared = min(batch, COMPARED)
    specification = reference(compared)
    specification.feed(latent[:compared])
    want = specification.force(codes[:compared])
    speeds, refused = {}, {}
    for name, open_candidate in candidates.items():
        try:
            generator = open_candidate()
            generator.feed(latent)
            got = generator.force(codes)[:compared]
        # A compiler or a driver may fail in ways of its own; each is a reason, told where the choice is told.
        except (WavecoreError, RuntimeError, OSError, ValueError, TypeError) as error:
            refused[name] = f"{type(error).__name__}: {error}"[:500]
            continue
        error = float(np.abs(got - want).max() / np.abs(want).max())
        if not error <= TOLERANCE:  # NaN is refused, too
            refused[name] = f"its logits differ from the reference by {error:.2g} of the largest"
            continue
        speeds[name] = _speed(generator, rng, batch, latent_channels, hop_length, clock)
    if not speeds:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
        raise DeviceError(f"no kernel runs this model here ({reasons}); take --backend reference")
    return Choice(max(speeds, key=speeds.__getitem__), speeds, refused)


def _speed(generator: Generator, rng, batch: int, channels: int, hop: int, clock: Callable[[], float]) -> float:
    """Samples per second over all streams; what is compiled or captured at first use is not timed."""
    n = 16
    while True:
        frames = -(-n // hop)
        generator.feed(rng.standard_normal((batch, frames, channels)).astype(np.float32))
        begun = clock()
        generator.generate(n)
        took = clock() - begun
        if n > 16 and took >= TIMED_S:  # never the first run
            return n * batch / took
        n *= 2 if took >= TIMED_S / 4 else 4
