"""Recipes: the training that made a model, as a TOML file with one or more stages.

    kind = "coconet"
    data = "wavecore data chorales --music21 -o data/chorales"

    [[stage]]
    preset = "small"
    network = { channels = 64 }
    training = { steps = 6000, seed = 1 }

``network`` and ``training`` name fields of the system's configurations, ``options`` further flags of its command.  A
stage after the first starts from the best model of the one before, unless ``init`` says otherwise.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wavecore import registry
from wavecore.configuration import with_settings
from wavecore.errors import InputError, UsageError

KEYS = {"kind", "data", "stage", "note"}
STAGE_KEYS = {"name", "preset", "network", "training", "options", "init"}


@dataclass(frozen=True)
class Stage:
    """One training of a recipe.

    Attributes
    ----------
    name : str
        Of the stage's folder, where there are several.
    preset : str
        Of the network; empty for the default.
    network, training : dict
        Fields of the network's configuration and of the training's settings.
    options : dict
        Further flags of the command, by their names with underscores.
    init : str
        A model to start from; empty for the stage before, if there is one.
    """

    name: str
    preset: str = ""
    network: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    init: str = ""

    def settings(self) -> list[str]:
        """Return the training's settings as ``--set`` takes them."""
        return [
            f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in self.training.items()
        ]


@dataclass(frozen=True)
class Recipe:
    """The stages of a training.

    Attributes
    ----------
    kind : str
        Of ``registry.KINDS``.
    data : str
        The command that builds the data.
    """

    kind: str
    data: str
    stages: tuple[Stage, ...]


def read(path: Path, *, kind: str) -> Recipe:
    """Read a recipe and check every name and value in it.

    Parameters
    ----------
    kind : str
        That the recipe must be for.

    Raises
    ------
    InputError
        If the file cannot be read or is no TOML.
    UsageError
        If it is for another kind, or a name or a value in it is unknown or out of range.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"the recipe {path} cannot be read: {error}") from error
    _refuse_unknown(values, KEYS, path)
    if values.get("kind") != kind:
        raise UsageError(f"{path} is a recipe for {values.get('kind')!r}, not for {kind!r}")
    stages = values.get("stage")
    if not isinstance(stages, list) or not stages:
        raise UsageError(f"{path} has no [[stage]]")
    return Recipe(
        kind, values.get("data", ""), tuple(_stage(number, stage, kind, path) for number, stage in enumerate(stages, 1))
    )


def _stage(number: int, values: dict[str, Any], kind: str, path: Path) -> Stage:
    _refuse_unknown(values, STAGE_KEYS, path)
    stage = Stage(**{"name": str(number)} | values)
    with_settings(registry.kind(kind).load("training")(), stage.settings())  # raises on what is unknown or out of range
    known = registry.kind(kind).load("config").__dataclass_fields__
    _refuse_unknown(stage.network, set(known), path)
    return stage


def _refuse_unknown(values: dict[str, Any], known: set[str], path: Path) -> None:
    unknown = sorted(set(values) - known)
    if unknown:
        raise UsageError(f"{path}: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")
