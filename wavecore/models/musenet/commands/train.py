"""``wavecore train musenet``: a transformer that goes on with any piece, and the critic of its samples."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING

from wavecore.console import common, flags, run_settings
from wavecore.console import resume as train_notes
from wavecore.console.console import Console
from wavecore.errors import UsageError

if TYPE_CHECKING:
    from wavecore.datasets.songs import SongsDataset
    from wavecore.models.musenet.config import MuseNetConfig, MuseNetTrainingConfig
    from wavecore.models.musenet.model import MuseNet

DEFAULT_PRESET = "small"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore train musenet``."""
    flags.add_run(parser, data="songs that `wavecore data midi` wrote")
    network = parser.add_argument_group("network")
    network.add_argument(
        "--preset",
        metavar="P",
        help=f"tiny, small, medium or musenet (72 layers, 24 heads, 4,096 tokens) (default: {DEFAULT_PRESET})",
    )
    network.add_argument("--layers", type=flags.count, metavar="N", help="in place of the preset's")
    network.add_argument("--channels", type=flags.count, metavar="N", help="in place of the preset's")
    network.add_argument(
        "--context", type=flags.count, metavar="N", help="tokens of a window, in place of the preset's"
    )
    network.add_argument(
        "--patterns", type=flags.names, metavar="A,B", help="attention of the layers, in turn: dense, strided, fixed"
    )
    network.add_argument(
        "--embeddings", type=flags.names, metavar="A,B",
        help="what is told of a token beside its place: time, chord, part, countdown, or none (default: all)",
    )  # fmt: skip
    network.add_argument(
        "--init", metavar="MODEL", help="start from a model's weights; its inner critic is left behind"
    )
    network.add_argument(
        "--critic",
        action="store_true",
        help="train the inner critic of --init, which tells samples from data; all else stays",
    )
    network.add_argument(
        "--recompute",
        action="store_true",
        help="keep no activations, compute them again: less memory, a third more work",
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
    from wavecore.datasets.songs import SongsDataset

    before = run_settings.read_run(args.out) if args.resume else None
    if args.critic and not (before or args.init):
        raise UsageError("--critic trains the critic of a model that has learnt: name one with --init MODEL")
    dataset = SongsDataset.open(run_settings.data_folder(args, before, built_by="wavecore data midi"))
    if args.critic or (before and before["network"].get("critic")):
        _train_critic(args, dataset, before, console)
    else:
        _train_language(args, dataset, before, console)


def _train_language(args: argparse.Namespace, dataset: SongsDataset, before: dict | None, console: Console) -> None:
    from wavecore.cli import train
    from wavecore.models.musenet import cost as musenet_size
    from wavecore.models.musenet.critic import without_critic
    from wavecore.models.musenet.train import MuseNetTask

    model = run_settings.starting_model(args, before, kind="musenet")
    initial = model and without_critic(model.network)
    config = network_settings(args, dataset, initial and initial.config, before)
    training = run_settings.training_settings(args, before, console, default=partial(settings, context=config.context))
    device = common.settle_device(args.device, console)
    task = MuseNetTask(dataset, config, training, initial, recompute=args.recompute)
    train.record_start(args, model)
    console.say(
        f"run {args.out}: {training.steps:,} steps of {training.batch_size} windows of {training.crop_frames:,} tokens; "
        f"{len(task.pieces['train'])} pieces, "
        f"{sum(len(piece.body) for piece in task.pieces['train']):,} tokens; styles {', '.join(config.styles)}; attention {', '.join(config.patterns)}"
    )
    console.say(musenet_size.described(config))
    told = task.baselines
    console.say(
        f"to beat, on the held-out tokens: {told['unigram_bits']:.3f} bits by counting tokens, {told['bigram_bits']:.3f} by counting pairs"
    )

    def write(averaged: MuseNet, step: int) -> None:
        from wavecore.models.musenet import plot_styles

        plot_styles.draw(averaged.style_vectors().numpy(), config.styles, args.out / "styles.png", overwrite=True)

    train.follow("train musenet", task, args, device, write, console, unit="bits per token", counted="tokens")


def _train_critic(args: argparse.Namespace, dataset: SongsDataset, before: dict | None, console: Console) -> None:
    from wavecore import checkpoint
    from wavecore.cli import train
    from wavecore.models.musenet.critic import POOL, MuseNetCriticTask

    # Also a run that goes on needs the model: its samples are made anew.
    model = checkpoint.load(before["init"] if before else args.init, kind="musenet")
    config = network_settings(args, dataset, model.network.config, None)
    training = run_settings.training_settings(
        args, before, console, default=partial(critic_settings, context=config.context)
    )
    device = common.settle_device(args.device, console)
    console.say(
        f"run {args.out}: the critic of {model.name}; the model first goes on with {sum(POOL.values())} windows of {config.context:,} tokens"
    )
    with console.progress("sampling", unit="windows") as show:
        task = MuseNetCriticTask(dataset, model.network, training, device=device, on_progress=show)
    train.record_start(args, model)
    train.follow(
        "train musenet",
        task,
        args,
        device,
        lambda network, step: None,
        console,
        unit="bits of doubt, 1 is guessing",
        counted="tokens",
    )


def network_settings(
    args: argparse.Namespace, dataset: SongsDataset, initial: MuseNetConfig | None, before: dict | None
) -> MuseNetConfig:
    """Work out the network's sizes.

    Parameters
    ----------
    dataset : SongsDataset
        Whose styles a new network knows.
    initial : MuseNetConfig or None
        Of the model to start from.
    before : dict or None
        What the run was started with, if it is resumed.

    Raises
    ------
    UsageError
        If there is no such preset, or a flag contradicts the model or the run.
    """
    from dataclasses import replace

    from wavecore.models.musenet.config import PRESETS, MuseNetConfig

    preset = PRESETS[common.chosen([args.preset or DEFAULT_PRESET], list(PRESETS), what="preset")[0]]
    patterns = None if args.patterns is None else tuple(args.patterns)
    embeddings = None if args.embeddings is None else () if args.embeddings == ["none"] else tuple(args.embeddings)
    given = {
        "n_layers": args.layers,
        "channels": args.channels,
        "context": args.context,
        "patterns": patterns,
        "embeddings": embeddings,
    }
    of_preset = {} if args.preset is None else {name: getattr(preset, name) for name in given}
    contradicted = of_preset | {name: value for name, value in given.items() if value is not None}
    found = train_notes.settled(MuseNetConfig.from_dict, args, initial, before, contradicted, kind="a MuseNet")
    return found or replace(
        preset, styles=dataset.styles, **{name: value for name, value in given.items() if value is not None}
    )


def settings(*, seed: int, context: int) -> MuseNetTrainingConfig:
    """Make the settings of a new run."""
    from wavecore.models.musenet.config import MuseNetTrainingConfig

    return MuseNetTrainingConfig(
        steps=10_000, batch_size=4, crop_frames=context, learning_rate=1e-3, decay_fraction=0.5, transpose_semitones=5.0, glide_semitones=0.0,
        augment_probability=0.25, validation_crops=16, seed=seed,
    )  # fmt: skip


def critic_settings(*, seed: int, context: int) -> MuseNetTrainingConfig:
    """Make the settings of a new run that trains a critic."""
    from wavecore.models.musenet.config import MuseNetTrainingConfig

    return MuseNetTrainingConfig(
        steps=600, batch_size=16, crop_frames=context, learning_rate=1e-3, warmup_steps=20, decay_fraction=0.5, glide_semitones=0.0, ema_decay=0.98,
        validate_every=50, checkpoint_every=100, seed=seed,
    )  # fmt: skip


COMMAND = flags.Command(
    summary="train a MuseNet: a transformer that goes on with any piece, in any of its styles",
    example=(
        "wavecore train musenet --data data/songs --out runs/musenet\n"
        "wavecore train musenet --out runs/musenet --resume\n"
        "wavecore train musenet --data data/songs --critic --init runs/musenet --out runs/with-critic"
    ),
    configure=configure,
    run=run,
)
