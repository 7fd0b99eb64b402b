"""``wavecore add-domain``: a person's own instrument, as a further target of a translation model."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wavecore.console import common, flags, run_settings, training
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
        help="domain whose decoder the new one starts from (default: that with the fewest bits on the recordings)",
    )
    flags.add_training(parser, recipes=False)


def run(args: argparse.Namespace, console: Console) -> None:
    """Train the decoder, or resume its training, and add it to the others.

    Raises
    ------
    WavecoreError
        As of ``training.loop.run_task``, or if model, data and name do not fit each other.
    KeyboardInterrupt
        After the state was saved and the command that resumes the run was shown.
    """
    from wavecore.models import base
    from wavecore.models.translation import add_domain
    from wavecore.models.translation.train import TranslationTask

    before = run_settings.read_run(args.out) if args.resume else None
    source = base.load((before["init"] if before else args.model) or common.shipped("translation"), kind="translation")
    name = _name(args, source, before)
    dataset = _data(args, source, name, before, console)
    defaults = add_domain.settings(source.network.config.decoder.frame_rate)
    settings = training.training_settings(args, before, console, defaults)
    device = common.settle_device(args.device, console)
    initial, like = None, ""
    if before is None or not run_settings.has_checkpoint(args.out):
        like = args.like or _nearest(source.network, dataset, name, console)
        initial = add_domain.begin(source.network, name, like)
    # Data that do not fit are refused here, before the folder is claimed.
    task = TranslationTask(dataset, add_domain.alone(source.network.config, name), settings, initial)
    training.record_start(args, source, name=name, like=like)
    console.say(
        f"run {args.out}: {settings.steps:,} steps for {name}, from {source.name}'s {like or 'checkpoint'}; "
        "the encoder stays as it is"
    )
    training.follow("add-domain", task, args, device, _sample_writer(args, dataset), console)
    _finish(args, source, dataset, name, console)


def _sample_writer(args: argparse.Namespace, dataset: Any) -> Callable[[Any, int], object]:
    from wavecore.models.translation.validate import write_samples

    return lambda network, step: write_samples(network, dataset, args.out / "samples", step=step)


def _name(args: argparse.Namespace, source: Any, before: dict | None) -> str:
    """Return the new domain's name: the run's, or that of ``--name`` if it is allowed and new."""
    if before is not None:
        (name,) = before["network"].get("targets", ("?", "?"))[:1]
        if args.name not in (None, name):
            raise UsageError(f"the run adds {name}, not {args.name}; leave --name out")
        return name
    if args.name is None:
        raise UsageError("the new domain has no name: --name NAME")
    if not NAMES.fullmatch(args.name):
        raise UsageError(f"a domain's name holds small letters, digits, - and _; {args.name!r} does not fit")
    if args.name in source.domains:
        raise UsageError(f"{source.name} has a domain {args.name!r} already; it has {', '.join(source.domains)}")
    return args.name


def _data(args: argparse.Namespace, source: Any, name: str, before: dict | None, console: Console) -> Any:
    """Open the data set that was named, or build one from the recordings, once for all processes."""
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
    if distributed.current().leads and not (made / "manifest.json").is_file():
        common.require_folder(args.out)
        with console.progress("reading", unit="files") as show:
            manifest = from_recordings(
                args.data,
                made,
                domain=name,
                level_db=source.card["training"].get("data", {}).get("level_db"),
                sample_rate=source.rate,
                on_progress=show,
            )
        for file, why in manifest.settings["skipped"]:
            console.warn(f"skipped {file}: {why}")
    distributed.current().wait()
    return DomainsDataset.open(made)


def _nearest(network: Any, dataset: Any, name: str, console: Console) -> str:
    """Return the target whose decoder has the fewest bits per sample on the recordings."""
    from wavecore.models.translation import add_domain

    bits = add_domain.bits_by_decoder(network, dataset, name)
    shown = ", ".join(f"{target} {value:.2f}" for target, value in bits.items())
    console.say(f"bits per sample of the recordings before training: {shown}")
    return min(bits, key=bits.get)


def _finish(args: argparse.Namespace, source: Any, dataset: Any, name: str, console: Console) -> None:
    """Write the whole model and a translated tune."""
    from wavecore import checkpoint
    from wavecore.models.translation import add_domain
    from wavecore.training import distributed

    if not distributed.current().leads:
        return
    added = checkpoint.load(args.out / "best")
    summary = dict(source.card["training"])
    data = dict(summary.get("data", {}))
    midi = add_domain.midi_range(dataset, name)
    ranges = data.get("midi_ranges", {}) | ({} if midi is None else {name: midi})
    summary["data"] = data | {"midi_ranges": ranges}
    summary["added"] = summary.get("added", {}) | {name: added.card["training"]}
    network = add_domain.join(source.network, added.network)
    checkpoint.save(network, args.out / "model", training=summary, overwrite=True)
    console.say(
        f"{name} plays MIDI {midi[0]:.0f} to {midi[1]:.0f}"
        if midi
        else f"{name} shows no single pitch; nothing is moved by octaves for it"
    )
    written = _sample(args.out, name, console)
    console.result(f"{args.out / 'model'}: {', '.join(network.config.targets)}")
    console.result(f"{written}: a whistled tune, played by {name}")


def _sample(out: Path, name: str, console: Console) -> Path:
    """Translate a whistled tune with the new decoder."""
    from wavecore.audio import files
    from wavecore.datasets import tunes
    from wavecore.models import base

    model = base.load(out / "model")
    tune, played = out / "samples" / f"{SAMPLE_TUNE}.wav", out / "samples" / f"{SAMPLE_TUNE}__{name}.wav"
    files.write(tune, tunes.whistled(SAMPLE_TUNE, seed=0, sample_rate=model.rate), model.rate, overwrite=True)
    with console.progress("playing a whistled tune", unit="samples") as show:
        model.translate_file(tune, {name: played}, seed=0, overwrite=True, on_progress=show)
    return played


COMMANDS = {
    "": flags.Command(
        summary="add a person's own instrument to a translation model: a new decoder on the encoder as it is",
        example=(
            "wavecore add-domain universal --data recordings/viola --name viola --out runs/viola\n"
            "wavecore translate whistle.wav --model runs/viola/model --to viola -o out\n"
            "wavecore add-domain --out runs/viola --resume"
        ),
        configure=configure,
        run=training.run_together(run),
    )
}
