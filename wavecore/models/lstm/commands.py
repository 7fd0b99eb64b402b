"""``wavecore compose lstm``: a melody, from nothing or as another one goes on."""

from __future__ import annotations

import argparse
from pathlib import Path

from wavecore.console import common, compose_options, flags
from wavecore.console.console import Console


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore compose lstm``."""
    compose_options.add_output(parser, kind="an LSTM with attention")
    what = parser.add_argument_group("what")
    compose_options.add_length(what, told="that of --prime, else ")
    what.add_argument(
        "--prime",
        type=Path,
        metavar="FILE.mid",
        help="how it begins: the melody of a piece, which counts among the bars",
    )
    how = parser.add_argument_group("how")
    how.add_argument(
        "--temperature",
        type=flags.temperature,
        default=1.0,
        metavar="X",
        help="0 takes the likeliest notes (default: 1)",
    )
    how.add_argument(
        "--top-k",
        type=flags.count,
        metavar="N",
        help="draw from the N likeliest symbols and durations only (default: all)",
    )
    compose_options.add_rest(parser, how)


def run(args: argparse.Namespace, console: Console) -> None:
    """Write a melody.

    Raises
    ------
    WavecoreError
        If the model is missing, the beginning is as long as the piece, or the output exists.
    """
    import numpy as np

    from wavecore.models.lstm.sample import compose
    from wavecore.symbolic import midi
    from wavecore.symbolic.note_sequence import BEATS_PER_MINUTE, read_line

    model = compose_options.open_model(args, console, kind="lstm")
    if model is None:
        return
    config = model.network.config
    song = midi.read(args.prime) if args.prime else None
    prime = song and read_line(song, steps_per_beat=config.steps_per_beat, chords=config.chords)
    meter, bar = bar_of(song, config.steps_per_beat)
    seed, device = common.settle_seed(args.seed, console), common.settle_device(args.device, console)
    with console.progress("composing", unit="steps") as show:
        line = compose(
            model.network.to(device), rng=np.random.default_rng(seed), n_steps=args.bars * bar, prime=prime, temperature=args.temperature,
            top_k=args.top_k, on_progress=show,
        )  # fmt: skip
    usual = song.tempos[0].beats_per_minute if song and song.tempos else BEATS_PER_MINUTE
    found = line.to_song(name=args.out.stem, beats_per_minute=args.tempo or usual, meter=meter)
    compose_options.finish(args, console, model, found, seed=seed, bars=args.bars)


def bar_of(song, steps_per_beat: int) -> tuple[tuple[int, int], int]:
    """Take the meter with which a piece begins; 4/4 if there is none, or its bars are no whole steps.

    Parameters
    ----------
    steps_per_beat : int
        Of quarter notes.

    Returns
    -------
    bar : int
        Steps.
    """
    meter = song.meter_at(0) if song else None
    if meter is None or 4 * steps_per_beat * meter.numerator % meter.denominator:
        return (4, 4), 4 * steps_per_beat
    return (meter.numerator, meter.denominator), 4 * steps_per_beat * meter.numerator // meter.denominator


COMMAND = flags.Command(
    summary="a melody, from nothing or as another one goes on",
    example=(
        "wavecore compose lstm --bars 16 -o tune.mid\n"
        "wavecore compose lstm --prime tune.mid --bars 24 --temperature 0.8 -o longer.mid\n"
        "wavecore compose lstm --top-k 5 --tempo 120 -o tune.mid"
    ),
    configure=configure,
    run=run,
)
