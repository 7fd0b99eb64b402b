"""One tiny network and training task for every kind of model, built from small made data in under a second.

``CASES`` maps the kinds of ``wavecore.registry`` to functions of a folder, in which data are made, that return
(network, task).  The contract over all kinds (``test_contract.py``) runs on them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from wavecore.datasets.chorales import write as write_chorales

Case = Callable[[Path], tuple[Any, Any]]


def coconet(folder: Path) -> tuple[Any, Any]:
    from wavecore.models.coconet.config import CoconetConfig, CoconetTrainingConfig
    from wavecore.models.coconet.train import CoconetTask

    rng = np.random.default_rng(0)
    grids = {split: [rng.integers(45, 75, (20, 4)) for _ in range(3)] for split in ("train", "valid", "test")}
    dataset = write_chorales(grids, folder, source="", licence="")
    training = CoconetTrainingConfig(steps=6, batch_size=2, crop_steps=8, validate_every=3, checkpoint_every=2)
    task = CoconetTask(dataset, CoconetConfig(n_layers=5, channels=6, dilations=(1, 2)), training)
    return task.build(), task


CASES: dict[str, Case] = {"coconet": coconet}
