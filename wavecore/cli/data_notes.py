"""``wavecore data soundfont`` and ``wavecore data nsynth``: data sets of single notes."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from wavecore.console import common, flags
from wavecore.console.console import Console, plural

if TYPE_CHECKING:
    from wavecore.datasets.notes.reader import NotesDataset

SHOWN = 5


def configure_soundfont(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore data soundfont``."""
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="the data set's folder")
    notes = parser.add_argument_group("which notes")
    notes.add_argument("--soundfont", type=Path, metavar="PATH", help="an .sf2 file (default: FluidR3 GM)")
    _add_families(notes)
    notes.add_argument(
        "--pitches",
        type=flags.midi_range,
        default=tuple(range(24, 97)),
        metavar="LOW:HIGH:STEP",
        help="MIDI, both ends included (default: 24:96:1)",
    )
    notes.add_argument(
        "--programs",
        type=programs,
        metavar="N,N-M",
        help="General MIDI programs, from 0 on, as 0,6,40-43 (default: all that belong to a family)",
    )
    notes.add_argument(
        "--velocities",
        type=velocities,
        default=(50, 100),
        metavar="A,B",
        help="MIDI (default: 50,100; NSynth's are 25,50,75,100,127)",
    )
    notes.add_argument("--instruments", type=flags.count, metavar="N", help="of every family, at most (default: all)")
    parser.add_argument(
        "--jobs",
        type=flags.count,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes that render (default: one per core)",
    )
    parser.add_argument("--skip-existing", action="store_true", help="a finished data set in DIR is fine")


def run_soundfont(args: argparse.Namespace, console: Console) -> None:
    """Render the notes of a SoundFont, or continue the build that was interrupted."""
    from wavecore.datasets.notes.build import build_notes
    from wavecore.datasets.notes.reader import MANIFEST, NotesDataset

    common.require_folder(args.out)
    if args.skip_existing and (args.out / MANIFEST).is_file():
        console.say(f"skipped: {args.out} holds a finished data set")
        report(NotesDataset.open(args.out), console)
        return
    families = ", ".join(args.families) if args.families else "all families"
    console.say(
        f"{plural(len(args.pitches) * len(args.velocities), 'note')} of every instrument of {families}, "
        "each 0.05 to 0.1 s of one core and 0.2 MB; if interrupted, the same command continues"
    )
    with console.progress("rendering", unit="instruments") as show:
        dataset = build_notes(
            args.out,
            soundfont_path=args.soundfont,
            families=args.families,
            pitches=args.pitches,
            programs=args.programs,
            velocities=args.velocities,
            instruments=args.instruments,
            jobs=args.jobs,
            on_progress=show,
        )
    report(dataset, console)


