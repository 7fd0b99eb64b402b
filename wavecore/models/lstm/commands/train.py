"""``wavecore train lstm``: an LSTM with attention that goes on with a melody."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from wavecore.console import common, flags, run_settings
from wavecore.console import resume as train_notes
from wavecore.console.console import Console

if TYPE_CHECKING:
    from wavecore.datasets.songs import SongsDataset
    from wavecore.models.lstm.config import LSTMConfig, LSTMTrainingConfig

DEFAULT_PRESET = "small"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore train lstm``."""
    flags.add_run(parser, data="songs that `wavecore data midi` wrote")
    network = parser.add_argument_group("network")
    network.add_argument(
        "--preset", metavar="P", help=f"tiny, small or lstm (the published sizes) (default: {DEFAULT_PRESET})"
    )
    network.add_argument(
        "--hidden", type=flags.count, metavar="N", help="width of the LSTM's layers, in place of the preset's"
    )
    network.add_argument(
        "--window", type=flags.count, metavar="N", help="notes that attention sees, in place of the preset's"
    )
    network.add_argument(
        "--chords",
        action="store_const",
        const=True,
        help="learn the melody's part with its chords (default: its highest notes)",
    )
    network.add_argument("--init", metavar="MODEL", help="start from a model's weights; it keeps its vocabulary")
    flags.add_training(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Train, or go on training.

    Raises
    ------
    WavecoreError
        As ``training.loop.run_task`` says.
    KeyboardInterrupt
        After the state was saved and it was said how to go on.
    """
    from wavecore.cli import train
    from wavecore.datasets.songs import SongsDataset
    from wavecore.models.lstm.train import LSTMTask

    dataset, model, before = run_settings.open_run(args, SongsDataset.open, kind="lstm", built_by="wavecore data midi")
    config = network_settings(args, dataset, model and model.network.config, before)
    training = run_settings.training_settings(args, before, console, default=settings)
    device = common.settle_device(args.device, console)
    task = LSTMTask(dataset, config, training, model and model.network)
    train.record_start(args, model)
    console.say(
        f"run {args.out}: {training.steps:,} steps of {training.batch_size} crops of {training.crop_notes} notes; {len(task.lines['train'])} melodies; "
        f"{len(config.symbols)} symbols, {len(config.durations)} durations; {config.n_layers} layers x {config.hidden}"
    )
    train.follow(
        "train lstm", task, args, device, lambda network, step: None, console, unit="bits per note", counted="notes"
    )


def network_settings(
    args: argparse.Namespace, dataset: SongsDataset, initial: LSTMConfig | None, before: dict | None
) -> LSTMConfig:
    """Work out the network's vocabulary and sizes.

    Parameters
    ----------
    dataset : SongsDataset
        Whose melodies make the vocabulary of a new network.
    initial : LSTMConfig or None
        Of the model to start from.
    before : dict or None
        What the run was started with, if it is resumed.

    Raises
    ------
    WavecoreError
        If there is no such preset, a flag contradicts the model or the run, or the data have no melodies.
    """
    from wavecore.models.lstm.config import PRESETS, LSTMConfig
    from wavecore.models.lstm.train import learnt_vocabulary

    given = {
        name: value
        for name, value in (("hidden", args.hidden), ("window", args.window), ("chords", args.chords))
        if value is not None
    }
    sizes = PRESETS[common.chosen([args.preset or DEFAULT_PRESET], list(PRESETS), what="preset")[0]]
    contradicted = (sizes if args.preset else {}) | given
    found = train_notes.settled(
        LSTMConfig.from_dict, args, initial, before, contradicted, kind="an LSTM with attention"
    )
    if found is not None:
        return found
    vocabulary = learnt_vocabulary(dataset, chords=bool(args.chords))
    return LSTMConfig(vocabulary.symbols, vocabulary.durations, vocabulary.steps_per_beat, **sizes | given)


def settings(*, seed: int) -> LSTMTrainingConfig:
    """Make the settings of a new run."""
    from wavecore.models.lstm.config import LSTMTrainingConfig

    return LSTMTrainingConfig(
        steps=12_000,
        batch_size=32,
        crop_notes=64,
        learning_rate=2e-3,
        decay_fraction=0.5,
        transpose_semitones=6.0,
        glide_semitones=0.0,
        seed=seed,
    )


COMMAND = flags.Command(
    summary="train an LSTM with attention: goes on with a melody",
    example="wavecore train lstm --data data/songs --out runs/lstm\nwavecore train lstm --out runs/lstm --resume",
    configure=configure,
    run=run,
)
