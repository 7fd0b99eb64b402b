"""``wavecore train spectral``: NSynth's baseline, an autoencoder of spectrograms."""

from __future__ import annotations

import argparse

from wavecore.console import common, flags, run_settings
from wavecore.console import resume as train_notes
from wavecore.console.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore train spectral``."""
    flags.add_run(parser, data="notes that `wavecore data soundfont` or `data nsynth` built")
    network = parser.add_argument_group("network")
    network.add_argument(
        "--variant",
        choices=("magnitude", "phase", "instantaneous"),
        help="learn log magnitudes alone, or phases or instantaneous frequencies with them (default: magnitude)",
    )
    network.add_argument(
        "--base-channels", type=int, metavar="N", help="of the first layers (default: 16; the paper's: 128)"
    )
    network.add_argument("--init", metavar="MODEL", help="start from a model's weights")
    flags.add_training(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Train, or go on training.

    Raises
    ------
    WavecoreError
        As ``training.loop.run_task`` says.
    """
    from wavecore.cli import train
    from wavecore.models.spectral.train import SpectralTask

    dataset, model, before = train_notes.open_notes(args, kind="spectral")
    config = network_settings(args, model and model.network.config, before)
    training = run_settings.training_settings(args, before, console)
    device = common.settle_device(args.device, console)
    task = SpectralTask(dataset, config, training, model and model.network)
    train.record_start(args, model)
    console.say(
        f"run {args.out}: {training.steps:,} steps of {training.batch_size} notes; "
        f"{len(dataset.notes('train')):,} notes; variant {config.variant}; curves every {training.validate_every} steps"
    )
    train.follow(
        "train spectral", task, args, device, lambda network, step: None, console, unit="weighted squared error"
    )


def network_settings(args: argparse.Namespace, initial, before: dict | None):
    """Work out the network's sizes.

    Parameters
    ----------
    initial : SpectralConfig or None
        Of the model to start from.
    before : dict or None
        What the run was started with, if it is resumed.

    Raises
    ------
    UsageError
        If a flag contradicts the model or the run.
    """
    from wavecore.models.spectral.config import SpectralConfig

    given = {"variant": args.variant, "base_channels": args.base_channels}
    found = train_notes.settled(SpectralConfig.from_dict, args, initial, before, given, kind="spectral's")
    return found or SpectralConfig(**{name: value for name, value in given.items() if value is not None})


COMMAND = flags.Command(
    summary="train NSynth's baseline, an autoencoder of spectrograms",
    example=(
        "wavecore train spectral --data data/notes --out runs/spectral --set steps=5000 --set batch_size=8\n"
        "wavecore train spectral --data data/notes --out runs/phase --variant instantaneous\n"
        "wavecore train spectral --out runs/spectral --resume"
    ),
    configure=configure,
    run=run,
)
