"""``wavecore plot``: pictures of sounds and latents."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from wavecore.console import common, flags
from wavecore.console.console import Console

MAX_SECONDS = 60.0


def _configure(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("inputs", nargs="+", type=Path, metavar="IN", help=what)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.png", help="the picture")
    parser.add_argument("--overwrite", action="store_true", help="replace a picture that exists")


def configure_sounds(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the pictures of sounds."""
    _configure(parser, "audio files and folders of them; the first minute of each is drawn")


def configure_latents(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the picture of latents."""
    _configure(parser, "latents that `wavecore encode` wrote")


def _sounds(args: argparse.Namespace) -> list[tuple[str, object, int]]:
    from wavecore.audio import files
    from wavecore.audio.finding import find_audio
    from wavecore.plots import style as canvas

    sources = find_audio(args.inputs)
    common.require_folder(args.out.parent)
    canvas.require_png(args.out, args.overwrite)
    found = []
    for source in sources:
        x, rate = files.read(source, sample_rate=16_000)
        found.append((source.stem, x[: int(MAX_SECONDS * rate)], rate))
    return found


def _finish(path: Path, n: int, console: Console) -> None:
    console.result(str(path))
    console.document({"path": str(path), "drawn": n})


def _sheet(name: str) -> Callable[[argparse.Namespace, Console], None]:
    def run(args: argparse.Namespace, console: Console) -> None:
        from wavecore.plots import audio as plots

        sounds = _sounds(args)
        getattr(plots, name)(sounds, args.out, overwrite=args.overwrite)
        _finish(args.out, len(sounds), console)

    return run


def run_pitch(args: argparse.Namespace, console: Console) -> None:
    """Draw the pitch tracks of sounds over each other."""
    from wavecore.audio.pitch import track_f0
    from wavecore.plots import audio as plots

    sounds = _sounds(args)
    tracks = {title: track_f0(x, sample_rate=rate) for title, x, rate in sounds}
    plots.pitch_overlay(tracks, args.out, overwrite=args.overwrite)
    _finish(args.out, len(tracks), console)


def run_latent(args: argparse.Namespace, console: Console) -> None:
    """Draw the tracks of latents."""
    from wavecore.models.nsynth import latent_files
    from wavecore.plots import latent_chart
    from wavecore.plots import style as canvas

    common.require_folder(args.out.parent)
    canvas.require_png(args.out, args.overwrite)
    stored = [(path.stem, latent_files.load(path)) for path in args.inputs]
    latent_chart.draw(
        [(name, s.latent, s.sample_rate / s.hop_length) for name, s in stored], args.out, overwrite=args.overwrite
    )
    _finish(args.out, len(stored), console)


COMMANDS = {
    "rainbowgram": flags.Command(
        summary="constant-Q levels, coloured by instantaneous frequency, as NSynth's authors draw them",
        example="wavecore plot rainbowgram a.wav b.wav -o rainbow.png",
        configure=configure_sounds,
        run=_sheet("rainbowgram_sheet"),
    ),
    "spectrogram": flags.Command(
        summary="levels over time and pitch",
        example="wavecore plot spectrogram sounds -o sheet.png",
        configure=configure_sounds,
        run=_sheet("spectrogram_sheet"),
    ),
    "pitch": flags.Command(
        summary="the pitch of sounds, over each other",
        example="wavecore plot pitch whistle.wav strings.wav -o pitch.png",
        configure=configure_sounds,
        run=run_pitch,
    ),
    "latent": flags.Command(
        summary="the channels of latents over time",
        example="wavecore plot latent latents/a.npz -o latent.png",
        configure=configure_latents,
        run=run_latent,
    ),
}
