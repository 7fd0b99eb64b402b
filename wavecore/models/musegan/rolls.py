"""Piano rolls of several tracks: which pitches sound at which step of which bar, drawn from pieces and read back.

A roll is an ndarray (bars, steps, pitches, tracks), of bool, or of uint8 velocities where 0 is silence.
A note is an unbroken run of lit steps.  So that a pitch that is struck again stays two notes, the first
one gives up its last step; a note of one step has none to give, and the two become one.  Of a track of
drums only onsets are drawn, and every lit cell is a stroke of its own.  What keeps to this, lies on the
grid and within its pitches survives being drawn and read unchanged, but for velocities in a roll of bool.

References
----------
Dong and Yang, "Convolutional Generative Adversarial Networks with Binary Neurons for Polyphonic Music
Generation", ISMIR 2018, section 4.1: the pause between notes of one pitch, the onsets of drums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from wavecore.errors import InputError, UsageError
from wavecore.models.musegan.tracks import Track, parts_of
from wavecore.symbolic.song import Event, Meter, Part, Song, Tempo

VELOCITY = 80
BEATS_PER_MINUTE = 100.0
LEAST_TICKS = 480
"""Of a beat in a piece that was read from a roll; more where the steps do not divide it."""


@dataclass(frozen=True)
class Grid:
    """What the cells of a roll are.

    Attributes
    ----------
    steps : int
        Of a bar.
    beats : int
        Quarter notes of a bar; they divide the steps.
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
                f"a bar of {self.beats} beats has {self.steps} steps; whole numbers of steps to a beat are needed"
            )
        if self.n_pitches < 1 or not 0 <= self.lowest <= 128 - self.n_pitches:
            raise UsageError(f"{self.n_pitches} pitches from {self.lowest} on do not lie within MIDI's 0 to 127")

    @property
    def steps_per_beat(self) -> int:
        """Steps of a quarter note."""
        return self.steps // self.beats

    @property
    def ticks_per_beat(self) -> int:
        """Ticks of a beat in a piece that is read from a roll: a multiple of the steps."""
        return self.steps_per_beat * -(-LEAST_TICKS // self.steps_per_beat)


@dataclass(frozen=True)
class Drawn:
    """A piece as a roll, and what of it is not there.

    Attributes
    ----------
    roll : ndarray, shape (n_bars, steps, pitches, tracks), bool or uint8
        The bars that fit, in order.
    follows : ndarray, shape (n_bars,), bool
        Whether a bar begins where the one before it in the roll ends.
    left_out : dict of str to int
        Bars that do not fit, by their meter.
    outside : int
        Notes left out since their pitch lies beyond the grid.
    """

    roll: np.ndarray
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


def draw(song: Song, tracks: Sequence[Track], grid: Grid, *, velocities: bool = False) -> Drawn:
    """Draw parts of a piece.

    A bar fits if it lasts as many quarter notes as the grid's; shorter bars of which a whole number does
    are joined, two of 2/4 to one of 4/4.  Times go to the nearest step, and no note is shorter than one.

    Parameters
    ----------
    tracks : sequence of Track
        Parts of one track are laid over each other; a track that the piece lacks is silent.
    velocities : bool
        Whether cells hold velocities.
    """
    stretches, left_out = _stretches(song, grid)
    notes, outside = [], 0
    for track in tracks:
        found = _notes(song, track)
        inside = (found[:, 2] >= grid.lowest) & (found[:, 2] < grid.lowest + grid.n_pitches)
        outside += int((~inside).sum())
        notes.append(found[inside])
    rolls = [np.zeros((0, grid.steps, grid.n_pitches, len(tracks)), np.uint8)]
    follows = [np.zeros(0, bool)]
    for stretch in stretches:
        placed = [_placed(found, stretch, song, grid, track) for found, track in zip(notes, tracks, strict=True)]
        n_bars = stretch.n_bars
        if stretch.is_last:  # a note at the very end may round to a step beyond the last bar
            last = max((int(found[:, 1].max()) for found in placed if len(found)), default=0)
            n_bars = max(n_bars, -(-last // grid.steps))
        rolls.append(_painted(placed, n_bars, grid))
        follows.append(np.arange(n_bars) > 0 if not stretch.joins else np.ones(n_bars, bool))
    roll = np.concatenate(rolls)
    return Drawn(roll if velocities else roll > 0, np.concatenate(follows), left_out, outside)


def to_song(
    roll: np.ndarray, tracks: Sequence[Track], grid: Grid, *, beats_per_minute: float = BEATS_PER_MINUTE, name: str = ""
) -> Song:
    """Read a roll as a piece.

    Parameters
    ----------
    roll : ndarray, shape (n_bars, steps, pitches, tracks), bool or uint8
        Where it holds velocities a note has that of its first step.
    beats_per_minute : float
        Quarter notes.

    Returns
    -------
    Song
        A part for every track, silent ones too.

    Raises
    ------
    InputError
        If the roll has another shape than the grid and the tracks say, or the tempo is none.
    """
    n_bars = len(roll)
    if roll.shape != (n_bars, grid.steps, grid.n_pitches, len(tracks)):
        raise InputError(
            f"the roll has shape {roll.shape}; (bars, {grid.steps}, {grid.n_pitches}, {len(tracks)}) is needed"
        )
    if not 4 <= beats_per_minute <= 1000:
        raise InputError(f"a tempo of {beats_per_minute} beats a minute was asked for; 4 to 1000 are possible")
    step = grid.ticks_per_beat // grid.steps_per_beat
    parts = []
    for number, track in enumerate(tracks):
        lines = roll[..., number].reshape(-1, grid.n_pitches)
        events = (
            Event(
                int(begin) * step,
                grid.lowest + int(pitch),
                int(end - begin) * step,
                int(lines[begin, pitch]) if roll.dtype != bool else VELOCITY,
            )
            for pitch, begin, end in _runs(lines > 0, each_step=track.is_drum)
        )
        parts.append(Part(tuple(events), track.label, track.program, track.is_drum))
    tempo = Tempo(0, round(60e6 / beats_per_minute))
    return Song(grid.ticks_per_beat, tuple(parts), (tempo,), (Meter(0, grid.beats, 4),), name)


def phrase_starts(follows: np.ndarray, n_bars: int) -> np.ndarray:
    """Find where phrases can begin: so many bars, none of which is cut off from the one before.

    Parameters
    ----------
    follows : ndarray, shape (N,), bool
        As of ``Drawn``.
    n_bars : int
        Of a phrase, at least 1.

    Returns
    -------
    ndarray, shape (n,), int64
        First bars, each one that is possible.
    """
    breaks = np.cumsum(~np.asarray(follows, bool))
    starts = np.arange(max(0, len(breaks) - n_bars + 1))
    return starts[breaks[starts] == breaks[starts + n_bars - 1]]


def room(roll: np.ndarray, drums: Sequence[bool]) -> tuple[int, int]:
    """Say how far a roll can be transposed without losing a note.

    Parameters
    ----------
    roll : ndarray, shape (..., pitches, tracks), bool or uint8
    drums : sequence of bool
        By track; drums are not transposed.

    Returns
    -------
    down, up : int
        Semitones, down <= 0 <= up; (0, 0) where no other track sounds.
    """
    pitched = roll[..., ~np.asarray(drums, bool)]
    sounding = np.flatnonzero(pitched.any(axis=(*range(pitched.ndim - 2), -1)))
    return (-int(sounding[0]), roll.shape[-2] - 1 - int(sounding[-1])) if len(sounding) else (0, 0)


def transposed(roll: np.ndarray, semitones: int, drums: Sequence[bool]) -> np.ndarray:
    """Move all tracks but drums.

    Parameters
    ----------
    roll : ndarray, shape (..., pitches, tracks), bool or uint8
    semitones : int
        Within ``room``.
    drums : sequence of bool
        By track.

    Returns
    -------
    ndarray, shape (..., pitches, tracks)
    """
    return np.where(np.asarray(drums, bool), roll, np.roll(roll, semitones, axis=-2))


def pack(roll: np.ndarray) -> np.ndarray:
    """Store a roll's cells as bits.

    Parameters
    ----------
    roll : ndarray, shape (n_bars, steps, pitches, tracks), bool

    Returns
    -------
    ndarray, shape (n_bars, n), uint8
        n is an eighth of the cells of a bar, rounded up.
    """
    return np.packbits(roll.reshape(len(roll), int(np.prod(roll.shape[1:]))), axis=1)


def unpack(packed: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Read what ``pack`` stored.

    Parameters
    ----------
    packed : ndarray, shape (n_bars, n), uint8
    shape : tuple of int
        (steps, pitches, tracks).

    Returns
    -------
    ndarray, shape (n_bars, steps, pitches, tracks), bool
    """
    return np.unpackbits(packed, axis=1, count=int(np.prod(shape))).view(bool).reshape(-1, *shape)


def _stretches(song: Song, grid: Grid) -> tuple[list[_Stretch], dict[str, int]]:
    """Where bars fit, and how many do not, by meter."""
    wanted, end = grid.beats * song.ticks_per_beat, song.end
    # Of meters at one tick the last one holds; the default holds before the first.
    meters = {0: song.meter_at(0)} | {meter.tick: meter for meter in song.meters if meter.tick < end}
    begins = sorted(meters)
    found, left_out, joins = [], Counter(), False
    for begin, until in zip(begins, [*begins[1:], end], strict=True):
        meter, is_last = meters[begin], until == end
        bar = Fraction(4 * song.ticks_per_beat * meter.numerator, meter.denominator)
        fits = wanted % bar == 0
        n_bars = (-(-(until - begin) // wanted) if is_last else (until - begin) // wanted) if fits else 0
        if n_bars:
            found.append(_Stretch(begin, n_bars, joins, is_last))
        rest = until - begin - n_bars * wanted
        if rest > 0:
            left_out[f"{meter.numerator}/{meter.denominator}"] += int(-(-rest // bar))
        joins = rest <= 0
    return found, dict(left_out)


def _notes(song: Song, track: Track) -> np.ndarray:
    """A track's notes, (n, 4): first tick, last tick, pitch, velocity."""
    rows = [
        (event.onset, event.end, event.pitch, event.velocity)
        for part in parts_of(song, track.name)
        for event in part.events
    ]
    return np.array(rows, np.int64).reshape(-1, 4)


def _placed(notes: np.ndarray, stretch: _Stretch, song: Song, grid: Grid, track: Track) -> np.ndarray:
    """Notes on the steps of a stretch, (n, 4) as before: those that sound there, none touching the next of its pitch."""
    begin, end = (
        (2 * (notes[:, i] - stretch.begin) * grid.steps_per_beat + song.ticks_per_beat) // (2 * song.ticks_per_beat)
        for i in (0, 1)
    )
    end = begin + 1 if track.is_drum else np.maximum(end, begin + 1)
    order = np.lexsort((end, begin, notes[:, 2]))
    # Of notes that begin together on one pitch the longest stays.
    stays = np.append((np.diff(notes[order, 2]) != 0) | (np.diff(begin[order]) != 0), True)[: len(order)]
    order = order[stays]
    begin, end, pitch, velocity = begin[order], end[order], notes[order, 2], notes[order, 3]
    if not track.is_drum:
        again = pitch[:-1] == pitch[1:]
        end[:-1] = np.where(again, np.maximum(begin[:-1] + 1, np.minimum(end[:-1], begin[1:] - 1)), end[:-1])
    # A note held from before the stretch begins with it; drums do not last.
    sounds = (end > 0) & ((begin >= 0) | (not track.is_drum))
    if not stretch.is_last:
        sounds &= begin < stretch.n_bars * grid.steps
    return np.stack([np.maximum(begin, 0), end, pitch, velocity], axis=1)[sounds]


def _painted(placed: Sequence[np.ndarray], n_bars: int, grid: Grid) -> np.ndarray:
    roll = np.zeros((n_bars * grid.steps, grid.n_pitches, len(placed)), np.uint8)
    for number, notes in enumerate(placed):
        for begin, end, pitch, velocity in notes.tolist():
            roll[begin:end, pitch - grid.lowest, number] = velocity
    return roll.reshape(n_bars, grid.steps, grid.n_pitches, len(placed))


def _runs(lines: np.ndarray, *, each_step: bool) -> np.ndarray:
    """Notes of a roll of one track (T, P): rows of pitch, first step, step after the last."""
    if each_step:
        step, pitch = np.nonzero(lines)
        return np.stack([pitch, step, step + 1], axis=1)
    edges = np.diff(np.pad(lines.T.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    (pitch, begin), (_, end) = np.nonzero(edges > 0), np.nonzero(edges < 0)
    return np.stack([pitch, begin, end], axis=1)
