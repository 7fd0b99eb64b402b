"""A piece of music: notes of all parts on a grid of ticks, with tempos and meters, as a MIDI file holds them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from wavecore.errors import InputError
from wavecore.symbolic.score import Note, Score

DEFAULT_MICROSECONDS = 500_000
"""Duration of a beat before the first tempo: 120 beats per minute, as in MIDI."""
MAX_TICKS = 2**31


@dataclass(frozen=True, order=True)
class Event:
    """A note on the grid.

    Attributes
    ----------
    onset : int
        Ticks, at least 0.
    pitch : int
        MIDI note number, 0 to 127.
    duration : int
        Ticks, at least 1.
    velocity : int
        1 to 127.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    onset: int
    pitch: int
    duration: int
    velocity: int = 90

    def __post_init__(self):
        if not 0 <= self.onset < MAX_TICKS or not 1 <= self.duration < MAX_TICKS:
            raise InputError(f"a note has onset {self.onset} and duration {self.duration}; in ticks, 0 and 1 or more")
        if not 0 <= self.pitch <= 127:
            raise InputError(f"a note at tick {self.onset} has pitch {self.pitch}; MIDI note numbers are 0 to 127")
        if not 1 <= self.velocity <= 127:
            raise InputError(f"a note at tick {self.onset} has velocity {self.velocity}; velocities are 1 to 127")

    @property
    def end(self) -> int:
        """End of the note, in ticks."""
        return self.onset + self.duration


@dataclass(frozen=True)
class Part:
    """One track: its events, sorted, its name, and its General MIDI program, 0 to 127 (else InputError is raised)."""

    events: tuple[Event, ...]
    name: str = ""
    program: int = 0
    is_drum: bool = False

    def __post_init__(self):
        object.__setattr__(self, "events", tuple(sorted(self.events)))
        if not 0 <= self.program <= 127:
            raise InputError(f"the part {self.name!r} has program {self.program}; programs are 0 to 127")


@dataclass(frozen=True, order=True)
class Tempo:
    """A tempo from a tick on: microseconds of a beat (a quarter note), 1 to 2**24 - 1 (else InputError is raised)."""

    tick: int
    microseconds: int

    def __post_init__(self):
        if not 0 <= self.tick < MAX_TICKS or not 1 <= self.microseconds < 2**24:
            raise InputError(
                f"a tempo at tick {self.tick} has a beat of {self.microseconds} microseconds, not 1 to {2**24 - 1}"
            )

    @property
    def beats_per_minute(self) -> float:
        """Quarter notes per minute."""
        return 60e6 / self.microseconds


@dataclass(frozen=True, order=True)
class Meter:
    """A meter from a tick on, 6 and 8 for 6/8; raises InputError unless the denominator is a power of two up to 64."""

    tick: int
    numerator: int
    denominator: int

    def __post_init__(self):
        exists = 1 <= self.numerator <= 255 and self.denominator in (1, 2, 4, 8, 16, 32, 64)
        if not 0 <= self.tick < MAX_TICKS or not exists:
            raise InputError(
                f"a meter at tick {self.tick} is {self.numerator}/{self.denominator}, which does not exist"
            )


