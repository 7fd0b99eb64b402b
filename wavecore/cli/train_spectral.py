"""``wavecore train spectral``: NSynth's baseline, an autoencoder of spectrograms."""

from __future__ import annotations

import argparse

from wavecore.cli import common, flags, run_settings
from wavecore.cli.console import Console
from wavecore.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore train spectral``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
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

    Parameters
    ----------
    args : argparse.Namespace
    console : Console

    Raises
    ------
    WavecoreError
        As ``training.loop.run_task`` says.
    """
    from wavecore.cli import train
    from wavecore.datasets.notes import NotesDataset
    from wavecore.models import checkpoint
    from wavecore.training.spectral_task import SpectralTask

    before = run_settings.read_run(args.out) if args.resume else None
    if args.data is None and before is None:
        raise UsageError("the data are missing: --data DIR (`wavecore data soundfont` builds some)")
    dataset = NotesDataset.open(run_settings.data_folder(args, before))
    init = before["init"] if before else args.init
    needed = init and not (before and run_settings.has_checkpoint(args.out))
    model = checkpoint.load(init, kind="spectral") if needed else None
    config = network_settings(args, model and model.network.config, before)
    training = run_settings.training_settings(args, before, console)
    device = common.settle_device(args.device, console)
    task = SpectralTask(dataset, config, training, model and model.network)
    train.record_start(args, model)
    console.say(
        f"run {args.out}: {training.steps:,} steps of {training.batch_size} notes; "
        f"{len(dataset.notes('train')):,} notes; variant {config.variant}; curves every {training.validate_every} steps"
    )
    train.follow("spectral", task, args, device, lambda network, step: None, console, unit="weighted squared error")


def network_settings(args: argparse.Namespace, initial, before: dict | None):
    """Work out the network's sizes.

    Parameters
    ----------
    args : argparse.Namespace
    initial : SpectralConfig or None
        Of the model to start from.
    before : dict or None
        What the run was started with, if it is resumed.

    Returns
    -------
    SpectralConfig

    Raises
    ------
    UsageError
        If a flag contradicts the model or the run.
    """
    from wavecore.models.spectral_autoencoder import SpectralConfig

    try:
        settled = SpectralConfig.from_dict(before["network"]) if before is not None else initial
    except (KeyError, TypeError) as error:
        raise UsageError(f"{args.out} holds a run of another kind of network than spectral's") from error
    given = {"variant": args.variant, "base_channels": args.base_channels}
    given = {name: value for name, value in given.items() if value is not None}
    if settled is None:
        return SpectralConfig(**given)
    whose = "the run" if before is not None else "the model of --init"
    for name, value in given.items():
        if value != getattr(settled, name):
            flag = "--" + name.replace("_", "-")
            raise UsageError(f"{whose} has {getattr(settled, name)} where {flag} says {value}; leave the flag out")
    return settled


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
