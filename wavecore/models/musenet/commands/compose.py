"""``wavecore compose musenet``: pieces in a style, by chosen instruments, from nothing or as another one goes on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from wavecore.console import common, compose_options, flags
from wavecore.console.console import Console
from wavecore.errors import InputError, UsageError

if TYPE_CHECKING:
    from wavecore.models.musenet.sample import Wish
    from wavecore.symbolic.song import Song

DEFAULT_TEMPERATURE = 0.95


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore compose musenet``."""
    compose_options.add_output(parser, kind="a MuseNet")
    what = parser.add_argument_group("what")
    what.add_argument("--composer", metavar="STYLE", help="one of the model's styles (default: any)")
    what.add_argument(
        "--instruments",
        type=flags.names,
        metavar="A,B",
        help="who plays, asked for and not forced (default: who plays --prime, or any)",
    )
    what.add_argument("--bars", type=flags.count, default=compose_options.DEFAULT_BARS, metavar="N",
                      help=f"length of the piece (default: {compose_options.DEFAULT_BARS})")  # fmt: skip
    what.add_argument(
        "--tempo", type=compose_options.tempo, metavar="X", help="beats a minute (default: that of --prime, else 120)"
    )
    what.add_argument("--prime", type=Path, metavar="FILE.mid", help="how it begins, which counts among the bars")
    what.add_argument("--prime-bars", type=flags.count, metavar="N", help="take so many bars of --prime (default: all)")
    how = parser.add_argument_group("how")
    how.add_argument("--temperature", type=flags.temperature, default=DEFAULT_TEMPERATURE, metavar="X",
                     help=f"0 takes the likeliest tokens (default: {DEFAULT_TEMPERATURE})")  # fmt: skip
    how.add_argument(
        "--top-k", type=flags.count, metavar="N", help="draw from the N likeliest tokens only (default: all)"
    )
    how.add_argument(
        "--best-of",
        type=flags.count,
        default=1,
        metavar="N",
        help="write N pieces, keep the one that the critic prefers (default: 1)",
    )
    compose_options.add_rest(parser, how)


def run(args: argparse.Namespace, console: Console) -> None:
    """Write a piece.

    Raises
    ------
    WavecoreError
        If the model is missing, what is asked for does not fit it, or the output exists.
    """
    from dataclasses import replace

    import numpy as np

    from wavecore.models.musenet.sample import generate, scores
    from wavecore.models.musenet.tokens import decode
    from wavecore.symbolic import midi

    if args.prime_bars and not args.prime:
        raise UsageError("--prime-bars says how much of --prime is taken; name a piece with --prime FILE.mid")
    model = compose_options.open_model(args, console, kind="musenet")
    if model is None:
        return
    if args.best_of > 1 and not model.network.config.critic:
        raise UsageError(
            f"--best-of needs an inner critic, and {model.name} has none; train one: wavecore train musenet --critic --init MODEL"
        )
    song = midi.read(args.prime) if args.prime else None
    wish = wished(args, song)
    wish.prefix(model.network)  # refuse an unknown style before anything is drawn
    seed, device = common.settle_seed(args.seed, console), common.settle_device(args.device, console)
    network = model.network.to(device)
    with console.progress("composing", unit="ticks") as show:
        bodies = generate(
            network,
            wish,
            rng=np.random.default_rng(seed),
            n_samples=args.best_of,
            temperature=args.temperature,
            top_k=args.top_k,
            on_progress=show,
        )
    best = 0
    if args.best_of > 1:
        found = scores(network, wish, bodies)
        best = int(found.argmax())
        others = ", ".join(f"{score:+.2f}" for score in np.delete(found, best))
        console.say(f"the critic takes number {best + 1} of {len(bodies)}, {found[best]:+.2f}; the others {others}")
    piece = decode(np.concatenate([wish.prefix(network), bodies[best]]), name=args.out.stem)
    compose_options.finish(
        args, console, model, replace(piece, meters=song.meters[:1] if song else ()), seed=seed, bars=args.bars
    )


def wished(args: argparse.Namespace, song: Song | None) -> Wish:
    """Say what the flags ask for.

    Parameters
    ----------
    song : Song or None
        The piece of ``--prime``.

    Raises
    ------
    WavecoreError
        If an instrument is unknown, or the beginning is empty or as long as the piece.
    """
    from wavecore.models.musenet.sample import Wish
    from wavecore.models.musenet.tokens import TICKS_PER_BEAT, encode, mean_tempo, players

    meter = song.meter_at(0) if song else None
    bar = 4 * TICKS_PER_BEAT * meter.numerator // meter.denominator if meter else 4 * TICKS_PER_BEAT
    instruments, tempo, opening = tuple(args.instruments or ()), args.tempo, ()
    if song:
        opening = encode(beginning(song, args.prime_bars, bar) if args.prime_bars else song)
        if not len(opening):
            raise InputError(
                f"{args.prime} begins with nothing that MuseNet's instruments play; choose another piece, or more of its bars"
            )
        instruments, tempo = instruments or players(opening), tempo or mean_tempo(song)
    return Wish(args.bars * bar, args.composer, tempo, instruments, opening)


def beginning(song: Song, n_bars: int, bar: int) -> Song:
    """Cut off what comes after some bars.

    Parameters
    ----------
    bar : int
        Ticks of a bar, 48 to a beat.

    Returns
    -------
    Song
        48 ticks to a beat; what still sounds at the cut ends there.
    """
    from dataclasses import replace

    from wavecore.models.musenet.tokens import TICKS_PER_BEAT

    end, song = n_bars * bar, song.regrid(TICKS_PER_BEAT)
    parts = []
    for part in song.parts:
        kept = (
            replace(event, duration=min(event.duration, end - event.onset))
            for event in part.events
            if event.onset < end
        )
        parts.append(replace(part, events=tuple(kept)))
    return replace(song, parts=tuple(parts))


COMMAND = flags.Command(
    summary="a piece in a style, by chosen instruments, from nothing or as another one goes on",
    example=(
        "wavecore compose musenet --composer bach --bars 16 -o piece.mid\n"
        "wavecore compose musenet --composer pop909 --instruments piano,bass,drums --tempo 90 -o song.mid\n"
        "wavecore compose musenet --prime tune.mid --prime-bars 4 --composer bach --best-of 8 -o variation.mid"
    ),
    configure=configure,
    run=run,
)
