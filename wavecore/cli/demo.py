"""``wavecore demo``: translate a whistled tune to every target, and write a page that plays the results."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from wavecore.console import common, flags, sidecar
from wavecore.console.console import Console, Estimate, duration, plural
from wavecore.errors import OutputExistsError
from wavecore.models.translation.commands.translate import Session, describe

DEFAULT_TUNE = "ode-to-joy"
DEFAULT_SEED = 1
"""Fixed, so that the default demo is the same everywhere."""

LEAD = (
    "A whistled tune is translated to other instruments. A WaveNet generated each translation on this computer, "
    "one sample after the other, {rate:,} samples for every second."
)
RAINBOWGRAM_CAPTION = (
    "Time runs to the right and pitch upwards. Brightness is the level, colour the change of phase. "
    "The melody is the same in all panels; the harmonics are those of the instrument."
)
PITCH_CAPTION = "The broad band is the pitch of the whistle, the lines are the pitches of the translations."
NUMBERS = ("no sound", "one sound", "two sounds", "three sounds", "four sounds", "five sounds", "six sounds")

PAGE, RAINBOWGRAMS, PITCH = "index.html", "rainbowgrams.png", "pitch.png"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``wavecore demo``."""
    parser.add_argument("-o", "--out", type=Path, default=Path("demo"), metavar="DIR", help="folder (default: ./demo)")
    parser.add_argument(
        "--model", metavar="M", help="a shipped model, a model folder or a run (default: the shipped one)"
    )
    parser.add_argument(
        "--tune",
        default=DEFAULT_TUNE,
        metavar="T",
        help=f"ode-to-joy, greensleeves, minuet or twinkle (default: {DEFAULT_TUNE})",
    )
    flags.add_generation(parser, default_seed=DEFAULT_SEED, default_temperature=None)
    flags.add_existing(parser)


def run(args: argparse.Namespace, console: Console) -> None:
    """Make the demo; its folder receives all files or none.

    Raises
    ------
    WavecoreError
        As the exit codes say.
    """
    from wavecore.datasets.tunes import NAMES

    common.chosen([args.tune], NAMES, what="tune")
    session = Session.open(args, console)
    console.say(f"seed: {args.seed}")
    common.require_folder(args.out)
    if args.skip_existing and (args.out / PAGE).is_file():
        console.say(f"skipped: {args.out / PAGE} exists")
        console.document(session.document([], page=args.out / PAGE, pictures=[]))
        console.result(str(args.out / PAGE))
        return
    demo = _Demo(args, console, session)
    _refuse_existing(args.out, demo.names(), overwrite=args.overwrite)
    with _moved_when_done(args.out) as folder:
        demo.make(folder)
    pictures = [args.out / RAINBOWGRAMS, args.out / PITCH]
    console.document(session.document(demo.results, page=args.out / PAGE, pictures=pictures))
    for result in demo.results:
        console.result(describe(result))
    console.result(f"{args.out / PAGE}: open it in a browser, {(args.out / PAGE).resolve().as_uri()}")


