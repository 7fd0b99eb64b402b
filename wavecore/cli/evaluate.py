"""``wavecore evaluate``: the measures of this project's cards and tables."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from wavecore.cli import data_notes, evaluate_symbolic
from wavecore.console import common, flags
from wavecore.console.console import Console
from wavecore.models.nsynth.commands import interpolate
from wavecore.models.translation.commands import evaluate as evaluate_translation

COLUMNS = ("pitch_accuracy", "quality_f1", "quality_accuracy", "family_accuracy", "family_agreement", "source_accuracy")


def configure_nsynth(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore evaluate nsynth``."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="an nsynth model (default: the shipped one)")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="notes, as `wavecore data soundfont` builds them"
    )
    parser.add_argument(
        "--classifier", metavar="M", help="who judges: a note-classifier model (default: the shipped one)"
    )
    parser.add_argument("--spectral", metavar="M", help="a spectral model, for the baseline's row")
    parser.add_argument("--split", choices=("train", "valid", "test"), default="test", help="(default: test)")
    parser.add_argument("--notes", type=flags.count, default=110, metavar="N", help="that are judged (default: 110)")
    parser.add_argument(
        "--pitches",
        type=data_notes.pitch_range,
        metavar="LOW:HIGH",
        help="MIDI, both ends included; others are left out (default: all)",
    )
    parser.add_argument(
        "-o", "--out", type=Path, metavar="DIR", help="write a sheet of rainbowgrams for every family there"
    )
    flags.add_generation(parser, default_seed=0, default_temperature=None)
    parser.add_argument("--overwrite", action="store_true", help="replace pictures that exist")


def run_nsynth(args: argparse.Namespace, console: Console) -> None:
    """Print NSynth's Table 1 for a data set of ours.

    Raises
    ------
    WavecoreError
        As the exit codes say.
    """
    from wavecore import checkpoint
    from wavecore.audio import output
    from wavecore.datasets.notes.reader import NotesDataset
    from wavecore.models.nsynth import evaluate as evaluate_notes

    dataset = NotesDataset.open(args.data)
    model = interpolate.load_nsynth(args.model, console)
    temperature = common.settle_temperature(args.temperature, model, console)
    classifier = checkpoint.load(args.classifier or common.shipped("note-classifier"), kind="note-classifier")
    spectral = checkpoint.load(args.spectral, kind="spectral") if args.spectral else None
    notes, sounds = evaluate_notes.choose(dataset, args.split, args.notes, pitches=args.pitches)
    families = sorted({note.instrument_family_str for note in notes})
    if args.out is not None:
        common.require_folder(args.out)
        for family in families:
            output.refuse_existing(args.out / f"{family}.png", overwrite=args.overwrite)
    device = common.settle_device(args.device, console)
    backend = common.settle_backend(args.backend, device, console)
    heard = {"original": sounds}
    with console.progress("generating", unit="notes") as show:
        heard["wavenet"] = evaluate_notes.reconstruct_wavenet(
            model, notes, sounds, seed=args.seed, temperature=temperature, backend=backend, device=device,
            threads=os.cpu_count() or 1, on_progress=show,
        )  # fmt: skip
    if spectral is not None:
        heard["spectral"] = evaluate_notes.reconstruct_spectral(spectral, notes, sounds, seed=args.seed)
    table = {name: evaluate_notes.summary(evaluate_notes.judge(classifier, notes, x)) for name, x in heard.items()}
    for name, x in heard.items():
        table[name]["family_agreement"] = evaluate_notes.family_agreement(classifier, sounds, x)
    console.result(f"{'':10}" + "".join(f"{column.replace('_', ' '):>18}" for column in COLUMNS))
    for name, row in table.items():
        values = ("-" if row[column] is None else f"{row[column]:.3f}" for column in COLUMNS)
        console.result(f"{name:10}" + "".join(f"{value:>18}" for value in values))
    places = evaluate_notes.breakdown(classifier, notes, sounds, heard["wavenet"])
    say_where(places, console)
    if args.out is not None:
        draw_families(notes, heard, families, args.out, dataset.sample_rate, args.overwrite)
        console.result(str(args.out))
    document = {
        "model": model.name, "model_sha256": model.sha256, "classifier_sha256": classifier.sha256,
        "spectral_sha256": spectral and spectral.sha256, "data": dataset.path.name, "split": args.split,
        "seed": args.seed, "temperature": temperature, "families": families, "where": places,
        "pitches": args.pitches and [args.pitches[0], args.pitches[-1]],
    }  # fmt: skip
    console.document(table | document)


def say_where(places: dict[str, dict], console: Console) -> None:
    """Print where the WaveNet keeps pitches and families, and where it loses them.

    Parameters
    ----------
    places : dict
        As ``evaluate_notes.breakdown`` returns it.
    """
    console.result(f"\n{'wavenet':14}{'notes':>8}{'pitch':>8}{'family agreement':>20}")
    for name, row in (*places["registers"].items(), *places["families"].items()):
        console.result(f"{name:14}{row['n_notes']:>8}{row['pitch_accuracy']:>8.2f}{row['family_agreement']:>20.2f}")


def draw_families(notes, heard: dict, families: list[str], out: Path, sample_rate: int, overwrite: bool) -> None:
    """Write a sheet for each family: an original, and what became of it.

    Parameters
    ----------
    heard : dict of str to ndarray of shape (n, T)
        Originals and reconstructions.
    sample_rate : int
        Hz.
    """
    from wavecore.plots import audio as plots

    for family in families:
        rows = [row for row, note in enumerate(notes) if note.instrument_family_str == family]
        row = rows[len(rows) // 2]
        pictures = [(f"{name}: {notes[row].note_str}", x[row], sample_rate) for name, x in heard.items()]
        plots.rainbowgram_sheet(pictures, out / f"{family}.png", columns=len(pictures), overwrite=overwrite)


COMMANDS = {
    "translation": evaluate_translation.COMMAND,
    "symbolic": evaluate_symbolic.COMMAND,
    "nsynth": flags.Command(
        summary="NSynth's Table 1: what a classifier hears in originals and reconstructions",
        example="wavecore evaluate nsynth runs/notes --data data/notes --classifier runs/ear --spectral runs/spectral",
        configure=configure_nsynth,
        run=run_nsynth,
    ),
}
