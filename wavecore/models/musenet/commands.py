"""The commands of a MuseNet: ``wavecore compose musenet``, ``train musenet``, ``evaluate symbolic``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from wavecore.console import common, composing, flags, run_settings
from wavecore.console.composer_evaluation import ComposerEvaluation, number
from wavecore.console.console import Console, plural
from wavecore.console.training import TrainingCommand, training_settings
from wavecore.errors import UsageError
from wavecore.models.musenet.config import DEFAULT_TEMPERATURE, CriticTrainingConfig


class TrainMuseNet(TrainingCommand):
    """``wavecore train musenet``: the language model, or with ``--critic`` the critic of its samples."""

    kind = "musenet"
    summary = "train a MuseNet: a transformer that continues any piece, in any of its styles"
    example = (
        "wavecore train musenet --data data/songs --out runs/musenet\n"
        "wavecore train musenet --out runs/musenet --resume\n"
        "wavecore train musenet --data data/songs --critic --init runs/musenet --out runs/with-critic"
    )
    data_help = "songs that `wavecore data midi` wrote"
    built_by = "wavecore data midi"
    unit, counted = "bits per token", "tokens"
    presets = "wavecore.models.musenet.config:PRESETS"
    network_flags: ClassVar = {
        "n_layers": "--layers",
        "channels": "--channels",
        "context": "--context",
        "patterns": "--patterns",
        "embeddings": "--embeddings",
    }

    def open_data(self, path: Path) -> Any:
        """Open a data set of songs."""
        from wavecore.datasets.songs import SongsDataset

        return SongsDataset.open(path)

    def add_network(self, group: argparse._ArgumentGroup) -> None:
        """Add ``--critic`` and ``--recompute``."""
        group.add_argument(
            "--critic",
            action="store_true",
            help="train the inner critic of --init, which distinguishes samples from data; all else stays",
        )
        group.add_argument(
            "--recompute",
            action="store_true",
            help="compute activations again in place of keeping them: less memory, a third more work",
        )

    def run_stage(self, args: argparse.Namespace, console: Console) -> None:
        """Run one training; a resumed one trains what it trained before."""
        before = run_settings.read_run(args.out) if args.resume else None
        if args.critic and not (before or args.init):
            raise UsageError("--critic trains the critic of a trained model: name one with --init MODEL")
        if args.embeddings == ("none",):
            args.embeddings = ()
        of_critic = args.critic or bool(before and before["network"].get("critic"))
        TrainingCommand.run_stage(TrainCritic(console) if of_critic else self, args, console)

    def preset_fields(self, preset: Any) -> dict[str, Any]:
        """Return the fields that have flags."""
        return {name: getattr(preset, name) for name in self.network_flags}

    def new_network(self, args: argparse.Namespace, dataset: Any, config: Any) -> Any:
        """Take the styles from the data."""
        return replace(config, styles=dataset.styles)

    def initial(self, args: argparse.Namespace, model: Any, dataset: Any, before: dict | None, console: Console) -> Any:
        """Return the network of ``--init`` without its critic, or None."""
        from wavecore.models.musenet.critic import without_critic

        return model and without_critic(model.network)

    def task(self, args: argparse.Namespace, dataset: Any, config: Any, training: Any, initial: Any) -> Any:
        """Return the task to train."""
        from wavecore.models.musenet.train import MuseNetTask

        return MuseNetTask(dataset, config, training, initial, recompute=args.recompute)

    def describe(self, task: Any) -> list[str]:
        """Return the data, the cost of the network, and what counting tokens achieves."""
        from wavecore.models.musenet.describe import cost_lines

        config, pieces, counts = task.network_config, task.pieces["train"], task.baselines
        n_tokens = sum(len(piece.body) for piece in pieces)
        return [
            f"of {task.training.batch_size} windows of {config.context:,} tokens; {len(pieces)} pieces, {n_tokens:,} "
            f"tokens; styles {', '.join(config.styles)}; attention {', '.join(config.patterns)}",
            *cost_lines(config),
            f"baselines on the held-out tokens: {counts['unigram_bits']:.3f} bits by counting tokens, "
            f"{counts['bigram_bits']:.3f} by counting pairs",
        ]

    def write_samples(self, args: argparse.Namespace, task: Any) -> Callable[[Any, int], None]:
        """Draw the map of the styles after every validation."""
        from wavecore.models.musenet.describe import draw_styles

        def draw(network: Any, step: int) -> None:
            vectors = network.style_vectors().numpy()
            draw_styles(vectors, task.network_config.styles, args.out / "styles.png", overwrite=True)

        return draw


class TrainCritic(TrainMuseNet):
    """One training of a critic, as ``TrainMuseNet`` starts it."""

    unit = "bits (1 at chance)"

    def __init__(self, console: Console):
        self.console = console

    def initial(self, args: argparse.Namespace, model: Any, dataset: Any, before: dict | None, console: Console) -> Any:
        """Return the network of ``--init``, which a resumed run needs as well: it samples anew."""
        from wavecore import checkpoint

        model = checkpoint.load(before["init"] if before else args.init, kind="musenet")
        console.say(f"the critic of {model.name}")
        return model.network

    def training_config(self, args: argparse.Namespace, before: dict | None, console: Console) -> Any:
        """Return the settings of the run."""
        return training_settings(args, before, console, CriticTrainingConfig)

    def task(self, args: argparse.Namespace, dataset: Any, config: Any, training: Any, initial: Any) -> Any:
        """Return the task to train, with the samples of the model if it is to be trained."""
        from wavecore.models.musenet.critic import MuseNetCriticTask
        from wavecore.nn.generate import resolve_device

        task = MuseNetCriticTask(dataset, config, training, initial)
        if not args.dry_run:
            with self.console.progress("sampling", unit="windows") as show:
                task.sample(resolve_device(args.device)[0], on_progress=show)
        return task

    def describe(self, task: Any) -> list[str]:
        """Return the number of samples."""
        n_samples, context = sum(task.describe()["samples"].values()), task.network_config.context
        return [f"of {task.training.batch_size} of {n_samples} windows of {context:,} tokens that the model continued"]

    def write_samples(self, args: argparse.Namespace, task: Any) -> Callable[[Any, int], None]:
        """Write nothing."""
        return lambda network, step: None


TRAIN = TrainMuseNet().command()


def configure_compose(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore compose musenet``."""
    composing.add_output(parser, kind="a MuseNet")
    piece = parser.add_argument_group("piece")
    piece.add_argument("--composer", metavar="STYLE", help="one of the model's styles (default: any)")
    piece.add_argument(
        "--instruments",
        type=flags.names,
        metavar="A,B",
        help="instruments, requested but not forced (default: those of --prime, or any)",
    )
    composing.add_length(piece, default_tempo="that of --prime, else 120")
    piece.add_argument("--prime", type=Path, metavar="FILE.mid", help="the beginning, which counts among the bars")
    piece.add_argument("--prime-bars", type=flags.count, metavar="N", help="bars of --prime to use (default: all)")
    how = parser.add_argument_group("sampling")
    composing.add_temperature(how, DEFAULT_TEMPERATURE, most_likely="tokens")
    how.add_argument(
        "--top-k", type=flags.count, metavar="N", help="sample from the N most likely tokens only (default: all)"
    )
    how.add_argument(
        "--best-of",
        type=flags.count,
        default=1,
        metavar="N",
        help="generate N pieces, keep the one that the critic scores highest (default: 1)",
    )
    composing.add_rest(parser, how)


