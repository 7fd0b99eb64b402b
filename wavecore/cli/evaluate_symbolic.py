"""``wavecore evaluate symbolic``: composers by the measures of their fields."""

from __future__ import annotations

import argparse
from pathlib import Path

from wavecore.cli import common, flags
from wavecore.cli.console import Console

CROP = 64
ORDERINGS = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore evaluate symbolic``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a composer: a shipped one's name, or a folder (default: the shipped Coconet)")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="chorales that `wavecore data chorales` wrote")
    parser.add_argument("--split", choices=("train", "valid", "test"), default="test", help="(default: test)")
    parser.add_argument("--pieces", type=flags.count, metavar="N", help="of the split (default: all)")
    parser.add_argument("--crop", type=flags.count, default=CROP, metavar="N", help=f"sixteenths of each (default: {CROP})")
    parser.add_argument("--orderings", type=flags.count, default=ORDERINGS, metavar="N", help=f"of frames and voices, for each (default: {ORDERINGS})")
    parser.add_argument("--chronological", action="store_true", help="frames from the first to the last, not in random orders")
    parser.add_argument("--samples", type=flags.count, metavar="N", help="also compose N pieces in each way, and judge them; harmonise the crops")
    flags.add_seed(parser, default=0)
    flags.add_device(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Judge a composer.

    Parameters
    ----------
    args : argparse.Namespace
    console : Console

    Raises
    ------
    WavecoreError
        If model or data are missing or do not fit each other.
    """
    from wavecore import evaluate_coconet as evaluation
    from wavecore.datasets.chorales import ChoralesDataset
    from wavecore.models import checkpoint

    dataset = ChoralesDataset.open(args.data)
    model = checkpoint.load(args.model or common.shipped("coconet"), kind="coconet")
    network = model.network.to(common.settle_device(args.device, console))
    crops = evaluation.cut(dataset.grids[args.split], args.crop, seed=args.seed, n_pieces=args.pieces)
    with console.progress("measuring", unit="passes") as show:
        found = evaluation.likelihood(
            network, crops, seed=args.seed, n_orderings=args.orderings, chronological=args.chronological, told=lambda _, *done: show(*done)
        )
    found = {"model": model.name, "data": args.data, "split": args.split, "crop": args.crop, **found}
    if args.samples:
        found |= _samples(args, network, crops, evaluation, console)
    console.document(found)
    console.result(
        f"{model.name}: {found['framewise_nll']['16th']:.3f} nats per frame of sixteenths (standard error {found['standard_error']:.3f}), "
        f"{found['n_pieces']} chorales, {found['orderings']} orderings each"
    )
    for name, counts in found.get("counterpoint", {}).items():
        console.result(f"  {name:12}" + ", ".join(f"{key.replace('_', ' ')} {value:.3f}" for key, value in counts.items()))
    for name, nats in found.get("samples_nll", {}).items():
        console.result(f"  {name} samples: {nats:.3f} nats per frame")


def _samples(args: argparse.Namespace, network, crops, evaluation, console: Console) -> dict:
    with console.progress("composing", unit="steps") as show:
        pieces = evaluation.samples(network, n_samples=args.samples, n_bars=max(1, args.crop // 16), seed=args.seed, told=lambda _, *done: show(*done))
        written = evaluation.harmonised(network, crops, seed=args.seed, told=lambda _, *done: show(*done))
    judged = {}
    with console.progress("measuring samples", unit="passes") as show:
        for name, grids in pieces.items():
            nats = evaluation.likelihood(network, list(grids), seed=args.seed, n_orderings=args.orderings, told=lambda _, *done: show(*done))
            judged[name] = nats["framewise_nll"]["16th"]
    kept = all((one[:, 0] == other[:, 0]).all() for one, other in zip(crops, written, strict=True))
    counts = {"data": evaluation.counted(crops), **{name: evaluation.counted(grids) for name, grids in pieces.items()}}
    return {"samples_nll": judged, "soprano_kept": bool(kept), "counterpoint": counts | {"harmonised": evaluation.counted(written)}}


COMMAND = flags.Command(
    summary="composers: likelihood of held-out music, counterpoint of what they write",
    example=(
        "wavecore evaluate symbolic --data data/chorales --json\n"
        "wavecore evaluate symbolic runs/coconet --data data/chorales --pieces 20 --orderings 1 --samples 16"
    ),
    configure=configure,
    run=run,
)
