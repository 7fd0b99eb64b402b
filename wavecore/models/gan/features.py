"""Lines as rows of numbers between -1 and 1: what adversarial networks write and judge.

One number to a note is its pitch.  Two are its pitch and the time to the next note.  Four are Mogren's:
its length, its frequency (here as a pitch, its logarithm), its intensity, and the gap, the time since
the note before it began.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wavecore.errors import InputError, UsageError
from wavecore.symbolic.note_sequence import REST, STEPS_PER_BEAT, NoteLine

PITCH = {1: 0, 2: 0, 4: 1}
"""The pitch's place among so many numbers."""


@dataclass(frozen=True)
class NoteScale:
    """How notes are numbers.

    Attributes
    ----------
    lowest, highest : int
        MIDI numbers that -1 and 1 stand for, an octave apart at least.
    durations : tuple of int
        Steps in ascending order; the first and the last are -1 and 1, between them lie equal ratios.  Numbers become the nearest of them.
    note_steps : int
        How long notes are of which the pitch alone is known.

    Raises
    ------
    UsageError
        If one of these is not so.
    """

    lowest: int = 48
    highest: int = 84
    durations: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12, 16)
    note_steps: int = 2
    steps_per_beat: int = STEPS_PER_BEAT

    def __post_init__(self):
        if not 0 <= self.lowest <= self.highest - 12 <= 127 - 12:
            raise UsageError(f"pitches from {self.lowest} to {self.highest} are no octave or more within 0 to 127")
        if len(self.durations) < 2 or list(self.durations) != sorted(set(self.durations)) or self.durations[0] < 1:
            raise UsageError(f"the durations {self.durations} are not two or more, ascending, of 1 step or more")
        if self.note_steps < 1:
            raise UsageError(f"note_steps is {self.note_steps}; at least 1 is needed")
        try:
            NoteLine((), (), steps_per_beat=self.steps_per_beat)
        except InputError as error:
            raise UsageError(str(error)) from error

    def encode(self, line: NoteLine, n_features: int) -> np.ndarray:
        """Write a line's notes as numbers.

        Parameters
        ----------
        line : NoteLine
            One note at a time.  Notes beyond the range move by octaves into it.
        n_features : {1, 2, 4}

        Returns
        -------
        ndarray, shape (n, n_features), float32
            -1 to 1.  The last note's time to the next is its duration; before the first note none began, and its gap is the shortest.

        Raises
        ------
        InputError
            If the line has chords, or another grid.
        UsageError
            If there are no such numbers.
        """
        if n_features not in PITCH:
            raise UsageError(f"a note has {n_features} features; 1, 2 or 4 are known")
        if line.steps_per_beat != self.steps_per_beat:
            raise InputError(f"a line has {line.steps_per_beat} steps to a beat; {self.steps_per_beat} are wanted")
        onset, pitch, lasting, velocity = line.table().T
        between = np.diff(onset)
        if (between == 0).any():
            raise InputError("a line with chords has no features; they are for one note at a time")
        pitch = pitch + 12 * (
            np.maximum(0, -((pitch - self.lowest) // 12)) - np.maximum(0, -((self.highest - pitch) // 12))
        )
        level = 2 * (pitch - self.lowest) / (self.highest - self.lowest) - 1
        if n_features == 1:
            columns = [level]
        elif n_features == 2:
            columns = [level, self._level(np.append(between, lasting[-1:]))]
        else:
            gap = np.append([self.durations[0]] * min(1, len(onset)), between)
            columns = [self._level(lasting), level, velocity / 63.5 - 1, self._level(gap)]
        return np.stack(columns, axis=1).astype(np.float32)

    def decode(self, values: np.ndarray) -> NoteLine:
        """Read numbers as a line: the nearest pitches, durations and velocities.

        Parameters
        ----------
        values : ndarray, shape (n, 1), (n, 2) or (n, 4), float
            Anything beyond -1 and 1 counts as these.

        Returns
        -------
        NoteLine
            A note that is longer than the time to the next one ends there.

        Raises
        ------
        UsageError
            If the shape is another one.
        """
        if values.ndim != 2 or values.shape[1] not in PITCH:
            raise UsageError(f"features have shape {values.shape}; rows of 1, 2 or 4 are known")
        values = np.clip(values.astype(np.float64), -1, 1)
        level = values[:, PITCH[values.shape[1]]]
        symbols = [str(self.lowest + int(pitch)) for pitch in np.rint((level + 1) / 2 * (self.highest - self.lowest))]
        if values.shape[1] == 1:
            return NoteLine(tuple(symbols), (self.note_steps,) * len(symbols), steps_per_beat=self.steps_per_beat)
        if values.shape[1] == 2:
            return NoteLine(tuple(symbols), self._steps(values[:, 1]), steps_per_beat=self.steps_per_beat)
        lengths, velocities = (
            self._steps(values[:, 0]),
            np.clip(np.rint((values[:, 2] + 1) * 63.5), 1, 127).astype(int).tolist(),
        )
        waits = (*self._steps(values[1:, 3]), *lengths[-1:])
        entries = []
        for symbol, length, velocity, wait in zip(symbols, lengths, velocities, waits, strict=True):
            entries.append((symbol, min(length, wait), velocity))
            entries += [(REST, wait - length, 0)] if wait > length else []
        symbols, durations, velocities = zip(*entries, strict=True) if entries else ((), (), ())
        return NoteLine(symbols, durations, velocities, self.steps_per_beat)

    def levels(self) -> np.ndarray:
        """Return the numbers that stand for the durations.

        Returns
        -------
        ndarray, shape (n_durations,), float64
            -1 to 1, ascending.
        """
        return self._level(np.array(self.durations))

    def _level(self, steps: np.ndarray) -> np.ndarray:
        ratio = np.log(np.clip(steps, self.durations[0], self.durations[-1]) / self.durations[0])
        return 2 * ratio / np.log(self.durations[-1] / self.durations[0]) - 1

    def _steps(self, levels: np.ndarray) -> tuple[int, ...]:
        nearest = np.abs(self.levels() - levels[:, None]).argmin(axis=1)
        return tuple(self.durations[number] for number in nearest)
