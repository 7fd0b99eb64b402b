"""``wavecore train musegan``: generators of phrases of several tracks, and the critics that teach them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from wavecore.console import common, flags, run_settings
from wavecore.console import resume as train_notes
from wavecore.console.console import Console
from wavecore.errors import UsageError

if TYPE_CHECKING:
    from wavecore.datasets.songs import SongsDataset
    from wavecore.models.musegan.config import MuseGANConfig, MuseGANTrainingConfig

DEFAULT_PRESET = "small"
VARIANTS = ("jamming", "composer", "hybrid")
NEURONS = ("real", "threshold", "bernoulli")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore train musegan``."""
    flags.add_run(parser, data="pieces that `wavecore data midi` wrote")
    network = parser.add_argument_group("network")
    network.add_argument(
        "--preset",
        metavar="P",
        help=f"tiny, small, seed (2 bars of 16 steps, chorales) or paper (4 bars of 96 steps, a band) (default: {DEFAULT_PRESET})",
    )
    network.add_argument(
        "--variant",
        choices=VARIANTS,
        help="a generator and a critic for each track, one of each, or generators and one critic (default: hybrid)",
    )
    network.add_argument(
        "--tracks",
        type=flags.names,
        metavar="T,..",
        help="parts to learn: names of parts, family:bass or family:strings+ensemble, part:0 (default: the preset's)",
    )
    network.add_argument("--given", metavar="TRACK", help="one of the tracks, which is not written but accompanied")
    network.add_argument("--bars", type=flags.count, metavar="N", help="of a phrase, in place of the preset's")
    network.add_argument("--steps", type=flags.count, metavar="N", help="of a bar, in place of the preset's")
    network.add_argument(
        "--beats", type=flags.count, metavar="N", help="quarter notes of a bar, in place of the preset's 4"
    )
    network.add_argument(
        "--neurons", choices=NEURONS, help="what critics hear of cells: their values, or what is lit (default: real)"
    )
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
    from wavecore.datasets.songs import SongsDataset
    from wavecore.models.musegan.train import MuseGANTask

    dataset, model, before = run_settings.open_run(
        args, SongsDataset.open, kind="musegan", built_by="wavecore data midi"
    )
    config = network_settings(args, dataset, model and model.network.config, before)
    training = run_settings.training_settings(args, before, console, default=settings)
    device = common.settle_device(args.device, console)
    task = MuseGANTask(dataset, config, training, model and model.network)
    train.record_start(args, model)
    store = task.stores["train"]
    accompanied = f", to go with {config.given}" if config.given else ""
    console.say(
        f"run {args.out}: {training.steps:,} steps of {training.batch_size} phrases for each update; {len(store.starts):,} phrases of "
        f"{config.bars} bars x {config.steps} steps x {config.n_pitches} pitches; {config.variant}: "
        f"{', '.join(track.label for track in config.tracks)}{accompanied}"
    )
    if any(store.left_out.values()):
        left = store.left_out
        console.say(
            f"left out of training: {left['pieces']} pieces without these tracks, {left['bars']} bars of other lengths, "
            f"{left['notes']} notes out of range"
        )
    train.follow(
        "train musegan",
        task,
        args,
        device,
        lambda network, step: None,
        console,
        unit="bits between samples and held-out phrases",
        counted="time steps",
    )


def network_settings(
    args: argparse.Namespace, dataset: SongsDataset, initial: MuseGANConfig | None, before: dict | None
) -> MuseGANConfig:
    """Work out the network's sizes and tracks.

    Parameters
    ----------
    dataset : SongsDataset
        Which says with what programs tracks are played.
    initial : MuseGANConfig or None
        Of the model to start from.
    before : dict or None
        What the run was started with, if it is resumed.

    Raises
    ------
    UsageError
        If there is no such preset, or a flag contradicts the model or the run.
    InputError
        If the data have no such track.
    """
    from dataclasses import replace

    from wavecore.models.musegan.config import PRESETS, MuseGANConfig
    from wavecore.models.musegan.tracks import find_tracks

    given = {name: getattr(args, name) for name in ("variant", "given", "bars", "steps", "beats", "neurons")}
    preset = PRESETS[common.chosen([args.preset or DEFAULT_PRESET], list(PRESETS), what="preset")[0]]
    found = train_notes.settled(MuseGANConfig.from_dict, args, initial, before, given, kind="a MuseGAN")
    if found is not None:
        whose = "the run" if before is not None else "the model of --init"
        if args.preset and any(
            getattr(found, width) != getattr(preset, width) for width in ("noise", "channels", "critic_channels")
        ):
            raise UsageError(f"{whose} has layers of other widths than --preset {args.preset}; leave the flag out")
        if args.tracks and tuple(args.tracks) != found.track_names:
            raise UsageError(
                f"{whose} has the tracks {', '.join(found.track_names)}, not {', '.join(args.tracks)}; leave --tracks out"
            )
        return found
    names = args.tracks or preset.track_names
    tracks = find_tracks([piece.song for piece in dataset.pieces["train"]], names)
    return replace(preset, tracks=tracks, **{name: value for name, value in given.items() if value is not None})


def settings(*, seed: int) -> MuseGANTrainingConfig:
    """Make the settings of a new run."""
    from wavecore.models.musegan.config import MuseGANTrainingConfig

    # The critics' slopes are held by their penalty; a clipped gradient would only blur what Adam makes of it.
    return MuseGANTrainingConfig(
        steps=8_000, batch_size=16, learning_rate=5e-4, warmup_steps=0, decay_fraction=0.5, clip_norm=1e4, transpose_semitones=6.0,
        glide_semitones=0.0, seed=seed,
    )  # fmt: skip


COMMAND = flags.Command(
    summary="train a MuseGAN: writes phrases of several tracks, or accompanies one",
    example=(
        "wavecore train musegan --data data/songs --out runs/musegan\n"
        "wavecore train musegan --data data/songs --tracks MELODY,PIANO --given MELODY --out runs/band\n"
        "wavecore train musegan --out runs/musegan --resume"
    ),
    configure=configure,
    run=run,
)
