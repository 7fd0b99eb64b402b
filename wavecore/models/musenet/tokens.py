"""MuseNet's tokens: a piece as one sequence of numbers, and back.

A token that begins a note says instrument, volume and pitch at once; volume 0 ends it.  Between them
tokens wait for 1 to 128 ticks, 48 to a beat.  In front stand what is asked for: a style, a tempo,
instruments, and then the start.

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

What the format cannot say is lost: parts of one instrument become one, and of a pitch that it plays
twice at a time the later note ends the earlier one; a piece has one tempo, its mean; meters and names go.

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
"""Of all that is not the piano."""
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
_NAMES = (*(name for name, _ in GROUPS), "drums")
"""By group, that of drums behind."""


@dataclass(frozen=True)
class Vocabulary:
    """All tokens of a model.

    Attributes
    ----------
    styles : tuple of str
        Composers or collections, each once.

    Raises
    ------
    UsageError
        If a style is empty or named twice.
    """

    styles: tuple[str, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "styles", tuple(self.styles))
        if not all(isinstance(style, str) and style.strip() for style in self.styles) or len(set(self.styles)) < len(
            self.styles
        ):
            raise UsageError(f"the styles {self.styles} are not names that differ")

    @property
    def size(self) -> int:
        """How many tokens there are; 4,097 and those of the prefix."""
        return STYLE_TOKENS + len(self.styles)

    def prefix(
        self, *, style: str | None = None, beats_per_minute: float | None = None, instruments: Sequence[str] = ()
    ) -> np.ndarray:
        """Write what stands in front of the music.

        Parameters
        ----------
        instruments : sequence of str
            All that play; none leaves it open.

        Returns
        -------
        ndarray, shape (P,), int16
            Style, tempo and instruments as far as they are given, then the start.

        Raises
        ------
        UsageError
            If a style or an instrument is unknown, or a tempo is none.
        """
        found = []
        if style is not None:
            if style not in self.styles:
                raise UsageError(f"there is no style {style!r}; the model knows {', '.join(self.styles) or 'none'}")
            found.append(STYLE_TOKENS + self.styles.index(style))
        if beats_per_minute is not None:
            found.append(TEMPO_TOKENS + tempo_bin(beats_per_minute))
        found += [INSTRUMENT_TOKENS + INSTRUMENTS.index(name) for name in ordered(tuple(instruments))]
        return np.array([*found, START], np.int16)


def tempo_bin(beats_per_minute: float) -> int:
    """Return the number of the nearest tempo that a token can say.

    Parameters
    ----------
    beats_per_minute : float
        What lies beyond the slowest or the fastest one becomes that one.

    Returns
    -------
    int
        0 to 31.

    Raises
    ------
    UsageError
        If it is not positive and finite.
    """
    if not 0 < beats_per_minute < math.inf:
        raise UsageError(f"a tempo is {beats_per_minute} beats a minute; it must be positive")
    return min(max(round(TEMPOS_PER_DOUBLING * math.log2(beats_per_minute / SLOWEST)), 0), N_TEMPOS - 1)


def bin_tempo(number: int) -> float:
    """Return the beats per minute of a tempo token.

    Parameters
    ----------
    number : int
        0 to 31.
    """
    return SLOWEST * 2 ** (number / TEMPOS_PER_DOUBLING)


def mean_tempo(song: Song) -> float:
    """Return the one tempo at which a piece would last as long.

    Returns
    -------
    float
        Beats per minute.
    """
    if not song.end:
        return 60e6 / (song.tempos[0].microseconds if song.tempos else DEFAULT_MICROSECONDS)
    return 60.0 * float(song.beats([song.end])[0]) / song.duration_s


def encode(song: Song) -> np.ndarray:
    """Write the notes of a piece as tokens.

    At every tick first come notes that end, then notes that begin, both by instrument and pitch.

    Returns
    -------
    ndarray, shape (N,), int16
        Tokens below ``START``; empty if nothing is played by one of the ten instruments.
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


