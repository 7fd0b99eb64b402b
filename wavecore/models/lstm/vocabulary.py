"""The symbols and durations of note lines, by number: what a model can read and write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wavecore.errors import InputError, UsageError
from wavecore.symbolic.note_sequence import REST, STEPS_PER_BEAT, NoteLine, pitches_of


@dataclass(frozen=True)
class NoteVocabulary:
    """The symbols and durations that a model knows, by number.

    Attributes
    ----------
    symbols : tuple of str
        Each once; "rest" is among them, and something that sounds.
    durations : tuple of int
        Steps, ascending.

    Raises
    ------
    UsageError
        If one of these is not so.
    """

    symbols: tuple[str, ...]
    durations: tuple[int, ...]
    steps_per_beat: int = STEPS_PER_BEAT

    def __post_init__(self):
        for name in ("symbols", "durations"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if REST not in self.symbols or len(self.symbols) < 2 or len(set(self.symbols)) < len(self.symbols):
            raise UsageError(
                f"a vocabulary of {len(self.symbols)} symbols needs each of them once, {REST!r} and something that sounds"
            )
        if not self.durations or list(self.durations) != sorted(set(self.durations)) or self.durations[0] < 1:
            raise UsageError(
                f"the durations {self.durations[:8]} of a vocabulary are not at least one, ascending, of 1 step or more"
            )
        try:
            NoteLine(self.symbols, (1,) * len(self.symbols), steps_per_beat=self.steps_per_beat)
        except InputError as error:
            raise UsageError(f"a vocabulary cannot be: {error}") from error

    @classmethod
    def of(cls, lines: Iterable[NoteLine], *, least: int = 1) -> NoteVocabulary:
        """Collect what lines hold, and all pitches between their lowest and highest, for lines that are transposed.

        Parameters
        ----------
        lines : iterable of NoteLine
            Of one grid.
        least : int
            How often a chord or a duration must come to be known.

        Raises
        ------
        InputError
            If nothing is left, or grids differ.
        """
        lines = list(lines)
        symbols = Counter(symbol for line in lines for symbol in line.symbols if symbol != REST)
        durations = Counter(duration for line in lines for duration in line.durations)
        grids = sorted({line.steps_per_beat for line in lines})
        single = [int(symbol) for symbol in symbols if "." not in symbol]
        chords = [symbol for symbol, number in symbols.items() if "." in symbol and number >= least]
        known = [duration for duration, number in durations.items() if number >= least]
        if len(grids) != 1 or not (single or chords) or not known:
            raise InputError(
                f"no vocabulary can be made of {len(lines)} lines with {len(symbols)} symbols on grids of {grids} steps to a beat"
            )
        pitches = range(min(single), max(single) + 1) if single else ()
        return cls((REST, *map(str, pitches), *sorted(chords, key=pitches_of)), tuple(sorted(known)), grids[0])

    def encode(self, line: NoteLine) -> tuple[np.ndarray, np.ndarray]:
        """Number a line's symbols and durations.

        Parameters
        ----------
        line : NoteLine
            What is not known becomes what is nearest: the symbol to which notes move least, taken from the highest down, where a note more or
            less counts as an octave; the duration that differs least, of two the shorter.  Rests stay rests, and notes notes.

        Returns
        -------
        notes, durations : ndarray, shape (T,), int64

        Raises
        ------
        InputError
            If the line has another grid.
        """
        if line.steps_per_beat != self.steps_per_beat:
            raise InputError(
                f"a line has {line.steps_per_beat} steps to a beat; the vocabulary has {self.steps_per_beat}"
            )
        notes = {symbol: self._number(symbol) for symbol in set(line.symbols)}
        lengths = {
            wanted: min(range(len(self.durations)), key=lambda i: (abs(self.durations[i] - wanted), i))
            for wanted in set(line.durations)
        }
        found = [notes[symbol] for symbol in line.symbols], [lengths[duration] for duration in line.durations]
        return np.array(found[0], np.int64), np.array(found[1], np.int64)

    def decode(self, notes: np.ndarray, durations: np.ndarray) -> NoteLine:
        """Write numbers as a line; the inverse of ``encode`` on what the vocabulary knows, but for velocities.

        Parameters
        ----------
        notes, durations : ndarray, shape (T,), integer

        Raises
        ------
        InputError
            If a number stands for nothing.
        """
        for numbers, known in ((notes, self.symbols), (durations, self.durations)):
            if len(numbers) and not 0 <= min(numbers) <= max(numbers) < len(known):
                raise InputError(
                    f"numbers from {min(numbers)} to {max(numbers)} stand for nothing; 0 to {len(known) - 1} are known"
                )
        return NoteLine(
            tuple(self.symbols[n] for n in notes),
            tuple(self.durations[n] for n in durations),
            steps_per_beat=self.steps_per_beat,
        )

    def moved(self, semitones: int) -> np.ndarray:
        """Number all symbols transposed.

        Returns
        -------
        ndarray, shape (N,), int64
            For each symbol's number that of the symbol so much higher; -1 where it is not known.  A rest stays one.
        """
        known = {pitches_of(symbol): number for symbol, number in self._numbers.items()}
        return np.array([known.get(tuple(pitch + semitones for pitch in pitches), -1) for pitches in known], np.int64)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {symbol: number for number, symbol in enumerate(self.symbols)}

    def _number(self, symbol: str) -> int:
        if symbol in self._numbers:
            return self._numbers[symbol]
        wanted = pitches_of(symbol)
        return min(
            (number for known, number in self._numbers.items() if known != REST),
            key=lambda n: (_apart(wanted, pitches_of(self.symbols[n])), n),
        )


def _apart(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    """Semitones between chords, from their highest notes down; a note more or less is an octave."""
    pairs = zip(reversed(first), reversed(second), strict=False)
    return sum(abs(a - b) for a, b in pairs) + 12 * abs(len(first) - len(second))
