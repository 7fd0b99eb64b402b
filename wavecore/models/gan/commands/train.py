"""``wavecore train gan``: a generator of melodies and a discriminator against it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from wavecore.console import common, flags, run_settings
from wavecore.console import resume as train_notes
from wavecore.console.console import Console

if TYPE_CHECKING:
    from wavecore.datasets.songs import SongsDataset
    from wavecore.models.gan.config import GANConfig, GANTrainingConfig

DEFAULT_PRESET = "small"
CHANGEABLE = ("features", "length", "label_smoothing", "instance_noise")
"""What flags give in place of the preset's."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore train gan``."""
    flags.add_run(parser, data="songs that `wavecore data midi` wrote")
    network = parser.add_argument_group("network")
    network.add_argument(
        "--preset",
        metavar="P",
        help="tiny, small, gan (dense against recurrent layers, in the published sizes), mogren-tiny, mogren-small or mogren (recurrent on both "
        f"sides, 2016) (default: {DEFAULT_PRESET})",
    )
    network.add_argument(
        "--features",
        type=int,
        choices=(1, 2),
        help="numbers of a note: its pitch, or pitch and duration; not for mogren",
    )
    network.add_argument(
        "--length", type=flags.count, metavar="N", help="notes of a sequence, in place of the preset's"
    )
    network.add_argument("--init", metavar="MODEL", help="start from a model's weights")
    game = parser.add_argument_group("what steadies the game (default: off, as published)")
    game.add_argument(
        "--label-smoothing", type=flags.share, metavar="X", help="the discriminator is to say 1 - X of data, below 0.5"
    )
    game.add_argument(
        "--instance-noise",
        type=flags.share,
        metavar="X",
        help="noise on what it reads, which falls to zero over the run",
    )
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
    from wavecore.datasets.songs import SongsDataset
    from wavecore.models.gan.train import GANTask

    dataset, model, before = run_settings.open_run(args, SongsDataset.open, kind="gan", built_by="wavecore data midi")
    config = network_settings(args, dataset, model and model.network.config, before)
    training = run_settings.training_settings(args, before, console, default=settings)
    device = common.settle_device(args.device, console)
    task = GANTask(dataset, config, training, model and model.network)
    train.record_start(args, model)
    console.say(
        f"run {args.out}: {training.steps:,} steps of {training.batch_size} sequences of {config.length} notes, {config.features} numbers each; "
        f"{len(task.melodies)} melodies from {config.lowest} to {config.highest}; {config.variant} generator"
    )
    train.follow(
        "train gan",
        task,
        args,
        device,
        lambda network, step: None,
        console,
        unit="of the histograms not shared with melodies",
        counted="notes",
    )


def network_settings(
    args: argparse.Namespace, dataset: SongsDataset, initial: GANConfig | None, before: dict | None
) -> GANConfig:
    """Work out the networks' sizes.

    Parameters
    ----------
    dataset : SongsDataset
        Whose melodies say how far a new network's pitches reach.
    initial : GANConfig or None
        Of the model to start from.
    before : dict or None
        What the run was started with, if it is resumed.

    Raises
    ------
    WavecoreError
        If there is no such preset, a flag contradicts the model, the run or the variant, or no melody is long enough.
    """
    from dataclasses import replace

    from wavecore.models.gan.config import PRESETS, GANConfig
    from wavecore.models.gan.train import fitted

    given = {name: getattr(args, name) for name in CHANGEABLE if getattr(args, name) is not None}
    preset = PRESETS[common.chosen([args.preset or DEFAULT_PRESET], list(PRESETS), what="preset")[0]]
    sizes = {name: getattr(preset, name) for name in ("variant", "latent", "hidden")} if args.preset else {}
    found = train_notes.settled(GANConfig.from_dict, args, initial, before, sizes | given, kind="a GAN")
    return found or fitted(replace(preset, **given), dataset)


def settings(*, seed: int) -> GANTrainingConfig:
    """Make the settings of a new run.

    Returns
    -------
    GANTrainingConfig
        The published ones, but for the rates (2e-4 for both adversaries as published): the discriminator learns faster, or it guesses.
        Nothing is transposed: it would even out the pitch classes by which models are chosen.
    """
    from wavecore.models.gan.config import GANTrainingConfig

    return GANTrainingConfig(
        steps=2_000, batch_size=64, learning_rate=3e-4, discriminator_learning_rate=1e-3, warmup_steps=0, decay_fraction=0.0, transpose_semitones=0.0,
        glide_semitones=0.0, clip_norm=10.0, seed=seed,
    )  # fmt: skip


COMMAND = flags.Command(
    summary="train a GAN: writes melodies out of noise",
    example=(
        "wavecore train gan --data data/songs --out runs/gan\n"
        "wavecore train gan --data data/songs --out runs/mogren --preset mogren-small\n"
        "wavecore train gan --out runs/gan --resume"
    ),
    configure=configure,
    run=run,
)
