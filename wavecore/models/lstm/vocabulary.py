"""The vocabulary of a model of melodies: symbols and durations, each with a number."""

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
    """Symbols and durations, each numbered by its position.

    Attributes
    ----------
    symbols : tuple of str
        Different ones, "rest" and at least one pitch or chord among them.
    durations : tuple of int
        Steps of the grid, ascending.

    Raises
    ------
    UsageError
        If symbols, durations or grid are otherwise.
    """

    symbols: tuple[str, ...]
    durations: tuple[int, ...]
    steps_per_beat: int = STEPS_PER_BEAT

    def __post_init__(self):
        for name in ("symbols", "durations"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if REST not in self.symbols or len(self.symbols) < 2 or len(set(self.symbols)) < len(self.symbols):
            raise UsageError(
                f"a vocabulary has {REST!r}, a pitch or chord, and no symbol twice; not {self.symbols[:8]}"
            )
        if not self.durations or list(self.durations) != sorted(set(self.durations)) or self.durations[0] < 1:
            raise UsageError(f"durations ascend from 1 step or more; not {self.durations[:8]}")
        try:
            NoteLine(self.symbols, (1,) * len(self.symbols), steps_per_beat=self.steps_per_beat)
        except InputError as error:
            raise UsageError(f"a vocabulary cannot be: {error}") from error

    @classmethod
    def from_lines(cls, lines: Iterable[NoteLine], *, least: int = 1) -> NoteVocabulary:
        """Collect chords and durations that occur ``least`` times, and all pitches from the lowest to the highest."""
        lines = list(lines)
        symbols = Counter(symbol for line in lines for symbol in line.symbols if symbol != REST)
        durations = Counter(duration for line in lines for duration in line.durations)
        grids = sorted({line.steps_per_beat for line in lines})
        single = [int(symbol) for symbol in symbols if "." not in symbol]
        chords = [symbol for symbol, count in symbols.items() if "." in symbol and count >= least]
        frequent = [duration for duration, count in durations.items() if count >= least]
        if len(grids) != 1 or not (single or chords) or not frequent:
            raise InputError(
                f"no vocabulary can be made of {len(lines)} lines with {len(symbols)} symbols on grids of {grids} steps"
            )
        # Pitches between those that occur are kept, so that lines can be transposed.
        pitches = range(min(single), max(single) + 1) if single else ()
        return cls((REST, *map(str, pitches), *sorted(chords, key=pitches_of)), tuple(sorted(frequent)), grids[0])

    def encode(self, line: NoteLine) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of a line's symbols and durations, both of shape (T,), int64.

        An unknown symbol becomes the one whose notes lie nearest, compared from the highest down, with an octave for
        each missing note; an unknown duration the nearest one, of two the shorter.  Rests stay rests, and notes notes.
        """
        if line.steps_per_beat != self.steps_per_beat:
            raise InputError(
                f"the line has {line.steps_per_beat} steps to a beat; the vocabulary has {self.steps_per_beat}"
            )
        notes = {symbol: self._nearest(symbol) for symbol in set(line.symbols)}
        lengths = {
            duration: min(range(len(self.durations)), key=lambda i: (abs(self.durations[i] - duration), i))
            for duration in set(line.durations)
        }
        numbers = [notes[symbol] for symbol in line.symbols], [lengths[duration] for duration in line.durations]
        return np.array(numbers[0], np.int64), np.array(numbers[1], np.int64)

    def transposition(self, semitones: int) -> np.ndarray:
        """Return the number of every symbol transposed, shape (N,), int64: -1 where it is unknown; rests stay rests."""
        known = {pitches_of(symbol): number for symbol, number in self._numbers.items()}
        return np.array([known.get(tuple(pitch + semitones for pitch in pitches), -1) for pitches in known], np.int64)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {symbol: number for number, symbol in enumerate(self.symbols)}

    def _nearest(self, symbol: str) -> int:
        """Return the number of a symbol, or of the one whose notes lie nearest."""
        if symbol in self._numbers:
            return self._numbers[symbol]
        pitches = pitches_of(symbol)
        return min(
            (number for known, number in self._numbers.items() if known != REST),
            key=lambda n: (_distance(pitches, pitches_of(self.symbols[n])), n),
        )


def _distance(first: tuple[int, ...], second: tuple[int, ...]) -> int:
    """Return semitones between chords, paired from their highest notes down; a missing note counts as an octave."""
    pairs = zip(reversed(first), reversed(second), strict=False)
    return sum(abs(a - b) for a, b in pairs) + 12 * abs(len(first) - len(second))
