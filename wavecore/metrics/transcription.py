"""Whether the notes of a line can be heard: a line of sound written down again, and compared with its score.

References
----------
Bay, Ehmann and Downie, "Evaluation of multiple-F0 estimation and tracking systems", ISMIR 2009: when a note counts as found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wavecore.audio import checks, loudness, pitch
from wavecore.errors import InputError

FRAME_RATE_HZ = 100.0
FMIN_HZ, FMAX_HZ = 55.0, 2200.0
ONSET_S, CENTS = 0.05, 50.0
"""By which a note that was found may begin elsewhere and lie higher or lower."""
SHORTEST_S = 0.06
"""Of a note that is written down."""
LEAVING_SEMITONES = 0.6
"""How far a pitch goes before it is another note's."""
STEADY_FRAMES = 3
"""For which it must be there."""
QUIET_DB = 35.0
"""Below the loudest frame: what is quieter is silence."""
DIP_DB = 5.0
"""By which the level rises again, within ``DIP_S``, where a note is struck anew."""
DIP_S = 0.06
RISE_DB, RISE_S = 10.0, 0.08
"""By which the level rises, and how long at most before a pitch is sure, where a note begins: a tracker's window must fill first, and the
stroke of a hammer has no pitch."""


@dataclass(frozen=True)
class Notes:
    """Notes of one line.

    Attributes
    ----------
    onsets_s, ends_s : ndarray, shape (n,), float64
    midi : ndarray, shape (n,), float64
        MIDI note numbers, with parts of semitones.
    """

    onsets_s: np.ndarray
    ends_s: np.ndarray
    midi: np.ndarray

    def __post_init__(self):
        shapes = {np.shape(getattr(self, name)) for name in ("onsets_s", "ends_s", "midi")}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise InputError(
                f"onsets, ends and pitches of notes have shapes {', '.join(map(str, sorted(shapes)))}; one (n,) is wanted"
            )

    def __len__(self) -> int:
        return len(self.midi)


def transcribe(sound: np.ndarray, *, sample_rate: int) -> Notes:
    """Write a line down: where its pitch stays, and where it is struck anew.

    Parameters
    ----------
    sound : ndarray, shape (T,), float
        One voice.
    sample_rate : int
        Hz.

    Returns
    -------
    Notes
        None for silence.

    Raises
    ------
    InputError
        If it is no finite signal of one channel.
    """
    signal = checks.as_signal(sound)
    track = pitch.track_f0(
        signal, sample_rate=sample_rate, fmin_hz=FMIN_HZ, fmax_hz=FMAX_HZ, frame_rate_hz=FRAME_RATE_HZ
    )
    n = len(track.times_s)
    hop = round(sample_rate / FRAME_RATE_HZ)
    level = loudness.frame_rms(signal, frame_length=2 * hop, hop_length=hop)[:n]
    level_db = np.pad(20 * np.log10(np.maximum(level, 1e-7)), (0, n - len(level)), constant_values=-140.0)
    heard = track.voiced & (level_db > level_db.max() - QUIET_DB)
    midi = np.where(heard, pitch.hz_to_midi(np.where(heard, track.f0_hz, pitch.A4_HZ)), np.nan)
    found, earlier = [], 0
    for first, last in _runs(midi):
        rise = _rise(level_db, earlier, first, last)
        for begin, end in _struck(level_db, first, last):
            if (end - begin) / FRAME_RATE_HZ >= SHORTEST_S:
                onset_s = track.times_s[rise if begin == first else begin]
                found.append((onset_s, track.times_s[end - 1] + 1 / FRAME_RATE_HZ, np.nanmedian(midi[begin:end])))
        earlier = last
    columns = np.array(found, np.float64).reshape(-1, 3).T
    return Notes(*columns)


def _runs(midi: np.ndarray) -> list[tuple[int, int]]:
    """Stretches of frames whose pitch stays; a frame or two that leave it and come back do not end one."""
    found, begin = [], None
    for i in range(len(midi) + 1):
        ahead = midi[i : i + STEADY_FRAMES]
        if begin is None:
            if len(ahead) == STEADY_FRAMES and np.isfinite(ahead).all() and np.ptp(ahead) <= LEAVING_SEMITONES:
                begin = i
            continue
        here = np.nanmedian(midi[begin:i]) if i > begin else midi[i]
        away = ~(np.abs(ahead - here) <= LEAVING_SEMITONES)
        if len(ahead) == 0 or away.all():
            found.append((begin, i))
            steady = len(ahead) == STEADY_FRAMES and np.isfinite(ahead).all() and np.ptp(ahead) <= LEAVING_SEMITONES
            begin = i if steady else None
    return found


def _rise(level_db: np.ndarray, earlier: int, first: int, last: int) -> int:
    """The frame behind the last one before a pitch that is quieter by ``RISE_DB``, if one is near and no other note's; or the pitch's first."""
    reached = level_db[first : min(last, first + STEADY_FRAMES)].max()
    nearest = max(earlier, first - round(RISE_S * FRAME_RATE_HZ))
    quiet = np.flatnonzero(level_db[nearest:first] < reached - RISE_DB)
    return nearest + int(quiet[-1]) + 1 if len(quiet) else first


def _struck(level_db: np.ndarray, first: int, last: int) -> list[tuple[int, int]]:
    """Divide a stretch where its level rises quickly: the same pitch is played again."""
    reach = round(DIP_S * FRAME_RATE_HZ)
    cuts, i = [first], first + reach
    while i < last - reach:
        rise = level_db[i : i + reach].max() - level_db[i]
        if rise >= DIP_DB and level_db[i] == level_db[i - reach // 2 : i + reach].min():
            cuts.append(i)
            i += reach
        i += 1
    return list(zip(cuts, [*cuts[1:], last], strict=True))


def note_f1(wanted: Notes, found: Notes, *, onset_s: float = ONSET_S, cents: float = CENTS) -> float:
    """Compare notes: the harmonic mean of the shares that were found and that were wanted.

    Parameters
    ----------
    onset_s : float
        By how much a note may begin earlier or later.
    cents : float
        By how much it may be out of tune.

    Returns
    -------
    float
        0 to 1; every note counts for one other at most, in the pairing that has most pairs.  1 where there is nothing to find and nothing found.
        Ends have no part in it.
    """
    if not len(wanted) or not len(found):
        return float(len(wanted) == len(found))
    # As mir_eval rounds: a tolerance holds for what is written with four digits.
    apart_s = np.round(np.abs(wanted.onsets_s[:, None] - found.onsets_s), 4)
    apart_cents = np.abs(100 * (wanted.midi[:, None] - found.midi))
    close = (apart_s <= onset_s) & (apart_cents <= cents)
    return 2 * _most_pairs(close) / (len(wanted) + len(found))


def _most_pairs(close: np.ndarray) -> int:
    """The size of a largest matching of rows with columns that are close, by augmenting paths (Kuhn 1955)."""
    partner: dict[int, int] = {}

    def place(row: int, seen: set[int]) -> bool:
        for column in np.flatnonzero(close[row]).tolist():
            if column not in seen:
                seen.add(column)
                # Whoever has it moves on, if there is another one for it.
                if column not in partner or place(partner[column], seen):
                    partner[column] = row
                    return True
        return False

    return sum(place(row, set()) for row in range(len(close)))
