"""``wavecore data``: build data sets."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from wavecore.cli import data_bank, data_chorales, data_midi, data_notes
from wavecore.console import common, flags
from wavecore.console.console import Console, duration
from wavecore.errors import UsageError

if TYPE_CHECKING:
    from wavecore.datasets.domains.players import DomainSpec
    from wavecore.symbolic.score import Score

DEFAULT_SEED = 0
"""Fixed, not drawn: the same command must continue the build that was interrupted."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore data domains``."""
    source = parser.add_argument_group("where the music comes from")
    source.add_argument(
        "--midi",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder of MIDI files, one melody is taken of each; may be given again",
    )
    source.add_argument("--music21", action="store_true", help="the sopranos of music21's Bach chorales")
    source.add_argument("--recordings", type=Path, metavar="DIR", help="one subfolder of audio files per domain")
    source.add_argument("--licence", default="", metavar="TEXT", help="what may be done with it, for the manifest")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT", help="the data set's folder")
    render = parser.add_argument_group("rendering of melodies")
    render.add_argument(
        "--domains",
        type=flags.names,
        metavar="A,B",
        help="domains or instruments (default: strings, organ, harpsichord, flute, orchestra, whistle)",
    )
    render.add_argument("--pieces", type=flags.count, metavar="N", help="melodies to take (default: all)")
    render.add_argument("--minutes", type=_minutes, metavar="M", help="of sound per domain (default: all there is)")
    render.add_argument(
        "--duets",
        type=flags.share,
        default=0.0,
        metavar="S",
        help="share of the pieces that get a second voice of what accompanies the melody, 0 to 1 (default: 0)",
    )
    render.add_argument("--soundfont", type=Path, metavar="PATH", help="an .sf2 file (default: FluidR3 GM)")
    render.add_argument(
        "--workers",
        type=flags.count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that render (default: one per core)",
    )
    flags.add_seed(render, default=DEFAULT_SEED)
    parser.add_argument("--skip-existing", action="store_true", help="a finished data set in OUT is fine")


def run(args: argparse.Namespace, console: Console) -> None:
    """Build a data set, or continue the build that was interrupted.

    Raises
    ------
    WavecoreError
        As of ``build_domains`` and ``from_recordings``.
    """
    _check_sources(args)
    common.require_folder(args.out)
    if args.skip_existing and (args.out / "manifest.json").is_file():
        console.say(f"skipped: {args.out} holds a finished data set")
    elif args.recordings is not None:
        _import(args, console)
    else:
        _render(args, console)
    _report(args.out, console)


def domain_specs(wanted: list[str] | None) -> list[DomainSpec]:
    """Return how domains are played.

    Parameters
    ----------
    wanted : list of str or None
        Names of the default domains, or of instruments with ``-`` for spaces;
        the default domains if None.

    Raises
    ------
    UsageError
        If one is unknown; the known ones are listed.
    """
    from wavecore.datasets.domains.players import DEFAULT_DOMAINS, DomainSpec
    from wavecore.datasets.synths.soundfont import PROGRAMS

    known = {name.replace(" ", "-"): DomainSpec(name.replace(" ", "-"), name) for name in PROGRAMS}
    known |= {spec.name: spec for spec in DEFAULT_DOMAINS}
    default = [spec.name for spec in DEFAULT_DOMAINS]
    return [known[name] for name in common.chosen(wanted or default, list(known), what="domain")]


def _check_sources(args: argparse.Namespace) -> None:
    if args.recordings is None and not args.midi and not args.music21:
        raise UsageError("no music was named: --midi DIR, --music21 or --recordings DIR")
    melodic = [
        flag
        for flag in ("midi", "music21", "domains", "pieces", "minutes", "duets", "soundfont")
        if getattr(args, flag)
    ]
    if args.recordings is not None and melodic:
        raise UsageError(f"--recordings are taken as they are; leave --{' and --'.join(melodic)} out")


