"""The JSON file beside an output: what it takes to generate it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wavecore.console.console import plain


def sidecar_path(output: Path) -> Path:
    """Return the path of an output's sidecar, ``{output}.json``."""
    return output.with_name(output.name + ".json")


def write_sidecar(path: Path, values: dict[str, Any], *, overwrite: bool) -> None:
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
