"""``wavecore train note-classifier``: a listener that says of a note its pitch, qualities, family and source."""

from __future__ import annotations

import argparse

from wavecore.cli import common, flags, run_settings
from wavecore.cli.console import Console
from wavecore.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore train note-classifier``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    flags.add_run(parser, data="notes that `wavecore data soundfont` or `data nsynth` built")
    network = parser.add_argument_group("network")
    network.add_argument("--channels", type=int, metavar="N", help="width of the convolutions (default: 120)")
    network.add_argument("--init", metavar="MODEL", help="start from a model's weights")
    flags.add_training(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Train, or go on training.

    Parameters
    ----------
    args : argparse.Namespace
    console : Console

    Raises
    ------
    WavecoreError
        As ``training.loop.run_task`` says.
    KeyboardInterrupt
        After the state was saved and it was said how to go on.
    """
    from wavecore.cli import train
    from wavecore.datasets.notes import NotesDataset
    from wavecore.models import checkpoint
    from wavecore.training.classifier_task import ClassifierTask

    before = run_settings.read_run(args.out) if args.resume else None
    if args.data is None and before is None:
        raise UsageError("the data are missing: --data DIR (`wavecore data soundfont` builds some)")
    dataset = NotesDataset.open(run_settings.data_folder(args, before))
    init = before["init"] if before else args.init
    needed = init and not (before and run_settings.has_checkpoint(args.out))
    model = checkpoint.load(init, kind="note-classifier") if needed else None
    config = network_settings(args, dataset, model and model.network.config, before)
    training = run_settings.training_settings(args, before, console)
    device = common.settle_device(args.device, console)
    task = ClassifierTask(dataset, config, training, model and model.network)
    train.record_start(args, model)
    console.say(
        f"run {args.out}: {training.steps:,} steps of {training.batch_size} of {len(dataset.notes('train')):,} notes; "
        f"{config.channels} channels; curves every {training.validate_every} steps"
    )
    train.follow(
        "note-classifier", task, args, device, lambda network, step: None, console, unit="bits per note"
    )


def network_settings(args: argparse.Namespace, dataset, initial, before: dict | None):
    """Work out the network's sizes.

    Parameters
    ----------
    args : argparse.Namespace
    dataset : NotesDataset
    initial : NoteClassifierConfig or None
        Of the model to start from.
    before : dict or None
        What the run was started with, if it is resumed.

    Returns
    -------
    NoteClassifierConfig

    Raises
    ------
    UsageError
        If a flag contradicts the model or the run.
    """
    from wavecore.datasets.nsynth_note import FAMILIES, QUALITIES, SOURCES
    from wavecore.models.note_classifier import NoteClassifierConfig

    try:
        settled = NoteClassifierConfig.from_dict(before["network"]) if before is not None else initial
    except (KeyError, TypeError) as error:
        raise UsageError(f"{args.out} holds a run of another kind of network than a note classifier") from error
    given = {} if args.channels is None else {"channels": args.channels}
    if settled is None:
        sizes = {"n_samples": dataset.n_samples, "sample_rate": dataset.sample_rate}
        return NoteClassifierConfig(FAMILIES, SOURCES, QUALITIES, **sizes, **given)
    if args.channels not in (None, settled.channels):
        whose = "the run" if before is not None else "the model of --init"
        raise UsageError(f"{whose} has {settled.channels} where --channels says {args.channels}; leave the flag out")
    return settled


COMMAND = flags.Command(
    summary="train a listener that says of a note its pitch, qualities, family and source",
    example=(
        "wavecore train note-classifier --data data/notes --out runs/ear --set steps=3000 --set batch_size=32\n"
        "wavecore train note-classifier --out runs/ear --resume"
    ),
    configure=configure,
    run=run,
)
