"""One line of a piece as a sequence of symbols (a note, a chord or a rest) and durations on a grid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from wavecore.errors import InputError
from wavecore.symbolic.score import Note, Score, monophonic
from wavecore.symbolic.song import MAX_TICKS, Event, Meter, Part, Song, Tempo

REST = "rest"
STEPS_PER_BEAT = 4
TICKS_PER_BEAT = 480
VELOCITY = 90
BEATS_PER_MINUTE = 100.0
MIN_CONCENTRATION = 0.5
"""Length of the mean of the onsets as points on a circle of one step, from which on they have a common phase."""
MELODY_NAMES = ("melody", "soprano")


@dataclass(frozen=True)
class NoteLine:
    """A sequence of notes, chords and rests.

    Attributes
    ----------
    symbols : tuple of str
        MIDI note numbers: "60", or "60.64.67" for a chord in ascending order; "rest".
    durations : tuple of int
        Steps, one for each symbol, at least 1.
    velocities : tuple of int
        One for each symbol, 1 to 127, 0 for a rest; or empty if unknown.
    steps_per_beat : int
        A divisor of 480.

    Raises
    ------
    InputError
        If lengths differ, a symbol is malformed, or a number is out of range.
    """

    symbols: tuple[str, ...]
    durations: tuple[int, ...]
    velocities: tuple[int, ...] = ()
    steps_per_beat: int = STEPS_PER_BEAT

    def __post_init__(self):
        for name in ("symbols", "durations", "velocities"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        n = len(self.symbols)
        if len(self.durations) != n or len(self.velocities) not in (0, n):
            given = f"{len(self.durations)} durations and {len(self.velocities)} velocities"
            raise InputError(f"a line of {n} symbols has {given}")
        if self.durations and min(self.durations) < 1:
            raise InputError(f"a line has a duration of {min(self.durations)}; durations are 1 step or more")
        if self.steps_per_beat < 1 or TICKS_PER_BEAT % self.steps_per_beat:
            raise InputError(f"a line has {self.steps_per_beat} steps per beat, which does not divide {TICKS_PER_BEAT}")
        for symbol in set(self.symbols):
            pitches_of(symbol)
        for symbol, velocity in zip(self.symbols, self.velocities, strict=False):
            if (velocity != 0) if symbol == REST else not 1 <= velocity <= 127:
                raise InputError(f"the symbol {symbol!r} has velocity {velocity}; notes have 1 to 127, rests 0")

    @property
    def n_steps(self) -> int:
        """Total length in steps."""
        return sum(self.durations)

    @property
    def n_notes(self) -> int:
        """Number of symbols that are not rests."""
        return sum(symbol != REST for symbol in self.symbols)

    def table(self) -> np.ndarray:
        """Return onset (step), MIDI note number, duration (steps) and velocity of every note, shape (n, 4), int64."""
        onsets = np.cumsum((0, *self.durations[:-1])).tolist()
        velocities = self.velocities or (VELOCITY,) * len(self.symbols)
        entries = zip(onsets, self.symbols, self.durations, velocities, strict=False)  # an empty line has one onset
        rows = [(onset, pitch, n, velocity) for onset, symbol, n, velocity in entries for pitch in pitches_of(symbol)]
        return np.array(rows, np.int64).reshape(-1, 4)

    def transposed(self, semitones: int) -> NoteLine:
        """Transpose all notes; raise InputError if one would leave 0 to 127."""
        return replace(self, symbols=tuple(transposed(symbol, semitones) for symbol in self.symbols))

    def cut(self, n_steps: int) -> NoteLine:
        """Keep the first `n_steps`; the last note is shortened to end there."""
        kept, left = [], n_steps
        for duration in self.durations:
            if left < 1:
                break
            kept.append(min(duration, left))
            left -= duration
        n = len(kept)
        return replace(self, symbols=self.symbols[:n], durations=tuple(kept), velocities=self.velocities[:n])

    def to_song(
        self,
        *,
        name: str = "",
        beats_per_minute: float = BEATS_PER_MINUTE,
        meter: tuple[int, int] = (4, 4),
        program: int = 0,
    ) -> Song:
        """Convert to a song of one part named MELODY, with a General MIDI program."""
        step = TICKS_PER_BEAT // self.steps_per_beat
        events = (Event(onset * step, pitch, n * step, velocity) for onset, pitch, n, velocity in self.table().tolist())
        part = Part(tuple(events), MELODY_NAMES[0].upper(), program)
        return Song(TICKS_PER_BEAT, (part,), (Tempo(0, round(60e6 / beats_per_minute)),), (Meter(0, *meter),), name)


def pitches_of(symbol: str) -> tuple[int, ...]:
    """Return a symbol's MIDI note numbers, ascending, none for a rest; raise InputError if it is malformed."""
    if symbol == REST:
        return ()
    numbers = symbol.split(".")
    pitches = tuple(map(int, numbers)) if all(number.isdecimal() for number in numbers) else ()
    if not pitches or symbol != symbol_of(pitches) or pitches[-1] > 127:
        raise InputError(f"{symbol!r} is no symbol; examples are 60, 60.64.67 (ascending, 0 to 127) and {REST}")
    return pitches


