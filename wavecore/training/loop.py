"""The one training loop: steps, reports, validations, checkpoints; it can be stopped at any moment and resumed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from wavecore import checkpoint
from wavecore.training import distributed, memory, prefetch
from wavecore.training.config import TrainingConfig
from wavecore.training.run_folder import RunFolder
from wavecore.training.task import Task

REPORT_EVERY = 20
"""Steps between two records of the training losses."""


@dataclass(frozen=True)
class Progress:
    """What a run reports to its progress callback.

    Attributes
    ----------
    losses : dict of str to float
        Named values; those of a validation start with ``valid/``.
    samples_per_s : float
        Trained samples per second since the last report, validation excluded.
    eta_s : float
        Seconds left at that speed.
    """

    step: int
    steps: int
    losses: dict[str, float]
    samples_per_s: float
    eta_s: float


def run_task(
    task: Task,
    out: str | Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    workers: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
    on_validation: Callable[[nn.Module, int, list[dict]], None] | None = None,
) -> dict:
    """Train a task's network; under ``torchrun`` with all its processes (see ``distributed``).

    Parameters
    ----------
    task : Task
        Network, data and settings.
    out : str or Path
        The run's folder (see ``run_folder``).
    resume : bool
        Continue from the newest checkpoint in ``out``.
    device : str
        Where to train, "cpu" or "cuda:N".
    workers : int
        Processes that prepare batches (see ``prefetch``); the result does not depend on their number.
    on_progress : callable, optional
        Called with a ``Progress`` every few steps and at validations.
    on_validation : callable, optional
        Called with (averaged network, step, history) after every validation, to draw curves and write samples.

    Returns
    -------
    dict
        The summary stored with the model, and what is measured but not stored, as it differs between runs:
        ``samples_per_s`` (validations left out), ``samples_per_step``, and ``peak_memory_bytes``, a list with one
        number for each process.

    Raises
    ------
    OutputExistsError, InputError, UsageError
        If ``out`` holds another run, or there is nothing to resume.
    ModelError
        If the loss stops being finite.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np, wavecore
    >>> from wavecore.datasets.chorales import write
    >>> from wavecore.models.coconet.config import PRESETS, CoconetTrainingConfig
    >>> from wavecore.models.coconet.train import CoconetTask
    >>> grids = {split: [np.full((16, 4), 60)] for split in ("train", "valid", "test")}
    >>> data = write(grids, Path("chorales"), source="", licence="")
    >>> task = CoconetTask(data, PRESETS["tiny"], CoconetTrainingConfig(steps=2, batch_size=1, crop_steps=4))
    >>> wavecore.run_task(task, "run")["steps"]
    2
    """
    with distributed.join(device) as processes:
        network = task.build()
        processes.spread(list(network.state_dict().values()))
        folder = RunFolder(out)
        if processes.leads:
            folder.start(task.network_config, task.training, task.data, resume=resume)
        processes.wait()
        trainer = task.trainer(network, device)
        trainer.processes = processes
        run = _Run(folder, task, trainer, on_progress, on_validation, workers)
        run.restore()
        try:
            run.train()
        except KeyboardInterrupt:
            # Processes that save together may be at different steps now; their last checkpoint stands.
            if not trainer.collective:
                run.save()
            raise
        return run.finish() | run.cost()


class _Run:
    """Trainer, folder and history of one call of ``run_task``."""

    def __init__(self, folder, task, trainer, on_progress, on_validation, workers):
        self.folder, self.task, self.trainer, self.workers = folder, task, trainer, workers
        self.processes: distributed.Processes = trainer.processes
        self.on_progress, self.on_validation = on_progress, on_validation
        self.config: TrainingConfig = task.training
        self.data = task.describe()
        self.history: list[dict] = []
        self.extra = {"best_bits": None, "best_step": None}
        self.trained_steps, self.trained_s, self.speed = 0, 0.0, 0.0
        self.clock, self.clock_step = time.monotonic(), trainer.step

    def restore(self) -> None:
        state = self.folder.load_state()
        if state is not None:
            tensors, record = state
            self.trainer.restore(tensors, record["step"])
            self.history, self.extra = record["history"], record["extra"]
        self.clock_step = self.trainer.step

    def train(self) -> None:
        config, trainer = self.config, self.trainer
        with prefetch.batches(self._own_batch, range(trainer.step, config.steps), workers=self.workers) as batches:
            for batch in batches:
                found = trainer.update(batch)
                if trainer.step % REPORT_EVERY == 0:
                    self.report(self.processes.mean_values(found))
                if trainer.step % config.validate_every == 0 or trainer.step == config.steps:
                    self.validate()
                if trainer.step % config.checkpoint_every == 0 or trainer.step == config.steps:
                    self.save()

    def _own_batch(self, step: int) -> Any:
        return self.processes.share(self.task.batch(step))

    def report(self, found: dict[str, float]) -> None:
        """Record losses; speed is reported but not recorded, as it would differ between runs."""
        self.history.append({"step": self.trainer.step} | found)
        self.tally()
        if self.on_progress is not None and self.processes.leads:
            left = (self.config.steps - self.trainer.step) * self.task.samples_per_step
            self.on_progress(
                Progress(
                    self.trainer.step, self.config.steps, found, self.speed, left / self.speed if self.speed else 0.0
                )
            )

    def tally(self) -> None:
        """Take the seconds since the last time, if they were spent in steps."""
        now = time.monotonic()
        steps, seconds = self.trainer.step - self.clock_step, max(1e-9, now - self.clock)
        if steps:
            self.speed = self.task.samples_per_step * steps / seconds
            self.trained_steps, self.trained_s = self.trained_steps + steps, self.trained_s + seconds
        self.clock, self.clock_step = now, self.trainer.step

    def validate(self) -> None:
        if not (self.processes.leads or self.trainer.collective):
            return  # the others wait at their next step
        self.tally()
        own = self.trainer.own_averaged_network()
        found = self.trainer.merge(self.task.validate(own, str(self.trainer.device)))
        network = self.trainer.averaged_network() if self.trainer.collective else own.cpu()
        self.report(found)
        if not self.processes.leads:
            return
        error = self.task.error(found)
        # Runs of older versions kept the best bits alone.
        best = self.extra.get("best_error", self.extra["best_bits"])
        if best is None or error <= best:
            self.extra |= {"best_error": error, "best_bits": found["valid/bits"], "best_step": self.trainer.step}
            checkpoint.save(network, self.folder.path / "best", training=self.summary(), overwrite=True)
        if self.on_validation is not None:
            self.on_validation(network, self.trainer.step, self.history)
        self.clock = time.monotonic()

    def save(self) -> None:
        if not (self.processes.leads or self.trainer.collective):
            return
        tensors = self.trainer.tensors()
        if self.processes.leads:
            self.folder.save_state(tensors, self.trainer.step, self.history, self.extra)

    def summary(self) -> dict:
        return {
            "steps": self.trainer.step,
            "audio_hours_seen": self.trainer.step * self.task.samples_per_step / self.task.sample_rate / 3600,
            "settings": self.config.to_dict(),
            "losses": {k: v for record in self.history[-2:] for k, v in record.items() if k != "step"},
            "data": self.data,
        }

    def cost(self) -> dict:
        """Return the speed of the steps since this start, and the memory that each process took."""
        found = self.processes.gather({"bytes": memory.peak_bytes(self.trainer.device)})
        speed = self.task.samples_per_step * self.trained_steps / self.trained_s if self.trained_s else 0.0
        return {
            "samples_per_s": speed,
            "samples_per_step": self.task.samples_per_step,
            "peak_memory_bytes": [int(one["bytes"]) for one in found],
        }

    def finish(self) -> dict:
        summary = self.summary()
        if self.processes.leads or self.trainer.collective:
            network = self.trainer.averaged_network()
            if self.processes.leads:
                checkpoint.save(network, self.folder.path / "last", training=summary, overwrite=True)
        return summary
