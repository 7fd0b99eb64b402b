"""The one training loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import nn

from wavecore import checkpoint
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.models.translation import transfer
from wavecore.models.translation.data import Batch, BatchSource
from wavecore.models.translation.describe import describe
from wavecore.models.translation.distributed import SpreadTrainer
from wavecore.models.translation.model import TranslationConfig, TranslationNetwork
from wavecore.models.translation.trainer import Trainer, build_network
from wavecore.models.translation.validation import validate
from wavecore.training import distributed, memory, prefetch
from wavecore.training.config import TrainingConfig
from wavecore.training.run_folder import RunFolder

REPORT_EVERY = 20
"""Steps between two records of the training losses."""


@dataclass(frozen=True)
class Progress:
    """What a run tells while it goes.

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


class Task(Protocol):
    """What is trained: a network, its data, its update, its held-out measure."""

    training: TrainingConfig
    network_config: Any
    """With ``to_dict``."""
    data: str
    """Where the data lie."""
    samples_per_step: int
    sample_rate: int

    def build(self) -> nn.Module:
        """Build the network, from its seed or from given weights."""

    def trainer(self, network: nn.Module, device: str) -> Any:
        """Build an ``AveragedTrainer`` that has ``update(batch)``."""

    def batch(self, step: int) -> Any:
        """Draw the batch of a step; the same one at every call."""

    def validate(self, network: nn.Module, device: str) -> dict[str, float]:
        """Measure a network; ``transfer.error`` of it, usually ``valid/bits``, decides which is the best."""

    def describe(self) -> dict:
        """Say what a model must remember of its data."""


def train(
    dataset: DomainsDataset,
    network_config: TranslationConfig,
    training: TrainingConfig,
    out: str | Path,
    *,
    resume: bool = False,
    initial: TranslationNetwork | None = None,
    device: str = "cpu",
    on_progress: Callable[[Progress], None] | None = None,
    on_validation: Callable[[TranslationNetwork, int, list[dict]], None] | None = None,
) -> dict:
    """Train a translation network; kill it at any moment and resume.

    Parameters
    ----------
    out, resume
        As of ``run_task``.
    initial : TranslationNetwork, optional
        Weights to start from.
    device, on_progress, on_validation
        As of ``run_task``.

    Returns
    -------
    dict
        As of ``run_task``.

    Raises
    ------
    OutputExistsError, InputError, UsageError
        If ``out`` holds another run, there is nothing to resume, or the data do not fit.
    ModelError
        If the loss stops being finite.
    """
    task = TranslationTask(dataset, network_config, training, initial)
    return run_task(task, out, resume=resume, device=device, on_progress=on_progress, on_validation=on_validation)


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
    """Train what a task says; under ``torchrun`` with all its processes (see ``parallel``).

    Parameters
    ----------
    out : str or Path
        The run's folder (see ``run_folder``).
    resume : bool
        Go on from the newest checkpoint in ``out``.
    workers : int
        Processes that draw batches ahead (see ``ahead``); the run is the same whatever their number.
    on_progress : callable, optional
        Called with a ``Progress`` every few steps and at validations.
    on_validation : callable, optional
        Called with (averaged network, step, history) after every validation, to
        draw curves and write samples.

    Returns
    -------
    dict
        The summary that is stored with the model, and what is told but not stored, as it differs between runs: ``samples_per_s``
        (validations left out), ``samples_per_step``, and ``peak_memory_bytes``, a list with one number for each process.

    Raises
    ------
    OutputExistsError, InputError, UsageError
        If ``out`` holds another run, or there is nothing to resume.
    ModelError
        If the loss stops being finite.
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
            run.go_on()
        except KeyboardInterrupt:
            # Processes that save together may be at different places now; their last checkpoint stands.
            if not trainer.collective:
                run.save()
            raise
        return run.finish() | run.cost()


class TranslationTask:
    """A translation network and the domains that it learns.

    Parameters
    ----------
    initial : TranslationNetwork, optional
        Weights to start from.
    spread_decoders : bool
        Whether each of several processes holds the decoders of its own domains alone (``spread``).
    """

    def __init__(
        self,
        dataset: DomainsDataset,
        network_config: TranslationConfig,
        training: TrainingConfig,
        initial: TranslationNetwork | None = None,
        *,
        spread_decoders: bool = False,
    ):
        self.spread_decoders = spread_decoders
        self.network_config, self.training, self.data = network_config, training, str(dataset.path)
        decoder = network_config.decoder
        self.samples_per_step = training.batch_size * training.crop_frames * decoder.hop_length
        self.sample_rate = decoder.sample_rate
        self._network = initial if initial is not None else build_network(network_config, seed=training.seed)
        self.source = BatchSource(dataset, network_config, training, self._network.encoder.context_frames)

    def build(self) -> TranslationNetwork:
        """Return the network that is to be trained."""
        return self._network

    def trainer(self, network: TranslationNetwork, device: str) -> Trainer:
        """Build the trainer."""
        if self.spread_decoders:
            return SpreadTrainer(network, self.training, distributed.current(), device=device)
        return Trainer(network, self.training, device=device)

    def batch(self, step: int) -> Batch:
        """Draw the batch of a step."""
        return self.source.training_batch(step)

    def validate(self, network: TranslationNetwork, device: str) -> dict[str, float]:
        """Measure a network on held-out crops.

        Returns
        -------
        dict of str to float
            As ``validation.validate`` says, and as ``transfer.measure_transfer`` where the settings ask for it.
        """
        found = validate(network, self.source, n_crops=self.training.validation_crops, device=device)
        if self.training.transfer_passages:
            network = network.cpu()
            found |= transfer.measure_transfer(network, self.source.dataset, n_passages=self.training.transfer_passages)
        return found

    def describe(self) -> dict:
        """Summarise the data."""
        return describe(self.source.dataset)


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

    def go_on(self) -> None:
        config, trainer = self.config, self.trainer
        with prefetch.batches(self._own_batch, range(trainer.step, config.steps), workers=self.workers) as drawn:
            for batch in drawn:
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
        """Record losses; speed is told but not recorded, as it would differ between runs."""
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
        error = transfer.error(found)
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
            "settings": asdict(self.config),
            "losses": {k: v for record in self.history[-2:] for k, v in record.items() if k != "step"},
            "data": self.data,
        }

    def cost(self) -> dict:
        """Say how fast the steps of this start were, and what memory each process took."""
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
