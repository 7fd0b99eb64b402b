"""``wavecore encode``: sounds to latents."""

from __future__ import annotations

import argparse
from pathlib import Path

from wavecore.console import common, flags
from wavecore.console.console import Console
from wavecore.errors import UsageError
from wavecore.models.nsynth.commands import inputs


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore encode``."""
    parser.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="audio files and folders of them")
    inputs.add_model(parser)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="folder for STEM.npz")
    flags.add_existing(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Write a latent for each input."""
    from wavecore.audio import files, note_level, output
    from wavecore.audio.finding import find_audio
    from wavecore.models.nsynth import latent_files

    sources = find_audio(args.inputs)
    targets = [args.out / f"{source.stem}.npz" for source in sources]
    twice = {path for path in targets if targets.count(path) > 1}
    if twice:
        raise UsageError(f"two inputs would both become {sorted(twice)[0]}; encode them to different folders")
    model = inputs.open_model(args.model, console)
    common.require_folder(args.out)
    outputs = []
    for source, target in zip(sources, targets, strict=True):
        if args.skip_existing and target.exists():
            console.say(f"{target} is there already")
            continue
        output.refuse_existing(target, overwrite=args.overwrite)
        x, rate = files.read(source, sample_rate=model.rate)
        latent = model.encode(x, rate)
        hop, level_db = model.network.config.encoder.hop_length, max(note_level.loud_db(x), -120.0)
        stored = latent_files.StoredLatent(latent, rate, hop, len(x), model.sha256, level_db)
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