def _import(args: argparse.Namespace, console: Console) -> None:
    from wavecore.datasets.domains.recordings import from_recordings

    with console.progress("reading", unit="files") as show:
        manifest = from_recordings(args.recordings, args.out, licence=args.licence, on_progress=show)
    common.tell_skipped([f"{name}: {why}" for name, why in manifest.settings["skipped"]], console)


def _render(args: argparse.Namespace, console: Console) -> None:
    from wavecore.datasets.domains.build import build_domains
    from wavecore.datasets.domains.excerpts import ExcerptSettings

    specs = domain_specs(args.domains)
    tunes, companions = collect_melodies(args, console)
    minutes = "all there is" if args.minutes is None else f"{args.minutes:g} minutes"
    console.say(
        f"{len(tunes)} melodies, {minutes} of each of {', '.join(spec.name for spec in specs)}; "
        f"seed {args.seed}; if interrupted, the same command continues"
    )
    with console.progress("rendering", unit="pieces") as show:
        build_domains(
            tunes,
            specs,
            out=args.out,
            seconds=None if args.minutes is None else 60 * args.minutes,
            seed=args.seed,
            settings=ExcerptSettings(duets=args.duets),
            companions=companions,
            soundfont_path=args.soundfont,
            workers=args.workers,
            on_progress=show,
        )


def collect_melodies(args: argparse.Namespace, console: Console) -> tuple[list[Score], dict[str, Score]]:
    """Collect the melodies of all sources, or as many as are asked for.

    Returns
    -------
    list of Score
        The same choice for the same seed.
    dict of str to Score
        What accompanies them, by their names, where anything does.
    """
    import numpy as np

    from wavecore.datasets.scores import melodies

    found = [melodies(folder, licence=args.licence) for folder in args.midi]
    if args.music21:
        console.say("reading music21's chorales; the first time takes minutes")
        found.append(melodies("chorales", licence=args.licence, cache=chorale_cache()))
    common.tell_skipped([f"{item.name}: {item.reason}" for group in found for item in group.skipped], console)
    tunes = [score for group in found for score in group.scores]
    if args.pieces is not None and args.pieces < len(tunes):
        kept = np.random.default_rng(args.seed).permutation(len(tunes))[: args.pieces]
        tunes = [tunes[index] for index in sorted(kept)]
    return tunes, {name: score for group in found for name, score in group.companions.items()}


def chorale_cache() -> Path:
    """Return where the melodies of music21's chorales are kept between builds."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "wavecore" / "chorales-soprano.json"


def _report(out: Path, console: Console) -> None:
    """Sum the data set up."""
    from wavecore.datasets.domains.reader import DomainsDataset

    summary = DomainsDataset.open(out).summary()
    console.document({"data": out} | summary)
    console.result(f"{out}: {'the same music in every domain' if summary['paired'] else 'recordings, not paired'}")
    for domain in summary["domains"]:
        console.result(f"  {domain['name']:14}{domain['seconds'] / 3600:7.2f} h  {domain['source']}")
    for split, pieces in summary["pieces"].items():
        console.result(f"  {split:14}{pieces:4} pieces, {duration(summary['seconds'][split])}")


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"a number of minutes above 0 is needed, not {text!r}")
    return value


COMMANDS = {
    "domains": flags.Command(
        summary="build a data set: the same music in several kinds of sound, or your own recordings",
        example=(
            "wavecore data domains --midi pop909/ --minutes 60 -o data/domains\n"
            "wavecore data domains --music21 --domains strings,flute,whistle --pieces 100 -o data/chorales\n"
            "wavecore data domains --recordings recordings/ -o data/mine"
        ),
        configure=configure,
        run=run,
    ),
    "chorales": data_chorales.COMMAND,
    "midi": data_midi.COMMAND,
    "bank": data_bank.COMMAND,
} | data_notes.COMMANDS
