"""A run's folder: checkpoints to resume from, history, the best model.

    RUN/settings.json            network, training and data as they were given
    RUN/checkpoint/STEP/         state.safetensors + state.json: all that resuming needs
    RUN/best/                    the best model so far, as a model folder
    RUN/last/                    the finished run's model
    RUN/curves.png, RUN/samples/ what to look at and listen to

A checkpoint is written under a temporary name and renamed as a whole, so a
kill at any moment leaves the one before it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from torch import Tensor

from wavecore import checkpoint
from wavecore.errors import InputError, OutputExistsError, UsageError
from wavecore.training.config import TrainingConfig

KEEP = 2


class RunFolder:
    """Reads and writes one run's folder."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoint"

    def start(self, network: Any, training: TrainingConfig, data: str, *, resume: bool) -> None:
        """Claim the folder for a run, or check that it is the one to resume.

        Parameters
        ----------
        network : object
            A configuration with ``to_dict``.
        data : str
            The data set's folder.

        Raises
        ------
        OutputExistsError
            If a run is there and ``resume`` is false.
        InputError
            If there is nothing to resume.
        UsageError
            If the run there was started with other settings.
        """
        settings = _plain({"network": network.to_dict(), "training": training.to_dict(), "data": data})
        file = self.path / "settings.json"
        if file.exists():
            if not resume:
                raise OutputExistsError(f"{self.path} holds a run already; resume it, or choose another folder")
            found = json.loads(file.read_text(encoding="utf-8"))
            # Settings that did not exist when the run began have their defaults, renamed ones their present names.
            for key, config in (("network", network), ("training", training)):
                found[key] = _plain(type(config).from_dict(found.get(key, {})).to_dict())
            changed = [key for key in ("network", "training") if found.get(key) != settings[key]]
            if changed:
                raise UsageError(f"{self.path} was started with other settings of: {', '.join(changed)}")
            return
        if resume:
            raise InputError(f"there is no run to resume in {self.path}")
        self.path.mkdir(parents=True, exist_ok=True)
        checkpoint.write_json(settings, file)

    def save_state(self, tensors: dict[str, Tensor], step: int, history: list[dict], extra: dict) -> None:
        """Write a checkpoint and drop all but the newest ones.

        Parameters
        ----------
        history : list of dict
            One record per report so far.
        extra : dict
            Further JSON state.
        """
        self.checkpoints.mkdir(exist_ok=True)
        target = self.checkpoints / f"{step:09d}"
        if target.exists():
            return
        with checkpoint.replacing(target) as temporary:
            temporary.mkdir()
            checkpoint.write_tensors(tensors, temporary / "state.safetensors")
            checkpoint.write_json({"step": step, "history": history, "extra": extra}, temporary / "state.json")
        for old in self._finished()[:-KEEP]:
            shutil.rmtree(old)

    def load_state(self) -> tuple[dict[str, Tensor], dict] | None:
        """Read the newest checkpoint.

        Returns
        -------
        tuple of (dict of str to Tensor, dict), or None
            Tensors, and ``{"step", "history", "extra"}``; None before the first.
        """
        finished = self._finished()
        if not finished:
            return None
        state = json.loads((finished[-1] / "state.json").read_text(encoding="utf-8"))
        return checkpoint.read_tensors(finished[-1] / "state.safetensors"), state

    def _finished(self) -> list[Path]:
        return sorted(path for path in self.checkpoints.glob("[0-9]*") if path.name.isdigit())


def _plain(values: dict) -> dict:
    """Return values as JSON stores them."""
    return json.loads(json.dumps(values))
