"""The commands of an LSTM with attention: ``wavecore compose lstm`` and ``train lstm``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from wavecore.console import common, composing, flags
from wavecore.console.console import Console
from wavecore.console.training import TrainingCommand

LEAST = 5
"""How often a chord or a duration must occur in the training melodies to be in the vocabulary."""


class TrainLSTM(TrainingCommand):
    """``wavecore train lstm``."""

    kind = "lstm"
    summary = "train an LSTM with attention: composes and continues melodies"
    example = "wavecore train lstm --data data/songs --out runs/lstm\nwavecore train lstm --out runs/lstm --resume"
    data_help = "songs that `wavecore data midi` wrote"
    built_by = "wavecore data midi"
    unit, counted = "bits per note", "notes"
    presets = "wavecore.models.lstm.config:PRESETS"
    network_flags: ClassVar = {"hidden": "--hidden", "window": "--window", "chords": "--chords"}

    def open_data(self, path: Path) -> Any:
        """Open a data set of songs."""
        from wavecore.datasets.songs import SongsDataset

        return SongsDataset.open(path)

    def preset_fields(self, preset: Any) -> dict[str, Any]:
        """Return the sizes, without the vocabulary."""
        return {name: getattr(preset, name) for name in ("embedding", "hidden", "n_layers", "window")}

    def new_network(self, args: argparse.Namespace, dataset: Any, config: Any) -> Any:
        """Take the vocabulary from the melodies of the training split."""
        from wavecore.datasets.songs import read_lines
        from wavecore.models.lstm.vocabulary import NoteVocabulary

        lines = read_lines(dataset, "train", steps_per_beat=config.steps_per_beat, chords=config.chords)
        vocabulary = NoteVocabulary.from_lines(lines, least=LEAST)
        return replace(config, symbols=vocabulary.symbols, durations=vocabulary.durations)

    def task(self, args: argparse.Namespace, dataset: Any, config: Any, training: Any, initial: Any) -> Any:
        """Return the task to train."""
        from wavecore.models.lstm.train import LSTMTask

        return LSTMTask(dataset, config, training, initial)

    def describe(self, task: Any) -> list[str]:
        """Return the lines that describe a run before it begins."""
        training, config = task.training, task.network_config
        return [
            f"of {training.batch_size} crops of {training.crop_notes} notes; {len(task.lines['train'])} melodies; "
            f"{len(config.symbols)} symbols, {len(config.durations)} durations; "
            f"{config.n_layers} layers x {config.hidden}"
        ]


TRAIN = TrainLSTM().command()


def configure_compose(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore compose lstm``."""
    composing.add_output(parser, kind="an LSTM with attention")
    piece = parser.add_argument_group("piece")
    composing.add_length(piece, default_tempo="that of --prime, else 100")
    piece.add_argument(
        "--prime", type=Path, metavar="FILE.mid", help="continue the melody of a piece, which counts among the bars"
    )
    how = parser.add_argument_group("sampling")
    composing.add_temperature(how, 1.0, most_likely="notes")
    how.add_argument(
        "--top-k",
        type=flags.count,
        metavar="N",
        help="sample from the N most likely symbols and durations (default: all)",
    )
    composing.add_rest(parser, how)


def compose(args: argparse.Namespace, console: Console) -> None:
    """Compose a melody and write it."""
    from wavecore.symbolic import midi

    model = composing.open_model(args, console, kind="lstm")
    if model is None:
        return
    prime = midi.read(args.prime) if args.prime else None
    seed, device = common.settle_seed(args.seed, console), common.settle_device(args.device, console)
    with console.progress("composing", unit="steps") as show:
        song = model.compose(
            args.bars,
            prime=prime,
            tempo=args.tempo,
            temperature=args.temperature,
            top_k=args.top_k,
            seed=seed,
            device=device,
            on_progress=show,
        )
    composing.finish(args, console, song)


COMPOSE = flags.Command(
    summary="a melody, from nothing or as the continuation of another one",
    example=(
        "wavecore compose lstm --bars 16 -o tune.mid\n"
        "wavecore compose lstm --prime tune.mid --bars 24 --temperature 0.8 -o longer.mid\n"
        "wavecore compose lstm --top-k 5 --tempo 120 -o tune.mid"
    ),
    configure=configure_compose,
    run=compose,
)
