"""``wavecore train nsynth``: a WaveNet autoencoder of single notes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

from wavecore.console.console import Console
from wavecore.console.training import TrainingCommand, refuse_contradictions
from wavecore.errors import UsageError


class TrainNSynth(TrainingCommand):
    """``wavecore train nsynth``."""

    kind = "nsynth"
    init_kind = None
    summary = "train a WaveNet autoencoder of single notes, as NSynth's"
    example = (
        "wavecore data soundfont -o data/notes\n"
        "wavecore train nsynth --data data/notes --out runs/notes --set steps=20000\n"
        "wavecore train nsynth --out runs/notes --resume"
    )
    data_help = "notes that `wavecore data soundfont` or `data nsynth` built"
    built_by = "wavecore data soundfont"
    presets = "wavecore.models.nsynth.config:PRESETS"
    network_flags: ClassVar = {"pitch_channels": "--pitch-channels", "harmonics": "--harmonics"}

    def add_network(self, group: argparse._ArgumentGroup) -> None:
        """Add the kind of the encoder, and whether it is pretrained."""
        group.add_argument(
            "--encoder",
            choices=("cqt", "waveform"),
            help="input of the encoder: a constant-Q spectrum, or the waveform as in the paper (default: cqt)",
        )
        group.add_argument(
            "--teach-encoder",
            action="store_true",
            help="with --init MODEL of kind nsynth: first pretrain its encoder on pitches and spectra (minutes); the "
            "encoder for a translation model's decoder, or for an oscillator that the model lacks, always is",
        )

    def open_data(self, path: Path) -> Any:
        """Open a data set of notes."""
        from wavecore.datasets.notes.reader import NotesDataset

        return NotesDataset.open(path)

    def initial(self, args: argparse.Namespace, model: Any, dataset: Any, before: dict | None, console: Console) -> Any:
        """Return the network to start from; its encoder is pretrained where the decoder is a translation model's.

        Raises
        ------
        UsageError
            If the model is of another kind, or ``warm_start`` refuses it.
        """
        if args.teach_encoder and args.init is None and before is None:
            raise UsageError("--teach-encoder pretrains the encoder of the model of --init; name one")
        if model is None:
            return None
        from wavecore.models.nsynth import warm_start

        if model.network.kind not in ("nsynth", "translation"):
            raise UsageError(
                f"--init takes an nsynth or translation model; {model.name} is of kind {model.network.kind}"
            )
        teach, harmonics = args.teach_encoder, args.harmonics or 0
        if before:
            teach, harmonics = before["teach_encoder"], before["network"].get("harmonics", 0)
        options = {"steps": 0} if args.dry_run else {}
        network, source, errors, from_notes = model.network, model.name, None, model.network.kind == "nsynth"
        if not from_notes:
            with console.progress("pretraining the encoder", unit="steps") as show:
                start = warm_start.from_translation(network, dataset, on_progress=show, **options)
            network, source, errors = start.network, f"{model.name}'s {start.target} decoder", start.errors
        missing = harmonics if not network.config.harmonics else 0
        if missing or (teach and from_notes):
            with console.progress("pretraining the encoder", unit="steps") as show:
                network, errors = warm_start.with_pretrained_encoder(
                    network, dataset, harmonics=missing, on_progress=show, **options
                )
        if errors and not args.dry_run:
            console.say(f"starting from {source}; {errors.describe(with_pitch=bool(missing))}")
        return network

    def network_config(self, args: argparse.Namespace, dataset: Any, initial: Any, before: dict | None) -> Any:
        """Return the network's configuration: the resumed run's, that of ``--init``, or a preset with other inputs."""
        from wavecore.console import common
        from wavecore.models.nsynth.config import PRESETS, NSynthConfig

        common.chosen([args.preset or self.default_preset], list(PRESETS), what="preset")
        given = {name: getattr(args, name) for name in self.network_flags if getattr(args, name) is not None}
        config = NSynthConfig.from_dict(before["network"]) if before else initial
        if config is None:
            given |= {} if args.encoder is None else {"encoder": args.encoder}
            return PRESETS[args.preset or self.default_preset].with_inputs(**given)
        resumed = before is not None
        refuse_contradictions(config, given, self.network_flags, resumed=resumed)
        if args.encoder:
            refuse_contradictions(config.encoder, {"kind": args.encoder}, {"kind": "--encoder"}, resumed=resumed)
        if args.preset:
            inputs = {name: getattr(config.decoder, name) for name in ("latent_channels", "hop_length")}
            sizes = asdict(replace(PRESETS[args.preset].decoder, **inputs))
            refuse_contradictions(
                config.decoder, sizes, dict.fromkeys(sizes, f"--preset {args.preset}"), resumed=resumed
            )
        return config

    def task(self, args: argparse.Namespace, dataset: Any, config: Any, training: Any, initial: Any) -> Any:
        """Return the task to train."""
        from wavecore.models.nsynth.train import NSynthTask

        return NSynthTask(dataset, config, training, initial)

    def describe(self, task: Any) -> list[str]:
        """Return the summary of a run that is shown before it begins."""
        config, seconds = task.network_config, task.samples_per_step / task.sample_rate
        return [
            f"of {seconds:.1f} s of sound; {len(task.dataset.notes('train')):,} notes; {config.encoder.kind} encoder, "
            f"{config.decoder.n_layers} layers x {config.decoder.residual_channels} channels; "
            f"curves and samples every {task.training.validate_every} steps"
        ]

    def write_samples(self, args: argparse.Namespace, task: Any) -> Callable[[Any, int], None]:
        """Return the function that writes reconstructions after every validation."""
        return lambda network, step: task.write_samples(network, args.out / "samples", step=step)


TRAIN = TrainNSynth().command()
