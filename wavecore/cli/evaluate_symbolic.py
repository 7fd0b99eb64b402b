"""``wavecore evaluate symbolic``: composers by the measures of their fields."""

from __future__ import annotations

import argparse
from pathlib import Path

from wavecore import registry
from wavecore.console import common, flags
from wavecore.console.console import Console
from wavecore.errors import ModelError, UsageError

CROP = 64
ORDERINGS = 5
OF_COCONET = {"crop": CROP, "orderings": ORDERINGS, "chronological": False, "pieces": None}
"""Flags of the likelihood of a Coconet, and their defaults."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore evaluate symbolic``."""
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a composer: a shipped one's name, or a folder (default: the shipped Coconet)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="for a Coconet what `wavecore data chorales` wrote, for the others what `wavecore data midi` did",
    )
    parser.add_argument("--split", choices=("train", "valid", "test"), default="test", help="(default: test)")
    parser.add_argument(
        "--samples",
        type=flags.count,
        metavar="N",
        help="compose N pieces and measure them (default: none of a Coconet, 64 of an LSTM or a GAN, 512 phrases of a "
        "MuseGAN, 8 in each style of a MuseNet)",
    )
    chorales = parser.add_argument_group("likelihood of a Coconet")
    chorales.add_argument("--pieces", type=flags.count, metavar="N", help="of the split (default: all)")
    chorales.add_argument(
        "--crop", type=flags.count, default=CROP, metavar="N", help=f"sixteenths of each (default: {CROP})"
    )
    chorales.add_argument(
        "--orderings",
        type=flags.count,
        default=ORDERINGS,
        metavar="N",
        help=f"of frames and voices, for each (default: {ORDERINGS})",
    )
    chorales.add_argument(
        "--chronological", action="store_true", help="frames from the first to the last, not in random orders"
    )
    flags.add_seed(parser, default=0)
    flags.add_device(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Measure a composer and print the measures.

    Raises
    ------
    WavecoreError
        If model or data are missing or do not fit each other.
    """
    from wavecore.models import base

    model = base.load(args.model or common.shipped("coconet"))
    kind = registry.kind(model.kind)
    if not kind.evaluate:
        composers = [name for name, other in registry.KINDS.items() if other.evaluate]
        raise ModelError(f"{model.name} is of kind {kind.name!r}, no composer; those are {', '.join(composers)}")
    if kind.name != "coconet":
        for name, default in OF_COCONET.items():
            if getattr(args, name) != default:
                raise UsageError(f"--{name} is for a Coconet, and {model.name} is of kind {kind.name!r}; leave it out")
        if args.split == "train":
            raise UsageError(f"{model.name} is compared with held-out data: --split valid or test")
    evaluation = kind.load("evaluate")
    device = common.settle_device(args.device, console)
    args.samples = args.samples or evaluation.default_samples
    measures = evaluation.run(args, model, evaluation.open_data(args.data), device, console)
    console.document({"model": model.name, "model_sha256": model.sha256, "data": args.data, **measures})
    for line in evaluation.lines(model, measures):
        console.result(line)


COMMAND = flags.Command(
    summary="composers: likelihood of held-out music, and what they write beside it",
    example=(
        "wavecore evaluate symbolic --data data/chorales --json\n"
        "wavecore evaluate symbolic runs/coconet --data data/chorales --pieces 20 --orderings 1 --samples 16\n"
        "wavecore evaluate symbolic runs/lstm --data data/songs"
    ),
    configure=configure,
    run=run,
)
