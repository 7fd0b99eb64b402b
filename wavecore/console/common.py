"""What several verbs choose before they start: seed, device, backend, model, folders."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

from wavecore import registry
from wavecore.console.console import Console, plural
from wavecore.console.failures import near_miss
from wavecore.errors import ModelError, UsageError

SEED_LIMIT = 2**32
"""Drawn seeds stay below it, short enough to be typed again."""
SHOWN_SKIPS = 5
"""Files that were left out and are named; the others are counted."""


def chosen(names: Iterable[str], known: Sequence[str], *, what: str) -> list[str]:
    """Refuse names that are not known.

    Parameters
    ----------
    what : str
        What the names are, in the singular.

    Returns
    -------
    list of str
        ``names``.

    Raises
    ------
    UsageError
        If one is unknown; the known ones are listed.
    """
    names = list(names)
    for name in names:
        if name not in known:
            raise UsageError(f"there is no {what} {name!r}{near_miss(name, known)} ({what}s: {', '.join(known)})")
    return names


def settle_seed(given: int | None, console: Console) -> int:
    """Return the seed that was given, or draw one and print it."""
    if given is not None:
        return given
    drawn = secrets.randbelow(SEED_LIMIT)
    console.say(f"seed: {drawn} (drawn; --seed {drawn} repeats this)")
    return drawn


def settle_temperature(given: float | None, model, console: Console) -> float:
    """Return the temperature that was given, or the one that the model's card recommends."""
    if given is not None:
        return given
    if model.temperature != 1:
        console.say(
            f"temperature: {model.temperature:g} (recommended for {model.name}; 1 samples its full distribution)"
        )
    return model.temperature


def settle_device(name: str, console: Console) -> str:
    """Choose the device of ``--device`` and print why."""
    from wavecore.nn.generate import resolve_device

    device, reason = resolve_device(name)
    console.say(f"device: {device} ({reason})")
    return device


def settle_backend(name: str, device: str, console: Console) -> str:
    """Choose the backend of ``--backend`` and print why."""
    from wavecore.nn.generate import resolve_backend

    backend, reason = resolve_backend(name, device)
    console.say(f"backend: {backend} ({reason})")
    return backend


def load_model(name: str | None, console: Console, *, kind: str = "translation"):
    """Load the model that was named, or the first shipped one of a kind, as ``wavecore.load`` does.

    Parameters
    ----------
    name : str or None
        A shipped model, a model folder or a run.

    Raises
    ------
    ModelError
        If there is none, or it is corrupt.
    """
    from wavecore.models import base

    model = base.load(shipped(kind) if name is None else name, kind=kind)
    console.say(f"model: {model.name} ({model.sha256[:12]}, {model.path})")
    return model


def default_model() -> str:
    """Name the first shipped model that translates.

    Raises
    ------
    ModelError
        If none is there.
    """
    return shipped("translation")


def shipped(kind: str) -> str:
    """Name the first shipped model of a kind.

    Raises
    ------
    ModelError
        If none is there.
    """
    from wavecore import checkpoint

    for name in checkpoint.shipped():
        if checkpoint.read_card(checkpoint.PRETRAINED / name).get("kind") == kind:
            return name
    raise ModelError(
        f"no {kind} model is shipped with this installation (looked in {checkpoint.PRETRAINED});"
        f" {registry.kind(kind).remedy}"
    )


def version() -> str:
    """Return the version that is installed."""
    from importlib import metadata

    try:
        return metadata.version("wavecore")
    except metadata.PackageNotFoundError:
        return "not installed"


def require_folder(path: Path) -> None:
    """Refuse a folder that could not be made or written to, before any work.

    Parameters
    ----------
    path : Path
        A folder that is there, or is to be made.

    Raises
    ------
    UsageError
        If something on the way is no folder, or may not be written to.
    """
    nearest = path
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise UsageError(f"{path} cannot be a folder: {nearest} is a file; choose another -o")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UsageError(f"{nearest} may not be written to; choose another -o")


def tell_skipped(lines: Sequence[str], console: Console) -> None:
    """Print which files were left out.

    Parameters
    ----------
    lines : sequence of str
        One for each file, with the reason.
    """
    if lines:
        console.warn(f"skipped {plural(len(lines), 'file')}")
    for line in lines[:SHOWN_SKIPS]:
        console.say(f"  {line}")
    if len(lines) > SHOWN_SKIPS:
        console.say(f"  and {len(lines) - SHOWN_SKIPS} more")
