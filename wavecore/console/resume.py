"""What the verbs share that train on single notes: the data, the model to start from, settled sizes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wavecore.console import run_settings
from wavecore.errors import UsageError

if TYPE_CHECKING:
    from wavecore.checkpoint import LoadedModel
    from wavecore.datasets.notes.reader import NotesDataset


def open_notes(args: argparse.Namespace, *, kind: str | None) -> tuple[NotesDataset, LoadedModel | None, dict | None]:
    """Open the data, and the model that a run starts from.

    Parameters
    ----------
    args : argparse.Namespace
        ``data``, ``out``, ``resume`` and ``init``.
    kind : str or None
        Of the model; any if None.

    Returns
    -------
    model : LoadedModel or None
        None as well where a resumed run has weights of its own already.
    before : dict or None
        What the run was started with, if it is resumed.

    Raises
    ------
    WavecoreError
        If data, run or model are missing or cannot be read.
    """
    from wavecore.datasets.notes.reader import NotesDataset

    return run_settings.open_run(args, NotesDataset.open, kind=kind, built_by="wavecore data soundfont")


def settled(
    read: Callable[[dict], Any],
    args: argparse.Namespace,
    initial: Any,
    before: dict | None,
    given: dict[str, Any],
    *,
    kind: str,
) -> Any:
    """Take the sizes of the run that goes on, or of the model to start from, if the flags agree with them.

    Parameters
    ----------
    read : callable
        Builds the configuration from plain values.
    initial : configuration or None
        Of the model to start from.
    before : dict or None
        What the run was started with, if it is resumed.
    given : dict
        Values of flags by the configuration's attribute, a dot between levels; None where a flag was not given.
    kind : str
        Of the network, for the message.

    Returns
    -------
    configuration or None
        None if there is neither a run nor a model: the flags decide.

    Raises
    ------
    UsageError
        If the run is of another kind, or a flag contradicts it or the model.
    """
    try:
        found = read(before["network"]) if before is not None else initial
    except (KeyError, TypeError) as error:
        raise UsageError(f"{args.out} holds a run of another kind of network than {kind}") from error
    if found is None:
        return None
    whose = "the run" if before is not None else "the model of --init"
    for name, value in given.items():
        present = found
        for part in name.split("."):
            present = getattr(present, part)
        if value is not None and value != present:
            flag = FLAGS.get(name, "--" + name.replace("_", "-"))
            raise UsageError(f"{whose} has {present} where {flag} says {value}; leave the flag out")
    return found


FLAGS = {"encoder.kind": "--encoder"}
"""Flags that are not named like what they set."""