def decode(tokens: Sequence[int] | np.ndarray, *, name: str = "") -> Song:
    """Read tokens as a piece.

    Any sequence has a meaning.  What ends a note that does not sound is passed over; a note that begins while it
    sounds ends there and begins anew; what still sounds at the end stops there; a note that lasts no time is left
    out; a drum that is struck twice at a time is struck once.  Where no tempo is said the piece has none, which is 120 beats a minute; of several the first counts.  Styles and
    instruments of the prefix are not looked at, wherever they stand.

    Parameters
    ----------
    tokens : sequence of int, shape (N,)
    name : str
        Of the piece.

    Returns
    -------
    Song
        48 ticks to a beat; a part for every instrument that plays, named like it.

    Raises
    ------
    InputError
        If a number is negative.
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
            raise InputError(f"{token} is no token; tokens are 0 or more")
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


def waits(tokens: np.ndarray) -> np.ndarray:
    """Say how long each token waits.

    Parameters
    ----------
    tokens : ndarray, shape (N,), integer

    Returns
    -------
    ndarray, shape (N,), int64
        Ticks; 0 for what does not wait.
    """
    tokens = np.asarray(tokens, np.int64)
    return np.where((tokens >= WAITS) & (tokens < START), tokens - WAITS + 1, 0)


def begins_note(tokens: np.ndarray) -> np.ndarray:
    """Say which tokens begin a note.

    Parameters
    ----------
    tokens : ndarray, shape (N,), integer

    Returns
    -------
    ndarray, shape (N,), bool
    """
    tokens = np.asarray(tokens, np.int64)
    loud = np.array([velocity > 0 for _, velocity in GROUPS] + [True])
    return (tokens < WAITS) & loud[np.minimum(tokens // N_PITCHES, len(GROUPS))]


def player(tokens: np.ndarray) -> np.ndarray:
    """Say which instrument a token is for.

    Parameters
    ----------
    tokens : ndarray, shape (N,), integer

    Returns
    -------
    ndarray, shape (N,), int64
        Places in ``INSTRUMENTS``; -1 for tokens that are for none.
    """
    tokens = np.asarray(tokens, np.int64)
    places = np.array([INSTRUMENTS.index(name) for name in _NAMES])
    return np.where(tokens < WAITS, places[np.minimum(tokens // N_PITCHES, len(GROUPS))], -1)


def players(tokens: np.ndarray) -> tuple[str, ...]:
    """Name the instruments of which a note begins.

    Parameters
    ----------
    tokens : ndarray, shape (N,), integer

    Returns
    -------
    tuple of str
        In the order of ``INSTRUMENTS``.
    """
    return tuple(INSTRUMENTS[place] for place in np.unique(player(tokens)[begins_note(tokens)]).tolist())


def _notes(song: Song) -> np.ndarray:
    """Onset, end, instrument, pitch and velocity of every note that the tokens can say, shape (n, 5)."""
    rows = [
        (event.onset, event.end, INSTRUMENTS.index(who), event.pitch, event.velocity)
        for part in song.regrid(TICKS_PER_BEAT).parts
        if (who := instrument_of(part)) is not None
        for event in part.events
    ]
    found = np.array(rows, np.int64).reshape(-1, 5)
    onset, end, instrument, pitch, velocity = found.T
    found = found[np.lexsort((onset, pitch, instrument))]
    # Of notes that begin together the longest and the loudest are one.
    _, first = np.unique(found[:, [2, 3, 0]], axis=0, return_index=True)
    if not len(first):
        return found
    merged = found[first]
    merged[:, 1], merged[:, 4] = np.maximum.reduceat(found[:, 1], first), np.maximum.reduceat(found[:, 4], first)
    same = (merged[1:, 2:4] == merged[:-1, 2:4]).all(axis=1)
    merged[:-1, 1] = np.where(same, np.minimum(merged[:-1, 1], merged[1:, 0]), merged[:-1, 1])
    return merged


def _piano_level(velocity: np.ndarray) -> np.ndarray:
    """The place of the nearest of ``PIANO_VELOCITIES``."""
    low, step = PIANO_VELOCITIES[0], PIANO_VELOCITIES[1] - PIANO_VELOCITIES[0]
    return np.clip((velocity - low + step // 2) // step, 0, len(PIANO_VELOCITIES) - 1)


def _with_waits(ticks: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Put waits between tokens at sorted ticks: as many of the longest as fit, then the rest."""
    gaps = np.diff(ticks, prepend=0)
    n_waits = -(-gaps // LONGEST_WAIT)
    places = np.cumsum(n_waits) + np.arange(len(ticks))
    found = np.full(len(ticks) + int(n_waits.sum()), WAITS + LONGEST_WAIT - 1, np.int16)
    found[places] = tokens
    rest = gaps - (n_waits - 1) * LONGEST_WAIT
    waited = n_waits > 0
    found[places[waited] - 1] = WAITS + rest[waited] - 1
    return found
