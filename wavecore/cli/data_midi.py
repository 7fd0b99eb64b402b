"""``wavecore data midi``: whole pieces of MIDI folders and chorales, for composers."""

from __future__ import annotations

import argparse
from pathlib import Path

from wavecore.console import common, flags
from wavecore.console.console import Console
from wavecore.errors import UsageError


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore data midi``."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="[STYLE=]FOLDER",
        help=(
            "a folder of MIDI files, to any depth, or a data set of `wavecore data chorales`; the style is a composer's"
            " or collection's name, by default the folder's"
        ),
    )
    parser.add_argument(
        "--licence", default="", metavar="TEXT", help="what may be done with the MIDI files, for the manifest"
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT", help="the data set's folder")
    flags.add_existing(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Write a data set of songs.

    Raises
    ------
    WavecoreError
        As of ``datasets.songs``.
    """
    from wavecore.datasets import songs

    common.require_folder(args.out)
    skipped = []
    if args.skip_existing and (args.out / songs.MANIFEST).is_file():
        console.say(f"skipped: {args.out} holds a finished data set")
        dataset = songs.SongsDataset.open(args.out)
    else:
        pieces, skipped = _collect(args.sources, args.licence)
        dataset = songs.write_songs(args.out, pieces, overwrite=args.overwrite)
    summary = dataset.summary()
    console.document(
        {"data": args.out, "skipped": [{"file": item.name, "reason": item.reason} for item in skipped]} | summary
    )
    counts = ", ".join(f"{found['pieces']} of {style}" for style, found in summary["styles"].items())
    console.result(f"{args.out}: {counts}")
    for split, sizes in summary["splits"].items():
        console.result(f"  {split:14}{sizes['pieces']:5} pieces, {sizes['notes']:,} notes, {sizes['hours']:.2f} h")
    common.tell_skipped([f"{item.name}: {item.reason}" for item in skipped], console)


def _collect(sources: list[str], licence: str):
    """The pieces of all sources by split, and the files that gave none."""
    from wavecore.datasets.chorales import MANIFEST, ChoralesDataset
    from wavecore.datasets.songs import read_folder
    from wavecore.datasets.splits import SPLITS

    pieces = {split: [] for split in SPLITS}
    skipped, styles = [], set()
    for source in sources:
        style, folder = _named(source)
        if style in styles:
            raise UsageError(f"two sources have the style {style!r}; name one of them otherwise: NAME={folder}")
        styles.add(style)
        if (folder / MANIFEST).is_file():
            found, left = _from_chorales(ChoralesDataset.open(folder), style), []
        else:
            found, left = read_folder(folder, style=style, licence=licence)
        skipped += left
        for split in SPLITS:
            pieces[split] += found[split]
    return pieces, skipped


def _named(source: str) -> tuple[str, Path]:
    """Split ``STYLE=FOLDER``; a folder whose own name has a = in it is written as ./FOLDER."""
    style, mark, folder = source.partition("=")
    if not mark or "/" in style:
        return Path(source).resolve().name, Path(source)
    if not style.strip() or not folder:
        raise UsageError(f"{source!r} does not look like STYLE=FOLDER")
    return style.strip(), Path(folder)


def _from_chorales(dataset, style: str):
    from dataclasses import replace

    from wavecore.datasets.songs import Piece
    from wavecore.symbolic import chorale_song

    def piece(grid, split: str, number: int) -> Piece:
        song = chorale_song.to_song(grid, name=f"{style}/{split}-{number:03d}", program=chorale_song.CHOIR)
        return Piece(replace(song, source=dataset.source, licence=dataset.licence), style)

    return {
        split: [piece(grid, split, number) for number, grid in enumerate(grids)]
        for split, grids in dataset.grids.items()
    }


COMMAND = flags.Command(
    summary="whole pieces of MIDI folders and chorales, for composers",
    example=(
        "wavecore data midi ~/midi -o data/songs\n"
        "wavecore data midi pop=POP909 bach=data/chorales --licence MIT -o data/songs"
    ),
    configure=configure,
    run=run,
)
