"""Piano rolls of several tracks: parts of a piece as cells of bars, steps and pitches, and back.

A roll is an ndarray (bars, steps, pitches, tracks) of bool.  A note is a run of active cells.  Of two notes of one
pitch that touch, the first gives up its last step, so that they stay two; one of a single step cannot, and the two
become one.  Of drums only onsets are active, and every active cell is a stroke.  What follows this convention and lies
within the grid survives both directions unchanged, but for velocities.

References
----------
Dong and Yang, "Convolutional Generative Adversarial Networks with Binary Neurons for Polyphonic Music
Generation", ISMIR 2018, section 4.1: the pause between notes of one pitch, the onsets of drums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction

import numpy as np

from wavecore.errors import InputError, UsageError
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

FAMILIES = (
    "piano", "chromatic", "organ", "guitar", "bass", "strings", "ensemble", "brass", "reed", "pipe", "lead", "pad",
    "effects", "ethnic", "percussive", "sounds",
)  # fmt: skip
"""General MIDI's, of eight programs each."""
DRUMS = "drums"
"""A family as well: all parts for drums, whatever their program."""
VELOCITY = 80
BEATS_PER_MINUTE = 100.0
LEAST_TICKS = 480
"""Of a beat in a piece made from a roll; more where the steps do not divide it."""


@dataclass(frozen=True)
class Track:
    """One track of a roll.

    Attributes
    ----------
    name : str
        The parts it takes: ``family:strings+ensemble`` those of some families of General MIDI or ``drums``, ``part:0``
        the first one, anything else those of that name, in capitals or not.
    program : int
        The General MIDI program, 0 to 127.

    Raises
    ------
    UsageError
        If there is no such name or program.
    """

    name: str
    program: int = 0
    is_drum: bool = False

    def __post_init__(self):
        kind, colon, rest = self.name.partition(":")
        if not self.name.strip():
            raise UsageError("a track has an empty name; name a part, family:NAME or part:NUMBER")
        if colon and kind == "family":
            for family in rest.split("+"):
                if family not in (*FAMILIES, DRUMS):
                    raise UsageError(f"there is no family {family!r}; there are {', '.join((*FAMILIES, DRUMS))}")
        if colon and kind == "part" and not rest.isdecimal():
            raise UsageError(f"the track {self.name!r} names no part; parts are counted from 0 on: part:0")
        if not 0 <= self.program <= 127:
            raise UsageError(f"the track {self.name!r} has program {self.program}; programs run from 0 to 127")

    @property
    def label(self) -> str:
        """The name of the part in a generated piece."""
        kind, colon, rest = self.name.partition(":")
        return rest if colon and kind == "family" else self.name

    def to_dict(self) -> dict:
        """Return the track as plain values."""
        return asdict(self)


