"""``wavecore train translation``: a music translation network."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from wavecore.console import common, flags, run_settings
from wavecore.console.console import Console
from wavecore.console.training import TrainingCommand
from wavecore.errors import UsageError

ENCODERS = ("cqt", "waveform")
LATENT_FLAGS = ("hop", "latent_channels", "latent_levels", "bottleneck", "bottleneck_context", "hearing_frames")


class TrainTranslation(TrainingCommand):
    """``wavecore train translation``."""

    kind = "translation"
    summary = "train a music translation network: one encoder, a decoder per domain"
    example = (
        "wavecore train translation --data data/domains --out runs/first\n"
        "wavecore train translation --data data --out runs/all --shared-decoder --set batch_size=8\n"
        "wavecore train translation --data data --out runs/fine --init runs/all --set steps=5000\n"
        "wavecore train translation --out runs/first --resume"
    )
    data_help = "a data set that `wavecore data domains` built"
    built_by = "wavecore data domains"
    presets = "wavecore.nn.config:PRESETS"
    network_flags: ClassVar = {"shared_decoder": "--shared-decoder"}

    def add_network(self, group: argparse._ArgumentGroup) -> None:
        """Add the encoder, the targets and the latent; a model of ``--init`` keeps what is not changed."""
        group.add_argument(
            "--encoder",
            choices=ENCODERS,
            help="input of the encoder: a constant-Q spectrum, or the waveform as in the paper (default: cqt)",
        )
        group.add_argument(
            "--targets",
            type=flags.names,
            metavar="A,B",
            help="domains that can be generated (default: all of the data's)",
        )
        group.add_argument(
            "--spread-decoders",
            action="store_true",
            help=(
                "under torchrun, with targets_per_step a multiple of the processes: each holds the decoders of its "
                "own targets alone"
            ),
        )
        group.add_argument(
            "--teach-encoder",
            action="store_true",
            help=(
                "first pretrain the encoder on the notes of the data, which must be the same music in all domains"
                " (minutes); the decoders of --init are fitted to it, and domains that it lacks start from the"
                " nearest one"
            ),
        )
        sizes = {
            "hop": "samples per latent frame (default: 800)",
            "latent-channels": "width of the latent (default: 64)",
            "latent-levels": "values to which each channel of the latent is rounded (default: not rounded)",
            "bottleneck-context": "frames on either side whose decisions contribute to a latent frame (default: 0)",
            "hearing-frames": (
                "frames of the spectrum on either side that the encoder's convolutions cover (default: 2)"
            ),
        }
        for name, text in sizes.items():
            group.add_argument(f"--{name}", type=flags.count, metavar="N", help=text)
        group.add_argument(
            "--bottleneck",
            choices=("notes", "none"),
            help=(
                "of the latent: notes lets pass only which notes sound, onsets and the level, and needs "
                "--teach-encoder; none lets everything pass (default: that of --init, or none)"
            ),
        )

    def open_data(self, path: Path) -> Any:
        """Open a data set of domains."""
        from wavecore.datasets.domains.reader import DomainsDataset

        return DomainsDataset.open(path)

    def initial(self, args: argparse.Namespace, model: Any, dataset: Any, before: dict | None, console: Console) -> Any:
        """Return the model's network; a resumed run pretrains its encoder if it was started so."""
        args.teach_encoder = before["teach_encoder"] if before else args.teach_encoder
        return model and model.network

    def network_config(self, args: argparse.Namespace, dataset: Any, initial: Any, before: dict | None) -> Any:
        """Return the resumed run's configuration, that of ``--init`` with other targets or another latent, or a new
        one.

        Raises
        ------
        UsageError
            If there is no such preset or target, or a flag contradicts the run or the model of ``--init``.
        """
        from wavecore.models.translation.config import TranslationConfig
        from wavecore.nn.config import PRESETS, EncoderConfig

        if args.preset:
            common.chosen([args.preset], list(PRESETS), what="preset")
        if before is not None:
            config = TranslationConfig.from_dict(before["network"])
            _refuse_contradictions(args, config, "the run")
            _refuse_latent(args, "the run")
            if args.targets and tuple(args.targets) != config.targets:
                raise UsageError(f"the run has the targets {', '.join(config.targets)}, not {', '.join(args.targets)}")
            return config
        domains, shared = dataset.domains, bool(args.shared_decoder)
        if initial is None:
            decoder = PRESETS[args.preset or self.default_preset]
            encoder = EncoderConfig(
                kind=args.encoder or ENCODERS[0],
                latent_channels=decoder.latent_channels,
                hop_length=decoder.hop_length,
                sample_rate=decoder.sample_rate,
            )
            targets = _chosen(args.targets or domains, domains, what="domain")
            return _with_latent(TranslationConfig(domains, targets, encoder, decoder, shared_decoder=shared), args)
        _refuse_contradictions(args, initial, "the model of --init")
        if args.teach_encoder:
            targets = _chosen(args.targets or initial.targets, domains, what="target")
            return _with_latent(replace(initial, domains=domains, targets=targets, shared_decoder=shared), args)
        _refuse_latent(args, "the model of --init")
        targets = _chosen(args.targets or initial.targets, initial.targets, what="target")
        return replace(initial, targets=targets, shared_decoder=shared)

    def task(self, args: argparse.Namespace, dataset: Any, config: Any, training: Any, initial: Any) -> Any:
        """Return the task to train; weights that follow from a pretraining come with ``prepare``."""
        from wavecore.models.translation.train import TranslationTask

        start = None if initial is None or args.teach_encoder else initial.with_targets(config)
        return TranslationTask(dataset, config, training, start, spread_decoders=args.spread_decoders)

    def describe(self, task: Any) -> list[str]:
        """Return the summary of a run that is shown before it begins."""
        config, training = task.network_config, task.training
        decoders = "one shared decoder" if config.shared_decoder else f"{len(config.targets)} decoders"
        return [
            f"of {task.samples_per_step / task.sample_rate:.1f} s of sound; "
            f"{', '.join(config.domains)} to {', '.join(config.targets)}; {config.encoder.kind} encoder, "
            f"{decoders} of {config.decoder.n_layers} layers x {config.decoder.residual_channels} channels; "
            f"curves and samples every {training.validate_every} steps"
        ]

    def prepare(self, args: argparse.Namespace, task: Any, model: Any, before: dict | None, console: Console) -> None:
        """Pretrain the encoder where that is asked for and not done yet."""
        if task.dataset.paired and not task.training.paired_probability and before is None:
            console.say(
                "the data hold every piece in every domain; --set paired_probability=0.8 uses that, and needs far less "
                "training"
            )
        if not args.teach_encoder or run_settings.has_checkpoint(args.out):
            return
        from wavecore.models.translation.pretrain import PretrainingConfig, with_pretrained_encoder

        with console.progress("pretraining the encoder", unit="steps") as show:
            start = with_pretrained_encoder(
                model and model.network,
                task.dataset,
                task.network_config,
                settings=PretrainingConfig.for_training(task.training),
                seed=task.training.seed,
                on_progress=show,
            )
        task.start_from(start.network)
        measures = start.pretrained
        console.say(
            f"the encoder predicts the notes with an F1 of {measures.notes_f1:.2f}; a passage's latents in two domains "
            f"differ by {measures.apart:.1%} of their power; the classifier against it is right in "
            f"{measures.adversary:.0%}"
        )
        for target, origin in start.origins.items():
            if origin != target:
                console.say(f"{target} starts from the decoder of {origin}")

    def write_samples(self, args: argparse.Namespace, task: Any) -> Callable[[Any, int], None]:
        """Return the function that writes translated passages after every validation."""
        from wavecore.models.translation.validate import write_samples

        return lambda network, step: write_samples(network, task.dataset, args.out / "samples", step=step)


