"""``wavecore train``: the one training loop, with its curves and samples."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from wavecore.console import common, flags, run_settings
from wavecore.console.console import Console, duration
from wavecore.console.failures import explain
from wavecore.models.coconet.commands import train as train_coconet
from wavecore.models.gan.commands import train as train_gan
from wavecore.models.lstm.commands import train as train_lstm
from wavecore.models.musegan.commands import train as train_musegan
from wavecore.models.musenet.commands import train as train_musenet
from wavecore.models.note_classifier import commands as train_classifier
from wavecore.models.nsynth.commands import train as train_nsynth
from wavecore.models.spectral import commands as train_spectral


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore train translation``."""
    flags.add_run(parser, data="a data set that `wavecore data domains` built")
    network = parser.add_argument_group("network")
    network.add_argument(
        "--preset",
        metavar="P",
        help=f"size of the decoders: tiny, small or umt (default: {run_settings.DEFAULT_PRESET})",
    )
    network.add_argument(
        "--encoder",
        choices=("cqt", "waveform"),
        help="hears a constant-Q spectrum, or the waveform as the papers' does "
        f"(default: {run_settings.DEFAULT_ENCODER})",
    )
    network.add_argument(
        "--targets",
        type=flags.names,
        metavar="A,B",
        help="domains that can be generated (default: all of the data's)",
    )
    network.add_argument(
        "--shared-decoder", action="store_true", help="one decoder for all targets, which is told the domain"
    )
    network.add_argument(
        "--spread-decoders",
        action="store_true",
        help="under torchrun, with targets_per_step a multiple of the processes: each holds the decoders of its own "
        "targets alone",
    )
    network.add_argument(
        "--init",
        metavar="MODEL",
        help="start from a model's weights; its shared decoder becomes one per target, "
        "unless --shared-decoder is given",
    )
    network.add_argument(
        "--teach-encoder",
        action="store_true",
        help="first teach the encoder from the data's notes, which must be the same in all domains (minutes); the decoders "
        "of --init are fitted to it, and domains that it lacks start from the nearest one",
    )
    _add_latent(network)
    flags.add_training(parser)


def _add_latent(network: argparse._ArgumentGroup) -> None:
    """Flags that say what passes from the encoder to the decoders."""
    network.add_argument("--hop", type=flags.count, metavar="N", help="samples per latent frame (default: 800)")
    network.add_argument("--latent-channels", type=flags.count, metavar="N", help="width of the latent (default: 64)")
    network.add_argument(
        "--latent-levels",
        type=flags.count,
        metavar="N",
        help="values that a latent's channel can have: what differs by less is forgotten (default: not rounded)",
    )
    network.add_argument(
        "--bottleneck",
        choices=("notes", "none"),
        help="what the latent passes through: notes lets nothing pass but which notes sound, onsets and the level, and is for "
        "--teach-encoder; none lets everything pass (default: that of --init, or none)",
    )
    network.add_argument(
        "--bottleneck-context",
        type=flags.count,
        metavar="N",
        help="frames on either side that a latent frame tells of as well (default: 0)",
    )
    network.add_argument(
        "--hearing-frames",
        type=flags.count,
        metavar="N",
        help="frames on either side by which the encoder decides (default: 2)",
    )


def run(args: argparse.Namespace, console: Console) -> None:
    """Train, or go on training.

    Raises
    ------
    WavecoreError
        As ``training.loop.train`` says.
    KeyboardInterrupt
        After the state was saved and it was said how to go on.
    """
    from wavecore.datasets.domains.reader import DomainsDataset
    from wavecore.models.translation.data import BatchSource
    from wavecore.training.loop import TranslationTask

    dataset, model, before = run_settings.open_run(
        args, DomainsDataset.open, kind="translation", built_by="wavecore data domains"
    )
    network = run_settings.network_settings(args, dataset.domains, model and model.network.config, before)
    training = run_settings.training_settings(args, before, console)
    device = common.settle_device(args.device, console)
    BatchSource(dataset, network, training, 0)  # data that do not fit are refused before the folder is claimed
    record_start(args, model)
    _announce(console, args.out, network, training, device)
    if dataset.paired and not training.paired_probability and not args.resume:
        console.say(
            "the data hold every piece in every domain; --set paired_probability=0.8 uses that, and learns to "
            "translate with far less compute"
        )
    initial = _starting_network(args, model and model.network, network, dataset, training, before, console)

    def write(averaged, step: int) -> None:
        from wavecore.models.translation.samples import write_samples

        write_samples(averaged, dataset, args.out / "samples", step=step)

    task = TranslationTask(dataset, network, training, initial, spread_decoders=args.spread_decoders)
    follow("train translation", task, args, device, write, console)


