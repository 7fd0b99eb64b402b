"""``wavecore train spectral``: NSynth's baseline, an autoencoder of spectrograms."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, ClassVar

from wavecore.console.training import TrainingCommand


class TrainSpectral(TrainingCommand):
    """``wavecore train spectral``."""

    kind = "spectral"
    summary = "train NSynth's baseline, an autoencoder of spectrograms"
    example = (
        "wavecore train spectral --data data/notes --out runs/spectral --set steps=5000 --set batch_size=8\n"
        "wavecore train spectral --data data/notes --out runs/phase --variant instantaneous\n"
        "wavecore train spectral --out runs/spectral --resume"
    )
    data_help = "notes that `wavecore data soundfont` or `data nsynth` built"
    built_by = "wavecore data soundfont"
    unit = "weighted squared error"
    network_flags: ClassVar = {"variant": "--variant", "base_channels": "--base-channels"}

    def open_data(self, path: Path) -> Any:
        """Open a data set of notes."""
        from wavecore.datasets.notes.reader import NotesDataset

        return NotesDataset.open(path)

    def task(self, args: argparse.Namespace, dataset: Any, config: Any, training: Any, initial: Any) -> Any:
        """Return the task to train."""
        from wavecore.models.spectral.train import SpectralTask

        return SpectralTask(dataset, config, training, initial)

    def describe(self, task: Any) -> list[str]:
        """Return the summary of a run that is shown before it begins."""
        return [
            f"of {task.training.batch_size} notes; {len(task.dataset.notes('train')):,} notes; variant "
            f"{task.network_config.variant}; curves every {task.training.validate_every} steps"
        ]


TRAIN = TrainSpectral().command()
