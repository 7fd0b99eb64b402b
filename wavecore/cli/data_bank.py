"""``wavecore data bank``: note latents of instruments, with which an autoencoder of notes plays scores."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from wavecore.console import common, flags
from wavecore.console.console import Console, plural

if TYPE_CHECKING:
    from wavecore.rendering.bank_build import Source


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore data bank``."""
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="DIR",
        help="single notes, from `wavecore data soundfont` or `wavecore data nsynth`",
    )
    parser.add_argument(
        "--model",
        metavar="M",
        help="an autoencoder of notes: a shipped one's name, or a folder (default: the shipped one)",
    )
    parser.add_argument(
        "--instruments",
        required=True,
        type=instruments,
        metavar="NAME[@PROGRAM]=SOURCE,..",
        help=(
            "names to be chosen by, the General MIDI programs that they play, and which of the data's instruments they"
            " are: flute@73=flute_acoustic_073"
        ),
    )
    parser.add_argument(
        "--every",
        type=flags.count,
        default=4,
        metavar="N",
        help="semitones between the notes that are taken (default: 4)",
    )
    parser.add_argument(
        "--keep-unclear", action="store_true", help="keep also the notes that the model does not decode at their pitch"
    )
    parser.add_argument(
        "--licence", default="", metavar="TEXT", help="where the notes come from and what may be done with them"
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="OUT.npz",
        help="the bank; as bank.npz in a model's folder it is the model's own",
    )
    flags.add_existing(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Make a bank.

    Raises
    ------
    WavecoreError
        If model or data are missing or do not fit each other, or the output exists.
    """
    from wavecore import checkpoint
    from wavecore.audio import output
    from wavecore.datasets.notes.reader import NotesDataset
    from wavecore.rendering import bank, bank_build

    if args.skip_existing and args.out.exists():
        console.say(f"skipped: {args.out} exists")
        return
    output.refuse_existing(args.out, overwrite=args.overwrite)
    dataset = NotesDataset.open(args.data)
    model = checkpoint.load(args.model or common.shipped("nsynth"), kind="nsynth")
    with console.progress("encoding", unit="instruments") as show:
        found = bank_build.make(
            model, dataset, args.instruments, every=args.every, origin=args.licence, on_progress=show
        )
    whole = found
    if not args.keep_unclear:
        with console.progress("listening", unit="instruments") as show:
            heard = bank_build.pitch_accuracy(model, whole, temperature=model.temperature, on_progress=show)
        found = bank_build.keep_accurate(whole, heard)
        for name, share in heard.items():
            if share.max() < bank_build.MIN_ACCURACY:
                console.warn(f"{model.name} decodes no note of {name} at its pitch; all of them are kept")
    left_out = {
        name: sorted(set(one.pitches.tolist()) - set(found.instruments[name].pitches.tolist()))
        for name, one in whole.instruments.items()
    }
    bank.save(args.out, found, overwrite=args.overwrite)
    ranges = {name: list(ends) for name, ends in found.ranges().items()}
    console.document(
        {
            "bank": args.out,
            "model": model.name,
            "model_sha256": model.sha256,
            "instruments": ranges,
            "left_out": left_out,
        }
    )
    console.result(
        f"{args.out}: {plural(len(found.instruments), 'instrument')} for {model.name},"
        f" {args.out.stat().st_size / 1e6:.2f} MB"
    )
    for name, (low, high) in found.ranges().items():
        unclear = f"; unclear: {', '.join(map(str, left_out[name]))}" if left_out[name] else ""
        console.result(f"  {name:14}MIDI {low:.0f}-{high:.0f}  {found.instruments[name].source}{unclear}")


def instruments(text: str) -> dict[str, Source]:
    """Parse names of instruments.

    Parameters
    ----------
    text : str
        ``NAME[@PROGRAM]=SOURCE`` with commas between.

    Raises
    ------
    argparse.ArgumentTypeError
        If it does not read so, or a name is used twice.
    """
    from wavecore.rendering.bank_build import Source

    found = {}
    for item in flags.names(text):
        match = re.fullmatch(r"([^@=]+?)(?:@(\d{1,3}))?=([^=]+)", item)
        if match is None or int(match[2] or 0) > 127:
            raise argparse.ArgumentTypeError(
                f"NAME[@PROGRAM]=SOURCE is needed, with a program of 0 to 127, not {item!r}"
            )
        if match[1] in found:
            raise argparse.ArgumentTypeError(f"the name {match[1]!r} is used twice")
        found[match[1]] = Source(match[3], int(match[2]) if match[2] else None)
    return found


COMMAND = flags.Command(
    summary="note latents of instruments, with which an autoencoder of notes plays scores",
    example=(
        "wavecore data bank --data data/notes --instruments flute@73=flute_acoustic_073,oboe@68=reed_acoustic_068 -o"
        " bank.npz"
    ),
    configure=configure,
    run=run,
)
