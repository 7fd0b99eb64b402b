"""``wavecore decode``: latents to sounds."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from wavecore.console import common, flags
from wavecore.console.console import Console
from wavecore.errors import InputError, UsageError
from wavecore.models.nsynth.commands import interpolate


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore decode``."""
    parser.add_argument(
        "latents", nargs="+", type=Path, metavar="LATENT", help=".npz files that `wavecore encode` wrote"
    )
    parser.add_argument("--model", metavar="M", help="the model that encoded them (default: the shipped nsynth one)")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder for STEM.wav")
    flags.add_generation(parser, default_temperature=None)
    flags.add_existing(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Write a sound for each latent, all of them generated as one batch.

    Raises
    ------
    WavecoreError
        As the exit codes say.
    """
    from wavecore.audio import files, output
    from wavecore.models.nsynth import interpolate as library
    from wavecore.models.nsynth import latent_files

    targets = [args.out / f"{path.stem}.wav" for path in args.latents]
    if len(set(targets)) < len(targets):
        raise UsageError("two latents have the same name and would become one file; decode them to different folders")
    model = interpolate.load_nsynth(args.model, console)
    temperature = common.settle_temperature(args.temperature, model, console)
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
        if latent.latent.shape[1] != model.network.config.latent_size:
            raise InputError(f"{path} has {latent.latent.shape[1]} channels, not the model's")
    device = common.settle_device(args.device, console)
    backend = common.settle_backend(args.backend, device, console)
    seed = common.settle_seed(args.seed, console)
    outputs = []
    if pairs:
        longest = max(len(latent.latent) for latent in stored)
        # One batch: the shorter ones go on with their last frame, and what that adds is cut off.
        batch = np.stack([np.pad(s.latent, [(0, longest - len(s.latent)), (0, 0)], mode="edge") for s in stored])
        with console.progress("generating", unit="samples") as show:
            said = library.decode(
                model, batch, seed=seed, temperature=temperature, backend=backend, device=device,
                threads=os.cpu_count() or 1, on_progress=show,
            )  # fmt: skip
        for (path, target), latent, x in zip(
            pairs, stored, library.without_offset(said, model.network.config.decoder.sample_rate), strict=True
        ):
            x = library.fade(library.level(x[: latent.n_samples], latent.level_db), latent.sample_rate)
            files.write(target, x, latent.sample_rate, overwrite=args.overwrite)
            outputs.append({"input": str(path), "path": str(target), "seconds": len(x) / latent.sample_rate})
            console.result(str(target))
    console.document({"model": model.name, "model_sha256": model.sha256, "seed": seed, "outputs": outputs})


COMMANDS = {
    "": flags.Command(
        summary="latents of an NSynth autoencoder back to sounds",
        example="wavecore decode latents/*.npz -o sounds",
        configure=configure,
        run=run,
    )
}
