"""``wavecore train coconet``: a network that fills any voices of a chorale from the others."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from wavecore.console import common, flags, run_settings
from wavecore.console import resume as train_notes
from wavecore.console.console import Console

if TYPE_CHECKING:
    from wavecore.models.coconet.model import CoconetConfig
    from wavecore.training.config import TrainingConfig

DEFAULT_PRESET = "small"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore train coconet``."""
    flags.add_run(parser, data="chorales that `wavecore data chorales` wrote")
    network = parser.add_argument_group("network")
    network.add_argument(
        "--preset",
        metavar="P",
        help=f"tiny, small, doodle (2019: separable, dilated) or coconet (2017) (default: {DEFAULT_PRESET})",
    )
    network.add_argument(
        "--channels", type=flags.count, metavar="N", help="width of the convolutions, in place of the preset's"
    )
    network.add_argument("--layers", type=flags.count, metavar="N", help="convolutions, in place of the preset's")
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
    from wavecore.datasets.chorales import ChoralesDataset
    from wavecore.models.coconet.train import CoconetTask

    dataset, model, before = run_settings.open_run(
        args, ChoralesDataset.open, kind="coconet", built_by="wavecore data chorales"
    )
    config = network_settings(args, model and model.network.config, before)
    training = run_settings.training_settings(args, before, console, default=settings)
    device = common.settle_device(args.device, console)
    task = CoconetTask(dataset, config, training, model and model.network)
    train.record_start(args, model)
    console.say(
        f"run {args.out}: {training.steps:,} steps of {training.batch_size} crops of {training.crop_frames} sixteenths; "
        f"{len(dataset.grids['train'])} chorales; {config.n_layers} layers x {config.channels} channels"
    )
    train.follow(
        "train coconet",
        task,
        args,
        device,
        lambda network, step: None,
        console,
        unit="bits per cell",
        counted="sixteenths",
    )


def network_settings(args: argparse.Namespace, initial: CoconetConfig | None, before: dict | None) -> CoconetConfig:
    """Work out the network's sizes.

    Parameters
    ----------
    initial : CoconetConfig or None
        Of the model to start from.
    before : dict or None
        What the run was started with, if it is resumed.

    Raises
    ------
    UsageError
        If there is no such preset, or a flag contradicts the model or the run.
    """
    from dataclasses import replace

    from wavecore.models.coconet.model import PRESETS, CoconetConfig

    given = {"channels": args.channels, "n_layers": args.layers}
    preset = PRESETS[common.chosen([args.preset or DEFAULT_PRESET], list(PRESETS), what="preset")[0]]
    contradicted = given | (
        {} if args.preset is None else {name: getattr(preset, name) for name in ("separable", "dilations")}
    )
    found = train_notes.settled(CoconetConfig.from_dict, args, initial, before, contradicted, kind="a Coconet")
    return found or replace(preset, **{name: value for name, value in given.items() if value is not None})


def settings(*, seed: int) -> TrainingConfig:
    """Make the settings of a new run."""
    from wavecore.training.config import TrainingConfig

    return TrainingConfig(
        steps=6_000, batch_size=16, crop_frames=64, optimizer="muon", learning_rate=4e-3, decay_fraction=0.5, transpose_semitones=6.0,
        glide_semitones=0.0, seed=seed,
    )  # fmt: skip


COMMAND = flags.Command(
    summary="train a Coconet: fills any voices of a chorale from the others",
    example="wavecore train coconet --data data/chorales --out runs/coconet\nwavecore train coconet --out runs/coconet --resume",
    configure=configure,
    run=run,
)
