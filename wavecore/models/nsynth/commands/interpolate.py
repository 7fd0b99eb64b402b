"""``wavecore interpolate``: sounds between two sounds, or more."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from wavecore.console import common, flags, sidecar
from wavecore.console.console import Console
from wavecore.errors import UsageError
from wavecore.models.nsynth.commands import inputs
from wavecore.models.nsynth.commands.mixes import points, requested, weights

if TYPE_CHECKING:
    from wavecore.audio.sound import Sound
    from wavecore.models.note_classifier.api import NoteClassifierModel, NoteDescription


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore interpolate``."""
    parser.add_argument("sounds", nargs="+", type=Path, metavar="SOUND", help="two audio files, or more with --weights")
    mixes = parser.add_mutually_exclusive_group()
    mixes.add_argument("--steps", type=int, metavar="N", help="sounds from A to B, both included (default: 5)")
    mixes.add_argument(
        "--weights",
        type=weights,
        metavar="W,W[:W,W..]",
        help="one mix, or several separated by colons: a weight for each sound",
    )
    mixes.add_argument(
        "--morph",
        nargs="?",
        type=points,
        const=[],
        metavar="S=W,W:S=W,W..",
        help="one sound that changes over time: weights at so many seconds; without a value from the first sound to "
        "the last",
    )
    inputs.add_method(parser)
    parser.add_argument("--mix", action="store_true", help="write the plain mix of the signals as well, for comparison")
    parser.add_argument(
        "--describe",
        action="store_true",
        help="print what the shipped note classifier detects, and how much of the power belongs to one pitch",
    )
    parser.add_argument(
        "--stretch", type=float, default=1.0, metavar="X", help="factor of the duration, at the same pitch (default: 1)"
    )
    parser.add_argument(
        "--seconds", type=float, default=inputs.SECONDS, metavar="S", help="of each sound that are used (default: 4)"
    )
    inputs.add_model(parser)
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder of the WAVs and the sheet (default: the current one)",
    )
    flags.add_generation(parser, default_temperature=None)
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")


def run(args: argparse.Namespace, console: Console) -> None:
    """Write a WAV for each mix, and a sheet of rainbowgrams."""
    from wavecore.audio import output
    from wavecore.models import base
    from wavecore.plots import audio as plots

    mixes = requested(args)
    inputs.check_seconds(args.seconds)
    if not 0.1 <= args.stretch <= 10:
        raise UsageError(f"--stretch must be from 0.1 to 10, not {args.stretch}")
    model = inputs.open_model(args.model, console)
    classifier = base.load(common.shipped("note-classifier"), kind="note-classifier") if args.describe else None
    common.require_folder(args.out)
    wavs = [args.out / f"{mix.name}.wav" for mix in mixes]
    plain_wavs = [args.out / f"{mix.name}__plain-mix.wav" for mix in mixes] if args.mix else []
    picture = "morph" if args.morph is not None else "rainbowgrams"
    sheet = args.out / f"{'__'.join(path.stem for path in args.sounds)}__{picture}.png"
    for path in [*wavs, *plain_wavs, sheet]:
        output.refuse_existing(path, overwrite=args.overwrite)
    generation = inputs.settle_generation(args, model, console)
    sounds = [inputs.read_note(path, model, args.seconds, console) for path in args.sounds]
    shared = {"weights": [mix.weights for mix in mixes], "rate": model.rate, "stretch": args.stretch}
    with console.progress("generating", unit="samples") as show:
        mixed = model.mix(sounds, **shared, method=args.method, **generation, on_progress=show)
    plain = model.mix_signals(sounds, **shared) if args.mix else []
    for path, sound in zip([*wavs, *plain_wavs], [*mixed, *plain], strict=True):
        sound.write(path, overwrite=args.overwrite)
        console.result(str(path))
    outputs = describe_outputs(wavs, mixed, plain_wavs, plain, classifier, console)
    for entry, mix in zip(outputs, mixes, strict=True):
        entry["weights"] = mix.document()
    # The row of latent mixes above the row of signal mixes.
    pictures = [(path.stem, *sound) for path, sound in zip([*wavs, *plain_wavs], [*mixed, *plain], strict=True)]
    plots.rainbowgram_sheet(pictures, sheet, columns=min(len(mixes), 9), overwrite=args.overwrite)
    console.result(str(sheet))
    document = {
        "model": model.name,
        "model_sha256": model.sha256,
        "seed": generation["seed"],
        "temperature": generation["temperature"],
        "method": args.method,
        "stretch": args.stretch,
        "inputs": [str(path) for path in args.sounds],
        "outputs": outputs,
        "sheet": str(sheet),
        "version": common.version(),
    }
    sidecar.write_sidecar(sidecar.sidecar_path(sheet), document, overwrite=args.overwrite)
    console.document(document)


def describe_outputs(
    wavs: list[Path],
    mixed: list[Sound],
    plain_wavs: list[Path],
    plain: list[Sound],
    classifier: NoteClassifierModel | None,
    console: Console,
) -> list[dict]:
    """Return the JSON values of every mix, and print what a classifier detects in it if there is one."""
    from wavecore.audio import note_level

    outputs = [
        {"path": str(path), "seconds": len(x) / rate, "level_db": note_level.loud_db(x)}
        for path, (x, rate) in zip(wavs, mixed, strict=True)
    ]
    for entry, path in zip(outputs, plain_wavs, strict=False):
        entry["plain_mix"] = str(path)
    rows = (("heard", wavs, mixed), ("plain_mix_heard", plain_wavs, plain)) if classifier else ()
    for key, paths, sounds in rows:
        for entry, path, (x, rate) in zip(outputs, paths, sounds, strict=False):
            note = classifier.classify(x, rate)
            entry[key] = note.to_dict()
            console.result(description(path.stem, note))
    return outputs


def description(name: str, note: NoteDescription) -> str:
    """Return a line of what was detected."""
    families = ", ".join(f"{family} {share:.0%}" for family, share in list(note.families.items())[:2])
    return (
        f"  {name}: MIDI {note.pitch} ({note.pitch_probability:.0%}); {families}; "
        f"one pitch has {note.series.share:.0%} of the power, a second {note.series.second_share:.0%}"
    )


COMMANDS = {
    "": flags.Command(
        summary="sounds between two sounds, by an NSynth autoencoder",
        example=(
            "wavecore interpolate trumpet.wav flute.wav --steps 5 --mix -o between\n"
            "wavecore interpolate a.wav b.wav c.wav --weights 0.4,0.4,0.2 -o mixes\n"
            "wavecore interpolate a.wav b.wav --morph 0=1,0:1=1,0:3=0,1 -o morphs"
        ),
        configure=configure,
        run=run,
    )
}