class _Demo:
    """The steps of a demo, from the tune to the page."""

    def __init__(self, args: argparse.Namespace, console: Console, session: Session):
        self.args, self.console, self.session, self.model = args, console, session, session.model
        self.rate, self.targets = self.model.rate, self.model.targets
        self.results: list = []

    def names(self) -> list[str]:
        """Return the names of all files that are written."""
        sounds = [self._source(), *(self._output(target) for target in self.targets)]
        sidecars = [sidecar.sidecar_path(Path(self._output(target))).name for target in self.targets]
        return [*sounds, *sidecars, RAINBOWGRAMS, PITCH, PAGE]

    def make(self, folder: Path) -> None:
        """Write all files to an empty folder."""
        from wavecore.audio import files

        tune = self._whistle(folder / self._source())
        self._translate(folder)
        sounds = {name: files.read(folder / self._output(name))[0] for name in self.targets}
        self._draw(folder, tune, sounds)
        self._write_page(folder, tune, sounds)

    def _source(self) -> str:
        return f"{self.args.tune}.wav"

    def _output(self, target: str) -> str:
        return f"{self.args.tune}__{self.model.name}__{target}.wav"

    def _whistle(self, path: Path):
        """Synthesize the whistled tune, with breath noise and glides that depend on the seed; write and return it."""
        from wavecore.audio import files
        from wavecore.datasets import tunes

        sound = tunes.whistled(self.args.tune, seed=self.args.seed, sample_rate=self.rate)
        files.write(path, sound, self.rate)
        return sound

    def _translate(self, folder: Path) -> None:
        from wavecore.audio import files

        args, source = self.args, folder / self._source()
        total = files.probe(source).frames * len(self.targets)
        self.console.say(
            f"{args.tune}, whistled, to {', '.join(self.targets)}: {duration(total / self.rate)} of audio to generate"
        )
        estimate = Estimate(self.console, total=total, sample_rate=self.rate)
        with self.console.progress("generating", unit="samples") as show:

            def update(done: int, total: int) -> None:
                show(done, total)
                estimate.update(done)

            outputs = {target: folder / self._output(target) for target in self.targets}
            results = self.model.translate_file(source, outputs, on_progress=update, **self.session.options())
        for result in results:
            name = Path(result.path).name
            # The files are still in the temporary folder; the records name their final paths.
            result = replace(result, input=str(args.out / self._source()), path=str(args.out / name))
            self.results.append(result)
            record = self.session.record(result, args.command, input_rate=self.rate, output_rate=self.rate)
            sidecar.write_sidecar(sidecar.sidecar_path(folder / name), record, overwrite=False)
            for warning in result.warnings:
                self.console.warn(f"{result.domain}: {warning}")

    def _draw(self, folder: Path, tune, sounds: dict) -> None:
        from wavecore.audio.pitch import track_f0
        from wavecore.plots import audio as plots

        self.console.say("plotting")
        everything = {"whistle (input)": tune} | sounds
        plots.rainbowgram_sheet([(name, x, self.rate) for name, x in everything.items()], folder / RAINBOWGRAMS)
        shifts = {result.domain: result.octave_shift for result in self.results}
        tracks = {}
        for name, x in everything.items():
            track = track_f0(x, sample_rate=self.rate)
            # Shifted back to the octave of the input, so that the melodies coincide.
            tracks[name] = replace(track, f0_hz=track.f0_hz / 2.0 ** shifts.get(name, 0))
        plots.pitch_overlay(tracks, folder / PITCH, title="Pitch, shifted to the octave of the input")

    def _write_page(self, folder: Path, tune, sounds: dict) -> None:
        from wavecore.cli.demo_page import Card, Picture, build_page
        from wavecore.datasets import tunes

        source = Card(
            "whistle", "input", (folder / self._source()).read_bytes(), tune,
            {"tune": tunes.tune(self.args.tune).source, "length": duration(len(tune) / self.rate)},
        )  # fmt: skip
        cards = [
            Card(result.domain, _octaves(result.octave_shift), (folder / Path(result.path).name).read_bytes(),
                 sounds[result.domain], _figures(result))
            for result in self.results
        ]  # fmt: skip
        pictures = [
            Picture("Rainbowgrams", RAINBOWGRAM_CAPTION, (folder / RAINBOWGRAMS).read_bytes()),
            Picture("Pitch", PITCH_CAPTION, (folder / PITCH).read_bytes()),
        ]
        page = build_page(
            title=f"One whistle, {_number(len(cards))}",
            lead=LEAD.format(rate=self.rate),
            source=source,
            results=cards,
            pictures=pictures,
            facts=self._facts(),
        )
        (folder / PAGE).write_text(page, encoding="utf-8")

    def _facts(self) -> dict[str, str]:
        return {
            "model": self.model.name,
            "sha256": self.model.sha256[:16],
            "seed": str(self.args.seed),
            "device": self.session.device,
            "backend": self.session.backend,
            "wavecore": common.version(),
            "command": f"wavecore demo --tune {self.args.tune} --seed {self.args.seed}",
        }


def _refuse_existing(out: Path, names: Sequence[str], *, overwrite: bool) -> None:
    """Raise OutputExistsError, before any work, if a file would be replaced."""
    from wavecore.audio import output

    for name in names:
        try:
            output.refuse_existing(out / name, overwrite=overwrite)
        except OutputExistsError as error:
            raise OutputExistsError(f"{error} (--overwrite replaces it, -o DIR writes the demo elsewhere)") from error


@contextmanager
def _moved_when_done(out: Path) -> Iterator[Path]:
    """Yield a temporary folder; move its files to ``out`` on success, remove it otherwise."""
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".demo-", dir=out))
    try:
        yield folder
        for path in sorted(folder.iterdir()):
            os.replace(path, out / path.name)
    finally:
        shutil.rmtree(folder)
        for made in missing:
            if made.is_dir() and not any(made.iterdir()):
                made.rmdir()


def _figures(result) -> dict[str, str]:
    figures = {
        "speed": f"{result.realtime_factor:.2f} × real time",
        "samples/s": f"{result.samples_per_s:,.0f}",
    }
    if result.pitch_accuracy is not None:
        figures = {"melody kept": f"{result.pitch_accuracy:.0%}"} | figures
    return figures | {"peak": f"{result.peak_db:.1f} dB"}


def _octaves(shift: int) -> str:
    if not shift:
        return "in the same octave"
    return f"{plural(abs(shift), 'octave')} {'higher' if shift > 0 else 'lower'}"


def _number(count: int) -> str:
    return NUMBERS[count] if count < len(NUMBERS) else plural(count, "sound")


COMMANDS = {
    "": flags.Command(
        summary="translate a whistled tune to every target of the shipped model, and write a page that plays them",
        example="wavecore demo\nwavecore demo --tune greensleeves --seed 3 -o greensleeves",
        configure=configure,
        run=run,
    )
}
