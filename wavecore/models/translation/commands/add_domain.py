"""``wavecore add-domain``: a person's own instrument, as a further target of a translation model."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

from wavecore.cli import train
from wavecore.console import common, flags, run_settings
from wavecore.console.console import Console
from wavecore.errors import InputError, OutputExistsError, UsageError

NAMES = re.compile(r"[a-z0-9][a-z0-9_-]*")
SAMPLE_TUNE = "ode-to-joy"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore add-domain``."""
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a translation model: a shipped one's name, or a folder (default: the shipped one)",
    )
    flags.add_run(
        parser, data="a folder of recordings of one instrument, five minutes or more; or a data set that holds NAME"
    )
    parser.add_argument("--name", metavar="NAME", help="of the new domain: letters, digits, - and _")
    parser.add_argument(
        "--like",
        metavar="DOMAIN",
        help="whose decoder the new one starts from (default: whose says the recordings best)",
    )
    flags.add_training(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Train the decoder, or go on training, and set it beside the others.

    Raises
    ------
    WavecoreError
        As ``training.loop.run_task`` says, or if model, data and name do not go together.
    KeyboardInterrupt
        After the state was saved and it was said how to go on.
    """
    from wavecore import checkpoint
    from wavecore.models.translation import add_domain
    from wavecore.models.translation.data import BatchSource
    from wavecore.training.loop import TranslationTask

    before = run_settings.read_run(args.out) if args.resume else None
    source = checkpoint.load(before["init"] if before else args.model or common.default_model())
    name = _name(args, source, before)
    dataset = _data(args, source, name, before, console)
    default = partial(add_domain.settings, source.network.config.decoder.frame_rate)
    training = run_settings.training_settings(args, before, console, default=default)
    device = common.settle_device(args.device, console)
    initial, like = None, ""
    if before is None or not run_settings.has_checkpoint(args.out):
        like = args.like or _nearest(source.network, dataset, name, console)
        initial = add_domain.begin(source.network, name, like)
    config = (
        initial.config
        if initial
        else replace(source.network.config, domains=(name,), targets=(name,), shared_decoder=False)
    )
    BatchSource(dataset, config, training, 0)  # data that do not fit are refused before the folder is claimed
    train.record_start(args, source, name=name, like=like)
    console.say(
        f"run {args.out}: {training.steps:,} steps for {name}, from {source.name}'s {like or 'checkpoint'}; the encoder stays as it is"
    )

    def write(averaged, step: int) -> None:
        from wavecore.models.translation.samples import write_samples

        write_samples(averaged, dataset, args.out / "samples", step=step)

    train.follow("add-domain", TranslationTask(dataset, config, training, initial), args, device, write, console)
    _finish(args, source, dataset, name, console)


def _name(args: argparse.Namespace, source, before: dict | None) -> str:
    if before is not None:
        (name,) = before["network"].get("targets", ("?", "?"))[:1]
        if args.name not in (None, name):
            raise UsageError(f"the run adds {name}, not {args.name}; leave --name out")
        return name
    if args.name is None:
        raise UsageError("the new domain has no name: --name NAME")
    if not NAMES.fullmatch(args.name):
        raise UsageError(f"a domain's name holds small letters, digits, - and _; {args.name!r} does not fit")
    if args.name in source.network.config.domains:
        known = ", ".join(source.network.config.domains)
        raise UsageError(f"{source.name} has a domain {args.name!r} already; it has {known}")
    return args.name


def _data(args: argparse.Namespace, source, name: str, before: dict | None, console: Console):
    """The data set that was named or that is made of the recordings, once for all processes."""
    from wavecore.datasets.domains.reader import DomainsDataset
    from wavecore.datasets.domains.recordings import from_recordings
    from wavecore.training import distributed

    if before is not None:
        return DomainsDataset.open(run_settings.data_folder(args, before, built_by="wavecore data domains"))
    if (args.out / "settings.json").exists():
        raise OutputExistsError(f"{args.out} holds a run already; resume it, or choose another folder")
    if args.data is None:
        raise UsageError("the recordings are missing: --data DIR, a folder of audio files")
    if (args.data / "manifest.json").is_file():
        dataset = DomainsDataset.open(args.data)
        if name not in dataset.domains:
            raise InputError(f"{args.data} has no domain {name!r}; it has {', '.join(dataset.domains)}")
        return dataset
    made = args.out / "data"
    level_db = source.card["training"].get("data", {}).get("level_db")
    if distributed.current().leads and not (made / "manifest.json").is_file():
        common.require_folder(args.out)
        with console.progress("reading", unit="files") as show:
            manifest = from_recordings(
                args.data,
                made,
                domain=name,
                level_db=level_db,
                sample_rate=source.network.config.decoder.sample_rate,
                on_progress=show,
            )
        for file, why in manifest.settings["skipped"]:
            console.warn(f"skipped {file}: {why}")
    distributed.current().wait()
    return DomainsDataset.open(made)


def _nearest(network, dataset, name: str, console: Console) -> str:
    from wavecore.models.translation import add_domain

    bits = add_domain.bits_by_decoder(network, dataset, name)
    found = min(bits, key=bits.get)
    console.say(
        "bits per sample of the recordings before training: "
        + ", ".join(f"{target} {value:.2f}" for target, value in bits.items())
    )
    return found


def _finish(args: argparse.Namespace, source, dataset, name: str, console: Console) -> None:
    """Write the whole model and a translated tune."""
    from wavecore import checkpoint
    from wavecore.models.translation import add_domain
    from wavecore.training import distributed

    if not distributed.current().leads:
        return
    added = checkpoint.load(args.out / "best")
    summary = dict(source.card["training"])
    data = dict(summary.get("data", {}))
    ranges, found = dict(data.get("midi_ranges", {})), add_domain.midi_range(dataset, name)
    if found is not None:
        ranges[name] = found
    summary["data"] = data | {"midi_ranges": ranges}
    summary["added"] = summary.get("added", {}) | {name: added.card["training"]}
    network = add_domain.join(source.network, added.network)
    checkpoint.save(network, args.out / "model", training=summary, overwrite=True)
    console.say(
        f"{name} plays MIDI {found[0]:.0f} to {found[1]:.0f}"
        if found
        else f"{name} shows no single pitch; nothing is moved by octaves for it"
    )
    written = _sample(args.out, name, console)
    console.result(f"{args.out / 'model'}: {', '.join(network.config.targets)}")
    console.result(f"{written}: a whistled tune, played by {name}")


def _sample(out: Path, name: str, console: Console) -> Path:
    """Translate a whistled tune with the new decoder."""
    import numpy as np

    from wavecore import checkpoint
    from wavecore.audio import files
    from wavecore.datasets import tunes
    from wavecore.datasets.synths import whistle
    from wavecore.models.translation.translate import translate_file
    from wavecore.symbolic.score import transpose

    model = checkpoint.load(out / "model")
    rate = model.network.config.decoder.sample_rate
    score = tunes.tune(SAMPLE_TUNE)
    score = transpose(score, 12 * min(whistle.octaves_in_range(score), key=abs))
    heard, said = out / "samples" / f"{SAMPLE_TUNE}.wav", out / "samples" / f"{SAMPLE_TUNE}__{name}.wav"
    files.write(heard, whistle.whistle(score, rng=np.random.default_rng(0), sample_rate=rate), rate, overwrite=True)
    with console.progress("playing a whistled tune", unit="samples") as show:
        translate_file(
            model, heard, {name: said}, seed=0, temperature=model.temperature, overwrite=True, on_progress=show
        )
    return said


COMMANDS = {
    "": flags.Command(
        summary="teach a translation model a person's own instrument: a new decoder on the encoder as it is",
        example=(
            "wavecore add-domain universal --data recordings/viola --name viola --out runs/viola\n"
            "wavecore translate whistle.wav --model runs/viola/model --to viola -o out\n"
            "wavecore add-domain --out runs/viola --resume"
        ),
        configure=configure,
        run=train.together(run),
    ),
}
