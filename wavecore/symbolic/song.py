"""A whole piece: the notes of all parts on one grid of ticks, with tempo and meter.

A `Song` holds what a MIDI file says of its notes, in whole numbers and therefore exactly, and tells
where they lie in beats and in seconds.  A `Score` (see ``score``) is one of its parts in seconds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from wavecore.errors import InputError
from wavecore.symbolic.score import Note, Score

DEFAULT_MICROSECONDS = 500_000
"""Of a beat where no tempo is said: 120 beats a minute, as MIDI has it."""
MOST_TICKS = 2**31


@dataclass(frozen=True, order=True)
class Event:
    """A note on the grid.

    Attributes
    ----------
    onset : int
        Ticks, at least 0.
    pitch : int
        MIDI number, 0 to 127.
    duration : int
        Ticks, at least 1.
    velocity : int
        1 to 127.

    Raises
    ------
    InputError
        If a value leaves its range.
    """

    onset: int
    pitch: int
    duration: int
    velocity: int = 90

    def __post_init__(self):
        if not 0 <= self.onset < MOST_TICKS or not 1 <= self.duration < MOST_TICKS:
            raise InputError(
                f"a note begins at tick {self.onset} and lasts {self.duration}; onsets are 0 or later, durations 1 or more"
            )
        if not 0 <= self.pitch <= 127:
            raise InputError(f"a note at tick {self.onset} has pitch {self.pitch}; MIDI numbers run from 0 to 127")
        if not 1 <= self.velocity <= 127:
            raise InputError(f"a note at tick {self.onset} has velocity {self.velocity}; velocities run from 1 to 127")

    @property
    def end(self) -> int:
        """Where the note stops, in ticks."""
        return self.onset + self.duration


@dataclass(frozen=True)
class Part:
    """What one player has.

    Attributes
    ----------
    events : tuple of Event
        Sorted by onset, then pitch; any iterable is accepted and sorted.
    program : int
        General MIDI program, 0 to 127.
    """

    events: tuple[Event, ...]
    name: str = ""
    program: int = 0
    is_drum: bool = False

    def __post_init__(self):
        object.__setattr__(self, "events", tuple(sorted(self.events)))
        if not 0 <= self.program <= 127:
            raise InputError(f"the part {self.name!r} has program {self.program}; programs run from 0 to 127")


@dataclass(frozen=True, order=True)
class Tempo:
    """From when on how fast.

    Attributes
    ----------
    microseconds : int
        Of a beat, a quarter note: 1 to 2**24 - 1, what MIDI can say.

    Raises
    ------
    InputError
        If a value leaves its range; a tempo of zero or of infinity is none.
    """

    tick: int
    microseconds: int

    def __post_init__(self):
        if not 0 <= self.tick < MOST_TICKS or not 1 <= self.microseconds < 2**24:
            raise InputError(
                f"a tempo at tick {self.tick} gives a beat {self.microseconds} microseconds; 1 to {2**24 - 1} are possible, from tick 0 on"
            )

    @property
    def beats_per_minute(self) -> float:
        """Quarter notes in a minute."""
        return 60e6 / self.microseconds


@dataclass(frozen=True, order=True)
class Meter:
    """From when on how many beats of what kind make a bar.

    Attributes
    ----------
    numerator, denominator : int
        6 and 8 for 6/8; the denominator is a power of two up to 64.

    Raises
    ------
    InputError
        If a value leaves its range.
    """

    tick: int
    numerator: int
    denominator: int

    def __post_init__(self):
        if (
            not 0 <= self.tick < MOST_TICKS
            or not 1 <= self.numerator <= 255
            or self.denominator not in (1, 2, 4, 8, 16, 32, 64)
        ):
            raise InputError(f"a meter at tick {self.tick} is {self.numerator}/{self.denominator}, which is none")


@dataclass(frozen=True)
class Song:
    """A piece.

    Attributes
    ----------
    ticks_per_beat : int
        Of a quarter note, 1 to 32767.
    tempos : tuple of Tempo
        Sorted; before the first one a beat lasts half a second.
    meters : tuple of Meter
        Sorted; before the first one it is 4/4.

    Raises
    ------
    InputError
        If the grid is impossible.
    """

    ticks_per_beat: int
    parts: tuple[Part, ...]
    tempos: tuple[Tempo, ...] = ()
    meters: tuple[Meter, ...] = ()
    name: str = ""
    source: str = ""
    licence: str = ""
    info: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)
    """How a composed piece was made: model, seed and what else the composer reports."""

    def __post_init__(self):
        if not 1 <= self.ticks_per_beat <= 32_767:
            raise InputError(f"a beat has {self.ticks_per_beat} ticks; 1 to 32767 are possible")
        for name in ("parts", "tempos", "meters"):
            items = getattr(self, name)
            object.__setattr__(self, name, tuple(items) if name == "parts" else tuple(sorted(items)))

    @property
    def end(self) -> int:
        """Where the last note stops, in ticks; 0 without notes."""
        return max((event.end for part in self.parts for event in part.events), default=0)

    @property
    def duration_s(self) -> float:
        """Where the last note stops, in seconds."""
        return float(self.seconds([self.end])[0])

    @property
    def n_notes(self) -> int:
        """Notes of all parts."""
        return sum(len(part.events) for part in self.parts)

    def beats(self, ticks: Sequence[int] | np.ndarray) -> np.ndarray:
        """Where ticks lie in beats.

        Parameters
        ----------
        ticks : sequence of int, shape (n,)

        Returns
        -------
        ndarray, shape (n,), float64
            Quarter notes from the beginning.
        """
        return np.asarray(ticks, np.float64) / self.ticks_per_beat

    def seconds(self, ticks: Sequence[int] | np.ndarray) -> np.ndarray:
        """Where ticks lie in time, by the song's tempos.

        Parameters
        ----------
        ticks : sequence of int, shape (n,)

        Returns
        -------
        ndarray, shape (n,), float64
            Seconds from the beginning.
        """
        starts, rates, at = self._tempo_map
        ticks = np.asarray(ticks, np.int64)
        which = np.searchsorted(starts, ticks, side="right") - 1
        return at[which] + (ticks - starts[which]) * rates[which]

    @cached_property
    def _tempo_map(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where tempos begin in ticks, seconds of a tick from there on, where they begin in seconds."""
        said = {0: DEFAULT_MICROSECONDS} | {tempo.tick: tempo.microseconds for tempo in self.tempos}
        starts = np.array(sorted(said), np.int64)
        rates = np.array([said[int(tick)] for tick in starts]) / 1e6 / self.ticks_per_beat
        return starts, rates, np.concatenate([[0.0], np.cumsum(np.diff(starts) * rates[:-1])])

    def meter_at(self, tick: int) -> Meter:
        """The meter that holds at a tick."""
        place = bisect_right([meter.tick for meter in self.meters], tick)
        return self.meters[place - 1] if place else Meter(0, 4, 4)

    def score(self, part: Part) -> Score:
        """One part in seconds."""
        onsets = self.seconds([event.onset for event in part.events])
        ends = self.seconds([event.end for event in part.events])
        notes = (
            Note(float(onset), float(end - onset), event.pitch, event.velocity)
            for onset, end, event in zip(onsets, ends, part.events, strict=True)
        )
        return Score(tuple(notes), self.name, self.source, self.licence, part.name, part.program, part.is_drum)

    def regrid(self, ticks_per_beat: int) -> Song:
        """The same piece on another grid; exact where the new one is a multiple, else rounded.

        Returns
        -------
        Song
            A note keeps a duration of a tick at least.
        """

        def move(tick: int) -> int:
            return (2 * tick * ticks_per_beat + self.ticks_per_beat) // (2 * self.ticks_per_beat)

        parts = []
        for part in self.parts:
            events = (
                replace(event, onset=move(event.onset), duration=max(1, move(event.end) - move(event.onset)))
                for event in part.events
            )
            parts.append(replace(part, events=tuple(events)))
        tempos = {move(tempo.tick): replace(tempo, tick=move(tempo.tick)) for tempo in self.tempos}
        meters = {move(meter.tick): replace(meter, tick=move(meter.tick)) for meter in self.meters}
        return replace(
            self,
            ticks_per_beat=ticks_per_beat,
            parts=tuple(parts),
            tempos=tuple(tempos.values()),
            meters=tuple(meters.values()),
        )
