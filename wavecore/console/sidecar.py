"""The JSON that stands beside an output: what it takes to make it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from wavecore.console.common import version
from wavecore.console.console import plain

if TYPE_CHECKING:
    from wavecore.checkpoint import LoadedModel
    from wavecore.models.translation.translate import TranslationResult


def sidecar_path(output: Path) -> Path:
    """Return where an output's sidecar stands.

    Returns
    -------
    Path
        ``{output}.json``.
    """
    return output.with_name(output.name + ".json")


def write_sidecar(path: Path, values: dict, *, overwrite: bool) -> None:
    """Write a JSON file, whole or not at all.

    Parameters
    ----------
    values : dict
        Plain JSON values; numbers that are not finite become null.
    overwrite : bool
        Whether an older one may be replaced.

    Raises
    ------
    OutputExistsError
        If it exists and ``overwrite`` is false.
    """
    from wavecore.audio.output import whole_file

    with whole_file(path, overwrite=overwrite) as temporary:
        temporary.write_text(json.dumps(plain(values), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def describe_translation(
    result: TranslationResult,
    model: LoadedModel,
    *,
    command: Sequence[str],
    seed: int,
    temperature: float,
    device: str,
    backend: str,
    input_rate: int,
    output_rate: int,
) -> dict:
    """Collect what a translation's sidecar holds.

    Parameters
    ----------
    command : sequence of str
        The words of the command line.
    device, backend : str
        As they were settled.
    input_rate, output_rate : int
        Hz.
    """
    return {
        "version": version(),
        "command": list(command),
        "model": model.name,
        "model_sha256": model.sha256,
        "seed": seed,
        "temperature": temperature,
        "device": device,
        "backend": backend,
        "rates": {
            "input": input_rate,
            "model": model.network.config.decoder.sample_rate,
            "output": output_rate,
        },
        "result": asdict(result),
    }
