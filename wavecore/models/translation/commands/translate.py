"""``wavecore translate``: recordings in, the same music in other domains out."""

from __future__ import annotations

import argparse
import mimetypes
import re
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wavecore.console import common, flags, sidecar
from wavecore.console.console import Console, Estimate, duration, plural
from wavecore.console.failures import explain
from wavecore.errors import OutputExistsError, PartialFailureError, UsageError

if TYPE_CHECKING:
    from wavecore.models.translation.api import TranslationModel
    from wavecore.models.translation.sample import TranslationResult


@dataclass(frozen=True)
class Session:
    """A model and how it generates, settled from the arguments of ``flags.add_generation`` and ``--model``."""

    model: TranslationModel
    device: str
    backend: str
    temperature: float
    seed: int

    @classmethod
    def open(cls, args: argparse.Namespace, console: Console) -> Session:
        """Load the model and settle the rest; each is printed."""
        model = common.load_model(args.model, console)
        device = common.settle_device(args.device, console)
        backend = common.settle_backend(args.backend, device, console)
        temperature = common.settle_temperature(args.temperature, model, console)
        return cls(model, device, backend, temperature, common.settle_seed(args.seed, console))

    def options(self) -> dict[str, Any]:
        """Return the keyword arguments of the model's methods."""
        names = ("device", "backend", "temperature", "seed")
        return {name: getattr(self, name) for name in names}

    def record(
        self, result: TranslationResult, command: Sequence[str], *, input_rate: int, output_rate: int
    ) -> dict[str, Any]:
        """Return what a translation's sidecar holds; rates in Hz."""
        return {
            "version": common.version(),
            "command": list(command),
            "model": self.model.name,
            "model_sha256": self.model.sha256,
            "seed": self.seed,
            "temperature": self.temperature,
            "device": self.device,
            "backend": self.backend,
            "rates": {"input": input_rate, "model": self.model.rate, "output": output_rate},
            "result": asdict(result),
        }

    def document(self, results: Sequence[TranslationResult], **more: Any) -> dict[str, Any]:
        """Return the JSON document of several translations."""
        made = {"model": self.model.name, "model_sha256": self.model.sha256, "seed": self.seed}
        outputs = [asdict(result) for result in results]
        for output in outputs:
            del output["warnings"]  # they are printed, and stand in the sidecars
        return made | more | {"outputs": outputs}


@dataclass(frozen=True)
class Item:
    """One input and the files to write for it, by domain; its length is that at the model's rate."""

    source: Path
    sample_rate: int
    n_samples: int
    outputs: dict[str, Path]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore translate``."""
    parser.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="audio files and folders of them")
    parser.add_argument(
        "--to", required=True, type=flags.names, metavar="DOMAIN[,DOMAIN]", help="target domains, or all"
    )
    parser.add_argument(
        "--model", metavar="M", help="a shipped model, a model folder or a run (default: the shipped one)"
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path(),
        metavar="OUT",
        help="folder for {stem}__{model}__{domain}.wav (default: the current one); "
        "or an audio file, for one input and one domain",
    )
    parser.add_argument(
        "--octave",
        type=_octave,
        metavar="N",
        help="octaves to move the input by, or auto: into the target's range (default: auto)",
    )
    parser.add_argument(
        "--rate",
        choices=("native", "model"),
        default="model",
        help="sample rate of the outputs: the input's or the model's (default: model)",
    )
    parser.add_argument(
        "--draws",
        action="store_true",
        help="write the samples as drawn, in place of the means of their distributions, which have less noise",
    )
    flags.add_generation(parser, default_temperature=None)
    flags.add_existing(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Translate every input to every target.

    Raises
    ------
    WavecoreError
        As the exit codes say; of a batch in which an item failed, ``PartialFailureError``.
    """
    session = Session.open(args, console)
    batch = _Batch(args, console, session)
    batch.plan(choose_targets(args.to, session.model.targets))
    batch.translate()
    console.document(session.document(batch.results))
    batch.conclude()


