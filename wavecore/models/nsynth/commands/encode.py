"""``wavecore encode``: sounds to latents."""

from __future__ import annotations

import argparse
from pathlib import Path

from wavecore.console import common, flags
from wavecore.console.console import Console
from wavecore.errors import UsageError
from wavecore.models.nsynth.commands import interpolate


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore encode``."""
    parser.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="audio files and folders of them")
    parser.add_argument(
        "--model", metavar="M", help="an nsynth model: shipped, a folder or a run (default: the shipped one)"
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder for STEM.npz")
    flags.add_existing(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Write a latent for each input.

    Raises
    ------
    WavecoreError
        As the exit codes say.
    """
    from wavecore.audio import files, output
    from wavecore.audio.finding import find_audio
    from wavecore.models.nsynth import interpolate as library
    from wavecore.models.nsynth import latent_files

    sources = find_audio(args.inputs)
    targets = [args.out / f"{source.stem}.npz" for source in sources]
    twice = {path for path in targets if targets.count(path) > 1}
    if twice:
        raise UsageError(f"two inputs would both become {sorted(twice)[0]}; encode them to different folders")
    model = interpolate.load_nsynth(args.model, console)
    encoder = model.network.config.encoder
    common.require_folder(args.out)
    outputs = []
    for source, target in zip(sources, targets, strict=True):
        if args.skip_existing and target.exists():
            console.say(f"{target} is there already")
            continue
        output.refuse_existing(target, overwrite=args.overwrite)
        x, rate = files.read(source, sample_rate=encoder.sample_rate)
        level_db = library.loud_db(x)
        heard = library.level(x, library.model_level(model, level_db)) if level_db > -100 else x
        (latent,) = library.encode(model, [heard])
        stored = latent_files.StoredLatent(
            latent, rate, encoder.hop_length, len(x), model.sha256, max(level_db, -120.0)
        )
        latent_files.save(target, stored, overwrite=args.overwrite)
        outputs.append({"input": str(source), "path": str(target), "frames": len(latent), "channels": latent.shape[1]})
        console.result(f"{target}: {len(latent)} frames of {latent.shape[1]}")
    console.document({"model": model.name, "model_sha256": model.sha256, "outputs": outputs})


COMMANDS = {
    "": flags.Command(
        summary="sounds to the latents of an NSynth autoencoder",
        example="wavecore encode notes -o latents\nwavecore encode a.wav --model runs/notes -o latents",
        configure=configure,
        run=run,
    )
}
