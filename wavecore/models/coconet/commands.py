"""The commands of a Coconet: ``wavecore compose coconet``, ``train coconet``, ``evaluate symbolic``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, ClassVar

from wavecore.console import common, composing, flags
from wavecore.console.composer_evaluation import ComposerEvaluation
from wavecore.console.console import Console
from wavecore.console.training import TrainingCommand
from wavecore.errors import UsageError
from wavecore.models.coconet.config import DEFAULT_BARS, METHODS


class TrainCoconet(TrainingCommand):
    """``wavecore train coconet``."""

    kind = "coconet"
    summary = "train a Coconet: fills any voices of a chorale from the others"
    example = (
        "wavecore train coconet --data data/chorales --out runs/coconet\n"
        "wavecore train coconet --out runs/coconet --resume"
    )
    data_help = "chorales that `wavecore data chorales` wrote"
    built_by = "wavecore data chorales"
    unit, counted = "bits per cell", "sixteenths"
    presets = "wavecore.models.coconet.config:PRESETS"
    network_flags: ClassVar = {"channels": "--channels", "n_layers": "--layers"}

    def open_data(self, path: Path) -> Any:
        """Open a data set of chorales."""
        from wavecore.datasets.chorales import ChoralesDataset

        return ChoralesDataset.open(path)

    def preset_fields(self, preset: Any) -> dict[str, Any]:
        """Return what must not differ from a model's; its width and depth may be flags."""
        return {name: getattr(preset, name) for name in ("separable", "dilations")}

    def task(self, args: argparse.Namespace, dataset: Any, config: Any, training: Any, initial: Any) -> Any:
        """Return the task to train."""
        from wavecore.models.coconet.train import CoconetTask

        return CoconetTask(dataset, config, training, initial)

    def describe(self, task: Any) -> list[str]:
        """Return the sizes of data and network."""
        training, config = task.training, task.network_config
        return [
            f"of {training.batch_size} crops of {training.crop_steps} sixteenths; "
            f"{len(task.dataset.grids['train'])} chorales; {config.n_layers} layers x {config.channels} channels"
        ]


TRAIN = TrainCoconet().command()


def configure_compose(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore compose coconet``."""
    composing.add_output(parser, kind="a Coconet")
    given = parser.add_argument_group("what is given (default: nothing)")
    given.add_argument(
        "--bars", type=flags.count, metavar="N", help=f"bars of 4/4, where nothing is given (default: {DEFAULT_BARS})"
    )
    given.add_argument("--melody", type=Path, metavar="FILE.mid", help="a melody, kept exactly as the soprano")
    given.add_argument("--prime", type=Path, metavar="FILE.mid", help="a piece of four parts, for --keep and --bridge")
    given.add_argument(
        "--keep", type=flags.names, metavar="VOICE,..", help="voices of --prime that stay: soprano, alto, tenor, bass"
    )
    given.add_argument("--bridge", type=bars, metavar="A:B", help="bars of --prime that are rewritten, all others stay")
    how = parser.add_argument_group("sampling")
    how.add_argument(
        "--method",
        choices=METHODS,
        default="gibbs",
        help="gibbs resamples every cell many times, ancestral samples each once (default: gibbs)",
    )
    how.add_argument("--steps", type=flags.count, metavar="N", help="steps of gibbs (default: 4 per sixteenth)")
    composing.add_temperature(how, 1.0, most_likely="pitches")
    composing.add_rest(parser, how)


def compose(args: argparse.Namespace, console: Console) -> None:
    """Compose a chorale and write it."""
    from wavecore.symbolic import midi

    if args.melody and (args.prime or args.bars or args.keep or args.bridge):
        raise UsageError("--melody sets soprano and length; leave --prime, --bars, --keep and --bridge out")
    model = composing.open_model(args, console, kind="coconet")
    if model is None:
        return
    options = {
        "method": args.method,
        "n_steps": args.steps,
        "temperature": args.temperature,
        "seed": common.settle_seed(args.seed, console),
        "device": common.settle_device(args.device, console),
    }
    with console.progress("composing", unit="steps") as show:
        if args.melody:
            song = model.harmonize(midi.read(args.melody), on_progress=show, **options)
        else:
            piece = midi.read(args.prime) if args.prime else None
            song = model.compose(
                args.bars, piece=piece, keep=args.keep or (), bridge=args.bridge, on_progress=show, **options
            )
    info = song.info
    composing.write(args, console, song, {"bars": info["bars"], "cells": info["cells"]})
    console.result(f"{args.out}: {info['bars']} bars, {info['cells']} of {info['cells_in_all']} cells written")


def bars(text: str) -> tuple[int, int]:
    """Parse a range of bars: two numbers with a colon between, or one; counted from 1."""
    first, _, last = text.partition(":")
    try:
        return int(first), int(last or first)
    except ValueError:
        raise argparse.ArgumentTypeError(f"bars look like 5:8, not {text!r}") from None


COMPOSE = flags.Command(
    summary="a chorale, or any voices and bars of one",
    example=(
        "wavecore compose coconet --bars 8 -o chorale.mid\n"
        "wavecore compose coconet --melody tune.mid -o harmonised.mid\n"
        "wavecore compose coconet --prime chorale.mid --bridge 3:4 -o bridged.mid\n"
        "wavecore compose coconet --prime chorale.mid --keep soprano,bass -o rewritten.mid"
    ),
    configure=configure_compose,
    run=compose,
)


class EvaluateCoconet(ComposerEvaluation):
    """``wavecore evaluate symbolic`` for a Coconet: likelihood, and counterpoint of what it composes."""

    default_samples = None

    def open_data(self, path: Path) -> Any:
        """Open a data set of chorales."""
        from wavecore.datasets.chorales import ChoralesDataset

        return ChoralesDataset.open(path)

    def run(self, args: argparse.Namespace, model: Any, dataset: Any, device: str, console: Console) -> dict:
        """Measure the framewise likelihood of held-out chorales, and compose where samples are asked for."""
        from wavecore.models.coconet import evaluate

        network = model.network.to(device)
        crops = evaluate.draw_crops(dataset.grids[args.split], args.crop, seed=args.seed, n_pieces=args.pieces)
        with console.progress("measuring", unit="passes") as show:
            measures = evaluate.likelihood(
                network,
                crops,
                seed=args.seed,
                n_orderings=args.orderings,
                chronological=args.chronological,
                on_progress=show,
            )
        document = {"split": args.split, "crop": args.crop, **measures}
        if args.samples:
            with console.progress("composing", unit="steps") as show:
                document |= evaluate.evaluate_samples(
                    network,
                    crops,
                    n_samples=args.samples,
                    n_bars=max(1, args.crop // 16),
                    n_orderings=args.orderings,
                    seed=args.seed,
                    on_progress=show,
                )
        return document

    def lines(self, model: Any, measures: dict) -> list[str]:
        """Return the measures as text."""
        lines = [
            f"{model.name}: {measures['framewise_nll']['16th']:.3f} nats per frame of sixteenths (standard error "
            f"{measures['standard_error']:.3f}; {measures['n_pieces']} chorales, {measures['orderings']} orderings "
            f"each; {measures['framewise_nll_alone']['16th']:.3f} for an ordering alone)"
        ]
        for name, counts in measures.get("counterpoint", {}).items():
            shown = ", ".join(f"{key.replace('_', ' ')} {value:.3f}" for key, value in counts.items())
            lines.append(f"  {name:12}{shown}")
        for name, nats in measures.get("samples_nll", {}).items():
            lines.append(f"  {name} samples: {nats:.3f} nats per frame")
        return lines


EVALUATE = EvaluateCoconet()