def _starting_network(args, source, network, dataset, training, before: dict | None, console: Console):
    """Build what is trained: a model's weights, a taught encoder, or None for new weights."""
    if run_settings.has_checkpoint(args.out):
        return None
    if not (before["teach_encoder"] if before else args.teach_encoder):
        return run_settings.starting_network(source, network) if source else None
    from wavecore.models.translation.warm_start import lessons_like, with_taught_encoder

    with console.progress("teaching the encoder", unit="steps") as show:
        start = with_taught_encoder(
            source, dataset, network, how=lessons_like(training), seed=training.seed, on_progress=show
        )
    taught = start.taught
    console.say(
        f"the encoder names the notes with an F1 of {taught.notes_f1:.2f}; a passage's latents in two domains differ by "
        f"{taught.apart:.1%} of their power; the classifier against it is right in {taught.adversary:.0%}"
    )
    for target, origin in start.origins.items():
        if origin != target:
            console.say(f"{target} starts from the decoder of {origin}")
    return start.network


def together(run: Callable[[argparse.Namespace, Console], None]) -> Callable[[argparse.Namespace, Console], None]:
    """Let a verb run in all processes that ``torchrun`` started, as one.

    Parameters
    ----------
    run : callable
        A verb that trains.

    Returns
    -------
    callable
        The same verb; of several processes the first one alone speaks, and its seed is everybody's.
    """

    def wrapped(args: argparse.Namespace, console: Console) -> None:
        if int(os.environ.get("WORLD_SIZE", "1")) < 2:
            run(args, console)
            return
        from wavecore.training import distributed

        args.device = distributed.own_device(common.settle_device(args.device, Console(mute=True)))
        # torchrun --max-restarts starts the same command anew when a process was lost; the run goes on.
        args.resume = args.resume or run_settings.is_restarted(args.out)
        with distributed.join(args.device) as processes:
            console = console if processes.leads else Console(mute=True)
            if args.seed is None and not args.resume:
                args.seed = processes.agree(common.settle_seed(None, console))
            run(args, console)

    return wrapped


