"""What every ``wavecore train KIND`` shares: its arguments, its settings, the run that is shown while it goes.

A system's folder subclasses ``TrainingCommand`` in its ``commands`` and fills in what differs: the data, the flags of
its network, its task.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from wavecore import registry
from wavecore.configuration import describe_fields, with_settings
from wavecore.console import common, flags, run_settings
from wavecore.console import recipe as recipes
from wavecore.console.console import Console, duration
from wavecore.console.failures import explain
from wavecore.errors import UsageError


class TrainingCommand:
    """``wavecore train KIND``.

    A subclass sets the class attributes and overrides ``open_data``, ``task`` and what else is its own.

    Attributes
    ----------
    kind : str
        Of ``registry.KINDS``.
    summary, example : str
        For the help.
    data_help, built_by : str
        What the data are, and the command that builds them.
    unit, counted : str
        Unit of ``valid/bits``, and what the speed of a run counts.
    presets : str
        Place of the presets, ``"module:PRESETS"``, a mapping of names to configurations; empty without any.
    default_preset : str
        Its name.
    network_flags : dict of str to str
        Fields of the network's configuration that are flags, and the flags' names.
    """

    kind: ClassVar[str]
    summary: ClassVar[str]
    example: ClassVar[str]
    data_help: ClassVar[str]
    built_by: ClassVar[str]
    unit: ClassVar[str] = "bits per sample"
    counted: ClassVar[str] = "samples"
    presets: ClassVar[str] = ""
    default_preset: ClassVar[str] = "small"
    network_flags: ClassVar[dict[str, str]] = {}

    # What a subclass fills in

    def open_data(self, path: Path) -> Any:
        """Open a data set."""
        raise TypeError(f"{type(self).__name__} does not open data")

    def add_network(self, group: argparse._ArgumentGroup) -> None:
        """Add flags of the network beyond preset and ``network_flags``."""

    def new_network(self, args: argparse.Namespace, dataset: Any, config: Any) -> Any:
        """Complete a new network's configuration from the data, for example with its vocabulary."""
        return config

    def initial(self, args: argparse.Namespace, model: Any, dataset: Any, before: dict | None, console: Console) -> Any:
        """Return the network whose weights a run starts from, or None."""
        return model and model.network

    def task(self, args: argparse.Namespace, dataset: Any, config: Any, training: Any, initial: Any) -> Any:
        """Return the task to train."""
        raise TypeError(f"{type(self).__name__} has no task")

    def describe(self, task: Any) -> list[str]:
        """Return the lines printed before a run begins; the first one follows its number of steps."""
        return [f"of {task.training.batch_size} examples"]

    def prepare(self, args: argparse.Namespace, task: Any, model: Any, before: dict | None, console: Console) -> None:
        """Prepare a task once the run's folder is claimed, for example by pretraining a part of its network."""

    def write_samples(self, args: argparse.Namespace, task: Any) -> Callable[[Any, int], None]:
        """Return what is called with (averaged network, step) after every validation."""
        return lambda network, step: None

    # What all share

    def command(self) -> flags.Command:
        """Return the command; under ``torchrun`` all processes run it as one."""
        return flags.Command(self.summary, self.example, self.configure, run_together(self.run))

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the arguments."""
        flags.add_run(parser, data=self.data_help)
        group = parser.add_argument_group("network")
        config = registry.kind(self.kind).load("config")
        if self.presets:
            names = ", ".join(registry.load(self.presets))
            group.add_argument("--preset", metavar="P", help=f"{names} (default: {self.default_preset})")
        flags.add_fields(group, config, self.network_flags)
        self.add_network(group)
        group.add_argument("--init", metavar="MODEL", help="start from a model's weights")
        flags.add_training(parser)
        settings = describe_fields(registry.kind(self.kind).load("training"))
        parser.epilog = "\n".join(
            [
                parser.epilog or "",
                "",
                "settings (--set KEY=VALUE) and their defaults:",
                *(f"  {line}" for line in settings),
            ]
        )

    def run(self, args: argparse.Namespace, console: Console) -> None:
        """Train, or resume a training; all stages of a recipe.

        Raises
        ------
        WavecoreError
            If the request makes no sense, or as of ``training.loop.run_task``.
        KeyboardInterrupt
            After the state was saved and the command that resumes the run was shown.
        """
        if args.recipe is None:
            self.run_stage(args, console)
            return
        contradicting = [
            flag
            for flag, given in (
                ("--set", args.settings),
                ("--init", args.init),
                ("--preset", getattr(args, "preset", None)),
            )
            if given
        ]
        if contradicting:
            raise UsageError(
                f"{', '.join(contradicting)}: the recipe sets this; leave it out, or train without --recipe"
            )
        recipe = recipes.read(args.recipe, kind=self.kind)
        before: Path | None = None
        for stage in recipe.stages:
            out = args.out if len(recipe.stages) == 1 else args.out / stage.name
            if args.resume and (out / "last" / "config.json").is_file():
                console.say(f"{out} is finished")
            else:
                self.run_stage(self._stage_arguments(args, recipe, stage, out, before), console)
            before = out

    def _stage_arguments(
        self, args: argparse.Namespace, recipe: recipes.Recipe, stage: recipes.Stage, out: Path, before: Path | None
    ) -> argparse.Namespace:
        """Return the arguments of one stage of a recipe."""
        unknown = [name for name in (*stage.network, *stage.options) if not hasattr(args, name)]
        if unknown:
            raise UsageError(
                f"the recipe {args.recipe} sets {', '.join(unknown)}, which are no flags of wavecore train {self.kind}"
            )
        changed = argparse.Namespace(**vars(args))
        for name, value in {**stage.network, **stage.options}.items():
            setattr(changed, name, tuple(value) if isinstance(value, list) else value)
        changed.out, changed.settings = out, stage.settings()
        if self.presets:
            changed.preset = stage.preset or None
        changed.init = stage.init or (None if before is None else str(before))
        changed.resume = args.resume and (out / "settings.json").is_file()
        if args.data is None and not changed.resume and not args.dry_run:
            raise UsageError(f"the data are missing: --data DIR; the recipe's are built by `{recipe.data}`")
        return changed

    def run_stage(self, args: argparse.Namespace, console: Console) -> None:
        """Run one training."""
        if args.dry_run and args.data is None and not args.resume:
            self._show_settings(args, console)
            return
        dataset, model, before = run_settings.open_run(
            args, self.open_data, kind=self.init_kind, built_by=self.built_by
        )
        initial = self.initial(args, model, dataset, before, console)
        config = self.network_config(args, dataset, initial and initial.config, before)
        training = self.training_config(args, before, console)
        device = common.settle_device(args.device, console)
        task = self.task(args, dataset, config, training, initial)
        if args.dry_run:
            self._show_plan(args, task.network_config.to_dict(), training, console, checked=True)
            return
        record_start(args, model)
        first, *others = self.describe(task)
        console.say(f"run {args.out}: {training.steps:,} steps {first}")
        for line in others:
            console.say(line)
        self.prepare(args, task, model, before, console)
        follow(
            f"train {self.kind}",
            task,
            args,
            device,
            self.write_samples(args, task),
            console,
            unit=self.unit,
            counted=self.counted,
        )

    def _show_settings(self, args: argparse.Namespace, console: Console) -> None:
        """Show what would be trained where there are no data to check it with."""
        training = self.training_config(args, None, console)
        given = {name: getattr(args, name) for name in self.network_flags if getattr(args, name) is not None}
        if self.presets:
            preset = common.chosen(
                [args.preset or self.default_preset], list(registry.load(self.presets)), what="preset"
            )
            given = {"preset": preset[0]} | given
        self._show_plan(args, given, training, console, checked=False)

    def _show_plan(
        self, args: argparse.Namespace, network: dict, training: Any, console: Console, *, checked: bool
    ) -> None:
        """Print the network and the settings of a run that is not started."""
        console.document(
            {
                "run": args.out,
                "kind": self.kind,
                "init": args.init,
                "network": network,
                "training": training.to_dict(),
                "data_checked": checked,
            }
        )
        console.result(
            f"{args.out}: nothing is trained (--dry-run);"
            f" {'network, settings and data fit' if checked else 'name data with --data to check them, too'}"
        )
        for title, values in (("network", network), ("training", training.to_dict())):
            console.result(f"{title}: " + ", ".join(f"{key}={value}" for key, value in values.items()))

    @property
    def init_kind(self) -> str | None:
        """Kind of the model of ``--init``; None for any."""
        return self.kind

    def network_config(self, args: argparse.Namespace, dataset: Any, initial: Any, before: dict | None) -> Any:
        """Return the network's configuration: the resumed run's, that of ``--init``, or a new one.

        Raises
        ------
        UsageError
            If there is no such preset, or a flag contradicts the run or the model of ``--init``.
        """
        given = {name: getattr(args, name) for name in self.network_flags if getattr(args, name) is not None}
        presets = registry.load(self.presets) if self.presets else {}
        if presets:
            common.chosen([args.preset or self.default_preset], list(presets), what="preset")
        config_class = registry.kind(self.kind).load("config")
        config = config_class.from_dict(before["network"]) if before else initial
        if config is not None:
            fixed = self.preset_fields(presets[args.preset]) if presets and args.preset else {}
            refuse_contradictions(config, fixed | given, self.network_flags, resumed=before is not None)
            return config
        if presets:
            config = dataclasses.replace(presets[args.preset or self.default_preset], **given)
        else:
            config = config_class(**given)
        return self.new_network(args, dataset, config)

    def preset_fields(self, preset: Any) -> dict[str, Any]:
        """Return the fields of a preset that a resumed run or a model of ``--init`` must share."""
        return preset.to_dict()

    def training_config(self, args: argparse.Namespace, before: dict | None, console: Console) -> Any:
        """Return the settings of the run.

        Raises
        ------
        UsageError
            If a setting is unknown or out of its range.
        """
        config_class = registry.kind(self.kind).load("training")
        return training_settings(args, before, console, config_class)


def training_settings(args: argparse.Namespace, before: dict | None, console: Console, default: Any) -> Any:
    """Return the settings of a run: those of the run resumed, or the defaults, changed by ``--seed`` and ``--set``.

    Parameters
    ----------
    before : dict or None
        What the run was started with, if it is resumed.
    default : type or TrainingConfig
        The settings' class, or settings whose seed is replaced.
    """
    if before is not None:
        config = (default if isinstance(default, type) else type(default)).from_dict(before["training"])
        config = config if args.seed is None else dataclasses.replace(config, seed=args.seed)
    else:
        by_setting = any(setting.startswith("seed=") for setting in args.settings)
        seed = 0 if by_setting else common.settle_seed(args.seed, console)
        config = default(seed=seed) if isinstance(default, type) else dataclasses.replace(default, seed=seed)
    return with_settings(config, args.settings)


def refuse_contradictions(config: Any, given: dict[str, Any], names: dict[str, str], *, resumed: bool) -> None:
    """Refuse flags that contradict the configuration of the run or of the model of ``--init``.

    Parameters
    ----------
    given : dict
        Values by the configuration's field.
    names : dict of str to str
        The flags' names by field; a preset's fields have none.
    """
    whose = "the run" if resumed else "the model of --init"
    for name, value in given.items():
        present = getattr(config, name)
        if value != present:
            raise UsageError(f"{whose} has {name} = {present}, and {names.get(name, '--preset')} wants {value}")


def run_together(run: Callable[[argparse.Namespace, Console], None]) -> Callable[[argparse.Namespace, Console], None]:
    """Let a verb run in all processes that ``torchrun`` started, as one.

    Returns
    -------
    callable
        The same verb; of several processes only the first one prints, and its seed is that of all.
    """

    def wrapped(args: argparse.Namespace, console: Console) -> None:
        if int(os.environ.get("WORLD_SIZE", "1")) < 2:
            run(args, console)
            return
        from wavecore.training import distributed

        args.device = distributed.own_device(common.settle_device(args.device, Console(mute=True)))
        # torchrun --max-restarts starts the same command again when a process was lost; the run is resumed.
        args.resume = args.resume or run_settings.is_restarted(args.out)
        with distributed.join(args.device) as processes:
            console = console if processes.leads else Console(mute=True)
            if args.seed is None and not args.resume:
                args.seed = processes.agree(common.settle_seed(None, console))
            run(args, console)

    return wrapped


def record_start(args: argparse.Namespace, model: Any, **more: str) -> None:
    """Record how a new run was started, and from which model.

    Parameters
    ----------
    model : LoadedModel or None
        The model that it starts from.
    **more : str
        Further entries of the record.
    """
    from wavecore import checkpoint
    from wavecore.training import distributed

    if (args.out / "settings.json").exists() or not distributed.current().leads:
        return  # a resumed run; or another one, which the training loop refuses to replace
    common.require_folder(args.out)
    args.out.mkdir(parents=True, exist_ok=True)
    record = {"version": common.version(), "command": args.command, "init": None}
    if distributed.job() is not None:
        record["job"] = distributed.job()
    if model is not None:
        record |= {"init": str(model.path.resolve()), "init_sha256": model.sha256}
    if hasattr(args, "teach_encoder"):
        record["teach_encoder"] = args.teach_encoder
    checkpoint.write_json(record | more, args.out / run_settings.RECORD)


def follow(
    name: str,
    task: Any,
    args: argparse.Namespace,
    device: str,
    write_samples: Callable[[Any, int], object],
    console: Console,
    *,
    unit: str = "bits per sample",
    counted: str = "samples",
) -> None:
    """Run a training and show it: progress, curves, samples, and the command that resumes it.

    Parameters
    ----------
    name : str
        The words between `wavecore` and the flags of the command that resumes the run.
    task : training.task.Task
    args : argparse.Namespace
        ``out``, ``resume`` and ``workers``.
    write_samples : callable
        Called with (averaged network, step) after every validation.
    unit, counted : str
        Unit of ``valid/bits``, and what the task counts in a step.

    Raises
    ------
    WavecoreError
        As of ``training.loop.run_task``.
    KeyboardInterrupt
        After the state was saved and the command that resumes the run was shown.
    """
    from wavecore.training import prefetch
    from wavecore.training.loop import run_task
    from wavecore.training.memory import keep_freed_memory

    keep_freed_memory()
    workers = args.workers
    if workers is None:
        workers = prefetch.default_workers(device, processes=int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    report = _Report(args.out, write_samples, console, unit, counted)
    try:
        with console.progress("training", unit="steps") as report.show:
            summary = run_task(
                task,
                args.out,
                resume=args.resume,
                device=device,
                workers=workers,
                on_progress=report.progress,
                on_validation=report.validation,
            )
    except KeyboardInterrupt:
        if run_settings.has_checkpoint(args.out):
            again = f"wavecore {name} --out {shlex.quote(str(args.out))} --resume"
            console.warn(f"stopped with the state saved; to continue: {again}")
        raise
    if summary["samples_per_s"]:
        peaks = ", ".join(f"{peak / 2**30:.1f}" for peak in summary["peak_memory_bytes"])
        console.say(
            f"trained at {summary['samples_per_s']:,.0f} {counted}/s without validations; peak memory {peaks} GiB"
        )
    console.document({"run": args.out, "model": args.out / "best", "summary": summary})
    console.result(
        f"{args.out / 'best'}: {report.best:.3f} {unit}, held out"
        if report.best is not None
        else f"{args.out}: nothing was left to do"
    )


class _Report:
    """Shows the progress of a training, draws its curves and writes its samples."""

    def __init__(self, out: Path, write_samples: Callable[..., object], console: Console, unit: str, counted: str):
        self.out, self.write_samples, self.console, self.unit, self.counted = out, write_samples, console, unit, counted
        self.show: Callable[[int, int], None] | None = None
        self.best: float | None = None
        self._speed = ""
        self._n_reports = 0

    def progress(self, progress: Any) -> None:
        """Show a ``Progress`` of the training loop."""
        if "bits" not in progress.losses:  # a validation, whose speed is that of validating
            return
        self._n_reports += 1
        self._speed = f"{progress.samples_per_s:,.0f} {self.counted}/s"
        self.show(progress.step, progress.steps)
        self.console.postfix(f"loss {progress.losses['bits']:.3f}, {self._speed}")
        if self._n_reports == 2:  # the first one holds the warm-up
            self.console.say(f"about {duration(progress.eta_s)} to go, at {self._speed}")

    def validation(self, network: Any, step: int, history: list[dict]) -> None:
        """Print the held-out loss, draw the curves, write the samples."""
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
