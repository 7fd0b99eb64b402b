"""``wavecore train note-classifier``: a classifier of single notes."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from wavecore.console.training import TrainingCommand


class TrainNoteClassifier(TrainingCommand):
    """``wavecore train note-classifier``."""

    kind = "note-classifier"
    summary = "train a classifier of notes: pitch, qualities, family and source"
    example = (
        "wavecore train note-classifier --data data/notes --out runs/ear --set steps=3000 --set batch_size=32\n"
        "wavecore train note-classifier --out runs/ear --resume"
    )
    data_help = "notes that `wavecore data soundfont` or `data nsynth` built"
    built_by = "wavecore data soundfont"
    unit = "bits per note"
    network_flags: ClassVar = {"channels": "--channels"}

    def open_data(self, path: Path) -> Any:
        """Open a data set of notes."""
        from wavecore.datasets.notes.reader import NotesDataset

        return NotesDataset.open(path)

    def new_network(self, args: argparse.Namespace, dataset: Any, config: Any) -> Any:
        """Set the length and the rate of the notes."""
        return replace(config, n_samples=dataset.n_samples, sample_rate=dataset.sample_rate)

    def task(self, args: argparse.Namespace, dataset: Any, config: Any, training: Any, initial: Any) -> Any:
        """Return the task to train."""
        from wavecore.models.note_classifier.train import ClassifierTask

        return ClassifierTask(dataset, config, training, initial)

    def describe(self, task: Any) -> list[str]:
        """Return the summary of a run that is shown before it begins."""
        return [
            f"of {task.training.batch_size} of {len(task.dataset.notes('train')):,} notes; "
            f"{task.network_config.channels} channels; curves every {task.training.validate_every} steps"
        ]


TRAIN = TrainNoteClassifier().command()
