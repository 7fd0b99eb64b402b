"""What several verbs settle before they start: seed, device, backend, model, folders."""

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


def chosen(wanted: Iterable[str], known: Sequence[str], *, what: str) -> list[str]:
    """Refuse names that are not known.

    Parameters
    ----------
    what : str
        What the names are, in the singular.

    Returns
    -------
    list of str
        ``wanted``.

    Raises
    ------
    UsageError
        If one is unknown; the known ones are listed.
    """
    wanted = list(wanted)
    for name in wanted:
        if name not in known:
            raise UsageError(f"there is no {what} {name!r}{near_miss(name, known)} ({what}s: {', '.join(known)})")
    return wanted


def settle_seed(given: int | None, console: Console) -> int:
    """Take the seed that was given, or draw one and say it."""
    if given is not None:
        return given
    drawn = secrets.randbelow(SEED_LIMIT)
    console.say(f"seed: {drawn} (drawn; --seed {drawn} repeats this)")
    return drawn


def settle_temperature(given: float | None, model, console: Console) -> float:
    """Take the temperature that was given, or the one at which a model is best heard."""
    if given is not None:
        return given
    usual = model.temperature
    if usual != 1:
        console.say(f"temperature: {usual:g} (suits {model.name}; --temperature 1 is its whole distribution)")
    return usual


def settle_device(name: str, console: Console) -> str:
    """Choose the device and say why.

    Parameters
    ----------
    name : str
        As given to ``--device``.
    """
    from wavecore.nn.generate import resolve_device

    device, reason = resolve_device(name)
    console.say(f"device: {device} ({reason})")
    return device


def settle_backend(name: str, device: str, console: Console) -> str:
    """Choose the backend and say why.

    Parameters
    ----------
    name : str
        As given to ``--backend``.
    device : str
        As ``settle_device`` returned it.
    """
    from wavecore.nn.generate import resolve_backend

    backend, reason = resolve_backend(name, device)
    console.say(f"backend: {backend} ({reason})")
    return backend


def load_model(name: str | None, console: Console, *, kind: str = "translation"):
    """Load the model that was named, or the first shipped one that translates.

    Parameters
    ----------
    name : str or None
        A shipped model, a model folder or a run.
    kind : str
        Of the model.

    Raises
    ------
    ModelError
        If there is none, or it is corrupt.
    """
    from wavecore import checkpoint

    model = checkpoint.load(default_model() if name is None else name, kind=kind)
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
        f"no {kind} model is shipped with this installation (looked in {checkpoint.PRETRAINED}); {registry.kind(kind).remedy}"
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
    """Say which files were left out.

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
