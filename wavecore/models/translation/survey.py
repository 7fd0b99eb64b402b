"""A sound before it is translated: its samples, length, level and pitch, and the octave that suits a target.

A sound of any length is read in blocks; its pitch is tracked in at most six excerpts of ten seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from wavecore.audio import checks, files, pitch
from wavecore.audio.resample import resample
from wavecore.errors import InputError

EXCERPT_S, MAX_EXCERPTS = 10.0, 6
LEVEL_FRAME_S = 0.05
LOUD_QUANTILE = 0.9
SILENCE_DB = -70.0
MAX_OCTAVES = 4
TOLERANCE_SEMITONES = 1.0
END_SEMITONES = 3.0


@dataclass(frozen=True)
class Source:
    """A sound to translate: a file, which is read block by block, or samples in memory.

    Attributes
    ----------
    name : str
        The file, or what messages call the samples.
    sample_rate, n_samples : int
        Rate in Hz and length before resampling.
    path : Path or None
    samples : ndarray or None, shape (T,), float32
    """

    name: str
    sample_rate: int
    n_samples: int
    path: Path | None = None
    samples: np.ndarray | None = field(default=None, repr=False)

    @classmethod
    def of_file(cls, path: str | os.PathLike[str]) -> Source:
        """Open an audio file; raises InputError if it cannot be read."""
        info = files.probe(path)
        return cls(str(path), info.sample_rate, info.frames, path=Path(path))

    @classmethod
    def of_array(cls, x: np.ndarray, sample_rate: int) -> Source:
        """Take samples, shape (T,) or (T, channels), whose channels are averaged.

        Raises InputError if they are empty, not floats, not finite, or of another shape.
        """
        rate = checks.require_rate(sample_rate)
        x = np.asarray(x)
        checks.require_float(x)
        if x.ndim not in (1, 2) or not x.size or (x.ndim == 2 and x.shape[1] > max(8, x.shape[0])):
            raise InputError(f"the samples have shape {x.shape}, not (T,) or (T, channels): time comes first")
        checks.require_finite(x)
        x = x.astype(np.float32, copy=False)
        mono = x if x.ndim == 1 else x.mean(axis=1)
        return cls("the sound", rate, len(mono), samples=mono)

    def blocks(self, sample_rate: int) -> Iterator[np.ndarray]:
        """Yield the sound at a sample rate in blocks of a second, (n,) float32."""
        if self.path is not None:
            yield from files.stream(self.path, sample_rate=sample_rate, block_frames=sample_rate)
            return
        x = resample(self.samples, from_rate=self.sample_rate, to_rate=sample_rate)
        yield from (x[start : start + sample_rate] for start in range(0, len(x), sample_rate))


@dataclass(frozen=True)
class Survey:
    """Length, level and pitch of a sound.

    Attributes
    ----------
    n_samples : int
        At ``sample_rate``, the model's.
    level_db : float
        Of the louder parts, see ``loud_level_db``.
    excerpts : tuple of (int, int)
        Start and stop, in samples, of the passages whose pitch was tracked.
    tracks : tuple of PitchTrack
        Their pitch.
    """

    n_samples: int
    sample_rate: int
    level_db: float
    excerpts: tuple[tuple[int, int], ...]
    tracks: tuple[pitch.PitchTrack, ...]

    def voiced_midi(self) -> np.ndarray:
        """Return the MIDI note numbers of all voiced frames, (n,) float64."""
        voiced = [pitch.hz_to_midi(track.f0_hz[track.voiced]) for track in self.tracks]
        return np.concatenate(voiced) if voiced else np.zeros(0)


def survey(source: Source, *, sample_rate: int, min_samples: int) -> Survey:
    """Measure a sound at a model's sample rate.

    Raises
    ------
    InputError
        If it cannot be read, has fewer than ``min_samples`` samples, or is silent.
    """
    n_samples, levels = _measure(source.blocks(sample_rate), int(LEVEL_FRAME_S * sample_rate))
    if n_samples < min_samples:
        raise InputError(
            f"{source.name} lasts {n_samples / sample_rate:.3f} s; the model needs at least "
            f"{min_samples / sample_rate:.3f} s"
        )
    level_db = loud_level_db(levels)
    if level_db is None:
        raise InputError(
            f"{source.name} is silent (below {SILENCE_DB:.0f} dB throughout); there is nothing to translate"
        )
    excerpts = choose_excerpts(n_samples, sample_rate)
    sounds = Excerpts(excerpts).read(source.blocks(sample_rate))
    tracks = tuple(pitch.track_f0(x, sample_rate=sample_rate) for x in sounds)
    return Survey(n_samples, sample_rate, level_db, excerpts, tracks)


def frame_levels_db(frames: np.ndarray) -> np.ndarray:
    """Return the RMS level of each frame, shape (n, samples), in dB of full scale."""
    return 10 * np.log10(np.square(frames, dtype=np.float64).mean(axis=1) + 1e-12)


def loud_level_db(levels_db: np.ndarray) -> float | None:
    """Return the 90th percentile of the levels of frames that are not silent; None if all are."""
    sounding = levels_db[levels_db > SILENCE_DB]
    return float(np.quantile(sounding, LOUD_QUANTILE)) if len(sounding) else None


def choose_excerpts(n_samples: int, sample_rate: int) -> tuple[tuple[int, int], ...]:
    """Return starts and stops of blocks of ten seconds: all of a sound of a minute or less, else six, evenly spread."""
    block = int(EXCERPT_S * sample_rate)
    starts = list(range(0, n_samples, block))
    if len(starts) > MAX_EXCERPTS:
        starts = [int(start) for start in np.linspace(0, n_samples - block, MAX_EXCERPTS)]
    return tuple((start, min(start + block, n_samples)) for start in starts)


class Excerpts:
    """Passages, given by start and stop in samples, of a sound that arrives in blocks."""

    def __init__(self, ranges: Sequence[tuple[int, int]]):
        self._ranges = tuple(ranges)
        self._parts: list[list[np.ndarray]] = [[] for _ in self._ranges]
        self._position = 0

    def add(self, block: np.ndarray) -> None:
        """Take the next block, (n,) float32."""
        for parts, (start, stop) in zip(self._parts, self._ranges, strict=True):
            low, high = max(start - self._position, 0), min(stop - self._position, len(block))
            if low < high:
                parts.append(np.array(block[low:high]))
        self._position += len(block)

    def sounds(self) -> list[np.ndarray]:
        """Return the passages as far as they have arrived."""
        return [np.concatenate(parts) if parts else np.zeros(0, np.float32) for parts in self._parts]

    def read(self, blocks: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Take all blocks and return the passages."""
        for block in blocks:
            self.add(block)
        return self.sounds()