def symbol_of(pitches: Iterable[int]) -> str:
    """Return the symbol of MIDI note numbers in any order."""
    return ".".join(map(str, sorted(set(pitches)))) or REST


def transposed(symbol: str, semitones: int) -> str:
    """Transpose a symbol; raise InputError if a note would leave 0 to 127."""
    moved = symbol_of(pitch + semitones for pitch in pitches_of(symbol))
    pitches_of(moved)
    return moved


def melody_part(song: Song) -> Part:
    """Return the part named melody or soprano, else the one of highest mean pitch; raise InputError without one."""
    parts = [part for part in song.parts if part.events and not part.is_drum]
    if not parts:
        raise InputError(f"{song.name or 'the song'} has no notes in parts other than drums")
    named = [part for part in parts if part.name.strip().lower() in MELODY_NAMES]
    return named[0] if named else max(parts, key=lambda part: float(np.mean([event.pitch for event in part.events])))


def read_line(
    song: Song, *, part: Part | None = None, steps_per_beat: int = STEPS_PER_BEAT, chords: bool = False
) -> NoteLine:
    """Extract one line of a song, quantized.

    Onsets are first moved by their common phase to the grid, since a recording need not begin on a beat.

    Parameters
    ----------
    part : Part, optional
        A part of the song; ``melody_part`` by default.
    chords : bool
        Whether simultaneous notes become chords; if not, the part is reduced to one line (see ``score.monophonic``).

    Returns
    -------
    NoteLine
        From the song's beginning to the last note's end.

    Raises
    ------
    InputError
        If there is no melody part, or the grid is impossible.
    """
    part = melody_part(song) if part is None else part
    quantized = replace(song, parts=(_aligned(song, part, steps_per_beat),)).regrid(steps_per_beat).parts[0].events
    groups: dict[int, list[Event]] = {}
    for event in quantized if chords else _top_line(quantized):
        groups.setdefault(event.onset, []).append(event)
    entries, at = [], 0
    for onset, following in pairwise([*groups, MAX_TICKS]):  # nothing follows the last group
        notes = groups[onset]
        end = min(following, max(event.end for event in notes))
        entries += [(REST, onset - at, 0)] if onset > at else []
        symbol = symbol_of(event.pitch for event in notes)
        entries.append((symbol, end - onset, max(event.velocity for event in notes)))
        at = end
    symbols, durations, velocities = zip(*entries, strict=True) if entries else ((), (), ())
    return NoteLine(symbols, durations, velocities, steps_per_beat)


def without_long_rests(line: NoteLine, bar: int) -> NoteLine:
    """Drop leading rests, and whole bars (of `bar` steps) of rests that are longer than one."""
    first = next((index for index, symbol in enumerate(line.symbols) if symbol != REST), len(line.symbols))
    durations = [
        (n - 1) % bar + 1 if symbol == REST else n for symbol, n in zip(line.symbols, line.durations, strict=True)
    ]
    return replace(
        line, symbols=line.symbols[first:], durations=tuple(durations[first:]), velocities=line.velocities[first:]
    )


def _aligned(song: Song, part: Part, steps_per_beat: int) -> Part:
    """Shift a part by less than half a step, so that its onsets fall on the grid as well as possible."""
    onsets = np.array([event.onset for event in part.events], np.float64)
    mean = np.exp(2j * np.pi * onsets * steps_per_beat / song.ticks_per_beat).sum() / max(1, len(onsets))
    phase = np.angle(mean) / (2 * np.pi) if abs(mean) > MIN_CONCENTRATION else 0.0
    ticks = round(phase * song.ticks_per_beat / steps_per_beat)
    return replace(part, events=tuple(replace(event, onset=max(0, event.onset - ticks)) for event in part.events))


def _top_line(events: Iterable[Event]) -> list[Event]:
    """Apply ``score.monophonic`` with steps in place of seconds; they stay integers."""
    score = Score(tuple(Note(event.onset, event.duration, event.pitch, event.velocity) for event in events))
    notes = monophonic(score, legato_gap_s=0.0).notes
    return [Event(int(note.onset_s), note.pitch, int(note.duration_s), note.velocity) for note in notes]
