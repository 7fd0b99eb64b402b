"""``wavecore render``: a score through WaveNet to sound."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from wavecore.console import common, flags, sidecar
from wavecore.console.console import Console, Estimate, duration, plural
from wavecore.errors import UsageError

THROUGH = ("nsynth", "translation")
"""Kinds of models that render."""
OUTSIDE = 0.1
"""Share of a line's notes beyond its instrument's range from which on a warning is printed."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore render``."""
    parser.add_argument("score", type=Path, metavar="SCORE.mid", help="the score")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.wav", help="the sound")
    parser.add_argument(
        "--through",
        choices=THROUGH,
        default=THROUGH[0],
        help=(
            "nsynth: an autoencoder of notes, which has many instruments; translation: a network whose domains play,"
            " best where they were trained (default: nsynth)"
        ),
    )
    parser.add_argument(
        "--model", metavar="M", help="a shipped model, a model folder or a run (default: the shipped one of --through)"
    )
    parser.add_argument(
        "--bank",
        type=Path,
        metavar="FILE.npz",
        help="notes of `wavecore data bank` to play with, for nsynth (default: the model's own)",
    )
    parser.add_argument(
        "--instrument",
        metavar="NAME",
        help=(
            "who plays (default: for nsynth, who is most like a part's General MIDI program; for translation the first"
            " domain)"
        ),
    )
    parser.add_argument(
        "--map",
        type=_pairs,
        default={},
        metavar="PART=NAME,..",
        help="who plays which part, by its name or its number from 1 on; --instrument plays the others",
    )
    parser.add_argument(
        "--stems", type=Path, metavar="DIR", help="also write every line to a WAV of its own; their sum is the mix"
    )
    parser.add_argument(
        "--draws",
        action="store_true",
        help=(
            "write the samples as the decoder drew them; else each is replaced by what it expected there, which hisses"
            " less"
        ),
    )
    flags.add_generation(parser, default_temperature=None)
    flags.add_existing(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Render a score.

    Raises
    ------
    WavecoreError
        If score or model cannot be used, or the output exists.
    """
    from wavecore.audio import output
    from wavecore.rendering.api import render_file
    from wavecore.symbolic import midi

    if args.skip_existing and args.out.exists():
        console.say(f"skipped: {args.out} exists")
        console.document({"outputs": []})
        return
    song = midi.read(args.score)
    output.refuse_existing(sidecar.sidecar_path(args.out), overwrite=args.overwrite)
    if args.bank is not None and args.through != "nsynth":
        raise UsageError("--bank holds notes for --through nsynth; leave it out")
    model = common.load_model(args.model or common.shipped(args.through), console, kind=args.through)
    notes = _bank(args, model)
    device = common.settle_device(args.device, console)
    generation = {
        "device": device,
        "backend": common.settle_backend(args.backend, device, console),
        "temperature": common.settle_temperature(args.temperature, model, console),
        "seed": common.settle_seed(args.seed, console),
    }
    rate = model.network.config.decoder.sample_rate
    console.say(f"{args.score}: {plural(song.n_notes, 'note')}, {duration(song.duration_s)}")
    estimate = Estimate(console, total=round(song.duration_s * rate), sample_rate=rate)
    with console.progress("rendering", unit="samples") as show:

        def update(done: int, total: int) -> None:
            show(done, total)
            estimate.update(done)

        result = render_file(
            model,
            song,
            args.out,
            bank=notes,
            instrument=args.instrument,
            parts=args.map,
            draws=args.draws,
            stems=args.stems,
            overwrite=args.overwrite,
            on_progress=update,
            **generation,
        )
    _report(args, model, result, generation, console)


def _report(args: argparse.Namespace, model, result, generation: dict, console: Console) -> None:
    """Write the sidecar, warn of notes out of range, and print what was rendered."""
    made = {"model": model.name, "model_sha256": model.sha256, "seed": generation["seed"]}
    settings = {"version": common.version(), "command": args.command, **generation}
    values = made | settings | {"score": args.score, "result": asdict(result)}
    sidecar.write_sidecar(sidecar.sidecar_path(args.out), values, overwrite=args.overwrite)
    for line in result.lines:
        if line.outside > OUTSIDE:
            console.warn(f"{line.outside:.0%} of the notes of {line.part} lie outside the range of {line.instrument}")
    console.document(made | {"input": args.score, **asdict(result)})
    console.result(f"{args.out}: {duration(result.seconds)}, {result.realtime_factor:.2f} x real time")
    for line in result.lines:
        console.result(f"  {line.part:12}{line.instrument:14}{plural(line.n_notes, 'note')}{_slowed(line.octave)}")


def _bank(args: argparse.Namespace, model):
    """Return the notes to render with; None where none are needed."""
    from wavecore.rendering import bank

    if args.through != "nsynth":
        return None
    return bank.for_model(model, args.bank)


def _slowed(octave: int) -> str:
    if not octave:
        return ""
    return f", played {plural(abs(octave), 'octave')} {'higher and slowed down' if octave > 0 else 'lower and sped up'}"


def _pairs(text: str) -> dict[str, str]:
    """Read PART=NAME pairs with commas between them."""
    found = {}
    for pair in flags.names(text):
        part, mark, name = pair.rpartition("=")
        if not mark or not part.strip() or not name.strip():
            raise argparse.ArgumentTypeError(f"PART=NAME is needed, not {pair!r}")
        if part.strip() in found:
            raise argparse.ArgumentTypeError(f"the part {part.strip()!r} is named twice")
        found[part.strip()] = name.strip()
    return found


COMMANDS = {
    "": flags.Command(
        summary="a score through WaveNet to sound",
        example=(
            "wavecore render chorale.mid -o chorale.wav\nwavecore render chorale.mid --map soprano=oboe,bass=bassoon"
            " --instrument clarinet -o chorale.wav --stems stems\nwavecore render tune.mid --through translation"
            " --instrument strings -o tune.wav"
        ),
        configure=configure,
        run=run,
    )
}
