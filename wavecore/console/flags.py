"""Commands, their parser, and the flags and values that several of them take."""

from __future__ import annotations

import argparse
import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wavecore.console.console import Console
from wavecore.console.failures import near_miss
from wavecore.errors import UsageError


@dataclass(frozen=True)
class Command:
    """One thing the command line does.

    Attributes
    ----------
    summary : str
        One line for the overviews.
    example : str
        Command lines for the help, one per line.
    configure : callable
        Adds the arguments to a parser.
    run : callable
        Does it; takes the parsed arguments and the console.
    """

    summary: str
    example: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Console], None]


class LazyCommands(Mapping[str, Command]):
    """Commands by name, each loaded when it is looked up.

    Parameters
    ----------
    loaders : mapping of str to callable
        Returns the command of a name.
    """

    def __init__(self, loaders: Mapping[str, Callable[[], Command]]):
        self._loaders = dict(loaders)

    def __getitem__(self, name: str) -> Command:
        return self._loaders[name]()

    def __contains__(self, name: object) -> bool:
        return name in self._loaders

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaders)

    def __len__(self) -> int:
        return len(self._loaders)


class Parser(argparse.ArgumentParser):
    """An argument parser that raises ``UsageError``, with a near miss for unknown flags.

    Parameters
    ----------
    prog : str
        How the command is called.
    """

    def __init__(self, prog: str, command: Command):
        super().__init__(
            prog=prog,
            description=f"{command.summary[0].upper()}{command.summary[1:]}.",
            epilog="examples:\n" + "\n".join(f"  {line}" for line in command.example.splitlines()),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.configure(self)
        talk = self.add_argument_group("output")
        talk.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else there")
        talk.add_argument("-q", "--quiet", action="store_true", help="only results, warnings and errors")
        talk.add_argument("-v", "--verbose", action="store_true", help="on an error, show where it came from")

    def error(self, message: str) -> None:
        """Refuse the arguments.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError(f"{message} (see: {self.prog} -h)")

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse arguments; flags and inputs may be mixed.

        Raises
        ------
        UsageError
            If they do not fit.
        """
        found, rest = self.parse_known_intermixed_args(list(arguments))
        if rest:
            flags = re.findall(r"--[a-z][a-z-]*", self.format_help())
            self.error(f"unknown argument {rest[0]}{near_miss(rest[0], flags)}")
        return found


def add_generation(
    parser: argparse.ArgumentParser, *, default_seed: int | None = None, default_temperature: float | None = 1.0
) -> None:
    """Add the flags of verbs that generate sound.

    Parameters
    ----------
    default_seed : int, optional
        Drawn by the verb if not given.
    default_temperature : float, optional
        None where the verb asks the model (``LoadedModel.temperature``).
    """
    group = parser.add_argument_group("generation")
    default = "what the model's card recommends" if default_temperature is None else f"{default_temperature:g}"
    group.add_argument(
        "--temperature",
        type=temperature,
        default=default_temperature,
        metavar="X",
        help=f"divides the logits: below 1 more likely samples, 0 always the most likely (default: {default})",
    )
    add_seed(group, default=default_seed)
    add_device(group)
    group.add_argument(
        "--backend",
        default="auto",
        metavar="B",
        help="auto, reference, numba, native or triton (default: auto, the fastest here)",
    )


def add_run(parser: argparse.ArgumentParser, *, data: str) -> None:
    """Add what every training takes first: the data, the run's folder, and whether it is resumed.

    Parameters
    ----------
    data : str
        What the data are, for the help.
    """
    parser.add_argument("--data", type=Path, metavar="DIR", help=data)
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="RUN", help="the run's folder")
    parser.add_argument("--resume", action="store_true", help="continue the run in RUN; it keeps its settings")


def add_fields(group: argparse._ArgumentGroup, config: type, names: Mapping[str, str]) -> None:
    """Add a flag for fields of a configuration, described by the configuration itself.

    Parameters
    ----------
    config : type
        A ``configuration.Config``.
    names : mapping of str to str
        Fields, and the flags that set them.
    """
    fields = {field.name: field for field in dataclasses.fields(config)}
    for name, flag in names.items():
        metadata, kind = fields[name].metadata, str(fields[name].type)
        options: dict[str, Any] = {"dest": name, "help": metadata["help"]}
        if kind == "bool":
            options |= {"action": "store_const", "const": True}
        elif metadata["choices"]:
            options |= {"choices": metadata["choices"], "type": type(metadata["choices"][0])}
        elif kind == "int":
            options |= {"type": count_or_none if metadata["least"] == 0 else count, "metavar": "N"}
        elif kind == "float":
            options |= {"type": share if metadata["most"] == 1 else float, "metavar": "X"}
        elif kind.startswith("tuple"):
            options |= {"type": names_tuple, "metavar": "A,B"}
        else:
            options |= {"metavar": "NAME"}
        group.add_argument(flag, **options)


