"""One line of a piece as symbols: what sounds, and for how long, one after the other.

A `NoteLine` is read from a part of a song and written as one.  Times are whole steps of a grid, some
of them to a beat.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from wavecore.errors import InputError
from wavecore.symbolic.score import Note, Score, monophonic
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

REST = "rest"
STEPS_PER_BEAT = 4
TICKS_PER_BEAT = 480
VELOCITY = 90
BEATS_PER_MINUTE = 100.0
AGREEING = 0.5
"""Length of the mean of onsets as points on a circle of one step, from which on they lie alike."""
MELODY_NAMES = ("melody", "soprano")


@dataclass(frozen=True)
class NoteLine:
    """What a player has who plays one note or chord at a time.

    Attributes
    ----------
    symbols : tuple of str
        A MIDI number as "60", those of a chord from the lowest on as "60.64.67", or "rest".
    durations : tuple of int
        Steps, one for each symbol, at least 1.
    velocities : tuple of int
        One for each symbol, 1 to 127, 0 for a rest; empty where nothing is known of them.
    steps_per_beat : int
        A divisor of 480.

    Raises
    ------
    InputError
        If lengths differ, a symbol is none, or a number is out of its range.
    """

    symbols: tuple[str, ...]
    durations: tuple[int, ...]
    velocities: tuple[int, ...] = ()
    steps_per_beat: int = STEPS_PER_BEAT

    def __post_init__(self):
        for name in ("symbols", "durations", "velocities"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.durations) != len(self.symbols) or len(self.velocities) not in (0, len(self.symbols)):
            raise InputError(
                f"a line of {len(self.symbols)} symbols has {len(self.durations)} durations and {len(self.velocities)} velocities"
            )
        if self.durations and min(self.durations) < 1:
            raise InputError(f"a line has a duration of {min(self.durations)}; durations are 1 step or more")
        if self.steps_per_beat < 1 or TICKS_PER_BEAT % self.steps_per_beat:
            raise InputError(
                f"a line has {self.steps_per_beat} steps to a beat; a divisor of {TICKS_PER_BEAT} is needed"
            )
        for symbol in set(self.symbols):
            pitches_of(symbol)
        for symbol, velocity in zip(self.symbols, self.velocities, strict=False):
            if (velocity != 0) if symbol == REST else not 1 <= velocity <= 127:
                raise InputError(f"the symbol {symbol!r} has velocity {velocity}; notes have 1 to 127, rests 0")

    @property
    def n_steps(self) -> int:
        """How long it is."""
        return sum(self.durations)

    @property
    def n_notes(self) -> int:
        """Symbols that sound."""
        return sum(symbol != REST for symbol in self.symbols)

    def table(self) -> np.ndarray:
        """Say when what sounds.

        Returns
        -------
        ndarray, shape (n, 4), int64
            Of every note, those of a chord one after the other: onset in steps, MIDI number, duration in steps, velocity.
        """
        onsets = np.cumsum((0, *self.durations[:-1])).tolist()
        entries = zip(
            onsets, self.symbols, self.durations, self.velocities or (VELOCITY,) * len(self.symbols), strict=False
        )
        rows = [
            (onset, pitch, lasting, velocity)
            for onset, symbol, lasting, velocity in entries
            for pitch in pitches_of(symbol)
        ]
        return np.array(rows, np.int64).reshape(-1, 4)

    def transposed(self, semitones: int) -> NoteLine:
        """Move all that sounds.

        Raises
        ------
        InputError
            If a note would leave 0 to 127.
        """
        return replace(self, symbols=tuple(transposed(symbol, semitones) for symbol in self.symbols))

    def cut(self, n_steps: int) -> NoteLine:
        """Keep the beginning.

        Parameters
        ----------
        n_steps : int
            At least 0; what sounds on there ends there.

        Returns
        -------
        NoteLine
            The whole line if it is no longer than that.
        """
        kept, left = [], n_steps
        for duration in self.durations:
            if left < 1:
                break
            kept.append(min(duration, left))
            left -= duration
        return replace(
            self, symbols=self.symbols[: len(kept)], durations=tuple(kept), velocities=self.velocities[: len(kept)]
        )

    def to_song(
        self,
        *,
        name: str = "",
        beats_per_minute: float = BEATS_PER_MINUTE,
        meter: tuple[int, int] = (4, 4),
        program: int = 0,
    ) -> Song:
        """Write the line as a piece of one part.

        Parameters
        ----------
        meter : tuple of int
            Beats of a bar and their kind.
        program : int
            General MIDI's.
        """
        step = TICKS_PER_BEAT // self.steps_per_beat
        events = (
            Event(onset * step, pitch, lasting * step, velocity)
            for onset, pitch, lasting, velocity in self.table().tolist()
        )
        part = Part(tuple(events), MELODY_NAMES[0].upper(), program)
        return Song(TICKS_PER_BEAT, (part,), (Tempo(0, round(60e6 / beats_per_minute)),), (Meter(0, *meter),), name)


def pitches_of(symbol: str) -> tuple[int, ...]:
    """Read a symbol.

    Returns
    -------
    tuple of int
        MIDI numbers from the lowest on; none for a rest.

    Raises
    ------
    InputError
        If it is none.
    """
    if symbol == REST:
        return ()
    pitches = (
        tuple(int(number) for number in symbol.split("."))
        if symbol.replace(".", "").isdecimal() and ".." not in f".{symbol}."
        else ()
    )
    if not pitches or symbol != symbol_of(pitches) or not 0 <= pitches[0] <= pitches[-1] <= 127:
        raise InputError(f"{symbol!r} is no symbol; 60, 60.64.67 (ascending, 0 to 127) and {REST} are some")
    return pitches


def symbol_of(pitches: Iterable[int]) -> str:
    """Write pitches as a symbol.

    Parameters
    ----------
    pitches : iterable of int
        MIDI numbers in any order.

    Returns
    -------
    str
        "rest" of none.
    """
    return ".".join(map(str, sorted(set(pitches)))) or REST


def transposed(symbol: str, semitones: int) -> str:
    """Move a symbol.

    Raises
    ------
    InputError
        If a note would leave 0 to 127.
    """
    moved = symbol_of(pitch + semitones for pitch in pitches_of(symbol))
    pitches_of(moved)
    return moved


def melody_part(song: Song) -> Part:
    """Choose the part that has the melody: the one of that name, or the one that lies highest.

    Raises
    ------
    InputError
        If there is no part but drums.
    """
    parts = [part for part in song.parts if part.events and not part.is_drum]
    if not parts:
        raise InputError(f"{song.name or 'the piece'} has no part with notes that is not for drums")
    named = [part for part in parts if part.name.strip().lower() in MELODY_NAMES]
    return named[0] if named else max(parts, key=lambda part: float(np.mean([event.pitch for event in part.events])))


def read_line(
    song: Song, *, part: Part | None = None, steps_per_beat: int = STEPS_PER_BEAT, chords: bool = False
) -> NoteLine:
    """Read one line of a piece.

    Parameters
    ----------
    part : Part, optional
        Of it; the melody's if not given.
    steps_per_beat : int
        Times are rounded to such steps, after the part was moved by what its onsets lie beside them on the average: recordings that keep
        time need not begin on a beat.
    chords : bool
        Whether what begins together is a chord; if not, the highest stays, and one clean line (see ``score.monophonic``).

    Returns
    -------
    NoteLine
        From the song's beginning to the last note's end; every note ends where the next one begins, or before.

    Raises
    ------
    InputError
        If there is no part to choose, or the grid is impossible.
    """
    part = melody_part(song) if part is None else part
    on_grid = replace(song, parts=(_moved(song, part, steps_per_beat),)).regrid(steps_per_beat).parts[0].events
    groups: dict[int, list[Event]] = {}
    for event in on_grid if chords else _skyline(on_grid):
        groups.setdefault(event.onset, []).append(event)
    entries, at = [], 0
    for onset, following in zip(groups, [*groups][1:] + [None], strict=False):
        end = max(event.end for event in groups[onset])
        end = end if following is None else min(end, following)
        entries += [(REST, onset - at, 0)] if onset > at else []
        entries.append(
            (
                symbol_of(event.pitch for event in groups[onset]),
                end - onset,
                max(event.velocity for event in groups[onset]),
            )
        )
        at = end
    symbols, durations, velocities = zip(*entries, strict=True) if entries else ((), (), ())
    return NoteLine(symbols, durations, velocities, steps_per_beat)


def without_long_rests(line: NoteLine, bar: int) -> NoteLine:
    """Begin with the first note, and let no rest be longer than a bar: whole bars are taken out of it.

    Parameters
    ----------
    bar : int
        Steps.
    """
    first = next((place for place, symbol in enumerate(line.symbols) if symbol != REST), len(line.symbols))
    durations = [
        (d - 1) % bar + 1 if symbol == REST else d for symbol, d in zip(line.symbols, line.durations, strict=True)
    ]
    return replace(
        line, symbols=line.symbols[first:], durations=tuple(durations[first:]), velocities=line.velocities[first:]
    )


def _moved(song: Song, part: Part, steps_per_beat: int) -> Part:
    """The part, moved by less than half a step, so that its onsets lie on the grid as well as they can."""
    onsets = np.array([event.onset for event in part.events], np.float64)
    mean = np.exp(2j * np.pi * onsets * steps_per_beat / song.ticks_per_beat).sum() / max(1, len(onsets))
    # Onsets that lie anywhere have no common place beside the grid.
    phase = np.angle(mean) / (2 * np.pi) if abs(mean) > AGREEING else 0.0
    ticks = round(phase * song.ticks_per_beat / steps_per_beat)
    return replace(part, events=tuple(replace(event, onset=max(0, event.onset - ticks)) for event in part.events))


def _skyline(events: Iterable[Event]) -> list[Event]:
    """The line on top.  A score's times are seconds; here they are steps, and stay whole."""
    score = Score(tuple(Note(event.onset, event.duration, event.pitch, event.velocity) for event in events))
    return [
        Event(int(n.onset_s), n.pitch, int(n.duration_s), n.velocity) for n in monophonic(score, legato_gap_s=0.0).notes
    ]