def compose(args: argparse.Namespace, console: Console) -> None:
    """Compose a piece and write it."""
    from wavecore.symbolic import midi

    model = composing.open_model(args, console, kind="musenet")
    if model is None:
        return
    prime = midi.read(args.prime) if args.prime else None
    seed, device = common.settle_seed(args.seed, console), common.settle_device(args.device, console)
    with console.progress("composing", unit="ticks") as show:
        song = model.compose(
            args.bars,
            composer=args.composer,
            instruments=args.instruments or (),
            tempo=args.tempo,
            prime=prime,
            prime_bars=args.prime_bars,
            temperature=args.temperature,
            top_k=args.top_k,
            best_of=args.best_of,
            seed=seed,
            device=device,
            on_progress=show,
        )
    if args.best_of > 1:
        scores, best = song.info["scores"], song.info["best"]
        others = ", ".join(f"{score:+.2f}" for score in [*scores[:best], *scores[best + 1 :]])
        console.say(
            f"the critic scores number {best + 1} of {len(scores)} highest, {scores[best]:+.2f}; the others {others}"
        )
    composing.finish(args, console, song)


COMPOSE = flags.Command(
    summary="a piece in a style, by chosen instruments, from nothing or as the continuation of another one",
    example=(
        "wavecore compose musenet --composer bach --bars 16 -o piece.mid\n"
        "wavecore compose musenet --composer pop909 --instruments piano,bass,drums --tempo 90 -o song.mid\n"
        "wavecore compose musenet --prime tune.mid --prime-bars 4 --composer bach --best-of 8 -o variation.mid"
    ),
    configure=configure_compose,
    run=compose,
)


class EvaluateMuseNet(ComposerEvaluation):
    """``wavecore evaluate symbolic`` for a MuseNet: likelihood, and how far its styles are apart."""

    default_samples = 8

    def run(self, args: argparse.Namespace, model: Any, dataset: Any, device: str, console: Console) -> dict:
        """Return the measures of ``evaluate.evaluate``, with samples in each style."""
        from wavecore.models.musenet.evaluate import evaluate

        network = model.network.to(device)
        with console.progress("composing", unit="pieces") as show:
            return evaluate(
                network, dataset, seed=args.seed, split=args.split, n_samples=args.samples, on_progress=show
            )

    def lines(self, model: Any, measures: dict) -> list[str]:
        """Return the measures as text."""
        lines = [
            f"{model.name}: {plural(measures['n_windows'], 'window')} of the {measures['split']} split",
            f"  {measures['bits_per_token']:.3f} bits per token; counting tokens {measures['unigram_bits']:.3f}, "
            f"counting pairs {measures['bigram_bits']:.3f}",
        ]
        for pair, statistics in measures.get("apart", {}).items():
            for statistic, bits in statistics.items():
                lines.append(
                    f"  {pair}: {statistic.replace('_', ' ')} {number(bits['data'])} bits apart in the data, "
                    f"{number(bits['samples'])} in samples"
                )
        return lines


EVALUATE = EvaluateMuseNet()