def add_training(parser: argparse.ArgumentParser, *, recipes: bool = True) -> None:
    """Add what every training takes last: settings, seed, device, workers; and recipes, with ``--dry-run``."""
    group = parser.add_argument_group("training")
    if recipes:
        group.add_argument(
            "--recipe",
            type=Path,
            metavar="FILE",
            help="train as this recipe.toml says, stage by stage; see the shipped models' folders",
        )
        group.add_argument(
            "--dry-run", action="store_true", help="check everything and show what would be trained, but do not train"
        )
    group.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the training, steps=20000 for example; a wrong key lists them all",
    )
    add_seed(group)
    add_device(group)
    group.add_argument(
        "--workers",
        type=count_or_none,
        metavar="N",
        help=(
            "data-loading processes; the result does not depend on their number (default: none on a CPU; for a GPU one"
            " per core but one)"
        ),
    )


def add_seed(parser: argparse._ActionsContainer, *, default: int | None = None) -> None:
    """Add ``--seed``.

    Parameters
    ----------
    default : int, optional
        Drawn by the verb if not given.
    """
    shown = "drawn, and printed" if default is None else str(default)
    parser.add_argument(
        "--seed", type=seed, default=default, metavar="N", help=f"of all random draws (default: {shown})"
    )


def add_device(parser: argparse._ActionsContainer) -> None:
    """Add ``--device``."""
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu, cuda or cuda:N (default: auto)")


def add_existing(parser: argparse.ArgumentParser) -> None:
    """Add ``--overwrite`` and ``--skip-existing``."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    group.add_argument("--skip-existing", action="store_true", help="leave outputs that exist, make the others")


def seed(text: str) -> int:
    """Parse a seed.

    Returns
    -------
    int
        In [0, 2**64).
    """
    if not re.fullmatch(r"[0-9]{1,20}", text) or int(text) >= 2**64:
        raise argparse.ArgumentTypeError(f"a seed is a whole number in [0, 2**64), not {text!r}")
    return int(text)


def temperature(text: str) -> float:
    """Parse a sampling temperature.

    Returns
    -------
    float
        Finite, at least 0.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"a temperature is a number of at least 0, not {text!r}")
    return value


def count(text: str) -> int:
    """Parse a number of things.

    Returns
    -------
    int
        At least 1.
    """
    return _whole_number(text, 1)


def count_or_none(text: str) -> int:
    """Parse a number of things that may be 0.

    Returns
    -------
    int
        At least 0.
    """
    return _whole_number(text, 0)


def _whole_number(text: str, least: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < least:
        raise argparse.ArgumentTypeError(f"a whole number of at least {least} is needed, not {text!r}")
    return int(text)


def names(text: str) -> list[str]:
    """Parse names with commas between them.

    Returns
    -------
    list of str
        At least one, each once, in the order given.
    """
    found = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not found:
        raise argparse.ArgumentTypeError("at least one name is needed")
    return found


def names_tuple(text: str) -> tuple[str, ...]:
    """Parse names with commas between them, as a tuple."""
    return tuple(names(text))


def share(text: str) -> float:
    """Read a share of a whole.

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a share of 0 to 1 is needed, not {text!r}")
    return value


def midi_range(text: str) -> tuple[int, ...]:
    """Parse MIDI note numbers: ``LOW:HIGH``, ``LOW:HIGH:STEP``, both ends included, or a single one."""
    match = re.fullmatch(r"(\d{1,3})(?::(\d{1,3})(?::(\d{1,3}))?)?", text)
    low, high, step = (int(match[1]), int(match[2] or match[1]), int(match[3] or 1)) if match else (1, 0, 1)
    if not (low <= high <= 127 and step >= 1):
        raise argparse.ArgumentTypeError(
            f"LOW:HIGH or LOW:HIGH:STEP is needed, 0 to 127 and LOW at most HIGH, not {text!r}"
        )
    return tuple(range(low, high + 1, step))
