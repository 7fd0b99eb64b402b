"""Encoding of melodies as rows of numbers between -1 and 1, which adversarial networks generate and classify.

A note has one feature, its pitch; two, its pitch and the time to the next onset; or Mogren's four: its length, its
pitch (the logarithm of his frequency), its velocity, and the time since the onset before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wavecore.errors import InputError, UsageError
from wavecore.symbolic.note_sequence import REST, STEPS_PER_BEAT, NoteLine

PITCH_COLUMN = {1: 0, 2: 0, 4: 1}
"""Column of the pitch by number of features."""


@dataclass(frozen=True)
class NoteEncoding:
    """Ranges of pitches and durations that -1 to 1 stand for.

    Attributes
    ----------
    lowest, highest : int
        MIDI numbers of -1 and 1, at least an octave apart.
    durations : tuple of int
        Steps, ascending; the first and the last are -1 and 1, with equal ratios between.  A number is decoded as the
        nearest of them.
    note_steps : int
        Duration of notes of which the pitch alone is known.

    Raises
    ------
    UsageError
        If a value is out of its range.
    """

    lowest: int = 48
    highest: int = 84
    durations: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12, 16)
    note_steps: int = 2
    steps_per_beat: int = STEPS_PER_BEAT

    def __post_init__(self):
        if not 0 <= self.lowest <= self.highest - 12 <= 127 - 12:
            raise UsageError(f"pitches span an octave or more within 0 to 127, not {self.lowest} to {self.highest}")
        if len(self.durations) < 2 or list(self.durations) != sorted(set(self.durations)) or self.durations[0] < 1:
            raise UsageError(f"durations are two or more, ascending from 1 step or more, not {self.durations}")
        if self.note_steps < 1:
            raise UsageError(f"note_steps must be at least 1, not {self.note_steps}")
        try:
            NoteLine((), (), steps_per_beat=self.steps_per_beat)
        except InputError as error:
            raise UsageError(str(error)) from error

    def encode(self, line: NoteLine, n_features: int) -> np.ndarray:
        """Return the features of a line's notes.

        Parameters
        ----------
        line : NoteLine
            One note at a time.  Notes beyond the range are moved into it by octaves.
        n_features : {1, 2, 4}

        Returns
        -------
        ndarray, shape (n, n_features), float32
            The last note has no next one; its duration takes the place of that time.  The first note has none before;
            it takes the shortest duration.

        Raises
        ------
        InputError
            If the line has chords, or another grid.
        UsageError
            If there is no such number of features.
        """
        if n_features not in PITCH_COLUMN:
            raise UsageError(f"a note has 1, 2 or 4 features, not {n_features}")
        if line.steps_per_beat != self.steps_per_beat:
            raise InputError(f"the line has {line.steps_per_beat} steps to a beat; {self.steps_per_beat} are needed")
        onset, pitch, duration, velocity = line.table().T
        intervals = np.diff(onset)
        if (intervals == 0).any():
            raise InputError("the line has chords; features are those of one note at a time")
        octaves_up = np.maximum(0, -((pitch - self.lowest) // 12))
        octaves_down = np.maximum(0, -((self.highest - pitch) // 12))
        pitch = pitch + 12 * (octaves_up - octaves_down)
        level = 2 * (pitch - self.lowest) / (self.highest - self.lowest) - 1
        if n_features == 1:
            columns = [level]
        elif n_features == 2:
            columns = [level, self._duration_levels(np.append(intervals, duration[-1:]))]
        else:
            since = np.append([self.durations[0]] * min(1, len(onset)), intervals)
            columns = [
                self._duration_levels(duration), level, velocity / 63.5 - 1, self._duration_levels(since),
            ]  # fmt: skip
        return np.stack(columns, axis=1).astype(np.float32)

    def decode(self, values: np.ndarray) -> NoteLine:
        """Return the line of the nearest pitches, durations and velocities; a note ends where the next one begins.

        Parameters
        ----------
        values : ndarray, shape (n, 1), (n, 2) or (n, 4), float
            Clipped to -1 to 1.

        Raises
        ------
        UsageError
            If the shape is another one.
        """
        if values.ndim != 2 or values.shape[1] not in PITCH_COLUMN:
            raise UsageError(f"features have shape (n, 1), (n, 2) or (n, 4), not {values.shape}")
        values = np.clip(values.astype(np.float64), -1, 1)
        level = values[:, PITCH_COLUMN[values.shape[1]]]
        pitches = self.lowest + np.rint((level + 1) / 2 * (self.highest - self.lowest)).astype(int)
        symbols = tuple(map(str, pitches.tolist()))
        if values.shape[1] == 1:
            return NoteLine(symbols, (self.note_steps,) * len(symbols), steps_per_beat=self.steps_per_beat)
        if values.shape[1] == 2:
            return NoteLine(symbols, self._nearest_durations(values[:, 1]), steps_per_beat=self.steps_per_beat)
        lengths = self._nearest_durations(values[:, 0])
        velocities = np.clip(np.rint((values[:, 2] + 1) * 63.5), 1, 127).astype(int).tolist()
        intervals = (*self._nearest_durations(values[1:, 3]), *lengths[-1:])
        entries = []
        for symbol, length, velocity, interval in zip(symbols, lengths, velocities, intervals, strict=True):
            entries.append((symbol, min(length, interval), velocity))
            entries += [(REST, interval - length, 0)] if interval > length else []
        symbols, durations, velocities = zip(*entries, strict=True) if entries else ((), (), ())
        return NoteLine(symbols, durations, velocities, self.steps_per_beat)

    def levels(self) -> np.ndarray:
        """Return the numbers that stand for the durations, shape (n_durations,), ascending from -1 to 1."""
        return self._duration_levels(np.array(self.durations))

    def _duration_levels(self, steps: np.ndarray) -> np.ndarray:
        ratio = np.log(np.clip(steps, self.durations[0], self.durations[-1]) / self.durations[0])
        return 2 * ratio / np.log(self.durations[-1] / self.durations[0]) - 1

    def _nearest_durations(self, levels: np.ndarray) -> tuple[int, ...]:
        nearest = np.abs(self.levels() - levels[:, None]).argmin(axis=1)
        return tuple(self.durations[number] for number in nearest)
