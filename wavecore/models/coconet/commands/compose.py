"""``wavecore compose coconet``: chorales, or any voices and bars of one."""

from __future__ import annotations

import argparse
from pathlib import Path

from wavecore.console import common, flags
from wavecore.console.console import Console
from wavecore.errors import UsageError

DEFAULT_BARS = 8
METHODS = ("gibbs", "ancestral")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore compose coconet``."""
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.mid", help="the chorale")
    parser.add_argument(
        "--model", metavar="M", help="a Coconet: a shipped one's name, or a folder (default: the shipped one)"
    )
    what = parser.add_argument_group("what is given (default: nothing)")
    what.add_argument(
        "--bars", type=flags.count, metavar="N", help=f"of 4/4, where nothing is given (default: {DEFAULT_BARS})"
    )
    what.add_argument(
        "--melody", type=Path, metavar="FILE.mid", help="a melody, which becomes the soprano and is kept exactly"
    )
    what.add_argument(
        "--prime",
        type=Path,
        metavar="FILE.mid",
        help="a piece of four parts, of which --keep and --bridge say what stays",
    )
    what.add_argument(
        "--keep", type=flags.names, metavar="VOICE,..", help="voices of --prime that stay: soprano, alto, tenor, bass"
    )
    what.add_argument(
        "--bridge", type=bars, metavar="A:B", help="bars of --prime that are written anew, all others stay"
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--method",
        choices=METHODS,
        default="gibbs",
        help="gibbs draws every cell many times, ancestral once (default: gibbs)",
    )
    how.add_argument("--steps", type=flags.count, metavar="N", help="of gibbs (default: 4 for every sixteenth)")
    how.add_argument(
        "--temperature",
        type=flags.temperature,
        default=1.0,
        metavar="X",
        help="0 takes the likeliest pitches (default: 1)",
    )
    flags.add_seed(how)
    flags.add_device(how)
    flags.add_existing(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Write a chorale.

    Raises
    ------
    WavecoreError
        If the model is missing, what is given does not fit it, or the output exists.
    """
    import numpy as np

    from wavecore import checkpoint
    from wavecore.models.coconet.sample import ancestral, gibbs
    from wavecore.symbolic import chorale_song, midi

    _check(args)
    if args.skip_existing and args.out.exists():
        console.say(f"skipped: {args.out} exists")
        return
    midi.require_path(args.out, overwrite=args.overwrite)
    model = checkpoint.load(args.model or common.shipped("coconet"), kind="coconet")
    grid, free = _asked(args, model.network.config)
    seed, device = common.settle_seed(args.seed, console), common.settle_device(args.device, console)
    rng = np.random.default_rng(seed)
    options = {"n_steps": args.steps} if args.method == "gibbs" else {}
    with console.progress("composing", unit="steps") as show:
        fill = gibbs if args.method == "gibbs" else ancestral
        found = fill(
            model.network.to(device),
            grid[None],
            free,
            rng=rng,
            temperature=args.temperature,
            on_progress=show,
            **options,
        )[0]
    midi.write(chorale_song.to_song(found, name=args.out.stem), args.out, overwrite=args.overwrite)
    written = {"path": args.out, "bars": -(-len(found) // 16), "cells": int(free.sum())}
    console.document({"model": model.name, "model_sha256": model.sha256, "seed": seed, **written})
    console.result(f"{args.out}: {written['bars']} bars, {written['cells']} of {free.size} cells written")


def bars(text: str) -> tuple[int, int]:
    """Read a stretch of bars.

    Parameters
    ----------
    text : str
        Two numbers with a colon between, or one.

    Returns
    -------
    tuple of int
        The first and the last bar, from 1 on.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.
    """
    first, _, last = text.partition(":")
    try:
        return int(first), int(last or first)
    except ValueError:
        raise argparse.ArgumentTypeError(f"bars look like 5:8, not {text!r}") from None


def _check(args: argparse.Namespace) -> None:
    """Refuse what contradicts itself."""
    if args.melody and args.prime:
        raise UsageError("--melody and --prime both say what is given; choose one")
    if (args.keep or args.bridge) and not args.prime:
        raise UsageError(
            f"--{'keep' if args.keep else 'bridge'} says what of --prime stays; name a piece with --prime FILE.mid"
        )
    if args.prime and not (args.keep or args.bridge):
        raise UsageError("--prime needs --keep or --bridge, or nothing of it would stay")
    if args.bars and (args.melody or args.prime):
        raise UsageError("--bars is the length where nothing is given; leave it out")
    if args.steps and args.method != "gibbs":
        raise UsageError("--steps is for --method gibbs")


def _asked(args: argparse.Namespace, config):
    """The grid that is given and the cells that are free."""
    from wavecore.models.coconet import masks as coconet_tasks
    from wavecore.symbolic import chorale_song, midi

    if args.melody:
        return coconet_tasks.harmony(chorale_song.melody_line(midi.read(args.melody)), config)
    if not args.prime:
        return coconet_tasks.from_nothing(args.bars or DEFAULT_BARS)
    grid = chorale_song.from_song(midi.read(args.prime))
    free = coconet_tasks.keeping(grid, args.keep) if args.keep else None
    return grid, coconet_tasks.between(grid, *args.bridge, free) if args.bridge else free


COMMAND = flags.Command(
    summary="a chorale, or any voices and bars of one",
    example=(
        "wavecore compose coconet --bars 8 -o chorale.mid\n"
        "wavecore compose coconet --melody tune.mid -o harmonised.mid\n"
        "wavecore compose coconet --prime chorale.mid --bridge 3:4 -o bridged.mid\n"
        "wavecore compose coconet --prime chorale.mid --keep soprano,bass -o rewritten.mid"
    ),
    configure=configure,
    run=run,
)
