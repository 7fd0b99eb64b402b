"""``wavecore translate``: recordings in, the same music in other domains out."""

from __future__ import annotations

import argparse
import mimetypes
import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wavecore.console import common, flags, sidecar
from wavecore.console.console import Console, Estimate, duration, plural
from wavecore.console.failures import explain
from wavecore.errors import OutputExistsError, PartialFailureError, UsageError

RESULT_KEYS = (
    "input", "domain", "path", "seconds", "samples_per_s", "realtime_factor",
    "octave_shift", "pitch_accuracy", "peak_db",
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """One input and what is to be made of it.

    Attributes
    ----------
    sample_rate : int
        The input's, Hz.
    n_samples : int
        Its length at the model's rate.
    outputs : dict of str to Path
        File to write per domain.
    """

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
        default=None,
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
        help="write the samples as the decoder drew them; else each is replaced by what it expected there, which hisses less",
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
    model = common.load_model(args.model, console)
    targets = choose_targets(args.to, model.network.config.targets)
    device = common.settle_device(args.device, console)
    backend = common.settle_backend(args.backend, device, console)
    args.temperature = common.settle_temperature(args.temperature, model, console)
    batch = _Batch(args, console, model)
    batch.plan(targets)
    seed = common.settle_seed(args.seed, console)
    batch.translate(seed=seed, device=device, backend=backend)
    outputs = [{key: getattr(result, key) for key in RESULT_KEYS} for result in batch.results]
    console.document({"model": model.name, "model_sha256": model.sha256, "seed": seed, "outputs": outputs})
    batch.conclude()


def choose_targets(wanted: Sequence[str], known: Sequence[str]) -> list[str]:
    """Resolve ``--to``.

    Parameters
    ----------
    wanted : sequence of str
        Domains, or ``all``.
    known : sequence of str
        The domains the model generates.

    Raises
    ------
    UsageError
        If one is unknown; the known ones are listed.
    """
    return list(known) if "all" in wanted else common.chosen(wanted, known, what="domain")


def output_names(sources: Sequence[Path], targets: Sequence[str], out: Path, model: str) -> dict[Path, dict[str, Path]]:
    """Name all outputs.

    Parameters
    ----------
    out : Path
        A folder; or, with an audio suffix and unless it is a folder, a file.
    model : str
        The model's name.

    Returns
    -------
    dict of Path to dict of str to Path
        Per source and target.

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
    """The items of one call, what came of them, and what failed."""

    def __init__(self, args: argparse.Namespace, console: Console, model):
        self.args, self.console, self.model = args, console, model
        self.model_rate = model.network.config.decoder.sample_rate
        self.items: list[Item] = []
        self.results: list = []
        self.failures: list[Exception] = []
        self.n_inputs = 0

    def plan(self, targets: list[str]) -> None:
        """Find the inputs and check every output, before any work."""
        from wavecore.audio import files
        from wavecore.audio.resample import resampled_length

        sources = self._sources()
        common.require_folder(self.args.out.parent if _names_a_file(self.args.out) else self.args.out)
        names = output_names(sources, targets, self.args.out, self.model.name) if sources else {}
        taken = {source.resolve() for source in sources}
        for source, outputs in names.items():
            try:
                info = files.probe(source)
            except Exception as error:
                self._failed(source, error)
                continue
            rate = info.sample_rate if self.args.rate == "native" else self.model_rate
            outputs = {target: path for target, path in outputs.items() if self._check_output(path, rate, taken)}
            length = resampled_length(info.frames, from_rate=info.sample_rate, to_rate=self.model_rate)
            if outputs:
                self.items.append(Item(source, info.sample_rate, length, outputs))

    def translate(self, *, seed: int, device: str, backend: str) -> None:
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
                    self._translate(item, seed, device, backend, update)
                except BrokenPipeError:
                    raise  # whoever read the results has gone: that is the end of the batch
                except Exception as error:
                    self._failed(item.source, error)
                before += item.n_samples * len(item.outputs)

    def conclude(self) -> None:
        """Raise what the exit code is to tell."""
        if not self.failures:
            return
        if self.n_inputs == 1:
            raise self.failures[0]
        raise PartialFailureError(f"{len(self.failures)} of {self.n_inputs} inputs failed; the reasons stand above")

    def _sources(self) -> list[Path]:
        """Expand the inputs; each that cannot be found counts as one that failed."""
        from wavecore.audio import files

        found: dict[Path, Path] = {}
        missing: dict[Path, Exception] = {}
        for named in self.args.inputs:
            try:
                for path in files.find_audio([named]):
                    found.setdefault(path.resolve(), path)
            except Exception as error:
                missing[named] = error
        self.n_inputs = len(found) + len(missing)
        for named, error in missing.items():
            self._failed(named, error)
        return list(found.values())

    def _check_output(self, path: Path, rate: int, taken: set[Path]) -> bool:
        """Refuse an output that cannot be; tell whether it is to be made."""
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

    def _translate(self, item: Item, seed: int, device: str, backend: str, update) -> None:
        from wavecore.models.translation.translate import translate_file

        args = self.args
        results = translate_file(
            self.model,
            item.source,
            item.outputs,
            seed=seed,
            octave=args.octave,
            temperature=args.temperature,
            rate=args.rate,
            draws=args.draws,
            backend=backend,
            device=device,
            overwrite=args.overwrite,
            on_progress=update,
        )
        for result in results:
            self.results.append(result)
            rate = item.sample_rate if args.rate == "native" else self.model_rate
            values = sidecar.describe_translation(
                result,
                self.model,
                command=args.command,
                seed=seed,
                temperature=args.temperature,
                device=device,
                backend=backend,
                input_rate=item.sample_rate,
                output_rate=rate,
            )
            sidecar.write_sidecar(sidecar.sidecar_path(Path(result.path)), values, overwrite=args.overwrite)
            for warning in result.warnings:
                self.console.warn(f"{result.input} to {result.domain}: {warning}")
            self.console.result(describe(result))

    def _failed(self, source: Path, error: Exception) -> None:
        """Take note of an item that failed; with company, report it at once."""
        self.failures.append(error)
        if self.n_inputs == 1:
            return
        if self.args.verbose:
            traceback.print_exception(error)
        text, _ = explain(error)
        self.console.error(text if str(source) in text else f"{source}: {text}")


def describe(result) -> str:
    """Sum up an output in a line."""
    parts = [f"{result.path}: {duration(result.seconds)}", f"{result.realtime_factor:.2f} x real time"]
    if result.octave_shift:
        parts.append(f"{result.octave_shift:+d} octave{'' if abs(result.octave_shift) == 1 else 's'}")
    if result.pitch_accuracy is not None:
        parts.append(f"melody kept {result.pitch_accuracy:.0%}")
    return ", ".join([*parts, f"peak {result.peak_db:.1f} dB"])


def _names_a_file(out: Path) -> bool:
    """Whether ``-o`` means a file: it looks like audio or video and is no folder."""
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