def follow(
    name: str,
    task,
    args: argparse.Namespace,
    device: str,
    write_samples: Callable[..., object],
    console: Console,
    *,
    unit: str = "bits per sample",
    counted: str = "samples",
) -> None:
    """Run a training and show it: progress, curves, samples, and how to go on with it.

    Parameters
    ----------
    name : str
        Of the command that goes on with the run: the words between `wavecore` and its flags.
    args : argparse.Namespace
        ``out``, ``resume`` and ``workers``.
    write_samples : callable
        Called with (averaged network, step) after every validation.
    unit : str
        What ``valid/bits`` measures.
    counted : str
        What the task counts in a step, for its speed.

    Raises
    ------
    WavecoreError
        As ``training.loop.run_task`` says.
    KeyboardInterrupt
        After the state was saved and it was said how to go on.
    """
    from wavecore.training import prefetch
    from wavecore.training.loop import run_task
    from wavecore.training.memory import keep_freed_memory

    keep_freed_memory()
    workers = args.workers
    if workers is None:
        workers = prefetch.default_workers(device, processes=int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    listener = _Listener(args.out, write_samples, console, unit, counted)
    try:
        with console.progress("training", unit="steps") as listener.show:
            summary = run_task(
                task,
                args.out,
                resume=args.resume,
                device=device,
                workers=workers,
                on_progress=listener.progress,
                on_validation=listener.validation,
            )
    except KeyboardInterrupt:
        if run_settings.has_checkpoint(args.out):
            again = f"wavecore {name} --out {shlex.quote(str(args.out))} --resume"
            console.warn(f"stopped with the state saved; to go on: {again}")
        raise
    if summary["samples_per_s"]:
        peaks = ", ".join(f"{peak / 2**30:.1f}" for peak in summary["peak_memory_bytes"])
        console.say(
            f"trained at {summary['samples_per_s']:,.0f} {counted}/s, validations left out; most memory held: {peaks} GiB"
        )
    console.document({"run": args.out, "model": args.out / "best", "summary": summary})
    console.result(
        f"{args.out / 'best'}: {listener.best:.3f} {unit}, held out"
        if listener.best is not None
        else f"{args.out}: nothing was left to do"
    )


class _Listener:
    """Shows how a training goes, draws its curves and writes its samples."""

    def __init__(self, out: Path, write_samples: Callable[..., object], console: Console, unit: str, counted: str):
        self.out, self.write_samples, self.console, self.unit, self.counted = out, write_samples, console, unit, counted
        self.show = None
        self.best: float | None = None
        self._speed = ""
        self._n_reports = 0

    def progress(self, progress) -> None:
        """Take a ``Progress`` of the training loop."""
        if "bits" not in progress.losses:  # a validation: its speed is that of validating
            return
        self._n_reports += 1
        self._speed = f"{progress.samples_per_s:,.0f} {self.counted}/s"
        self.show(progress.step, progress.steps)
        self.console.postfix(f"loss {progress.losses['bits']:.3f}, {self._speed}")
        if self._n_reports == 2:  # the first one holds the warm-up
            self.console.say(f"about {duration(progress.eta_s)} to go, at {self._speed}")

    def validation(self, network, step: int, history: list[dict]) -> None:
        """Say the held-out loss, draw the curves, write the samples."""
        bits = [record["valid/bits"] for record in history if "valid/bits" in record]
        self.best = min(bits)
        speed = f", {self._speed}" if self._speed else ""
        self.console.say(f"step {step}: {bits[-1]:.3f} {self.unit}, held out (best {self.best:.3f}){speed}")
        try:
            self._draw(history)
            self.write_samples(network, step)
        except Exception as error:
            # A picture or a sound that fails, on a full disk for example, must not end hours of training.
            self.console.warn(f"curves or samples of step {step} could not be written: {explain(error)[0]}")

    def _draw(self, history: list[dict]) -> None:
        from wavecore.plots import audio as plots

        plots.curves(history, self.out / "curves.png")


def record_start(args: argparse.Namespace, model, **more: str) -> None:
    """Note how a new run was started, and from which model.

    Parameters
    ----------
    **more : str
        To be noted as well.
    """
    from wavecore import checkpoint
    from wavecore.training import distributed

    if (args.out / "settings.json").exists() or not distributed.current().leads:
        return  # a run that goes on; or another one, which the training loop refuses to replace
    common.require_folder(args.out)
    args.out.mkdir(parents=True, exist_ok=True)
    record = {"version": common.version(), "command": args.command, "init": None}
    if distributed.job() is not None:
        record["job"] = distributed.job()
    if model is not None:
        record |= {"init": str(model.path.resolve()), "init_sha256": model.sha256}
        record |= {"teach_encoder": getattr(args, "teach_encoder", False)}
    checkpoint.write_json(record | more, args.out / run_settings.RECORD)


def _announce(console: Console, out: Path, network, training, device: str) -> None:
    import torch

    from wavecore.training.autocast import resolve

    decoders = "one shared decoder" if network.shared_decoder else f"{len(network.targets)} decoders"
    seconds = training.batch_size * training.crop_frames / network.decoder.frame_rate
    sizes = f"{network.decoder.n_layers} layers x {network.decoder.residual_channels} channels"
    console.say(
        f"run {out}: {training.steps:,} steps of {seconds:.1f} s of sound; "
        f"{', '.join(network.domains)} to {', '.join(network.targets)}; "
        f"{network.encoder.kind} encoder, {decoders} of {sizes}; "
        f"{resolve(training.precision, torch.device(device))} products; "
        f"curves and samples every {training.validate_every} steps"
    )


_ALONE = {
    "translation": flags.Command(
        summary="train a music translation network: one encoder, a decoder per domain",
        example=(
            "wavecore train translation --data data/domains --out runs/first\n"
            "wavecore train translation --data data --out runs/all --shared-decoder --set batch_size=8\n"
            "wavecore train translation --data data --out runs/fine --init runs/all --set steps=5000\n"
            "wavecore train translation --out runs/first --resume"
        ),
        configure=configure,
        run=run,
    ),
    "nsynth": train_nsynth.COMMAND,
    "spectral": train_spectral.COMMAND,
    "note-classifier": train_classifier.COMMAND,
    "coconet": train_coconet.COMMAND,
    "lstm": train_lstm.COMMAND,
    "gan": train_gan.COMMAND,
    "musegan": train_musegan.COMMAND,
    "musenet": train_musenet.COMMAND,
}

COMMANDS = {name: replace(command, run=together(command.run)) for name, command in _ALONE.items()}
