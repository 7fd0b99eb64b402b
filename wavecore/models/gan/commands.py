"""``wavecore compose gan``: a melody out of noise."""

from __future__ import annotations

import argparse

from wavecore.console import common, compose_options, flags
from wavecore.console.console import Console

BEATS = 4
"""Of a bar: sequences know none, and are joined in 4/4."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore compose gan``."""
    compose_options.add_output(parser, kind="a GAN of either variant")
    what = parser.add_argument_group("what")
    compose_options.add_length(what)
    what.add_argument(
        "--scale",
        type=scale,
        metavar="S",
        help="move notes into c-major, f#-minor, ... (default: they stay as they are)",
    )
    compose_options.add_rest(parser, parser.add_argument_group("how"))


def run(args: argparse.Namespace, console: Console) -> None:
    """Write a melody.

    Raises
    ------
    WavecoreError
        If the model is missing, or the output exists.
    """
    import numpy as np

    from wavecore.models.gan.sample import compose
    from wavecore.symbolic.note_sequence import BEATS_PER_MINUTE

    model = compose_options.open_model(args, console, kind="gan")
    if model is None:
        return
    bar = BEATS * model.network.config.steps_per_beat
    seed, device = common.settle_seed(args.seed, console), common.settle_device(args.device, console)
    with console.progress("composing", unit="steps") as show:
        line = compose(
            model.network.to(device),
            n_steps=args.bars * bar,
            bar=bar,
            rng=np.random.default_rng(seed),
            scale=args.scale,
            on_progress=show,
        )
    found = line.to_song(name=args.out.stem, beats_per_minute=args.tempo or BEATS_PER_MINUTE)
    compose_options.finish(args, console, model, found, seed=seed, bars=args.bars)


def scale(text: str) -> tuple[int, ...]:
    """Read a scale.

    Returns
    -------
    tuple of int
        Pitch classes.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.
    """
    from wavecore.errors import UsageError
    from wavecore.models.gan.sample import pitch_classes

    try:
        return pitch_classes(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


COMMAND = flags.Command(
    summary="a melody out of noise",
    example="wavecore compose gan --bars 16 -o tune.mid\nwavecore compose gan --scale a-minor --tempo 90 --seed 3 -o tune.mid",
    configure=configure,
    run=run,
)
