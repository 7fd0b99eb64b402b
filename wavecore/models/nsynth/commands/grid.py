"""``wavecore grid``: the four-corner surface, resumable."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from wavecore.console import common, flags, sidecar
from wavecore.console.console import Console
from wavecore.errors import InputError, OutputExistsError
from wavecore.models.nsynth.commands import inputs

RECORD = "grid.json"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore grid``."""
    parser.add_argument(
        "corners",
        nargs=4,
        type=Path,
        metavar="CORNER",
        help="audio files, top left, top right, bottom left, bottom right; with --pitches folders of files "
        "NAME-PITCH-VELOCITY.wav",
    )
    parser.add_argument("--size", type=int, default=9, metavar="N", help="cells along a side (default: 9)")
    parser.add_argument(
        "--pitches", type=flags.midi_range, metavar="LOW:HIGH:STEP", help="a surface for each MIDI note, HIGH included"
    )
    inputs.add_method(parser)
    parser.add_argument(
        "--seconds", type=float, default=inputs.SECONDS, metavar="S", help="of each corner that are used (default: 4)"
    )
    inputs.add_model(parser)
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of the cells; the same command resumes a job that was stopped",
    )
    flags.add_generation(parser, default_seed=0, default_temperature=None)


def run(args: argparse.Namespace, console: Console) -> None:
    """Write every cell that is missing; raise OutputExistsError if the folder holds another surface."""
    from wavecore.audio import files
    from wavecore.models.nsynth import grid

    cells = grid.cells(args.size)
    inputs.check_seconds(args.seconds)
    surfaces = {pitch: corner_files(args.corners, pitch) for pitch in args.pitches or [None]}
    model = inputs.open_model(args.model, console)
    common.require_folder(args.out)
    generation = inputs.settle_generation(args, model, console)
    settings = {
        "corners": [str(path) for path in args.corners],
        "size": args.size,
        "pitches": args.pitches,
        "method": args.method,
        "seconds": args.seconds,
        "seed": args.seed,
        "temperature": generation["temperature"],
        "model": model.name,
        "model_sha256": model.sha256,
    }
    claim(args.out, settings)
    faulty, written = [], []
    for pitch, paths in surfaces.items():
        folder = args.out if pitch is None else args.out / f"{pitch:03d}"
        missing = [cell for cell in cells if not (folder / f"{cell.name}.wav").exists()]
        console.say(f"{folder}: {len(missing)} of {len(cells)} cells to do")
        if missing:
            corners = [inputs.read_note(path, model, args.seconds, console) for path in paths]
            shared = {"rate": model.rate, "size": args.size, "chosen": missing, "method": args.method}
            with console.progress("generating", unit="cells") as show:
                for cell, sound in model.grid(corners, **shared, **generation, on_progress=show):
                    sound.write(folder / f"{cell.name}.wav")
        for cell in cells:
            path = folder / f"{cell.name}.wav"
            faults = grid.faults(*files.read(path))
            faulty += [f"{path}: {fault}" for fault in faults]
            written.append({"path": str(path), "pitch": pitch, "weights": cell.weights, "faults": faults})
        console.result(f"{folder}: {len(cells)} cells of {args.size} x {args.size}")
    for line in faulty:
        console.warn(line)
    console.document({**settings, "cells": written, "faults": len(faulty)})


def claim(out: Path, settings: dict) -> None:
    """Record the settings of a folder's surface, or check that they are the recorded ones.

    Raises
    ------
    OutputExistsError
        If it holds another surface, or other files.
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
    """Return the four files of a surface: the corners, or with a pitch the first ``NAME-PITCH-..`` of each folder.

    Raises
    ------
    InputError
        If a file is missing, or a folder has none of that pitch.
    """
    files = []
    for corner in corners:
        if pitch is None:
            if not corner.is_file():
                raise InputError(f"there is no file {corner}; folders need --pitches")
            files.append(corner)
            continue
        if not corner.is_dir():
            raise InputError(f"{corner} is no folder; with --pitches a corner is a folder of NAME-PITCH-VELOCITY.wav")
        named = [path for path in sorted(corner.iterdir()) if re.search(rf"-0*{pitch}(-\d+)?\.\w+$", path.name)]
        if not named:
            raise InputError(f"{corner} has no file of pitch {pitch} (NAME-{pitch:03d}-VELOCITY.wav)")
        files.append(named[0])
    return files


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
