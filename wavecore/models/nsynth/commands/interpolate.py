"""``wavecore interpolate``: the way from one sound to another."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from wavecore.console import common, flags, sidecar
from wavecore.console.console import Console
from wavecore.errors import InputError, UsageError
from wavecore.models.nsynth.weights import points, requested, weights

SECONDS = 4.0
CLEAR_PITCH = 0.7
"""Share of a sound's power on one harmonic series, above which it has a pitch to speak of."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore interpolate``."""
    parser.add_argument("sounds", nargs="+", type=Path, metavar="SOUND", help="two audio files, or more with --weights")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--steps", type=int, metavar="N", help="stations from A to B, both included (default: 5)")
    way.add_argument(
        "--weights",
        type=weights,
        metavar="W,W[:W,W..]",
        help="one mix, or several parted by colons: a weight for each sound",
    )
    way.add_argument(
        "--morph",
        nargs="?",
        type=points,
        const=[],
        metavar="S=W,W:S=W,W..",
        help="one sound that changes while it sounds: weights at so many seconds; without a value from the first sound to the last",
    )
    parser.add_argument(
        "--method", choices=("linear", "slerp"), default="linear", help="lines or great circles (default: linear)"
    )
    parser.add_argument("--mix", action="store_true", help="write the plain mix of the signals as well, for comparison")
    parser.add_argument(
        "--describe",
        action="store_true",
        help="say what the shipped note classifier hears, and how much belongs to one pitch",
    )
    parser.add_argument(
        "--stretch", type=float, default=1.0, metavar="X", help="so many times as long, at the same pitch (default: 1)"
    )
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, metavar="S", help="of each sound that is heard (default: 4)"
    )
    parser.add_argument(
        "--model", metavar="M", help="an nsynth model: shipped, a folder or a run (default: the shipped one)"
    )
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
    """Write a WAV for each station, and a sheet of rainbowgrams.

    Raises
    ------
    WavecoreError
        As the exit codes say.
    """
    import os

    from wavecore import checkpoint
    from wavecore.audio import output
    from wavecore.models.nsynth import interpolate
    from wavecore.plots import audio as plots

    stations = requested(args)
    check_request(args.seconds, args.stretch)
    model = load_nsynth(args.model, console)
    temperature = common.settle_temperature(args.temperature, model, console)
    ear = checkpoint.load(common.shipped("note-classifier"), kind="note-classifier") if args.describe else None
    encoder = model.network.config.encoder
    common.require_folder(args.out)
    wavs = [args.out / f"{station.name}.wav" for station in stations]
    mixed = [args.out / f"{station.name}__plain-mix.wav" for station in stations] if args.mix else []
    sheet = (
        args.out
        / f"{'__'.join(path.stem for path in args.sounds)}__{'morph' if args.morph is not None else 'rainbowgrams'}.png"
    )
    for path in [*wavs, *mixed, sheet]:
        output.refuse_existing(path, overwrite=args.overwrite)
    device = common.settle_device(args.device, console)
    backend = common.settle_backend(args.backend, device, console)
    seed = common.settle_seed(args.seed, console)
    sounds = [read_note(path, encoder.sample_rate, args.seconds) for path in args.sounds]
    for path, sound in zip(args.sounds, sounds, strict=True):
        warn_of_pitch(model, path, sound, console)
    common_db = float(np.mean([interpolate.loud_db(sound) for sound in sounds]))
    heard = [interpolate.level(sound, interpolate.model_level(model, common_db)) for sound in sounds]
    latents = interpolate.encode(model, heard)
    n_frames = max(1, round(latents.shape[1] * args.stretch))
    latents = np.stack([interpolate.stretch(latent, n_frames) for latent in latents])
    mixes = [station.weights(n_frames, encoder.hop_length / encoder.sample_rate) for station in stations]
    with console.progress("generating", unit="samples") as show:
        said = interpolate.decode(
            model, np.stack([interpolate.mix_for(model, latents, row, method=args.method) for row in mixes]), seed=seed,
            temperature=temperature, backend=backend, device=device, threads=os.cpu_count() or 1, on_progress=show,
        )  # fmt: skip
    # One level for all stations: what changes on the way is the sound, not how loud it is.
    said = interpolate.without_offset(said, encoder.sample_rate)
    said = [interpolate.fade(interpolate.level(x, common_db), encoder.sample_rate) for x in said]
    plain = [interpolate.level(interpolate.plain_mix(heard, row), common_db) for row in mixes] if mixed else []
    outputs = keep(args, stations, wavs, said, mixed, plain, ear, encoder.sample_rate, console)
    # The row of latents above the row of signals.
    pictures = [(path.stem, x, encoder.sample_rate) for path, x in zip([*wavs, *mixed], [*said, *plain], strict=True)]
    plots.rainbowgram_sheet(pictures, sheet, columns=min(len(stations), 9), overwrite=args.overwrite)
    console.result(str(sheet))
    document = {
        "model": model.name, "model_sha256": model.sha256, "seed": seed, "temperature": temperature,
        "method": args.method, "stretch": args.stretch, "inputs": [str(path) for path in args.sounds],
        "outputs": outputs, "sheet": str(sheet), "version": common.version(),
    }  # fmt: skip
    sidecar.write_sidecar(sidecar.sidecar_path(sheet), document, overwrite=args.overwrite)
    console.document(document)