def configure_nsynth(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore data nsynth``."""
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="nsynth-SPLIT, its .tar.gz or .tfrecord, or a folder of these"
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="the data set's folder")
    notes = parser.add_argument_group("which notes (default: all)")
    _add_families(notes)
    notes.add_argument(
        "--sources", type=flags.names, metavar="A,B", help="acoustic, electronic, synthetic: one of these"
    )
    notes.add_argument("--qualities", type=flags.names, metavar="A,B", help="all of these, bright for one")
    notes.add_argument("--pitches", type=flags.midi_range, metavar="LOW:HIGH", help="MIDI, both ends included")
    notes.add_argument("--velocities", type=velocities, metavar="A,B", help="one of these")
    notes.add_argument("--exclude", type=Path, metavar="LIST", help="a text file of names (note_str) to leave out")
    parser.add_argument(
        "--check",
        action="store_true",
        help="find items that are noise by measuring them; DIR/noise.txt is then a list for --exclude",
    )
    parser.add_argument("--skip-existing", action="store_true", help="a finished data set in DIR is fine")


def run_nsynth(args: argparse.Namespace, console: Console) -> None:
    """Turn published data into what training reads."""
    from wavecore.datasets.notes.reader import MANIFEST, NotesDataset
    from wavecore.datasets.nsynth.convert import NOISE_LIST, import_nsynth
    from wavecore.datasets.nsynth.note import NoteFilter, read_exclusions

    common.require_folder(args.out)
    if args.skip_existing and (args.out / MANIFEST).is_file():
        console.say(f"skipped: {args.out} holds a finished data set")
        report(NotesDataset.open(args.out), console)
        return
    chosen = NoteFilter(
        families=_tuple(args.families),
        sources=_tuple(args.sources),
        qualities=_tuple(args.qualities),
        pitches=None if args.pitches is None else (args.pitches[0], args.pitches[-1]),
        velocities=args.velocities,
        exclude=frozenset() if args.exclude is None else read_exclusions(args.exclude),
    )
    with console.progress("reading", unit="notes") as show:
        done = import_nsynth(args.path, args.out, chosen, check=args.check, on_progress=show)
    if done.skipped:
        console.warn(f"skipped {plural(len(done.skipped), 'broken item')}; all are named in {MANIFEST}")
        for item in done.skipped[:SHOWN]:
            console.say(f"  {item.split}: {item.reason}")
    if done.noise:
        console.warn(
            f"{plural(len(done.noise), 'item')} of noise, {done.noise[0]} the first; "
            f"to leave them out: --exclude {args.out / NOISE_LIST}"
        )
    report(done.dataset, console)


def report(dataset: NotesDataset, console: Console) -> None:
    """Sum a data set of notes up."""
    summary = dataset.summary()
    rendered = dataset.manifest.get("instruments")
    if rendered is None:
        counts = {"broken": len(dataset.manifest["skipped"]), "noise": len(dataset.manifest["noise"])}
    else:
        counts = {kind: sum(len(entry[kind]) for entry in rendered.values()) for kind in ("silent", "clipped")}
    console.document({"data": dataset.path} | summary | counts)
    console.result(f"{dataset.path}: {summary['source']}")
    for split in dataset.splits:
        console.result(
            f"  {split:6}{plural(summary['notes'][split], 'note'):>14} of "
            f"{plural(summary['instruments'][split], 'instrument')}"
        )
    for kind, count in counts.items():
        if count and rendered is not None:
            console.say(f"skipped {plural(count, f'{kind} note')}; their names are in manifest.json")


def programs(text: str) -> tuple[int, ...]:
    """Parse programs and ranges of them with commas between them."""
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not first <= last <= 127:
            raise argparse.ArgumentTypeError(f"programs are 0 to 127 with commas between them, or ranges, not {text!r}")
        found |= set(range(first, last + 1))
    return tuple(sorted(found))


def velocities(text: str) -> tuple[int, ...]:
    """Parse velocities with commas between them."""
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"\d{1,3}", part) and 1 <= int(part) <= 127 for part in parts):
        raise argparse.ArgumentTypeError(f"velocities are 1 to 127 with commas between them, not {text!r}")
    return tuple(sorted({int(part) for part in parts}))


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _add_families(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--families",
        type=flags.names,
        metavar="A,B",
        help="bass, brass, flute, guitar, keyboard, mallet, organ, reed, string, synth_lead, vocal",
    )


COMMANDS = {
    "soundfont": flags.Command(
        summary="render single notes of a SoundFont, in NSynth's layout",
        example=(
            "wavecore data soundfont -o data/notes\n"
            "wavecore data soundfont --families flute,string --pitches 48:84:3 --velocities 100 -o data/some"
        ),
        configure=configure_soundfont,
        run=run_soundfont,
    ),
    "nsynth": flags.Command(
        summary="turn NSynth, as it is published, into what training reads; nothing is unpacked",
        example=(
            "wavecore data nsynth nsynth-test.jsonwav.tar.gz --check -o data/nsynth-test\n"
            "wavecore data nsynth nsynth/ --sources acoustic --exclude noise.txt -o data/nsynth"
        ),
        configure=configure_nsynth,
        run=run_nsynth,
    ),
}
