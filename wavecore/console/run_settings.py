"""What a training run was started with: its settings on disk, its data, the model that it starts from."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavecore.errors import InputError, UsageError

if TYPE_CHECKING:
    from wavecore.checkpoint import LoadedModel

RECORD = "command.json"


def read_run(out: Path) -> dict:
    """Read what a run was started with.

    Parameters
    ----------
    out : Path
        The run's folder.

    Returns
    -------
    dict
        ``network``, ``training``, ``data`` as the run's settings hold them,
        ``init``: the folder of the model it started from, or None, and
        ``teach_encoder``: whether that model's encoder was pretrained on notes first.

    Raises
    ------
    InputError
        If there is no run, or its settings cannot be read.
    """
    file = out / "settings.json"
    if not file.is_file():
        raise InputError(f"there is no run to resume in {out} (no {file.name}); leave --resume out to start one")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        record = out / RECORD
        start = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
        begun = {"init": start.get("init"), "teach_encoder": start.get("teach_encoder", False)}
        return {key: found[key] for key in ("network", "training", "data")} | begun
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"the settings of the run in {out} cannot be read: {error}") from error


def has_checkpoint(out: Path) -> bool:
    """Tell whether a run has saved its state.

    Parameters
    ----------
    out : Path
        The run's folder.
    """
    return any((out / "checkpoint").glob("[0-9]*"))


def starting_model(args: argparse.Namespace, before: dict | None, *, kind: str | None) -> LoadedModel | None:
    """Load the model that a run starts from.

    Parameters
    ----------
    args : argparse.Namespace
        ``out`` and ``init``.
    before : dict or None
        What the run was started with, if it is resumed.
    kind : str or None
        Of the model; any if None.

    Returns
    -------
    LoadedModel or None
        None where no model was named, and where a resumed run has weights of its own already: all have that did not end
        before they first saved them.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    from wavecore import checkpoint

    init = before["init"] if before else args.init
    if not init or (before and has_checkpoint(args.out)):
        return None
    return checkpoint.load(init, kind=kind)


def is_restarted(out: Path) -> bool:
    """Tell whether ``torchrun`` has started this command before, and it began the run in ``out``.

    Parameters
    ----------
    out : Path
        The run's folder.

    Returns
    -------
    bool
        Never of another job's run, which is not to be gone on with unasked.
    """
    from wavecore.training import distributed

    record = out / RECORD
    if not (distributed.restarts() and record.is_file() and (out / "settings.json").is_file()):
        return False
    try:
        return json.loads(record.read_text(encoding="utf-8")).get("job") == distributed.job()
    except (OSError, ValueError) as error:
        raise InputError(f"the record of the run in {out} cannot be read: {error}") from error


def open_run(
    args: argparse.Namespace, read: Callable[[Path], Any], *, kind: str | None, built_by: str
) -> tuple[Any, LoadedModel | None, dict | None]:
    """Open the data, and the model that a run starts from.

    Parameters
    ----------
    args : argparse.Namespace
        ``data``, ``out``, ``resume`` and ``init``.
    read : callable
        Opens a data set.
    kind : str or None
        Of the model; any if None.
    built_by : str
        The command that builds such data, for the message.

    Returns
    -------
    dataset
        As `read` returns it.
    model : LoadedModel or None
        As of ``starting_model``.
    before : dict or None
        What the run was started with, if it is resumed.

    Raises
    ------
    WavecoreError
        If data, run or model are missing or cannot be read.
    """
    before = read_run(args.out) if args.resume else None
    dataset = read(data_folder(args, before, built_by=built_by))
    return dataset, starting_model(args, before, kind=kind), before


def data_folder(args: argparse.Namespace, before: dict | None, *, built_by: str) -> Path:
    """Take the data that were named, or those of the run.

    Parameters
    ----------
    before : dict or None
        What the run was started with, if it is resumed.
    built_by : str
        The command that builds such data, for the message.

    Raises
    ------
    UsageError
        If there are none.
    """
    if args.data is not None:
        return args.data
    if before is None:
        raise UsageError(f"the data are missing: --data DIR (`{built_by}` builds some)")
    return Path(before["data"])