def parts_of(song: Song, name: str) -> list[Part]:
    """Return the parts that a track of a name takes."""
    kind, colon, rest = name.partition(":")
    if colon and kind == "part":
        return list(song.parts[int(rest) : int(rest) + 1])
    if colon and kind == "family":
        families = rest.split("+")
        return [part for part in song.parts if (DRUMS if part.is_drum else FAMILIES[part.program // 8]) in families]
    return [part for part in song.parts if part.name.strip().casefold() == name.strip().casefold()]


def find_tracks(songs: Sequence[Song], names: Sequence[str]) -> tuple[Track, ...]:
    """Return tracks of some names, with the program, and for drums or not, as most of their parts in the pieces are.

    Raises
    ------
    UsageError
        If a name is none, or comes twice.
    InputError
        If no piece has such a part.
    """
    if len(set(names)) < len(names):
        raise UsageError(f"the tracks {', '.join(names)} name one part twice")
    tracks = []
    for name in names:
        Track(name)  # refuses what is no name before pieces are searched
        kinds = Counter((part.program, part.is_drum) for song in songs for part in parts_of(song, name) if part.events)
        if not kinds:
            known = Counter(part.name for song in songs for part in song.parts if part.name).most_common(12)
            listed = ", ".join(name for name, _ in known) or "none that has a name; use family:NAME or part:NUMBER"
            raise InputError(f"no piece has a part {name!r}; parts: {listed}")
        program, is_drum = min(kinds, key=lambda kind: (-kinds[kind], kind))
        tracks.append(Track(name, program, is_drum))
    return tuple(tracks)


@dataclass(frozen=True)
class Grid:
    """What the cells of a roll are.

    Attributes
    ----------
    steps, beats : int
        Of a bar; beats are quarter notes and divide the steps.
    lowest, n_pitches : int
        MIDI numbers from ``lowest`` on.

    Raises
    ------
    UsageError
        If a value is out of its range.
    """

    steps: int = 16
    beats: int = 4
    lowest: int = 24
    n_pitches: int = 84

    def __post_init__(self):
        if self.beats < 1 or self.steps < 1 or self.steps % self.beats:
            raise UsageError(
                f"a bar has whole numbers of steps to a beat, not {self.steps} steps to {self.beats} beats"
            )
        if self.n_pitches < 1 or not 0 <= self.lowest <= 128 - self.n_pitches:
            raise UsageError(f"{self.n_pitches} pitches from {self.lowest} on do not lie within MIDI's 0 to 127")

    @property
    def steps_per_beat(self) -> int:
        """Steps of a quarter note."""
        return self.steps // self.beats

    @property
    def ticks_per_beat(self) -> int:
        """Ticks of a beat in a piece made from a roll, a multiple of the steps."""
        return self.steps_per_beat * -(-LEAST_TICKS // self.steps_per_beat)


@dataclass(frozen=True)
class Roll:
    """A piece as a roll, and what of the piece it lacks.

    Attributes
    ----------
    cells : ndarray, shape (n_bars, steps, pitches, tracks), bool
        The bars that fit the grid, in order.
    follows : ndarray, shape (n_bars,), bool
        Whether a bar begins where the one before it ends.
    left_out : dict of str to int
        Number of bars that do not fit, by their meter.
    outside : int
        Number of notes beyond the grid's pitches.
    """

    cells: np.ndarray
    follows: np.ndarray
    left_out: dict[str, int]
    outside: int


@dataclass(frozen=True)
class _Stretch:
    """Ticks under one meter, and how many of the roll's bars fit there."""

    begin: int
    n_bars: int
    joins: bool  # begins where the stretch before, all of whose bars fit, ends
    is_last: bool


def from_song(song: Song, tracks: Sequence[Track], grid: Grid) -> Roll:
    """Return the roll of a piece's parts.

    A bar fits if it has as many quarter notes as the grid's; shorter bars are joined where a whole number of them does,
    two of 2/4 to one of 4/4.  Times are rounded to steps, and no note is shorter than one.  Parts of one track are
    superimposed; a track that the piece lacks is silent.
    """
    stretches, left_out = _stretches(song, grid)
    notes, outside = [], 0
    for track in tracks:
        rows = _notes(song, track)
        inside = (rows[:, 2] >= grid.lowest) & (rows[:, 2] < grid.lowest + grid.n_pitches)
        outside += int((~inside).sum())
        notes.append(rows[inside])
    cells = [np.zeros((0, grid.steps, grid.n_pitches, len(tracks)), bool)]
    follows = [np.zeros(0, bool)]
    for stretch in stretches:
        on_steps = [_quantized(rows, stretch, song, grid, track) for rows, track in zip(notes, tracks, strict=True)]
        n_bars = stretch.n_bars
        if stretch.is_last:  # a note at the very end may round to a step beyond the last bar
            last = max((int(rows[:, 1].max()) for rows in on_steps if len(rows)), default=0)
            n_bars = max(n_bars, -(-last // grid.steps))
        cells.append(_filled(on_steps, n_bars, grid))
        follows.append(np.arange(n_bars) > 0 if not stretch.joins else np.ones(n_bars, bool))
    return Roll(np.concatenate(cells), np.concatenate(follows), left_out, outside)


def to_song(
    cells: np.ndarray, tracks: Sequence[Track], grid: Grid, *, beats_per_minute: float = BEATS_PER_MINUTE
) -> Song:
    """Return a roll, shape (n_bars, steps, pitches, tracks), as a piece with a part for every track, silent ones too.

    Raises
    ------
    InputError
        If there is no such tempo, in quarter notes a minute.
    """
    if not 4 <= beats_per_minute <= 1000:
        raise InputError(f"a tempo is 4 to 1000 beats a minute, not {beats_per_minute}")
    step, parts = grid.ticks_per_beat // grid.steps_per_beat, []
    for number, track in enumerate(tracks):
        runs = _runs(cells[..., number].reshape(-1, grid.n_pitches), each_step=track.is_drum)
        events = (
            Event(begin * step, grid.lowest + pitch, (end - begin) * step, VELOCITY)
            for pitch, begin, end in runs.tolist()
        )
        parts.append(Part(tuple(events), track.label, track.program, track.is_drum))
    tempo = Tempo(0, round(60e6 / beats_per_minute))
    return Song(grid.ticks_per_beat, tuple(parts), (tempo,), (Meter(0, grid.beats, 4),))


def _stretches(song: Song, grid: Grid) -> tuple[list[_Stretch], dict[str, int]]:
    """Return where bars fit, and how many do not, by meter."""
    ticks_per_bar, end = grid.beats * song.ticks_per_beat, song.end
    # Of meters at one tick the last one holds; the default holds before the first.
    meters = {0: song.meter_at(0)} | {meter.tick: meter for meter in song.meters if meter.tick < end}
    begins = sorted(meters)
    stretches, left_out, joins = [], Counter(), False
    for begin, until in zip(begins, [*begins[1:], end], strict=True):
        meter, is_last = meters[begin], until == end
        bar = Fraction(4 * song.ticks_per_beat * meter.numerator, meter.denominator)
        fits = ticks_per_bar % bar == 0
        n_bars = (-(-(until - begin) // ticks_per_bar) if is_last else (until - begin) // ticks_per_bar) if fits else 0
        if n_bars:
            stretches.append(_Stretch(begin, n_bars, joins, is_last))
        rest = until - begin - n_bars * ticks_per_bar
        if rest > 0:
            left_out[f"{meter.numerator}/{meter.denominator}"] += int(-(-rest // bar))
        joins = rest <= 0
    return stretches, dict(left_out)


def _notes(song: Song, track: Track) -> np.ndarray:
    """Return a track's notes, (n, 3): first tick, tick after the last, pitch."""
    parts = parts_of(song, track.name)
    rows = [(event.onset, event.end, event.pitch) for part in parts for event in part.events]
    return np.array(rows, np.int64).reshape(-1, 3)


def _quantized(notes: np.ndarray, stretch: _Stretch, song: Song, grid: Grid, track: Track) -> np.ndarray:
    """Return the notes that sound in a stretch, in its steps, (n, 3) as before; none touches the next of its pitch."""
    begin, end = (
        (2 * (notes[:, i] - stretch.begin) * grid.steps_per_beat + song.ticks_per_beat) // (2 * song.ticks_per_beat)
        for i in (0, 1)
    )
    end = begin + 1 if track.is_drum else np.maximum(end, begin + 1)
    order = np.lexsort((end, begin, notes[:, 2]))
    # Of notes that begin together on one pitch the longest stays.
    stays = np.append((np.diff(notes[order, 2]) != 0) | (np.diff(begin[order]) != 0), True)[: len(order)]
    order = order[stays]
    begin, end, pitch = begin[order], end[order], notes[order, 2]
    if not track.is_drum:
        again = pitch[:-1] == pitch[1:]
        end[:-1] = np.where(again, np.maximum(begin[:-1] + 1, np.minimum(end[:-1], begin[1:] - 1)), end[:-1])
    # A note held from before the stretch begins with it; strokes of drums are not held.
    sounds = (end > 0) & ((begin >= 0) | (not track.is_drum))
    if not stretch.is_last:
        sounds &= begin < stretch.n_bars * grid.steps
    return np.stack([np.maximum(begin, 0), end, pitch], axis=1)[sounds]


def _filled(on_steps: Sequence[np.ndarray], n_bars: int, grid: Grid) -> np.ndarray:
    """Return the cells of quantized notes."""
    cells = np.zeros((n_bars * grid.steps, grid.n_pitches, len(on_steps)), bool)
    for number, notes in enumerate(on_steps):
        for begin, end, pitch in notes.tolist():
            cells[begin:end, pitch - grid.lowest, number] = True
    return cells.reshape(n_bars, grid.steps, grid.n_pitches, len(on_steps))


def _runs(cells: np.ndarray, *, each_step: bool) -> np.ndarray:
    """Return the notes of one track's cells (T, P): rows of pitch, first step, step after the last."""
    if each_step:
        step, pitch = np.nonzero(cells)
        return np.stack([pitch, step, step + 1], axis=1)
    edges = np.diff(np.pad(cells.T.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    (pitch, begin), (_, end) = np.nonzero(edges > 0), np.nonzero(edges < 0)
    return np.stack([pitch, begin, end], axis=1)
