"""The commands of a MuseGAN: ``wavecore compose musegan``, ``train musegan`` and ``evaluate symbolic``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from wavecore.console import common, composing, flags
from wavecore.console.composer_evaluation import ComposerEvaluation, number
from wavecore.console.console import Console, plural
from wavecore.console.training import TrainingCommand, refuse_contradictions
from wavecore.models.musegan.config import METHODS


class TrainMuseGAN(TrainingCommand):
    """``wavecore train musegan``."""

    kind = "musegan"
    summary = "train a MuseGAN: composes phrases of several tracks, or accompanies one"
    example = (
        "wavecore train musegan --data data/songs --out runs/musegan\n"
        "wavecore train musegan --data data/songs --tracks MELODY,PIANO --given MELODY --out runs/band\n"
        "wavecore train musegan --out runs/musegan --resume"
    )
    data_help = "pieces that `wavecore data midi` wrote"
    built_by = "wavecore data midi"
    unit, counted = "bits between samples and held-out phrases", "time steps"
    presets = "wavecore.models.musegan.config:PRESETS"
    network_flags: ClassVar = {name: f"--{name}" for name in ("variant", "bars", "steps", "beats", "neurons")}

    def open_data(self, path: Path) -> Any:
        """Open a data set of songs."""
        from wavecore.datasets.songs import SongsDataset

        return SongsDataset.open(path)

    def add_network(self, group: argparse._ArgumentGroup) -> None:
        """Add the tracks, which depend on each other and on the data."""
        group.add_argument(
            "--tracks",
            type=flags.names_tuple,
            metavar="T,..",
            help="parts to train on: names of parts, family:bass or family:strings+ensemble, part:0 "
            "(default: the preset's)",
        )
        group.add_argument("--given", metavar="TRACK", help="one of the tracks, which is accompanied, not generated")

    def network_config(self, args: argparse.Namespace, dataset: Any, initial: Any, before: dict | None) -> Any:
        """Return the network's configuration; tracks must be those of a resumed run or of the model of --init."""
        config = super().network_config(args, dataset, initial, before)
        tracks = {"track_names": args.tracks, "given": args.given}
        tracks = {name: value for name, value in tracks.items() if value is not None}
        names = {"track_names": "--tracks", "given": "--given"}
        refuse_contradictions(config, tracks, names, resumed=before is not None)
        return config

    def preset_fields(self, preset: Any) -> dict[str, Any]:
        """Return what must not differ from a model's; the rest may be flags."""
        return {name: getattr(preset, name) for name in ("noise", "channels", "critic_channels")}

    def new_network(self, args: argparse.Namespace, dataset: Any, config: Any) -> Any:
        """Take the programs of the tracks from the pieces of the training split."""
        from wavecore.models.musegan.rolls import find_tracks

        songs = [piece.song for piece in dataset.pieces["train"]]
        return replace(config, tracks=find_tracks(songs, args.tracks or config.track_names), given=args.given or "")

    def task(self, args: argparse.Namespace, dataset: Any, config: Any, training: Any, initial: Any) -> Any:
        """Return the task to train."""
        from wavecore.models.musegan.train import MuseGANTask

        return MuseGANTask(dataset, config, training, initial)

    def describe(self, task: Any) -> list[str]:
        """Return the lines that describe a run before it begins."""
        config, store = task.network_config, task.stores["train"]
        tracks = ", ".join(track.label for track in config.tracks)
        lines = [
            f"of {task.training.batch_size} phrases for each update; {len(store.starts):,} phrases of "
            f"{config.bars} bars x {config.steps} steps x {config.n_pitches} pitches; {config.variant}: {tracks}"
            + (f", to go with {config.given}" if config.given else "")
        ]
        left = store.left_out
        if any(left.values()):
            lines.append(
                f"left out of training: {left['pieces']} pieces without these tracks, {left['bars']} bars of other "
                f"lengths, {left['notes']} notes out of range"
            )
        return lines


