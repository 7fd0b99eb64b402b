"""The commands of a GAN of melodies: ``wavecore compose gan`` and ``train gan``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, ClassVar

from wavecore.console import common, composing, flags
from wavecore.console.console import Console
from wavecore.console.training import TrainingCommand


class TrainGAN(TrainingCommand):
    """``wavecore train gan``."""

    kind = "gan"
    summary = "train a GAN: composes melodies from noise"
    example = (
        "wavecore train gan --data data/songs --out runs/gan\n"
        "wavecore train gan --data data/songs --out runs/mogren --preset mogren-small\n"
        "wavecore train gan --out runs/gan --resume"
    )
    data_help = "songs that `wavecore data midi` wrote"
    built_by = "wavecore data midi"
    unit, counted = "of the histograms not shared with melodies", "notes"
    presets = "wavecore.models.gan.config:PRESETS"
    network_flags: ClassVar = {
        "features": "--features",
        "length": "--length",
        "label_smoothing": "--label-smoothing",
        "instance_noise": "--instance-noise",
    }

    def open_data(self, path: Path) -> Any:
        """Open a data set of songs."""
        from wavecore.datasets.songs import SongsDataset

        return SongsDataset.open(path)

    def preset_fields(self, preset: Any) -> dict[str, Any]:
        """Return what must not differ from a model's; the rest may be flags."""
        return {name: getattr(preset, name) for name in ("variant", "latent", "hidden")}

    def new_network(self, args: argparse.Namespace, dataset: Any, config: Any) -> Any:
        """Take the range of pitches from the melodies of the training split."""
        from wavecore.models.gan.train import fit_range

        return fit_range(config, dataset)

    def task(self, args: argparse.Namespace, dataset: Any, config: Any, training: Any, initial: Any) -> Any:
        """Return the task to train."""
        from wavecore.models.gan.train import GANTask

        return GANTask(dataset, config, training, initial)

    def describe(self, task: Any) -> list[str]:
        """Return the lines that describe a run before it begins."""
        config = task.network_config
        return [
            f"of {task.training.batch_size} sequences of {config.length} notes, {config.features} features each; "
            f"{len(task.melodies)} melodies from {config.lowest} to {config.highest}; {config.variant} generator"
        ]


TRAIN = TrainGAN().command()


def configure_compose(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore compose gan``."""
    composing.add_output(parser, kind="a GAN of either variant")
    piece = parser.add_argument_group("piece")
    composing.add_length(piece)
    piece.add_argument(
        "--scale", metavar="S", help="move notes into c-major, f#-minor, ... (default: they stay as they are)"
    )
    composing.add_rest(parser, parser.add_argument_group("sampling"))


def compose(args: argparse.Namespace, console: Console) -> None:
    """Compose a melody and write it."""
    model = composing.open_model(args, console, kind="gan")
    if model is None:
        return
    seed, device = common.settle_seed(args.seed, console), common.settle_device(args.device, console)
    with console.progress("composing", unit="steps") as show:
        song = model.compose(args.bars, scale=args.scale, tempo=args.tempo, seed=seed, device=device, on_progress=show)
    composing.finish(args, console, song)


COMPOSE = flags.Command(
    summary="a melody from noise",
    example=(
        "wavecore compose gan --bars 16 -o tune.mid\n"
        "wavecore compose gan --scale a-minor --tempo 90 --seed 3 -o tune.mid"
    ),
    configure=configure_compose,
    run=compose,
)
