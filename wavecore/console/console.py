"""What a verb prints, and where: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

COLOURS = {"green": "32", "red": "31", "yellow": "33", "bold": "1"}


class Console:
    """The two streams of a verb.

    Parameters
    ----------
    json : bool
        Whether stdout gets one JSON document and nothing else.
    quiet : bool
        Whether stderr gets warnings and errors only.
    mute : bool
        Whether, beside being quiet, it prints no results: for a process that works for another one.
    """

    def __init__(self, *, json: bool = False, quiet: bool = False, mute: bool = False):
        self.json, self.quiet, self.mute = json, quiet or mute, mute
        self._bar = None

    def say(self, text: str) -> None:
        """Print progress on stderr; nothing when quiet."""
        if not self.quiet:
            self._to_stderr(text)

    def warn(self, text: str) -> None:
        """Warn on stderr, also when quiet."""
        self._to_stderr(f"wavecore: warning: {text}")

    def error(self, text: str) -> None:
        """Report an error on stderr, also when quiet."""
        self._to_stderr(f"wavecore: error: {text}")

    def result(self, text: str) -> None:
        """Print a line for people on stdout; nothing with ``--json``."""
        if not self.json and not self.mute:
            print(text, flush=True)

    def document(self, value: dict) -> None:
        """Print the one JSON document on stdout; nothing without ``--json``.

        Parameters
        ----------
        value : dict
            Plain JSON values; numbers that are not finite become null.
        """
        if self.json and not self.mute:
            print(json.dumps(plain(value), indent=1, allow_nan=False), flush=True)

    @contextmanager
    def progress(self, description: str, *, unit: str) -> Iterator[Callable[[int, int], None]]:
        """Show a bar on stderr while the block runs, if stderr is a terminal.

        Parameters
        ----------
        description : str
            Stands before the bar.
        unit : str
            What is counted.

        Yields
        ------
        callable
            Takes (done, in all).
        """
        if self.quiet or not is_terminal(sys.stderr):
            yield lambda done, total: None
            return
        from tqdm import tqdm

        with tqdm(desc=description, unit=unit, unit_scale=True, leave=False, file=sys.stderr) as bar:

            def update(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            self._bar = bar
            try:
                yield update
            finally:
                self._bar = None

    def postfix(self, text: str) -> None:
        """Put figures behind the bar that is shown, if one is."""
        if self._bar is not None:
            self._bar.set_postfix_str(text)

    def paint(self, text: str, colour: str) -> str:
        """Colour a text for stdout, if that is a terminal and the environment does not forbid it.

        Parameters
        ----------
        colour : str
            A key of ``COLOURS``.
        """
        return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if _takes_colour(sys.stdout) else text

    def _to_stderr(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)


class Estimate:
    """Prints once how long a task of known size will take, from its own first seconds.

    Parameters
    ----------
    total : int
        Samples in all.
    sample_rate : int
        Hz, for the speed as a share of real time.
    measure_s : float
        Seconds to measure over; the first report is left out, as it holds compilation and loading.
    clock : callable
        Returns seconds.
    """

    def __init__(
        self,
        console: Console,
        *,
        total: int,
        sample_rate: int,
        measure_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.console, self.total, self.sample_rate = console, total, sample_rate
        self.measure_s, self.clock = measure_s, clock
        self._first: tuple[float, int] | None = None
        self._printed = False

    def update(self, done: int) -> None:
        """Record how far the task is.

        Parameters
        ----------
        done : int
            Samples done so far.
        """
        now = self.clock()
        if self._first is None:
            self._first = (now, done)
        seconds, samples = now - self._first[0], done - self._first[1]
        if self._printed or seconds < self.measure_s or samples <= 0:
            return
        self._printed = True
        speed = samples / seconds
        self.console.say(
            f"about {duration((self.total - done) / speed)} to go: {speed:,.0f} samples/s, "
            f"{speed / self.sample_rate:.2f} x real time over all targets"
        )


def duration(seconds: float) -> str:
    """Format a length of time.

    Returns
    -------
    str
        ``"4.2 s"``, ``"3 min 20 s"`` or ``"2 h 5 min"``.
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def plural(count: int, thing: str) -> str:
    """Format a count.

    Parameters
    ----------
    thing : str
        In the singular; the plural takes an s.

    Returns
    -------
    str
        ``"1 file"``, ``"3 files"``.
    """
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def plain(value: Any) -> Any:
    """Replace what JSON cannot hold: NaN and infinity become null, paths become texts.

    Parameters
    ----------
    value : object
        Nested dicts, lists, tuples, numbers, texts.
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def is_terminal(stream: TextIO) -> bool:
    """Return whether a stream is a terminal."""
    return stream.isatty()


def _takes_colour(stream: TextIO) -> bool:
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