def best_octave(midi: np.ndarray, low: float, high: float) -> int:
    """Return the smallest octave shift that leaves the fewest pitches outside a range of MIDI note numbers.

    Among equal shifts those come last that bring most pitches to the very ends of the range, where a decoder had the
    least training data.
    """

    def cost(shift: int) -> tuple[float, bool, int]:
        at_the_ends = share_outside(midi, low + END_SEMITONES, high - END_SEMITONES, shift)
        return share_outside(midi, low, high, shift), at_the_ends > 0.5, abs(shift)

    return min(range(-MAX_OCTAVES, MAX_OCTAVES + 1), key=cost)


def share_outside(midi: np.ndarray, low: float, high: float, shift: int) -> float:
    """Return the share of pitches, MIDI note numbers, more than a semitone outside a range after an octave shift."""
    moved = midi + 12 * shift
    return float(np.mean((moved < low - TOLERANCE_SEMITONES) | (moved > high + TOLERANCE_SEMITONES)))


def _measure(blocks: Iterable[np.ndarray], frame: int) -> tuple[int, np.ndarray]:
    """Return the number of samples and the level of every frame of so many samples."""
    n_samples, levels, rest = 0, [], np.zeros(0, np.float32)
    for block in blocks:
        n_samples += len(block)
        rest = np.concatenate([rest, block])
        whole = len(rest) // frame * frame
        levels.append(frame_levels_db(rest[:whole].reshape(-1, frame)))
        rest = rest[whole:]
    if len(rest):
        levels.append(frame_levels_db(rest[None]))
    return n_samples, np.concatenate(levels) if levels else np.zeros(0)
