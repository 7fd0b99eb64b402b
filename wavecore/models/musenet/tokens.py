"""MuseNet's tokens: a piece as one sequence of numbers and back, and where each token lies in the music.

A token that begins a note holds instrument, volume and pitch at once; volume 0 ends it.  Tokens between them wait for 1
to 128 ticks, 48 to a beat.  A prefix conditions the piece: a style, a tempo, instruments, and then the start.

=============  ==========================================================================================
numbers        tokens
=============  ==========================================================================================
0-3839         30 instrument-volume groups x 128 pitches: the piano's end and 13 velocities, then end and
               begin of violin, cello, bass, guitar, flute, clarinet, trumpet, harp
3840-3967      drums; they die away by themselves
3968-4095      waits
4096           start
4097-4106      instruments that play
4107-4138      tempos, eight to a doubling, from 30 beats a minute
4139-          styles
=============  ==========================================================================================

The format loses some notation: parts of one instrument become one, a note ends an earlier one of its instrument and
pitch, a piece has one tempo, its mean, and meters and names are left out.

References
----------
Payne, "MuseNet", OpenAI 2019, https://openai.com/research/musenet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wavecore.errors import InputError, UsageError
from wavecore.symbolic.instruments import INSTRUMENTS, PROGRAM_OF, instrument_of, ordered
from wavecore.symbolic.song import DEFAULT_MICROSECONDS, Event, Part, Song, Tempo

TICKS_PER_BEAT = 48
N_PITCHES = 128
PIANO_VELOCITIES = tuple(range(24, 121, 8))
OTHER_VELOCITY = 80
"""Of all instruments but the piano."""
DRUM_TICKS = 12
LONGEST_WAIT = 128
N_TEMPOS, SLOWEST, TEMPOS_PER_DOUBLING = 32, 30.0, 8

GROUPS = (("piano", 0), *(("piano", velocity) for velocity in PIANO_VELOCITIES)) + tuple(
    (name, velocity) for name in INSTRUMENTS[1:-1] for velocity in (0, OTHER_VELOCITY)
)
"""Instrument and velocity of every group of 128 tokens; velocity 0 ends a note."""
DRUMS = len(GROUPS) * N_PITCHES
WAITS = DRUMS + N_PITCHES
START = WAITS + LONGEST_WAIT
INSTRUMENT_TOKENS = START + 1
TEMPO_TOKENS = INSTRUMENT_TOKENS + len(INSTRUMENTS)
STYLE_TOKENS = TEMPO_TOKENS + N_TEMPOS
_OFF_GROUP = {name: number for number, (name, velocity) in enumerate(GROUPS) if velocity == 0}
_GROUP_IS_ONSET = np.array([velocity > 0 for _, velocity in GROUPS] + [True])
_GROUP_INSTRUMENT = np.array([INSTRUMENTS.index(name) for name in (*(name for name, _ in GROUPS), "drums")])

N_PARTS = 128
TIMES_PER_SECOND = 8
SIZES = {"time": 1024, "chord": 16, "part": N_PARTS, "countdown": N_PARTS}
"""The features of a token in their order, and the number of values of each; larger values take the last one."""


@dataclass(frozen=True)
class Vocabulary:
    """All tokens of a model: those of the format and one for each style, a composer or a collection."""

    styles: tuple[str, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "styles", tuple(self.styles))
        named = all(isinstance(style, str) and style.strip() for style in self.styles)
        if not named or len(set(self.styles)) < len(self.styles):
            raise UsageError(f"the styles {self.styles} must be different, non-empty names")

    @property
    def size(self) -> int:
        """Number of tokens."""
        return STYLE_TOKENS + len(self.styles)

    def prefix(
        self, *, style: str | None = None, beats_per_minute: float | None = None, instruments: Sequence[str] = ()
    ) -> np.ndarray:
        """Return the tokens before the music, int16: style, tempo and instruments as far as given, then the start.

        Raises
        ------
        UsageError
            If a style or an instrument is unknown, or a tempo is not positive.
        """
        tokens = []
        if style is not None:
            if style not in self.styles:
                raise UsageError(f"there is no style {style!r}; the model knows {', '.join(self.styles) or 'none'}")
            tokens.append(STYLE_TOKENS + self.styles.index(style))
        if beats_per_minute is not None:
            tokens.append(TEMPO_TOKENS + tempo_bin(beats_per_minute))
        tokens += [INSTRUMENT_TOKENS + INSTRUMENTS.index(name) for name in ordered(tuple(instruments))]
        return np.array([*tokens, START], np.int16)


def tempo_bin(beats_per_minute: float) -> int:
    """Return the number of the nearest tempo token, 0 to 31; raise UsageError unless positive and finite."""
    if not 0 < beats_per_minute < math.inf:
        raise UsageError(f"a tempo is {beats_per_minute} beats a minute; it must be positive")
    return min(max(round(TEMPOS_PER_DOUBLING * math.log2(beats_per_minute / SLOWEST)), 0), N_TEMPOS - 1)


def bin_tempo(number: int) -> float:
    """Return the beats per minute of a tempo token, 0 to 31."""
    return SLOWEST * 2 ** (number / TEMPOS_PER_DOUBLING)


def mean_tempo(song: Song) -> float:
    """Return the tempo, in beats per minute, at which a piece lasts as long as by all of its tempos."""
    if not song.end:
        return 60e6 / (song.tempos[0].microseconds if song.tempos else DEFAULT_MICROSECONDS)
    return 60.0 * float(song.beats([song.end])[0]) / song.duration_s


# From notes to tokens


def encode(song: Song) -> np.ndarray:
    """Convert the notes of a piece to tokens, int16 of shape (N,), all below ``START``.

    At every tick the ends of notes precede the onsets, both sorted by instrument and pitch.  The result is empty if
    none of the ten instruments plays.
    """
    onset, end, instrument, pitch, velocity = _notes(song).T
    drums = instrument == len(INSTRUMENTS) - 1
    off = np.array([_OFF_GROUP.get(name, len(GROUPS)) for name in INSTRUMENTS])[instrument]
    level = np.where(instrument == 0, 1 + _piano_level(velocity), np.where(drums, 0, 1))
    keys = instrument * N_PITCHES + pitch
    ticks = np.concatenate([end[~drums], onset])
    tokens = np.concatenate([(off * N_PITCHES + pitch)[~drums], (off + level) * N_PITCHES + pitch])
    begins = np.arange(len(ticks)) >= len(ticks) - len(onset)
    order = np.lexsort((np.concatenate([keys[~drums], keys]), begins, ticks))
    return _with_waits(ticks[order], tokens[order])


def _notes(song: Song) -> np.ndarray:
    """Return onset, end, instrument, pitch and velocity of every note that tokens can hold, shape (n, 5)."""
    rows = [
        (event.onset, event.end, INSTRUMENTS.index(name), event.pitch, event.velocity)
        for part in song.regrid(TICKS_PER_BEAT).parts
        if (name := instrument_of(part)) is not None
        for event in part.events
    ]
    notes = np.array(rows, np.int64).reshape(-1, 5)
    notes = notes[np.lexsort((notes[:, 0], notes[:, 3], notes[:, 2]))]
    # Notes of one key that begin together become one, with the latest end and the highest velocity.
    _, first = np.unique(notes[:, [2, 3, 0]], axis=0, return_index=True)
    if not len(first):
        return notes
    merged = notes[first]
    merged[:, 1], merged[:, 4] = np.maximum.reduceat(notes[:, 1], first), np.maximum.reduceat(notes[:, 4], first)
    same_key = (merged[1:, 2:4] == merged[:-1, 2:4]).all(axis=1)
    merged[:-1, 1] = np.where(same_key, np.minimum(merged[:-1, 1], merged[1:, 0]), merged[:-1, 1])
    return merged


def _piano_level(velocity: np.ndarray) -> np.ndarray:
    """Return the index of the nearest of ``PIANO_VELOCITIES``."""
    low, step = PIANO_VELOCITIES[0], PIANO_VELOCITIES[1] - PIANO_VELOCITIES[0]
    return np.clip((velocity - low + step // 2) // step, 0, len(PIANO_VELOCITIES) - 1)


def _with_waits(ticks: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Insert waits between tokens at sorted ticks: as many of the longest as fit, then the remainder."""
    gaps = np.diff(ticks, prepend=0)
    n_waits = -(-gaps // LONGEST_WAIT)
    positions = np.cumsum(n_waits) + np.arange(len(ticks))
    waited = np.full(len(ticks) + int(n_waits.sum()), WAITS + LONGEST_WAIT - 1, np.int16)
    waited[positions] = tokens
    remainder = gaps - (n_waits - 1) * LONGEST_WAIT
    any_wait = n_waits > 0
    waited[positions[any_wait] - 1] = WAITS + remainder[any_wait] - 1
    return waited


# From tokens to notes


def decode(tokens: Sequence[int] | np.ndarray, *, name: str = "") -> Song:
    """Convert tokens to a piece: 48 ticks to a beat, a part named after each instrument that plays.

    Any sequence can be decoded.  The end of a note that does not sound is skipped; a note that begins while it sounds
    ends there and begins anew; what still sounds at the end stops there; a note of no duration is left out; a drum that
    is struck twice at a time is struck once.  Without a tempo token the piece has no tempo, which is 120 beats per
    minute; of several the first one holds.  Styles and instruments of the prefix are skipped wherever they stand.

    Raises
    ------
    InputError
        If a token is negative.
    """
    played: dict[str, list[Event]] = {instrument: [] for instrument in INSTRUMENTS}
    sounding: dict[tuple[str, int], tuple[int, int]] = {}
    struck: set[tuple[int, int]] = set()
    tempo, tick = None, 0

    def stop(key: tuple[str, int]) -> None:
        onset, velocity = sounding.pop(key, (tick, 0))
        if tick > onset:
            played[key[0]].append(Event(onset, key[1], tick - onset, velocity))

    for token in np.asarray(tokens, np.int64).tolist():
        group, pitch = divmod(token, N_PITCHES)
        if token < 0:
            raise InputError(f"{token} is not a token; tokens are 0 or more")
        if token < DRUMS:
            instrument, velocity = GROUPS[group]
            stop((instrument, pitch))
            if velocity:
                sounding[instrument, pitch] = tick, velocity
        elif token < WAITS:
            if (tick, pitch) not in struck:
                played["drums"].append(Event(tick, pitch, DRUM_TICKS, OTHER_VELOCITY))
            struck.add((tick, pitch))
        elif token < START:
            tick += token - WAITS + 1
        elif TEMPO_TOKENS <= token < STYLE_TOKENS and tempo is None:
            tempo = Tempo(0, round(60e6 / bin_tempo(token - TEMPO_TOKENS)))
    for key in list(sounding):
        stop(key)
    parts = (Part(tuple(events), who, PROGRAM_OF[who], who == "drums") for who, events in played.items() if events)
    return Song(TICKS_PER_BEAT, tuple(parts), () if tempo is None else (tempo,), name=name)


# Properties of tokens, all arrays of shape (N,)


def wait_ticks(tokens: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return how many ticks each token waits, int64; 0 for tokens other than waits."""
    tokens = np.asarray(tokens, np.int64)
    return np.where((tokens >= WAITS) & (tokens < START), tokens - WAITS + 1, 0)


def is_onset(tokens: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return which tokens begin a note."""
    tokens = np.asarray(tokens, np.int64)
    return (tokens < WAITS) & _GROUP_IS_ONSET[np.minimum(tokens // N_PITCHES, len(GROUPS))]


def instrument_numbers(tokens: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return the instrument of each token as an index of ``INSTRUMENTS``, int64; -1 for tokens other than notes."""
    tokens = np.asarray(tokens, np.int64)
    return np.where(tokens < WAITS, _GROUP_INSTRUMENT[np.minimum(tokens // N_PITCHES, len(GROUPS))], -1)


def instruments_of(tokens: np.ndarray) -> tuple[str, ...]:
    """Return the instruments that begin a note, in the order of ``INSTRUMENTS``."""
    numbers = np.unique(instrument_numbers(tokens)[is_onset(tokens)]).tolist()
    return tuple(INSTRUMENTS[number] for number in numbers)


class Timeline:
    """Where tokens lie in the music: in a whole piece, or in one that grows token by token.

    Four features are computed for each token: the time since the window began, which notes that sound together share;
    the number of its note within a chord; the 128th of the piece in which it lies; and how many 128ths follow.  A wait
    has the features of the time at which it ends, as has the token after it.

    Parameters
    ----------
    total_ticks : int
        Length of the piece when it is complete.
    beats_per_minute : float
        Positive; else UsageError is raised.
    """

    def __init__(self, total_ticks: int, beats_per_minute: float):
        if total_ticks < 0 or not 0 < beats_per_minute < float("inf"):
            raise UsageError(f"a piece of {total_ticks} ticks at {beats_per_minute} beats a minute has no timeline")
        self.total_ticks = total_ticks
        self.seconds_per_tick = 60.0 / beats_per_minute / TICKS_PER_BEAT
        self._ticks, self._chords = [0], [0]  # at the beginning, then after each token
        self._n_onsets = 0  # since the last wait

    @classmethod
    def of(cls, body: np.ndarray, beats_per_minute: float) -> Timeline:
        """Return the timeline of a whole piece, given as tokens without a prefix."""
        timeline = cls(int(wait_ticks(body).sum()), beats_per_minute)
        timeline.extend(body)
        return timeline

    def __len__(self) -> int:
        return len(self._ticks) - 1

    @property
    def tick(self) -> int:
        """End of the piece so far, in ticks."""
        return self._ticks[-1]

    def extend(self, tokens: Sequence[int] | np.ndarray) -> None:
        """Append tokens, without a prefix."""
        if not len(tokens):
            return
        waits, onsets = wait_ticks(tokens), is_onset(tokens)
        count = self._n_onsets + np.cumsum(onsets)
        before = np.maximum.accumulate(np.where(waits > 0, count, 0))
        self._ticks += (self.tick + np.cumsum(waits)).tolist()
        self._chords += np.where(onsets, count - before, 0).tolist()
        self._n_onsets = int(count[-1] - before[-1])

    def rows(self, first: int, last: int, *, begin: int, stretch: float = 1.0) -> np.ndarray:
        """Return the features of tokens ``first`` to ``last`` - 1.

        Parameters
        ----------
        begin : int
            The first token of the window: times count from its beginning.
        stretch : float
            Multiplies times, and no other feature.

        Returns
        -------
        ndarray, shape (last - first, 4), int64
            Columns as in ``SIZES``.
        """
        return self._features(slice(first + 1, last + 1), begin, stretch)

    def window(self, begin: int, end: int, *, n_prefix: int = 0, stretch: float = 1.0) -> np.ndarray:
        """Return the features of a window: of its prefix, which lies at its beginning, then of its tokens."""
        prefix = self._features(slice(begin, begin + 1), begin, stretch)
        prefix[:, 1] = 0
        rows = self.rows(begin, end, begin=begin, stretch=stretch)
        return np.concatenate([np.repeat(prefix, n_prefix, axis=0), rows])

    def _features(self, which: slice, begin: int, stretch: float) -> np.ndarray:
        ticks = np.array(self._ticks[which], np.int64)
        seconds = (ticks - self._ticks[begin]) * self.seconds_per_tick * stretch
        time = np.floor(seconds * TIMES_PER_SECOND + 1e-9).astype(np.int64)
        part = np.minimum(N_PARTS * ticks // max(1, self.total_ticks), N_PARTS - 1)
        columns = [time, np.array(self._chords[which], np.int64), part, N_PARTS - 1 - part]
        return np.minimum(np.stack(columns, axis=1), np.array(list(SIZES.values())) - 1)