def _chosen(names: Sequence[str], known: Sequence[str], *, what: str) -> tuple[str, ...]:
    return tuple(common.chosen(names, list(known), what=what))


def _with_latent(config: Any, args: argparse.Namespace) -> Any:
    """Give encoder and decoders the latent of the flags."""
    sizes = {"hop_length": args.hop, "latent_channels": args.latent_channels}
    sizes = {name: value for name, value in sizes.items() if value is not None}
    own = {name: getattr(args, name) for name in LATENT_FLAGS[2:] if getattr(args, name) is not None}
    if args.bottleneck == "none":  # its context goes with it
        own = {"bottleneck_context": 0} | own | {"bottleneck": ""}
    return replace(config, encoder=replace(config.encoder, **sizes, **own), decoder=replace(config.decoder, **sizes))


def _refuse_latent(args: argparse.Namespace, whose: str) -> None:
    given = [flag for flag in LATENT_FLAGS if getattr(args, flag) is not None]
    if given:
        raise UsageError(f"{whose} has a latent already; leave --{given[0].replace('_', '-')} out")


def _refuse_contradictions(args: argparse.Namespace, config: Any, whose: str) -> None:
    """Refuse flags that contradict the configuration of the run or of the model of ``--init``."""
    from wavecore.nn.config import PRESETS

    if args.preset and PRESETS[args.preset] != config.decoder:
        raise UsageError(f"{whose} has decoders of another size than --preset {args.preset}; leave the flag out")
    if args.encoder and args.encoder != config.encoder.kind:
        raise UsageError(f"{whose} has a {config.encoder.kind} encoder, not a {args.encoder} one; leave the flag out")
    if args.shared_decoder and not config.shared_decoder:
        raise UsageError(f"{whose} has a decoder per target, of which no shared one can be made")


TRAIN = TrainTranslation().command()
