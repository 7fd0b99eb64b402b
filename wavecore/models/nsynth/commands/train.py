"""``wavecore train nsynth``: a WaveNet autoencoder of single notes."""

from __future__ import annotations

import argparse

from wavecore.console import common, flags, run_settings
from wavecore.console import resume as train_notes
from wavecore.console.console import Console
from wavecore.errors import UsageError

PRESETS = {"small": "small-nsynth"}
"""Sizes whose latents are those of notes, by the name that people give."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore train nsynth``."""
    flags.add_run(parser, data="notes that `wavecore data soundfont` or `data nsynth` built")
    network = parser.add_argument_group("network")
    network.add_argument("--preset", metavar="P", help="size: tiny, small or nsynth (default: small)")
    network.add_argument(
        "--encoder",
        choices=("cqt", "waveform"),
        help="hears a constant-Q spectrum, or the waveform as the paper's does (default: cqt)",
    )
    network.add_argument(
        "--pitch-channels",
        type=int,
        metavar="N",
        help="tell the decoder the pitch by so many channels beside the latent (default: 0, as published)",
    )
    network.add_argument(
        "--harmonics",
        type=int,
        metavar="N",
        help="tell the decoder pitch and timbre by an oscillator in so many bands, sample by sample (default: 0, as published)",
    )
    network.add_argument(
        "--init",
        metavar="MODEL",
        help="start from a model's weights; from a translation model, with its best decoder and a new encoder; "
        "with an oscillator that it lacks, with an encoder that is taught timbre (minutes each)",
    )
    network.add_argument(
        "--teach-encoder",
        action="store_true",
        help="with --init MODEL of kind nsynth: first teach its encoder the notes' pitches and spectra (minutes)",
    )
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
    import torch

    from wavecore.cli import train
    from wavecore.models.nsynth.samples import write_samples
    from wavecore.models.nsynth.train import NSynthTask
    from wavecore.training.autocast import resolve

    dataset, model, before = train_notes.open_notes(args, kind=None)
    if args.teach_encoder and args.init is None and before is None:
        raise UsageError(
            "--teach-encoder teaches the encoder of the model of --init; a new one learns with its decoder"
        )
    teach, harmonics = args.teach_encoder, args.harmonics or 0
    if before:
        teach, harmonics = before["teach_encoder"], before["network"].get("harmonics", 0)
    initial = initial_network(model, dataset, console, teach=teach, harmonics=harmonics) if model else None
    config = network_settings(args, initial and initial.config, before)
    training = run_settings.training_settings(args, before, console)
    device = common.settle_device(args.device, console)
    task = NSynthTask(dataset, config, training, initial)
    train.record_start(args, model)
    seconds = task.samples_per_step / task.sample_rate
    console.say(
        f"run {args.out}: {training.steps:,} steps of {seconds:.1f} s of sound; {len(dataset.notes('train')):,} notes; "
        f"{config.encoder.kind} encoder, {config.decoder.n_layers} layers x {config.decoder.residual_channels} channels; "
        f"{resolve(training.precision, torch.device(device))} products; "
        f"curves and samples every {training.validate_every} steps"
    )

    def write(network, step: int) -> None:
        write_samples(network, dataset, args.out / "samples", step=step)

    train.follow("train nsynth", task, args, device, write, console)


def initial_network(model, dataset, console: Console, *, teach: bool = False, harmonics: int = 0):
    """Make the network to start from.

    Parameters
    ----------
    model : LoadedModel
        Of kind nsynth or translation.
    teach : bool
        Whether an nsynth model's encoder is taught the notes first; a translation model's always is.
    harmonics : int
        Bands of an oscillator that the decoder is to be told, if the model has none; its encoder is taught anew then.

    Raises
    ------
    UsageError
        If the model is of another kind, or ``training.nsynth_start`` refuses it.
    """
    from wavecore.models.nsynth import warm_start

    kind = model.network.kind
    if kind not in ("nsynth", "translation"):
        raise UsageError(f"--init takes a model of kind nsynth or translation; {model.name} is of kind {kind}")
    missing = harmonics if kind == "translation" or not model.network.config.harmonics else 0
    network, whose, missed = model.network, model.name, None
    if kind == "translation":
        with console.progress("teaching the encoder", unit="steps") as progress:
            start = warm_start.from_translation(model.network, dataset, on_progress=progress)
        network, whose, missed = start.network, f"{model.name}'s {start.target} decoder", start.missed
    if missing or (teach and kind == "nsynth"):
        with console.progress(
            "teaching the encoder timbre" if missing else "teaching the encoder", unit="steps"
        ) as progress:
            network, missed = warm_start.with_taught_encoder(network, dataset, harmonics=missing, on_progress=progress)
    if missed:
        console.say(f"starting from {whose}; {_describe(missed, told_pitch=bool(missing))}")
    return network


def _describe(missed, *, told_pitch: bool) -> str:
    """Say what the encoder did not learn."""
    last = f"the partials' levels by {missed.levels:.1f} dB" if told_pitch else f"{missed.pitch:.0%} of the pitches"
    return f"the encoder misses {missed.condition:.0%} of what the decoder knows, {missed.spectrum:.0%} of the spectrum and {last}"


def network_settings(args: argparse.Namespace, initial, before: dict | None):
    """Work out the network's sizes.

    Parameters
    ----------
    initial : NSynthConfig or None
        Of the model to start from.
    before : dict or None
        What the run was started with, if it is resumed.

    Raises
    ------
    UsageError
        If a flag contradicts the model or the run.
    """
    from dataclasses import replace

    from wavecore.models.nsynth.config import NSynthConfig
    from wavecore.nn.encoders import EncoderConfig
    from wavecore.nn.wavenet import preset

    given = {"encoder.kind": args.encoder, "pitch_channels": args.pitch_channels, "harmonics": args.harmonics}
    found = train_notes.settled(NSynthConfig.from_dict, args, initial, before, given, kind="nsynth's")
    if found is not None:
        wanted = None if args.preset is None else preset(PRESETS.get(args.preset, args.preset))
        told = {name: getattr(found.decoder, name) for name in ("latent_channels", "hop_length")}
        if wanted and replace(wanted, **told) != found.decoder:
            whose = "the run" if before is not None else "the model of --init"
            raise UsageError(f"{whose} has a decoder of another size than --preset {args.preset}; leave the flag out")
        return found
    decoder = preset(PRESETS.get(args.preset or "small", args.preset))
    encoder = EncoderConfig(
        kind=args.encoder or "cqt",
        latent_channels=decoder.latent_channels,
        hop_length=decoder.hop_length,
        sample_rate=decoder.sample_rate,
    )
    pitch_channels, harmonics = args.pitch_channels or 0, args.harmonics or 0
    for flag, value in (("--pitch-channels", pitch_channels), ("--harmonics", harmonics)):
        if value < 0:
            raise UsageError(f"{flag} must not be negative, not {value}")
    decoder = replace(
        decoder,
        latent_channels=decoder.latent_channels + pitch_channels + bool(harmonics) + 2 * harmonics,
        hop_length=1 if harmonics else decoder.hop_length,
    )
    return NSynthConfig(encoder, decoder, pitch_channels, harmonics=harmonics)


COMMAND = flags.Command(
    summary="train a WaveNet autoencoder of single notes, as NSynth's",
    example=(
        "wavecore data soundfont -o data/notes\n"
        "wavecore train nsynth --data data/notes --out runs/notes --set steps=20000\n"
        "wavecore train nsynth --out runs/notes --resume"
    ),
    configure=configure,
    run=run,
)
