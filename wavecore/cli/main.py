"""The command line: which verb, and what becomes of its errors."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence

from wavecore.console.common import version
from wavecore.console.console import Console
from wavecore.console.failures import INTERRUPTED, PIPE_CLOSED, TERMINATED, explain, near_miss
from wavecore.console.flags import Command, Parser
from wavecore.errors import UsageError

VERBS = {
    "demo": "with the shipped model: a whistle to every domain, and a page that plays them",
    "doctor": "what is installed, what works, and the fix where something does not",
    "models": "shipped and trained models: list, info, verify",
    "translate": "timbre transfer: recordings in, the same music in other domains out",
    "encode": "sounds to latents",
    "decode": "latents back to sounds",
    "interpolate": "what lies between two sounds, or more",
    "grid": "the four-corner surface: a square of sounds between four",
    "compose": "symbolic music, written as MIDI",
    "render": "a score through WaveNet to sound",
    "plot": "pictures of sounds and latents",
    "train": "train a model",
    "add-domain": "add an instrument to a translation model: a new decoder, from minutes of recordings",
    "data": "build data sets",
    "evaluate": "the measures of this project's cards and tables",
    "bench": "samples per second, against the machine's own limits",
}

IN_ROOMS = {
    "translate": "wavecore.models.translation.commands.translate",
    "encode": "wavecore.models.nsynth.commands.encode",
    "decode": "wavecore.models.nsynth.commands.decode",
    "interpolate": "wavecore.models.nsynth.commands.interpolate",
    "grid": "wavecore.models.nsynth.commands.grid",
    "add-domain": "wavecore.models.translation.commands.add_domain",
}
"""Verbs that live in the room of the model they are for."""

SUMMARY = "an audio synthesis and transfer engine with WaveNet at its centre"
EPILOG = """\
exit codes: 0 done, 1 failure, 2 usage, 3 bad input, 4 model missing or corrupt, 5 device or memory,
6 output exists, 7 part of a batch failed, 130 interrupted

start here:
  wavecore demo
  wavecore translate whistle.wav --to all -o out"""


class _Terminated(KeyboardInterrupt):
    """SIGTERM, on the way that Ctrl-C goes, so that no partial file stays behind."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``wavecore``; those of the process if not given.

    Returns
    -------
    int
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    verbose = "-v" in words or "--verbose" in words
    with _terminable(), warnings.catch_warnings():
        if not verbose:
            warnings.simplefilter("ignore")
        try:
            _dispatch(words)
            sys.stdout.flush()
            return 0
        except SystemExit as done:  # argparse after -h
            return int(done.code or 0)
        except _Terminated:
            return _fail("terminated", TERMINATED)
        except KeyboardInterrupt:
            return _fail("interrupted", INTERRUPTED)
        except BrokenPipeError:
            # The reader has gone; what Python flushes at exit must go somewhere.
            with contextlib.suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return PIPE_CLOSED
        except Exception as error:
            if verbose:
                traceback.print_exc()
            return _fail(*explain(error))


def _dispatch(words: list[str]) -> None:
    """Find the verb, parse its arguments, run it."""
    first, rest = (words[0], words[1:]) if words else ("-h", [])
    if first in ("-h", "--help"):
        print(_overview("wavecore", SUMMARY, VERBS, EPILOG))
        return
    if first in ("-V", "--version"):
        print(f"wavecore {version()}")
        return
    _require_verb(first, VERBS, "wavecore")
    module = IN_ROOMS.get(first, f"wavecore.cli.{first}")
    commands: Mapping[str, Command] = importlib.import_module(module).COMMANDS
    prog, name = f"wavecore {first}", ""
    if name not in commands:  # a verb of several commands
        name, rest = (rest[0], rest[1:]) if rest else ("-h", [])
        if name in ("-h", "--help"):
            summaries = {name: command.summary for name, command in commands.items()}
            print(_overview(prog, VERBS[first], summaries, f"more: {prog} {next(iter(commands))} -h"))
            return
        _require_verb(name, commands, prog)
        prog = f"{prog} {name}"
    args = Parser(prog, commands[name]).parse(rest)
    args.command = ["wavecore", *words]
    commands[name].run(args, Console(json=args.json, quiet=args.quiet))


def _require_verb(word: str, known: Collection[str], prog: str) -> None:
    if word in known:
        return
    if word.startswith("-"):
        raise UsageError(f"{word} stands before the verb; write: {prog} VERB {word} (verbs: {', '.join(known)})")
    raise UsageError(f"there is no `{prog} {word}`{near_miss(word, known)} (verbs: {', '.join(known)})")


def _overview(prog: str, summary: str, known: Mapping[str, str], epilog: str) -> str:
    width = max(map(len, known)) + 2
    lines = [f"usage: {prog} VERB ... (each with -h)", "", f"{summary[0].upper()}{summary[1:]}.", ""]
    lines += [f"  {name:{width}}{text}" for name, text in known.items()]
    return "\n".join([*lines, "", epilog])


def _fail(text: str, code: int) -> int:
    with contextlib.suppress(OSError):
        Console().error(text)
    return code


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM unwind the stack as Ctrl-C does; only the main thread may set the handler."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number, frame):
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
