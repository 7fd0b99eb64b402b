"""Transcription of one voice to notes, and the F-measure of notes against a score (mir_eval's).

References
----------
Bay, Ehmann and Downie, "Evaluation of multiple-F0 estimation and tracking systems", ISMIR 2009: when notes match.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wavecore.audio import checks, pitch
from wavecore.errors import InputError

FRAME_RATE_HZ = 100.0
FMIN_HZ, FMAX_HZ = 55.0, 2200.0
ONSET_S, CENTS = 0.05, 50.0
"""Tolerances of matching notes."""
MIN_DURATION_S = 0.06
"""Of a note."""
MAX_SEMITONES = 0.6
"""By which the frames of one note differ."""
STEADY_FRAMES = 3
"""At least, of one pitch in a note."""
QUIET_DB = 35.0
"""Below the loudest frame: quieter frames are silence."""
DIP_DB, DIP_S = 5.0, 0.06
"""Rise of the level, and within how long, where the same pitch is struck again."""
RISE_DB, RISE_S = 10.0, 0.08
"""Rise of the level at an onset, and its longest lead over the pitch: the tracker's window must fill first, and the
stroke of a hammer has no pitch."""


@dataclass(frozen=True)
class Notes:
    """Notes of one line: onsets and ends in seconds and MIDI numbers with fractions, each of shape (n,), float64."""

    onsets_s: np.ndarray
    ends_s: np.ndarray
    midi: np.ndarray

    def __post_init__(self):
        shapes = {np.shape(getattr(self, name)) for name in ("onsets_s", "ends_s", "midi")}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise InputError(f"onsets, ends and pitches of notes have shapes {sorted(shapes)}; one (n,) is needed")
        if not ((self.onsets_s >= 0) & (self.ends_s > self.onsets_s)).all():
            raise InputError("a note begins before 0 s, or ends when it begins or before")

    def __len__(self) -> int:
        return len(self.midi)


def transcribe(sound: np.ndarray, *, sample_rate: int) -> Notes:
    """Transcribe one voice, shape (T,): notes end where the pitch changes and where the level rises again.

    Raises InputError if it is no finite signal of one channel.
    """
    import librosa

    signal = checks.as_signal(sound)
    track = pitch.track_f0(
        signal, sample_rate=sample_rate, fmin_hz=FMIN_HZ, fmax_hz=FMAX_HZ, frame_rate_hz=FRAME_RATE_HZ
    )
    n = len(track.times_s)
    hop = round(sample_rate / FRAME_RATE_HZ)
    level = librosa.feature.rms(y=signal, frame_length=2 * hop, hop_length=hop)[0, :n]
    level_db = np.pad(20 * np.log10(np.maximum(level, 1e-7)), (0, n - len(level)), constant_values=-140.0)
    audible = track.voiced & (level_db > level_db.max() - QUIET_DB)
    midi = pitch.hz_to_midi(np.where(audible, track.f0_hz, np.nan))
    rows, previous_end = [], 0
    for first, last in _steady_runs(midi):
        onset = _onset(level_db, previous_end, first, last)
        for begin, end in _split_repeats(level_db, first, last):
            if (end - begin) / FRAME_RATE_HZ >= MIN_DURATION_S:
                onset_s = track.times_s[onset if begin == first else begin]
                rows.append((onset_s, track.times_s[end - 1] + 1 / FRAME_RATE_HZ, np.nanmedian(midi[begin:end])))
        previous_end = last
    return Notes(*np.array(rows, np.float64).reshape(-1, 3).T)


def _steady_runs(midi: np.ndarray) -> list[tuple[int, int]]:
    """Return the runs of frames of one pitch, first and end; a frame or two of another pitch do not end one."""
    runs, begin = [], None
    for i in range(len(midi) + 1):
        following = midi[i : i + STEADY_FRAMES]
        if begin is not None:
            if (np.abs(following - np.nanmedian(midi[begin:i])) <= MAX_SEMITONES).any():
                continue
            runs.append((begin, i))
        steady = len(following) == STEADY_FRAMES and np.isfinite(following).all()
        begin = i if steady and np.ptp(following) <= MAX_SEMITONES else None
    return runs


def _onset(level_db: np.ndarray, previous_end: int, first: int, last: int) -> int:
    """Return the frame at which the level rises shortly before a run of one pitch, or else the run's first frame."""
    reached = level_db[first : min(last, first + STEADY_FRAMES)].max()
    earliest = max(previous_end, first - round(RISE_S * FRAME_RATE_HZ))
    quiet = np.flatnonzero(level_db[earliest:first] < reached - RISE_DB)
    return earliest + int(quiet[-1]) + 1 if len(quiet) else first


def _split_repeats(level_db: np.ndarray, first: int, last: int) -> list[tuple[int, int]]:
    """Split a run where its level dips and rises quickly: the same pitch is played again."""
    reach = round(DIP_S * FRAME_RATE_HZ)
    cuts, i = [first], first + reach
    while i < last - reach:
        rise = level_db[i : i + reach].max() - level_db[i]
        if rise >= DIP_DB and level_db[i] == level_db[i - reach // 2 : i + reach].min():
            cuts.append(i)
            i += reach
        i += 1
    return list(zip(cuts, [*cuts[1:], last], strict=True))


def note_f1(reference: Notes, estimate: Notes, *, onset_s: float = ONSET_S, cents: float = CENTS) -> float:
    """Compute the F-measure of notes that match in onset and pitch, 0 to 1; 1 where both are empty.

    The tolerances are inclusive; ends are ignored; every note matches one other at most, in a largest matching.
    """
    from mir_eval.transcription import precision_recall_f1_overlap

    if not len(reference) or not len(estimate):
        return float(len(reference) == len(estimate))
    arrays = []
    for notes in (reference, estimate):
        arrays += [np.stack([notes.onsets_s, notes.ends_s], axis=1), pitch.midi_to_hz(notes.midi)]
    # The margin covers the rounding of the conversion to Hz and back.
    tolerances = {"onset_tolerance": onset_s, "pitch_tolerance": cents + 1e-6, "offset_ratio": None}
    return precision_recall_f1_overlap(*arrays, **tolerances)[2]
