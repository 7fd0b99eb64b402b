"""``wavecore train note-classifier``: a listener that says of a note its pitch, qualities, family and source."""

from __future__ import annotations

import argparse

from wavecore.console import common, flags, run_settings
from wavecore.console import resume as train_notes
from wavecore.console.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore train note-classifier``."""
    flags.add_run(parser, data="notes that `wavecore data soundfont` or `data nsynth` built")
    network = parser.add_argument_group("network")
    network.add_argument("--channels", type=int, metavar="N", help="width of the convolutions (default: 120)")
    network.add_argument("--init", metavar="MODEL", help="start from a model's weights")
    flags.add_training(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Train, or go on training.

    Raises
    ------
    WavecoreError
        As ``training.loop.run_task`` says.
    KeyboardInterrupt
        After the state was saved and it was said how to go on.
    """
    from wavecore.cli import train
    from wavecore.models.note_classifier.train import ClassifierTask

    dataset, model, before = train_notes.open_notes(args, kind="note-classifier")
    config = network_settings(args, dataset, model and model.network.config, before)
    training = run_settings.training_settings(args, before, console)
    device = common.settle_device(args.device, console)
    task = ClassifierTask(dataset, config, training, model and model.network)
    train.record_start(args, model)
    console.say(
        f"run {args.out}: {training.steps:,} steps of {training.batch_size} of {len(dataset.notes('train')):,} notes; "
        f"{config.channels} channels; curves every {training.validate_every} steps"
    )
    train.follow("train note-classifier", task, args, device, lambda network, step: None, console, unit="bits per note")


def network_settings(args: argparse.Namespace, dataset, initial, before: dict | None):
    """Work out the network's sizes.

    Parameters
    ----------
    initial : NoteClassifierConfig or None
        Of the model to start from.
    before : dict or None
        What the run was started with, if it is resumed.

    Raises
    ------
    UsageError
        If a flag contradicts the model or the run.
    """
    from wavecore.datasets.nsynth.note import FAMILIES, QUALITIES, SOURCES
    from wavecore.models.note_classifier.config import NoteClassifierConfig

    given = {"channels": args.channels}
    found = train_notes.settled(NoteClassifierConfig.from_dict, args, initial, before, given, kind="a note classifier")
    if found is not None:
        return found
    sizes = {"n_samples": dataset.n_samples, "sample_rate": dataset.sample_rate}
    more = {} if args.channels is None else given
    return NoteClassifierConfig(FAMILIES, SOURCES, QUALITIES, **sizes, **more)


COMMAND = flags.Command(
    summary="train a listener that says of a note its pitch, qualities, family and source",
    example=(
        "wavecore train note-classifier --data data/notes --out runs/ear --set steps=3000 --set batch_size=32\n"
        "wavecore train note-classifier --out runs/ear --resume"
    ),
    configure=configure,
    run=run,
)
