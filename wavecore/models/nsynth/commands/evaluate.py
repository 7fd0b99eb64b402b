"""``wavecore evaluate nsynth``: NSynth's Table 1."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np

from wavecore.console import common, flags
from wavecore.console.console import Console
from wavecore.models.nsynth.commands import inputs

COLUMNS = ("pitch_accuracy", "quality_f1", "quality_accuracy", "family_accuracy", "family_agreement", "source_accuracy")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore evaluate nsynth``."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="an nsynth model (default: the shipped one)")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="notes, as `wavecore data soundfont` builds them"
    )
    parser.add_argument("--classifier", metavar="M", help="a note-classifier model (default: the shipped one)")
    parser.add_argument("--spectral", metavar="M", help="a spectral model, for the baseline's row")
    parser.add_argument("--split", choices=("train", "valid", "test"), default="test", help="(default: test)")
    parser.add_argument("--notes", type=flags.count, default=110, metavar="N", help="number of notes (default: 110)")
    parser.add_argument(
        "--pitches",
        type=flags.midi_range,
        metavar="LOW:HIGH",
        help="MIDI, both ends included; others are left out (default: all)",
    )
    parser.add_argument(
        "-o", "--out", type=Path, metavar="DIR", help="write a sheet of rainbowgrams for every family there"
    )
    flags.add_generation(parser, default_seed=0, default_temperature=None)
    parser.add_argument("--overwrite", action="store_true", help="replace pictures that exist")


def run(args: argparse.Namespace, console: Console) -> None:
    """Print NSynth's Table 1 for a data set."""
    from wavecore.audio import output
    from wavecore.datasets.notes.reader import NotesDataset
    from wavecore.models import base
    from wavecore.models.nsynth import evaluate

    dataset = NotesDataset.open(args.data)
    model = inputs.open_model(args.model, console)
    classifier = base.load(args.classifier or common.shipped("note-classifier"), kind="note-classifier")
    spectral = base.load(args.spectral, kind="spectral") if args.spectral else None
    notes, sounds = evaluate.choose(dataset, args.split, args.notes, pitches=args.pitches)
    families = sorted({note.instrument_family_str for note in notes})
    if args.out is not None:
        common.require_folder(args.out)
        for family in families:
            output.refuse_existing(args.out / f"{family}.png", overwrite=args.overwrite)
    options = inputs.settle_generation(args, model, console) | {"threads": os.cpu_count() or 1}
    with console.progress("generating", unit="notes") as show:
        generated = evaluate.reconstruct_wavenet(model, notes, sounds, on_progress=show, **options)
    rows = {"original": sounds, "wavenet": generated}
    if spectral is not None:
        rows["spectral"] = evaluate.reconstruct_spectral(spectral, notes, sounds, seed=args.seed)
    logits = {name: evaluate.classify(classifier, x) for name, x in rows.items()}
    table = {
        name: vars(evaluate.score(classifier, notes, each))
        | {"family_agreement": evaluate.family_agreement(logits["original"], each)}
        for name, each in logits.items()
    }
    breakdown = evaluate.breakdown(notes, logits["original"], logits["wavenet"])
    print_tables(table, breakdown, console)
    if args.out is not None:
        draw_families(notes, rows, args, dataset.sample_rate)
        console.result(str(args.out))
    document = {
        "model": model.name,
        "model_sha256": model.sha256,
        "classifier_sha256": classifier.sha256,
        "spectral_sha256": spectral and spectral.sha256,
        "data": dataset.path.name,
        "split": args.split,
        "seed": args.seed,
        "temperature": options["temperature"],
        "families": families,
        "where": breakdown,
        "pitches": args.pitches and [args.pitches[0], args.pitches[-1]],
    }
    console.document(table | document)


def print_tables(table: dict[str, dict], breakdown: dict[str, dict], console: Console) -> None:
    """Print the scores, and the WaveNet's by registers and families."""
    console.result(f"{'':10}" + "".join(f"{column.replace('_', ' '):>18}" for column in COLUMNS))
    for name, row in table.items():
        values = ("-" if row[column] is None else f"{row[column]:.3f}" for column in COLUMNS)
        console.result(f"{name:10}" + "".join(f"{value:>18}" for value in values))
    console.result(f"\n{'wavenet':14}{'notes':>8}{'pitch':>8}{'family agreement':>20}")
    for name, row in (*breakdown["registers"].items(), *breakdown["families"].items()):
        console.result(f"{name:14}{row['n_notes']:>8}{row['pitch_accuracy']:>8.2f}{row['family_agreement']:>20.2f}")


def draw_families(notes: list[Any], rows: dict[str, np.ndarray], args: argparse.Namespace, sample_rate: int) -> None:
    """Draw a sheet for each family: an original, (T,) of each of ``rows``, and its reconstructions."""
    from wavecore.plots import audio as plots

    for family in {note.instrument_family_str for note in notes}:
        members = [row for row, note in enumerate(notes) if note.instrument_family_str == family]
        row = members[len(members) // 2]
        pictures = [(f"{name}: {notes[row].note_str}", x[row], sample_rate) for name, x in rows.items()]
        plots.rainbowgram_sheet(pictures, args.out / f"{family}.png", columns=len(pictures), overwrite=args.overwrite)


COMMAND = flags.Command(
    summary="NSynth's Table 1: what a classifier detects in originals and reconstructions",
    example="wavecore evaluate nsynth runs/notes --data data/notes --classifier runs/ear --spectral runs/spectral",
    configure=configure,
    run=run,
)
