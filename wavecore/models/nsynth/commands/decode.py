"""``wavecore decode``: latents to sounds."""

from __future__ import annotations

import argparse
from pathlib import Path

from wavecore.console import common, flags
from wavecore.console.console import Console
from wavecore.errors import UsageError
from wavecore.models.nsynth.commands import inputs


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore decode``."""
    parser.add_argument(
        "latents", nargs="+", type=Path, metavar="LATENT", help=".npz files that `wavecore encode` wrote"
    )
    inputs.add_model(parser)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder for STEM.wav")
    flags.add_generation(parser, default_temperature=None)
    flags.add_existing(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Write a sound for each latent, all of them generated as one batch."""
    from wavecore.audio import output
    from wavecore.models.nsynth import latent_files

    targets = [args.out / f"{path.stem}.wav" for path in args.latents]
    if len(set(targets)) < len(targets):
        raise UsageError("two latents have the same name and would become one file; decode them to different folders")
    model = inputs.open_model(args.model, console)
    common.require_folder(args.out)
    pairs = [
        (path, target)
        for path, target in zip(args.latents, targets, strict=True)
        if not (args.skip_existing and target.exists())
    ]
    for _, target in pairs:
        output.refuse_existing(target, overwrite=args.overwrite)
    stored = [latent_files.load(path) for path, _ in pairs]
    for (path, _), latent in zip(pairs, stored, strict=True):
        latent_files.require_model(latent, model, path)
    generation = inputs.settle_generation(args, model, console)
    outputs = []
    if pairs:
        with console.progress("generating", unit="samples") as show:
            sounds = model.decode_batch(
                [one.latent for one in stored],
                levels_db=[one.level_db for one in stored],
                n_samples=[one.n_samples for one in stored],
                **generation,
                on_progress=show,
            )
        for (path, target), sound in zip(pairs, sounds, strict=True):
            sound.write(target, overwrite=args.overwrite)
            outputs.append({"input": str(path), "path": str(target), "seconds": sound.duration_s})
            console.result(str(target))
    made = {"model": model.name, "model_sha256": model.sha256, "seed": generation["seed"]}
    console.document(made | {"outputs": outputs})


COMMANDS = {
    "": flags.Command(
        summary="latents of an NSynth autoencoder back to sounds",
        example="wavecore decode latents/*.npz -o sounds",
        configure=configure,
        run=run,
    )
}