TRAIN = TrainMuseGAN().command()


def configure_compose(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore compose musegan``."""
    composing.add_output(parser, kind="a MuseGAN")
    piece = parser.add_argument_group("piece")
    piece.add_argument(
        "--bars",
        type=flags.count,
        metavar="N",
        help=f"any number; phrases follow each other without a gap (default: {composing.DEFAULT_BARS})",
    )
    piece.add_argument(
        "--accompany",
        type=Path,
        metavar="FILE.mid",
        help="a part that is kept exactly, for a model that was trained with --given; its length is the piece's",
    )
    piece.add_argument(
        "--tempo", type=float, metavar="BPM", help="quarter notes a minute (default: 100, or the given file's)"
    )
    how = parser.add_argument_group("sampling")
    how.add_argument(
        "--binarise",
        choices=METHODS,
        default="threshold",
        help="cells sound above one half, or each with its probability, or one of a track at a time "
        "(default: threshold)",
    )
    how.add_argument(
        "--vary",
        type=flags.share,
        default=1.0,
        metavar="X",
        help="how much the chords and melodies of a phrase differ from the last one's, 0 to 1; style and groove stay "
        "(default: 1)",
    )
    composing.add_rest(parser, how)


def compose(args: argparse.Namespace, console: Console) -> None:
    """Compose a piece and write it."""
    from wavecore.symbolic import midi

    model = composing.open_model(args, console, kind="musegan")
    if model is None:
        return
    accompany = midi.read(args.accompany) if args.accompany else None
    seed, device = common.settle_seed(args.seed, console), common.settle_device(args.device, console)
    with console.progress("composing", unit="phrases") as show:
        song = model.compose(
            args.bars,
            accompany=accompany,
            binarise=args.binarise,
            vary=args.vary,
            tempo=args.tempo,
            seed=seed,
            device=device,
            on_progress=show,
        )
    bars, notes = song.info["bars"], song.info["notes"]
    composing.write(args, console, song, {"bars": bars, "notes": notes})
    console.result(f"{args.out}: {bars} bars; notes: {', '.join(f'{count} {name}' for name, count in notes.items())}")


COMPOSE = flags.Command(
    summary="a piece of several tracks, or the tracks that go with a given one",
    example=(
        "wavecore compose musegan --bars 32 -o piece.mid\n"
        "wavecore compose musegan --bars 32 --vary 0.3 --tempo 80 -o calm.mid\n"
        "wavecore compose musegan --model runs/band --accompany tune.mid -o band.mid"
    ),
    configure=configure_compose,
    run=compose,
)


class EvaluateMuseGAN(ComposerEvaluation):
    """``wavecore evaluate symbolic`` for a MuseGAN."""

    default_samples = 512

    def run(self, args: argparse.Namespace, model: Any, dataset: Any, device: str, console: Console) -> dict:
        """Return the measures of ``evaluate.evaluate``."""
        from wavecore.models.musegan.evaluate import evaluate

        network = model.network.to(device)
        with console.progress("composing", unit="phrases") as show:
            return evaluate(
                network, dataset, seed=args.seed, split=args.split, n_phrases=args.samples, on_progress=show
            )

    def lines(self, model: Any, measures: dict) -> list[str]:
        """Return the measures as text."""
        lines = [f"{model.name}: {plural(measures['n_phrases'], 'sample')} beside the {measures['split']} split"]
        names = ("distance", "distinct_bars", "copied_bars", "copied_stretches")
        for name in ("data", "samples"):
            of_set = measures[name]
            lines.append(f"  {name:9}{_shown({key: of_set[key] for key in names})}")
            lines += [f"    {track:12}{_shown(of_track)}" for track, of_track in of_set["tracks"].items()]
        return lines


def _shown(measures: dict[str, float | None]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {number(value)}" for key, value in measures.items())


EVALUATE = EvaluateMuseGAN()