@dataclass(frozen=True, repr=False)
class Song:
    """A piece of music.

    ``midi.read`` reads one from a MIDI file, `write_midi` writes it.  In a notebook it is displayed as a piano roll.

    Attributes
    ----------
    ticks_per_beat : int
        Ticks of a quarter note, 1 to 32767.
    parts : tuple of Part
    tempos : tuple of Tempo
        Sorted; before the first one there are 120 beats per minute.
    meters : tuple of Meter
        Sorted; before the first one it is 4/4.
    name : str
        Title or id.
    source, licence : str
        Origin of the notes, and what may be done with them.
    info : mapping
        How a composed piece was made: model, seed and what else the composer reports.

    Raises
    ------
    InputError
        If `ticks_per_beat` is out of range.

    Examples
    --------
    >>> from wavecore.symbolic.song import Event, Part, Song, Tempo
    >>> melody = Part([Event(0, 60, 480), Event(480, 64, 480), Event(960, 67, 960)], name="melody")
    >>> song = Song(480, (melody,), tempos=(Tempo(0, 600_000),))
    >>> song
    Song(1 track, 3 notes, 2.4 s)
    >>> song.seconds([480, 960])
    array([0.6, 1.2])
    >>> song.score(melody).notes[-1]
    Note(onset_s=1.2, duration_s=1.2, pitch=67, velocity=90)
    """

    ticks_per_beat: int
    parts: tuple[Part, ...]
    tempos: tuple[Tempo, ...] = ()
    meters: tuple[Meter, ...] = ()
    name: str = ""
    source: str = ""
    licence: str = ""
    info: Mapping[str, object] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self):
        if not 1 <= self.ticks_per_beat <= 32_767:
            raise InputError(f"a beat has {self.ticks_per_beat} ticks; 1 to 32767 are possible")
        object.__setattr__(self, "parts", tuple(self.parts))
        for name in ("tempos", "meters"):
            object.__setattr__(self, name, tuple(sorted(getattr(self, name))))

    def __repr__(self) -> str:
        counts = ((len(self.parts), "track"), (self.n_notes, "note"))
        what = ", ".join(f"{n} {noun}{'' if n == 1 else 's'}" for n, noun in counts)
        return f"Song({what}, {self.duration_s:.1f} s)"

    def _repr_html_(self) -> str:
        from wavecore.symbolic.piano_roll import draw

        return draw(self)

    @property
    def end(self) -> int:
        """End of the last note, in ticks; 0 without notes."""
        return max((event.end for part in self.parts for event in part.events), default=0)

    @property
    def duration_s(self) -> float:
        """End of the last note, in seconds."""
        return float(self.seconds([self.end])[0])

    @property
    def n_notes(self) -> int:
        """Number of notes of all parts."""
        return sum(len(part.events) for part in self.parts)

    def beats(self, ticks: Sequence[int] | np.ndarray) -> np.ndarray:
        """Convert ticks to quarter notes from the beginning, float64 of the same shape."""
        return np.asarray(ticks, np.float64) / self.ticks_per_beat

    def seconds(self, ticks: Sequence[int] | np.ndarray) -> np.ndarray:
        """Convert ticks to seconds from the beginning by the tempos, float64 of the same shape."""
        starts, rates, start_s = self._tempo_map
        ticks = np.asarray(ticks, np.int64)
        index = np.searchsorted(starts, ticks, side="right") - 1
        return start_s[index] + (ticks - starts[index]) * rates[index]

    @cached_property
    def _tempo_map(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Start of each tempo in ticks, its seconds per tick, and its start in seconds, all of shape (n,)."""
        by_tick = {0: DEFAULT_MICROSECONDS} | {tempo.tick: tempo.microseconds for tempo in self.tempos}
        starts = np.array(sorted(by_tick), np.int64)
        rates = np.array([by_tick[int(tick)] for tick in starts]) / 1e6 / self.ticks_per_beat
        return starts, rates, np.concatenate([[0.0], np.cumsum(np.diff(starts) * rates[:-1])])

    def meter_at(self, tick: int) -> Meter:
        """Return the meter in force at a tick."""
        index = bisect_right([meter.tick for meter in self.meters], tick)
        return self.meters[index - 1] if index else Meter(0, 4, 4)

    def score(self, part: Part) -> Score:
        """Convert one part to seconds."""
        onsets = self.seconds([event.onset for event in part.events])
        ends = self.seconds([event.end for event in part.events])
        notes = (
            Note(float(onset), float(end - onset), event.pitch, event.velocity)
            for onset, end, event in zip(onsets, ends, part.events, strict=True)
        )
        return Score(tuple(notes), self.name, self.source, self.licence, part.name, part.program, part.is_drum)

    def regrid(self, ticks_per_beat: int) -> Song:
        """Return the song on another grid, rounded where that is no multiple; notes keep a tick at least."""

        def move(tick: int) -> int:
            return (2 * tick * ticks_per_beat + self.ticks_per_beat) // (2 * self.ticks_per_beat)

        def moved(event: Event) -> Event:
            onset = move(event.onset)
            return replace(event, onset=onset, duration=max(1, move(event.end) - onset))

        parts = tuple(replace(part, events=tuple(map(moved, part.events))) for part in self.parts)
        # Where several fall on one tick, the last one stays in force.
        tempos = {move(tempo.tick): replace(tempo, tick=move(tempo.tick)) for tempo in self.tempos}
        meters = {move(meter.tick): replace(meter, tick=move(meter.tick)) for meter in self.meters}
        return replace(
            self,
            ticks_per_beat=ticks_per_beat,
            parts=parts,
            tempos=tuple(tempos.values()),
            meters=tuple(meters.values()),
        )

    def write_midi(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write a MIDI file; see ``midi.write``."""
        from wavecore.symbolic import midi

        midi.write(self, path, overwrite=overwrite)
