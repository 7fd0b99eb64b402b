"""What the verbs share that compose one line: the output, the model, the length, the tempo, and writing it."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from wavecore.console import common, flags
from wavecore.console.console import Console

if TYPE_CHECKING:
    from wavecore.checkpoint import LoadedModel
    from wavecore.symbolic.song import Song

DEFAULT_BARS = 16
SLOWEST, FASTEST = 10.0, 400.0
"""Beats a minute."""


def add_output(parser: argparse.ArgumentParser, *, kind: str) -> None:
    """Add where the piece goes, and which model writes it.

    Parameters
    ----------
    kind : str
        Of the model, as the help calls it.
    """
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.mid", help="the piece")
    parser.add_argument(
        "--model", metavar="M", help=f"{kind}: a shipped one's name, or a folder (default: the shipped one)"
    )


def add_length(parser: argparse._ActionsContainer, *, told: str = "") -> None:
    """Add ``--bars`` and ``--tempo``.

    Parameters
    ----------
    told : str
        What else the help says of the tempo.
    """
    parser.add_argument(
        "--bars",
        type=flags.count,
        default=DEFAULT_BARS,
        metavar="N",
        help=f"length of the piece (default: {DEFAULT_BARS})",
    )
    parser.add_argument("--tempo", type=tempo, metavar="X", help=f"beats a minute (default: {told}100)")


def add_rest(parser: argparse.ArgumentParser, group: argparse._ArgumentGroup) -> None:
    """Add seed, device, and what to do with outputs that exist.

    Parameters
    ----------
    group : argparse group
        For the first two.
    """
    flags.add_seed(group)
    flags.add_device(group)
    flags.add_existing(parser)


def tempo(text: str) -> float:
    """Read beats a minute.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is no number between 10 and 400.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not SLOWEST <= value <= FASTEST:
        raise argparse.ArgumentTypeError(
            f"a tempo is a number of beats a minute, {SLOWEST:g} to {FASTEST:g}, not {text!r}"
        )
    return value


def open_model(args: argparse.Namespace, console: Console, *, kind: str) -> LoadedModel | None:
    """Refuse an output that cannot be, then read the model.

    Parameters
    ----------
    kind : str
        Of the model, as its card says.

    Returns
    -------
    LoadedModel or None
        None where the output exists and is to be left as it is, which is said.

    Raises
    ------
    WavecoreError
        If the output exists or cannot be written, or the model is missing or of another kind.
    """
    from wavecore import checkpoint
    from wavecore.symbolic import midi

    if args.skip_existing and args.out.exists():
        console.say(f"skipped: {args.out} exists")
        return None
    midi.require_path(args.out, overwrite=args.overwrite)
    return checkpoint.load(args.model or common.shipped(kind), kind=kind)


def finish(args: argparse.Namespace, console: Console, model: LoadedModel, song: Song, *, seed: int, bars: int) -> None:
    """Write the piece and say so.

    Parameters
    ----------
    seed, bars : int
        With what, and how much was written.

    Raises
    ------
    WavecoreError
        If it cannot be written, or holds no notes.
    """
    from wavecore.symbolic import midi

    midi.write(song, args.out, overwrite=args.overwrite)
    console.document(
        {
            "model": model.name,
            "model_sha256": model.sha256,
            "seed": seed,
            "path": args.out,
            "bars": bars,
            "notes": song.n_notes,
        }
    )
    console.result(f"{args.out}: {bars} bars, {song.n_notes} notes, {song.duration_s:.0f} s")
