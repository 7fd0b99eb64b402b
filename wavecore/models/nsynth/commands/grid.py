"""``wavecore grid``: the four-corner surface, resumable."""

from __future__ import annotations

import argparse
import json
import os
import re
from pathlib import Path

from wavecore.console import common, flags, sidecar
from wavecore.console.console import Console
from wavecore.errors import InputError, OutputExistsError
from wavecore.models.nsynth.commands import interpolate

RECORD = "grid.json"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore grid``."""
    parser.add_argument(
        "corners", nargs=4, type=Path, metavar="CORNER",
        help="audio files, top left, top right, bottom left, bottom right; with --pitches folders of files NAME-PITCH-VELOCITY.wav",
    )  # fmt: skip
    parser.add_argument("--size", type=int, default=9, metavar="N", help="cells along a side (default: 9)")
    parser.add_argument(
        "--pitches", type=pitch_range, metavar="LOW:HIGH:STEP", help="a surface for each MIDI note, HIGH included"
    )
    parser.add_argument(
        "--method", choices=("linear", "slerp"), default="linear", help="lines or great circles (default: linear)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=interpolate.SECONDS,
        metavar="S",
        help="of each corner that is heard (default: 4)",
    )
    parser.add_argument(
        "--model", metavar="M", help="an nsynth model: shipped, a folder or a run (default: the shipped one)"
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the cells; a job that was stopped goes on",
    )
    flags.add_generation(parser, default_seed=0, default_temperature=None)


def run(args: argparse.Namespace, console: Console) -> None:
    """Write every cell that is not there yet.

    Raises
    ------
    WavecoreError
        As the exit codes say; OutputExistsError if the folder holds another surface.
    """
    from wavecore.audio import files
    from wavecore.models.nsynth import grid
    from wavecore.models.nsynth import interpolate as library

    every = grid.cells(args.size)
    interpolate.check_request(args.seconds, 1.0)
    surfaces = {pitch: corner_files(args.corners, pitch) for pitch in args.pitches or [None]}
    model = interpolate.load_nsynth(args.model, console)
    temperature = common.settle_temperature(args.temperature, model, console)
    common.require_folder(args.out)
    settings = {
        "corners": [str(path) for path in args.corners], "size": args.size, "pitches": args.pitches,
        "method": args.method, "seconds": args.seconds, "seed": args.seed, "temperature": temperature,
        "model": model.name, "model_sha256": model.sha256,
    }  # fmt: skip
    claim(args.out, settings)
    device = common.settle_device(args.device, console)
    backend = common.settle_backend(args.backend, device, console)
    rate, spoiled, written = model.network.config.decoder.sample_rate, [], []
    for pitch, paths in surfaces.items():
        folder = args.out if pitch is None else args.out / f"{pitch:03d}"
        missing = [cell for cell in every if not (folder / f"{cell.name}.wav").exists()]
        console.say(f"{folder}: {len(missing)} of {len(every)} cells to do")
        if missing:
            sounds = [interpolate.read_note(path, rate, args.seconds) for path in paths]
            for path, sound in zip(paths, sounds, strict=True):
                interpolate.warn_of_pitch(model, path, sound, console)
            level_db = sum(library.loud_db(sound) for sound in sounds) / 4
            heard = [library.level(sound, library.model_level(model, level_db)) for sound in sounds]
            with console.progress("generating", unit="cells") as show:
                found = grid.generate_cells(
                    model, heard, missing, size=args.size, seed=args.seed, method=args.method, level_db=level_db,
                    temperature=temperature, backend=backend, device=device, threads=os.cpu_count() or 1,
                    on_progress=show,
                )  # fmt: skip
                for cell, x in found:
                    files.write(folder / f"{cell.name}.wav", x, rate)
        for cell in every:
            path = folder / f"{cell.name}.wav"
            wrong = grid.faults(files.read(path)[0], rate)
            spoiled += [f"{path}: {fault}" for fault in wrong]
            written.append({"path": str(path), "pitch": pitch, "weights": cell.weights, "faults": wrong})
        console.result(f"{folder}: {len(every)} cells of {args.size} x {args.size}")
    for line in spoiled:
        console.warn(line)
    console.document({**settings, "cells": written, "faults": len(spoiled)})


def claim(out: Path, settings: dict) -> None:
    """Note what a folder's surface is, or check that it is the one to go on with.

    Raises
    ------
    OutputExistsError
        If it holds another surface, or something else.
    """
    record, settings = out / RECORD, json.loads(json.dumps(settings))
    if record.exists():
        try:
            before = json.loads(record.read_text(encoding="utf-8"))
        except ValueError as error:
            raise OutputExistsError(f"{record} cannot be read ({error}); choose another -o") from error
        changed = [key for key in settings if before.get(key) != settings[key]]
        if changed:
            raise OutputExistsError(f"{out} holds another surface (other {', '.join(changed)}); choose another -o")
        return
    if out.exists() and any(out.iterdir()):
        raise OutputExistsError(f"{out} is not empty and holds no surface; choose another -o")
    sidecar.write_sidecar(record, settings, overwrite=False)


def corner_files(corners: list[Path], pitch: int | None) -> list[Path]:
    """Find the four sounds of a surface.

    Parameters
    ----------
    corners : list of Path
        Files; or, with a pitch, folders.
    pitch : int or None
        MIDI note number: the first file by name whose name has it as ``-PPP-`` is taken.

    Raises
    ------
    InputError
        If a file is missing, or a folder has none of that pitch.
    """
    found = []
    for corner in corners:
        if pitch is None:
            if not corner.is_file():
                raise InputError(f"there is no file {corner}; folders need --pitches")
            found.append(corner)
            continue
        if not corner.is_dir():
            raise InputError(f"{corner} is no folder; with --pitches a corner is a folder of NAME-PITCH-VELOCITY.wav")
        named = [path for path in sorted(corner.iterdir()) if re.search(rf"-0*{pitch}(-\d+)?\.\w+$", path.name)]
        if not named:
            raise InputError(f"{corner} has no file of pitch {pitch} (NAME-{pitch:03d}-VELOCITY.wav)")
        found.append(named[0])
    return found


def pitch_range(text: str) -> list[int]:
    """Read ``--pitches``.

    Parameters
    ----------
    text : str
        ``24:84:4``, or one number.

    Returns
    -------
    list of int
        MIDI note numbers.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is no range of MIDI note numbers.
    """
    try:
        parts = [int(part) for part in text.split(":")]
        low, high, step = (*parts, parts[0], 1)[:3] if len(parts) == 1 else (*parts, 1)[:3]
        found = list(range(low, high + 1, step))
    except (ValueError, IndexError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no range; write LOW:HIGH:STEP") from error
    if len(parts) > 3 or not found or not 0 <= found[0] <= found[-1] <= 127:
        raise argparse.ArgumentTypeError(f"{text!r} is no range of MIDI note numbers, 0 to 127")
    return found


COMMANDS = {
    "": flags.Command(
        summary="the four-corner surface: a square of sounds between four, resumable",
        example=(
            "wavecore grid bass.wav flute.wav organ.wav guitar.wav -o surface\n"
            "wavecore grid bass flute organ guitar --pitches 36:72:4 --size 5 -o surfaces"
        ),
        configure=configure,
        run=run,
    )
}