def choose_targets(wanted: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the domains of ``--to``, which may be ``all``; raises UsageError for unknown ones."""
    return list(known) if "all" in wanted else common.chosen(wanted, known, what="domain")


def output_names(sources: Sequence[Path], targets: Sequence[str], out: Path, model: str) -> dict[Path, dict[str, Path]]:
    """Return the outputs by source and target.

    Parameters
    ----------
    out : Path
        A folder; or, with an audio suffix and unless it is a folder, a file.
    model : str
        The model's name.

    Raises
    ------
    UsageError
        If two outputs would have one name, or ``out`` is a file and there is more than one.
    """
    if _names_a_file(out):
        if len(sources) > 1 or len(targets) > 1:
            raise UsageError(
                f"{out} is one file, but {len(sources)} inputs to {len(targets)} domains make "
                f"{len(sources) * len(targets)}; give a folder with -o"
            )
        return {sources[0]: {targets[0]: out}}
    names, owners = {}, {}
    for source in sources:
        names[source] = {target: out / f"{source.stem}__{model}__{target}.wav" for target in targets}
        other = owners.setdefault(source.stem, source)
        if other != source:
            raise UsageError(
                f"{other} and {source} would both be written to {names[source][targets[0]]}; "
                "rename one, or translate them into different folders"
            )
    return names


class _Batch:
    """The items of one call, their results, and those that failed."""

    def __init__(self, args: argparse.Namespace, console: Console, session: Session):
        self.args, self.console, self.session = args, console, session
        self.model_rate = session.model.rate
        self.items: list[Item] = []
        self.results: list[TranslationResult] = []
        self.failures: list[Exception] = []
        self.n_inputs = 0

    def plan(self, targets: list[str]) -> None:
        """Find the inputs and check every output, before any work."""
        from wavecore.audio import files
        from wavecore.audio.resample import resampled_length

        sources = self._sources()
        common.require_folder(self.args.out.parent if _names_a_file(self.args.out) else self.args.out)
        names = output_names(sources, targets, self.args.out, self.session.model.name) if sources else {}
        taken = {source.resolve() for source in sources}
        for source, outputs in names.items():
            try:
                info = files.probe(source)
            except Exception as error:
                self._failed(source, error)
                continue
            rate = self._output_rate(info.sample_rate)
            outputs = {target: path for target, path in outputs.items() if self._check_output(path, rate, taken)}
            length = resampled_length(info.frames, from_rate=info.sample_rate, to_rate=self.model_rate)
            if outputs:
                self.items.append(Item(source, info.sample_rate, length, outputs))

    def translate(self) -> None:
        """Work through the items; one that fails does not stop the others."""
        total = sum(item.n_samples * len(item.outputs) for item in self.items)
        if not total:
            return
        n_outputs = sum(len(item.outputs) for item in self.items)
        self.console.say(
            f"{plural(len(self.items), 'input')}, {plural(n_outputs, 'output')}: "
            f"{duration(total / self.model_rate)} of sound to generate"
        )
        estimate = Estimate(self.console, total=total, sample_rate=self.model_rate)
        before = 0
        with self.console.progress("translating", unit="samples") as show:
            for item in self.items:

                def update(done: int, _: int, before: int = before) -> None:
                    show(before + done, total)
                    estimate.update(before + done)

                try:
                    self._translate(item, update)
                except BrokenPipeError:
                    raise  # the reader of the results has gone, which ends the batch
                except Exception as error:
                    self._failed(item.source, error)
                before += item.n_samples * len(item.outputs)

    def conclude(self) -> None:
        """Raise the error that decides the exit code, if any."""
        if not self.failures:
            return
        if self.n_inputs == 1:
            raise self.failures[0]
        raise PartialFailureError(f"{len(self.failures)} of {self.n_inputs} inputs failed; the reasons stand above")

    def _sources(self) -> list[Path]:
        """Expand the inputs; each that cannot be found counts as one that failed."""
        from wavecore.audio import files

        sources: dict[Path, Path] = {}
        missing: dict[Path, Exception] = {}
        for named in self.args.inputs:
            try:
                for path in files.find_audio([named]):
                    sources.setdefault(path.resolve(), path)
            except Exception as error:
                missing[named] = error
        self.n_inputs = len(sources) + len(missing)
        for named, error in missing.items():
            self._failed(named, error)
        return list(sources.values())

    def _output_rate(self, input_rate: int) -> int:
        return input_rate if self.args.rate == "native" else self.model_rate

    def _check_output(self, path: Path, rate: int, taken: set[Path]) -> bool:
        """Refuse an output that cannot be written; return whether it is to be made."""
        from wavecore.audio import output
        from wavecore.audio.files import AudioWriter

        if path.resolve() in taken or (path.exists() and any(path.samefile(source) for source in taken)):
            raise OutputExistsError(
                f"the output {path} is one of the inputs, which are never replaced; choose another -o"
            )
        if self.args.skip_existing and path.is_file():
            self.console.say(f"skipped: {path} exists")
            return False
        AudioWriter(path, rate, overwrite=self.args.overwrite)  # checks suffix, rate and whether it exists
        output.refuse_existing(sidecar.sidecar_path(path), overwrite=self.args.overwrite)
        return True

    def _translate(self, item: Item, update) -> None:
        args = self.args
        results = self.session.model.translate_file(
            item.source,
            item.outputs,
            octave=args.octave,
            rate_out=args.rate,
            draws=args.draws,
            overwrite=args.overwrite,
            on_progress=update,
            **self.session.options(),
        )
        rates = {"input_rate": item.sample_rate, "output_rate": self._output_rate(item.sample_rate)}
        for result in results:
            self.results.append(result)
            record = self.session.record(result, args.command, **rates)
            sidecar.write_sidecar(sidecar.sidecar_path(Path(result.path)), record, overwrite=args.overwrite)
            for warning in result.warnings:
                self.console.warn(f"{result.input} to {result.domain}: {warning}")
            self.console.result(describe(result))

    def _failed(self, source: Path, error: Exception) -> None:
        """Record an item that failed; if it is one of several, report it at once."""
        self.failures.append(error)
        if self.n_inputs == 1:
            return
        if self.args.verbose:
            traceback.print_exception(error)
        text, _ = explain(error)
        self.console.error(text if str(source) in text else f"{source}: {text}")


def describe(result: TranslationResult) -> str:
    """Return a line about an output."""
    parts = [f"{result.path}: {duration(result.seconds)}", f"{result.realtime_factor:.2f} x real time"]
    if result.octave_shift:
        parts.append(f"{result.octave_shift:+d} octave{'' if abs(result.octave_shift) == 1 else 's'}")
    if result.pitch_accuracy is not None:
        parts.append(f"melody kept {result.pitch_accuracy:.0%}")
    return ", ".join([*parts, f"peak {result.peak_db:.1f} dB"])


def _names_a_file(out: Path) -> bool:
    """Return whether ``-o`` is a file: it looks like audio or video and is no folder."""
    from wavecore.audio.finding import AUDIO_SUFFIXES

    kind = mimetypes.guess_type(out.name)[0] or ""
    return (out.suffix.lower() in AUDIO_SUFFIXES or kind.startswith(("audio/", "video/"))) and not out.is_dir()


def _octave(text: str) -> int | None:
    if text == "auto":
        return None
    if not re.fullmatch(r"[+-]?[0-4]", text):
        raise argparse.ArgumentTypeError(f"octaves are auto or a whole number from -4 to 4, not {text!r}")
    return int(text)


COMMANDS = {
    "": flags.Command(
        summary="timbre transfer: recordings in, the same music in other domains out",
        example=(
            "wavecore translate whistle.wav --to strings\n"
            "wavecore translate recordings/ --to all -o out --skip-existing\n"
            "wavecore translate whistle.wav --to organ -o organ.flac --rate native --octave -1 --seed 7"
        ),
        configure=configure,
        run=run,
    )
}
