"""``wavecore data chorales``: four-voice chorales as grids of sixteenths."""

from __future__ import annotations

import argparse
from pathlib import Path

from wavecore.console import common, flags
from wavecore.console.console import Console
from wavecore.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore data chorales``."""
    source = parser.add_argument_group("where they come from")
    source.add_argument(
        "--benchmark",
        type=Path,
        metavar="FILE",
        help="Jsb16thSeparated.json: 382 chorales of Bach's; the benchmark's split is kept",
    )
    source.add_argument(
        "--music21",
        action="store_true",
        help="the chorales of music21's corpus, split by their names (takes minutes; needs the extra data)",
    )
    source.add_argument("--licence", default="", metavar="TEXT", help="what may be done with them, for the manifest")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT", help="the data set's folder")
    flags.add_existing(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Write a data set of chorales.

    Raises
    ------
    WavecoreError
        As of ``datasets.chorales``.
    """
    from wavecore.datasets import chorales

    common.require_folder(args.out)
    if (args.benchmark is None) != args.music21:
        raise UsageError("chorales come from one place: --benchmark FILE, or --music21")
    if args.skip_existing and (args.out / chorales.MANIFEST).is_file():
        console.say(f"skipped: {args.out} holds a finished data set")
        dataset = chorales.ChoralesDataset.open(args.out)
    else:
        grids, source, licence = (
            _corpus(console) if args.music21 else (chorales.read_benchmark(args.benchmark), args.benchmark.name, "")
        )
        dataset = chorales.write(
            grids, args.out, source=source, licence=args.licence or licence, overwrite=args.overwrite
        )
    summary = dataset.summary()
    console.document({"data": args.out} | summary)
    console.result(f"{args.out}: chorales on a grid of sixteenths")
    for split, sizes in summary["splits"].items():
        console.result(f"  {split:14}{sizes['pieces']:4} pieces, {sizes['steps']:,} sixteenths")


def _corpus(console: Console):
    """The corpus's chorales by split, their source and licence."""
    from wavecore.datasets import chorale_corpus
    from wavecore.datasets.splits import SPLITS, split_of

    with console.progress("reading", unit="pieces") as show:
        found, skipped = chorale_corpus.read_grids(on_progress=show)
    common.tell_skipped([f"{name}: {reason}" for name, reason in skipped], console)
    grids = {split: [grid for name, grid in found.items() if split_of(f"bach/{name}") == split] for split in SPLITS}
    return grids, chorale_corpus.SOURCE, chorale_corpus.LICENCE


COMMAND = flags.Command(
    summary="chorales of four voices, for composers",
    example=(
        "wavecore data chorales --benchmark Jsb16thSeparated.json -o data/chorales\n"
        "wavecore data chorales --music21 -o data/chorales"
    ),
    configure=configure,
    run=run,
)
