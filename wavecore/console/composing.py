"""What ``wavecore compose KIND`` shares: the flags of output, model, length and tempo, loading and writing."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavecore.console import common, flags
from wavecore.console.console import Console

if TYPE_CHECKING:
    from wavecore.symbolic.song import Song

DEFAULT_BARS = 16
SLOWEST, FASTEST = 10.0, 400.0
"""Beats a minute."""


def add_output(parser: argparse.ArgumentParser, *, kind: str) -> None:
    """Add ``--out`` and ``--model``; ``kind`` is what the help calls such a model."""
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.mid", help="the piece")
    parser.add_argument(
        "--model", metavar="M", help=f"{kind}: a shipped one's name, or a folder (default: the shipped one)"
    )


def add_length(parser: argparse._ActionsContainer, *, default_tempo: str = "100") -> None:
    """Add ``--bars`` and ``--tempo``; ``default_tempo`` is a text for the help."""
    parser.add_argument(
        "--bars",
        type=flags.count,
        default=DEFAULT_BARS,
        metavar="N",
        help=f"length of the piece (default: {DEFAULT_BARS})",
    )
    parser.add_argument("--tempo", type=tempo, metavar="X", help=f"beats a minute (default: {default_tempo})")


def add_temperature(group: argparse._ActionsContainer, default: float, *, most_likely: str) -> None:
    """Add ``--temperature``; ``most_likely`` is what 0 takes."""
    text = f"divides the logits; 0 takes the most likely {most_likely} (default: {default:g})"
    group.add_argument("--temperature", type=flags.temperature, default=default, metavar="X", help=text)


def add_rest(parser: argparse.ArgumentParser, group: argparse._ArgumentGroup) -> None:
    """Add seed and device to a group, and what to do with outputs that exist."""
    flags.add_seed(group)
    flags.add_device(group)
    flags.add_existing(parser)


def tempo(text: str) -> float:
    """Parse beats a minute, 10 to 400; raise ArgumentTypeError for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not SLOWEST <= value <= FASTEST:
        raise argparse.ArgumentTypeError(
            f"a tempo is a number of beats a minute, {SLOWEST:g} to {FASTEST:g}, not {text!r}"
        )
    return value


def open_model(args: argparse.Namespace, console: Console, *, kind: str) -> Any:
    """Load the model; return None, with a message, where the output exists and ``--skip-existing`` leaves it.

    Raises
    ------
    WavecoreError
        If the output exists or cannot be written, or the model is missing or of another kind.
    """
    from wavecore.models import base
    from wavecore.symbolic import midi

    if args.skip_existing and args.out.exists():
        console.say(f"skipped: {args.out} exists")
        return None
    midi.require_path(args.out, overwrite=args.overwrite)
    return base.load(args.model or common.shipped(kind), kind=kind)


def write(args: argparse.Namespace, console: Console, song: Song, values: dict[str, Any]) -> None:
    """Write a piece that a model composed, named like its file, and print the JSON document with further values.

    Raises
    ------
    WavecoreError
        If it cannot be written, or holds no notes.
    """
    from wavecore.symbolic import midi

    midi.write(replace(song, name=args.out.stem), args.out, overwrite=args.overwrite)
    made = {key: song.info[key] for key in ("model", "model_sha256", "seed")}
    console.document(made | {"path": args.out} | values)


def finish(args: argparse.Namespace, console: Console, song: Song) -> None:
    """Write a piece and print its length."""
    bars = song.info["bars"]
    write(args, console, song, {"bars": bars, "notes": song.n_notes})
    console.result(f"{args.out}: {bars} bars, {song.n_notes} notes, {song.duration_s:.0f} s")