def keep(args, stations, wavs, said, mixed, plain, ear, sample_rate: int, console: Console) -> list[dict]:
    """Write the sounds, and say what is heard in them.

    Parameters
    ----------
    wavs, mixed : list of Path
        Of the stations, and of their plain mixes if there are any.
    said, plain : list of ndarray, shape (T,), float32
        Their sounds.
    ear : LoadedModel or None
        Who listens, if somebody is to.
    sample_rate : int
        Hz.

    Returns
    -------
    list of dict
        Of every station what the JSON says.
    """
    from wavecore.audio import files
    from wavecore.models.note_classifier import predict as listening
    from wavecore.models.nsynth import interpolate

    outputs = [
        {
            "path": str(path),
            "weights": station.document(),
            "seconds": len(x) / sample_rate,
            "level_db": interpolate.loud_db(x),
        }
        for path, station, x in zip(wavs, stations, said, strict=True)
    ]
    for path, x in [*zip(wavs, said, strict=True), *zip(mixed, plain, strict=True)]:
        files.write(path, x, sample_rate, overwrite=args.overwrite)
        console.result(str(path))
    for entry, path in zip(outputs, mixed, strict=False):
        entry["plain_mix"] = str(path)
    if ear is not None:
        for key, paths, row in (("heard", wavs, said), ("plain_mix_heard", mixed, plain)):
            for entry, path, found in zip(outputs, paths, listening.listen(ear, row, sample_rate), strict=False):
                entry[key] = found.to_dict()
                console.result(description(path.stem, found))
    return outputs


def description(name: str, heard) -> str:
    """Say in a line what was heard."""
    families = ", ".join(f"{family} {share:.0%}" for family, share in list(heard.families.items())[:2])
    series = heard.series
    return (
        f"  {name}: MIDI {heard.pitch} ({heard.pitch_probability:.0%}); {families}; one pitch has {series.share:.0%} "
        f"of the power, a second {series.second_share:.0%}"
    )


def check_request(seconds: float, stretch: float) -> None:
    """Refuse what cannot be done, before a model is loaded.

    Raises
    ------
    UsageError
        If one is out of range.
    """
    if not 0.1 <= seconds <= 60:
        raise UsageError(f"--seconds must be from 0.1 to 60, not {seconds}")
    if not 0.1 <= stretch <= 10:
        raise UsageError(f"--stretch must be from 0.1 to 10, not {stretch}")


def read_note(path: Path, sample_rate: int, seconds: float) -> np.ndarray:
    """Read a sound's beginning as one channel; silence before it is left out.

    Parameters
    ----------
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


def warn_of_pitch(model, path: Path, sound: np.ndarray, console: Console) -> None:
    """Warn of a sound at a pitch that a model never learned.

    Parameters
    ----------
    model : LoadedModel
        Its card may say from which to which pitch its notes were.
    path : Path
        Of the sound, for the message.
    sound : ndarray, shape (T,), float32
        At the model's rate.
    """
    from wavecore.metrics import harmonics

    lowest, highest = model.card.get("training", {}).get("data", {}).get("midi_range", (0, 127))
    if len(sound) < harmonics.SHORTEST or not sound.any():
        return
    found = harmonics.harmonic_series(sound, model.network.config.encoder.sample_rate)
    midi = 69 + 12 * np.log2(found.f0_hz / 440)
    if found.share > CLEAR_PITCH and not lowest - 1 < midi < highest + 1:
        console.warn(
            f"{path} sounds at MIDI {midi:.0f}; {model.name} has learned {lowest} to {highest}, expect another pitch"
        )


def load_nsynth(name: str | None, console: Console):
    """Load the nsynth model that was named, or the shipped one.

    Raises
    ------
    ModelError
        If there is none, or it is of another kind.
    """
    from wavecore import checkpoint

    if name is None:
        name = common.shipped("nsynth")
    model = checkpoint.load(name, kind="nsynth")
    console.say(f"model: {model.name} ({model.sha256[:12]}, {model.path})")
    return model


COMMANDS = {
    "": flags.Command(
        summary="the way between two sounds, by an NSynth autoencoder",
        example=(
            "wavecore interpolate trumpet.wav flute.wav --steps 5 --mix -o between\n"
            "wavecore interpolate a.wav b.wav c.wav --weights 0.4,0.4,0.2 -o mixes\n"
            "wavecore interpolate a.wav b.wav --morph 0=1,0:1=1,0:3=0,1 -o morphs"
        ),
        configure=configure,
        run=run,
    )
}
