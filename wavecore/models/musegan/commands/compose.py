"""``wavecore compose musegan``: pieces of several tracks, or the tracks that go with a given one."""

from __future__ import annotations

import argparse
from pathlib import Path

from wavecore.console import common, flags
from wavecore.console.console import Console
from wavecore.errors import UsageError

DEFAULT_BARS = 16
BINARISE = ("threshold", "bernoulli", "likeliest")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore compose musegan``."""
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.mid", help="the piece")
    parser.add_argument(
        "--model", metavar="M", help="a MuseGAN: a shipped one's name, or a folder (default: the shipped one)"
    )
    what = parser.add_argument_group("what is written")
    what.add_argument(
        "--bars",
        type=flags.count,
        metavar="N",
        help=f"any number; phrases follow each other without a gap (default: {DEFAULT_BARS})",
    )
    what.add_argument(
        "--accompany",
        type=Path,
        metavar="FILE.mid",
        help="a part that is kept exactly, for a model that was trained with --given; it says how many bars",
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--binarise",
        choices=BINARISE,
        default="threshold",
        help="light cells above one half, or draw each, or one note a track at most (default: threshold)",
    )
    how.add_argument(
        "--vary",
        type=flags.share,
        default=1.0,
        metavar="X",
        help="how much the chords and melodies of a phrase differ from the last one's, 0 to 1; style and groove stay (default: 1)",
    )
    how.add_argument(
        "--tempo", type=float, metavar="BPM", help="quarter notes in a minute (default: 100, or the given file's)"
    )
    flags.add_seed(how)
    flags.add_device(how)
    flags.add_existing(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Write a piece.

    Raises
    ------
    WavecoreError
        If the model is missing, what is given does not fit it, nothing is lit, or the output exists.
    """
    import numpy as np

    from wavecore import checkpoint
    from wavecore.models.musegan import rolls
    from wavecore.models.musegan.sample import compose, given_track
    from wavecore.symbolic import midi

    if args.bars and args.accompany:
        raise UsageError("--bars is the length where nothing is given; --accompany has its own: leave --bars out")
    if args.skip_existing and args.out.exists():
        console.say(f"skipped: {args.out} exists")
        return
    midi.require_path(args.out, overwrite=args.overwrite)
    model = checkpoint.load(args.model or common.shipped("musegan"), kind="musegan")
    network, config = model.network, model.network.config
    source = midi.read(args.accompany) if args.accompany else None
    if source is None and config.given:
        raise UsageError(
            f"{model.name} accompanies a track; give it one: --accompany FILE.mid (with a part {config.given!r})"
        )
    given = None if source is None else given_track(network, source)
    n_bars = (args.bars or DEFAULT_BARS) if given is None else len(given)
    seed, device = common.settle_seed(args.seed, console), common.settle_device(args.device, console)
    with console.progress("composing", unit="phrases") as show:
        roll = compose(
            network.to(device),
            n_bars,
            rng=np.random.default_rng(seed),
            given=given,
            binarise=args.binarise,
            vary=args.vary,
            on_progress=show,
        )
    pace = rolls.BEATS_PER_MINUTE if args.tempo is None else args.tempo
    song = rolls.to_song(roll, config.tracks, config.grid, beats_per_minute=pace, name=args.out.stem)
    if source is not None:
        song = _with_given(song, source, config, own_tempo=args.tempo is None)
    midi.write(song, args.out, overwrite=args.overwrite)
    notes = {part.name: len(part.events) for part in song.parts}
    console.document(
        {
            "model": model.name,
            "model_sha256": model.sha256,
            "seed": seed,
            "path": args.out,
            "bars": n_bars,
            "notes": notes,
        }
    )
    console.result(f"{args.out}: {n_bars} bars; notes: {', '.join(f'{count} {name}' for name, count in notes.items())}")


def _with_given(song, source, config, *, own_tempo: bool):
    """Put the part that was given in place of what the roll says of it, with its meters, and its tempos where no other one is asked for."""
    from dataclasses import replace

    from wavecore.models.musegan.sample import accompanied

    source = source.regrid(song.ticks_per_beat)
    parts = list(song.parts)
    parts[config.given_index] = accompanied(source, config.tracks[config.given_index])
    return replace(song, parts=tuple(parts), meters=source.meters, tempos=source.tempos if own_tempo else song.tempos)


COMMAND = flags.Command(
    summary="a piece of several tracks, or the tracks that go with a given one",
    example=(
        "wavecore compose musegan --bars 32 -o piece.mid\n"
        "wavecore compose musegan --bars 32 --vary 0.3 --tempo 80 -o calm.mid\n"
        "wavecore compose musegan --model runs/band --accompany tune.mid -o band.mid"
    ),
    configure=configure,
    run=run,
)
