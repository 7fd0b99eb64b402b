"""``wavecore interpolate``: the way from one sound to another."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from wavecore.cli import common, flags, sidecar
from wavecore.cli.console import Console
from wavecore.errors import InputError, ModelError, UsageError

SECONDS = 4.0


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore interpolate``.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.add_argument("sounds", nargs="+", type=Path, metavar="SOUND", help="two audio files, or more with --weights")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--steps", type=int, metavar="N", help="stations from A to B, both included (default: 5)")
    way.add_argument(
        "--weights", type=weights, metavar="W,W[:W,W..]", help="one mix, or several parted by colons: a weight for each sound"
    )
    parser.add_argument("--method", choices=("linear", "slerp"), default="linear", help="lines or great circles (default: linear)")
    parser.add_argument("--mix", action="store_true", help="write the plain mix of the signals as well, for comparison")
    parser.add_argument("--stretch", type=float, default=1.0, metavar="X", help="so many times as long, at the same pitch (default: 1)")
    parser.add_argument("--seconds", type=float, default=SECONDS, metavar="S", help="of each sound that is heard (default: 4)")
    parser.add_argument("--model", metavar="M", help="an nsynth model: shipped, a folder or a run (default: the shipped one)")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path(), metavar="DIR", help="folder of the WAVs and the sheet (default: the current one)"
    )
    flags.add_generation(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist")


def run(args: argparse.Namespace, console: Console) -> None:
    """Write a WAV for each station, and a sheet of rainbowgrams.

    Parameters
    ----------
    args : argparse.Namespace
    console : Console

    Raises
    ------
    WavecoreError
        As the exit codes say.
    """
    import os

    from wavecore import interpolate, plots
    from wavecore.audio import files, output

    rows = args.weights if args.weights is not None else interpolate.steps(5 if args.steps is None else args.steps).tolist()
    check_request(args.sounds, rows, args.seconds, args.stretch)
    model = load_nsynth(args.model, console)
    encoder = model.network.config.encoder
    common.require_folder(args.out)
    names = [station_name(args.sounds, row) for row in rows]
    wavs = [args.out / f"{name}.wav" for name in names]
    mixed = [args.out / f"{name}__plain-mix.wav" for name in names] if args.mix else []
    sheet = args.out / f"{'__'.join(path.stem for path in args.sounds)}__rainbowgrams.png"
    for path in [*wavs, *mixed, sheet]:
        output.refuse_existing(path, overwrite=args.overwrite)
    device = common.settle_device(args.device, console)
    backend = common.settle_backend(args.backend, device, console)
    seed = common.settle_seed(args.seed, console)
    sounds = [read_note(path, encoder.sample_rate, args.seconds) for path in args.sounds]
    common_db = float(np.mean([interpolate.loud_db(sound) for sound in sounds]))
    heard = [interpolate.level(sound, model_level(model, common_db)) for sound in sounds]
    latents = interpolate.encode(model, heard)
    n_frames = max(1, round(latents.shape[1] * args.stretch))
    stations = [interpolate.stretch(interpolate.mix(latents, row, method=args.method), n_frames) for row in rows]
    with console.progress("generating", unit="samples") as show:
        said = interpolate.decode(
            model, np.stack(stations), seed=seed, temperature=args.temperature, backend=backend, device=device,
            threads=os.cpu_count() or 1, on_progress=show,
        )  # fmt: skip
    outputs, pictures = [], []
    for i, (path, row, x) in enumerate(zip(wavs, rows, said, strict=True)):
        # One level for all stations: what changes on the way is the sound, not how loud it is.
        x = interpolate.fade(interpolate.level(x, common_db), encoder.sample_rate)
        files.write(path, x, encoder.sample_rate, overwrite=args.overwrite)
        outputs.append({"path": str(path), "weights": row, "seconds": len(x) / encoder.sample_rate, "level_db": interpolate.loud_db(x)})
        pictures.append((path.stem, x, encoder.sample_rate))
        if mixed:
            plain = interpolate.level(interpolate.plain_mix(heard, row), common_db)
            files.write(mixed[i], plain, encoder.sample_rate, overwrite=args.overwrite)
            outputs[-1]["plain_mix"] = str(mixed[i])
            pictures.append((mixed[i].stem, plain, encoder.sample_rate))
        console.result(str(path))
    if mixed:  # the row of latents above the row of signals
        pictures = pictures[::2] + pictures[1::2]
    plots.rainbowgram_sheet(pictures, sheet, columns=min(len(rows), 9), overwrite=args.overwrite)
    console.result(str(sheet))
    document = {
        "model": model.name, "model_sha256": model.sha256, "seed": seed, "temperature": args.temperature,
        "method": args.method, "stretch": args.stretch, "inputs": [str(path) for path in args.sounds],
        "outputs": outputs, "sheet": str(sheet), "version": common.version(),
    }  # fmt: skip
    sidecar.write_sidecar(sidecar.sidecar_path(sheet), document, overwrite=args.overwrite)
    console.document(document)


def check_request(sounds: list[Path], rows: list[list[float]], seconds: float, stretch: float) -> None:
    """Refuse what cannot be done, before a model is loaded.

    Parameters
    ----------
    sounds : list of Path
    rows : list of list of float
        A weight for each sound, for each station.
    seconds, stretch : float

    Raises
    ------
    UsageError
        If there are fewer than two sounds, weights do not fit, or a number is out of range.
    """
    if len(sounds) < 2:
        raise UsageError(f"there is nothing between {len(sounds)} sound and itself; give two, or more with --weights")
    wrong = [row for row in rows if len(row) != len(sounds)]
    if wrong:
        raise UsageError(f"{len(wrong[0])} weights for {len(sounds)} sounds; give --weights with one for each")
    if not 0.1 <= seconds <= 60:
        raise UsageError(f"--seconds must be from 0.1 to 60, not {seconds}")
    if not 0.1 <= stretch <= 10:
        raise UsageError(f"--stretch must be from 0.1 to 10, not {stretch}")


def read_note(path: Path, sample_rate: int, seconds: float) -> np.ndarray:
    """Read a sound's beginning as one channel; silence before it is left out.

    Parameters
    ----------
    path : Path
    sample_rate : int
        Hz; resampled to it.
    seconds : float
        At most.

    Returns
    -------
    ndarray, shape (T,), float32

    Raises
    ------
    InputError
        If it cannot be read, or is silent.
    """
    from wavecore.audio import files

    x = files.read(path, sample_rate=sample_rate)[0]
    x = np.asarray(x, np.float32)
    loudest = float(np.abs(x).max(initial=0.0))
    if loudest < 1e-4:
        raise InputError(f"{path} is silent; there is nothing to mix")
    begin = max(0, int(np.argmax(np.abs(x) > 0.02 * loudest)) - round(0.01 * sample_rate))
    return x[begin : begin + round(seconds * sample_rate)]


def model_level(model, default_db: float) -> float:
    """Say how loud the sounds were that a model learned from.

    Parameters
    ----------
    model : LoadedModel
    default_db : float
        For a model that does not know.

    Returns
    -------
    float
        dB of full scale.
    """
    return float(model.card.get("training", {}).get("data", {}).get("level_db", default_db))


def load_nsynth(name: str | None, console: Console):
    """Load the nsynth model that was named, or the shipped one.

    Parameters
    ----------
    name : str or None
    console : Console

    Returns
    -------
    LoadedModel

    Raises
    ------
    ModelError
        If there is none, or it is of another kind.
    """
    from wavecore.models import checkpoint

    if name is None:
        shipped = [
            folder
            for folder in checkpoint.shipped()
            if checkpoint.read_card(checkpoint.PRETRAINED / folder).get("kind") == "nsynth"
        ]
        if not shipped:
            raise ModelError(
                "no nsynth model is shipped with this version; train one (wavecore data soundfont, "
                "wavecore train nsynth) and name it: --model RUN"
            )
        name = shipped[0]
    model = checkpoint.load(name, kind="nsynth")
    console.say(f"model: {model.name} ({model.sha256[:12]}, {model.path})")
    return model


def station_name(sounds: list[Path], row: list[float]) -> str:
    """Name an output after its weights.

    Parameters
    ----------
    sounds : list of Path
    row : list of float

    Returns
    -------
    str
        ``trumpet-075__flute-025``, in hundredths.
    """
    total = sum(row) or 1.0
    return "__".join(f"{path.stem}-{round(100 * weight / total):03d}" for path, weight in zip(sounds, row, strict=True))


def weights(text: str) -> list[list[float]]:
    """Read ``--weights``.

    Parameters
    ----------
    text : str
        ``0.5,0.5`` or ``1,0:0.3,0.7``.

    Returns
    -------
    list of list of float

    Raises
    ------
    argparse.ArgumentTypeError
        If one is no number, is negative, or all of a mix are zero.
    """
    try:
        rows = [[float(word) for word in mix.split(",")] for mix in text.split(":")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} are no weights; write 0.5,0.5 or 1,0:0.3,0.7") from error
    for row in rows:
        if not all(np.isfinite(row)) or min(row) < 0 or sum(row) <= 0:
            raise argparse.ArgumentTypeError(f"weights must be finite, not negative and not all zero: {text!r}")
    return rows


COMMANDS = {
    "": flags.Command(
        summary="the way between two sounds, by an NSynth autoencoder",
        example=(
            "wavecore interpolate trumpet.wav flute.wav --steps 5 --mix -o between\n"
            "wavecore interpolate a.wav b.wav c.wav --weights 0.4,0.4,0.2 -o mixes"
        ),
        configure=configure,
        run=run,
    )
}
