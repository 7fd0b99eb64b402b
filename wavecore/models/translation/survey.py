"""Look through a sound before working on it: length, level, pitch.

A sound of any length is read once, in blocks; its pitch is tracked in a
bounded number of excerpts spread evenly over it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavecore.audio import files, pitch
from wavecore.errors import InputError

BLOCK_S = 10.0
MAX_EXCERPTS = 6
LEVEL_FRAME_S = 0.05
LOUD_QUANTILE = 0.9
SILENCE_DB = -70.0


@dataclass(frozen=True)
class Survey:
    """What is known of a sound before it is translated.

    Attributes
    ----------
    n_samples : int
        At the model's rate.
    sample_rate : int
        The model's, Hz.
    level_db : float
        Of the louder parts: the 90th percentile of the RMS of 50 ms frames that are not silent.
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
        """Collect the pitches of all voiced frames.

        Returns
        -------
        ndarray, shape (n,), float64
            MIDI note numbers.
        """
        voiced = [pitch.hz_to_midi(track.f0_hz[track.voiced]) for track in self.tracks]
        return np.concatenate(voiced) if voiced else np.zeros(0)


def survey(source: str | Path, *, sample_rate: int, min_samples: int) -> Survey:
    """Read a file once and measure it.

    Parameters
    ----------
    sample_rate : int
        The model's, Hz.
    min_samples : int
        The shortest sound the model takes, in samples at its rate.

    Raises
    ------
    InputError
        If the file cannot be read, is too short, or is silent.
    """
    n_samples, levels = _measure(source, sample_rate)
    if n_samples < min_samples:
        raise InputError(
            f"{source} lasts {n_samples / sample_rate:.3f} s; the model needs at least {min_samples / sample_rate:.3f} s"
        )
    sounding = levels[levels > SILENCE_DB]
    if not len(sounding):
        raise InputError(f"{source} is silent (below {SILENCE_DB:.0f} dB throughout); there is nothing to translate")
    excerpts = choose_excerpts(n_samples, sample_rate)
    sounds = read_excerpts(files.stream(source, sample_rate=sample_rate, block_frames=sample_rate), excerpts)
    tracks = tuple(pitch.track_f0(x, sample_rate=sample_rate) for x in sounds)
    return Survey(n_samples, sample_rate, float(np.quantile(sounding, LOUD_QUANTILE)), excerpts, tracks)


def choose_excerpts(n_samples: int, sample_rate: int) -> tuple[tuple[int, int], ...]:
    """Spread a bounded number of excerpts evenly over a sound.

    Parameters
    ----------
    sample_rate : int
        Hz.

    Returns
    -------
    tuple of (int, int)
        Start and stop in samples: the whole sound in blocks of 10 s where it
        lasts a minute or less, else six such blocks.
    """
    block = int(BLOCK_S * sample_rate)
    starts = list(range(0, n_samples, block))
    if len(starts) > MAX_EXCERPTS:
        starts = [int(start) for start in np.linspace(0, n_samples - block, MAX_EXCERPTS)]
    return tuple((start, min(start + block, n_samples)) for start in starts)


def read_excerpts(blocks: Iterator[np.ndarray], excerpts: Sequence[tuple[int, int]]) -> list[np.ndarray]:
    """Cut excerpts out of a stream of blocks.

    Parameters
    ----------
    blocks : iterator of ndarray, shape (n,), float32
        The sound, in order.
    excerpts : sequence of (int, int)
        Start and stop in samples.

    Returns
    -------
    list of ndarray, shape (stop - start,), float32
    """
    collector = ExcerptCollector(excerpts)
    for block in blocks:
        collector.add(block)
    return collector.sounds()


class ExcerptCollector:
    """Keeps chosen passages of a sound that passes by in blocks.

    Parameters
    ----------
    excerpts : sequence of (int, int)
        Start and stop in samples.
    """

    def __init__(self, excerpts: Sequence[tuple[int, int]]):
        self._excerpts = tuple(excerpts)
        self._parts: list[list[np.ndarray]] = [[] for _ in self._excerpts]
        self._position = 0

    def add(self, block: np.ndarray) -> None:
        """Take the next block.

        Parameters
        ----------
        block : ndarray, shape (n,), float32
        """
        for parts, (start, stop) in zip(self._parts, self._excerpts, strict=True):
            low, high = max(start - self._position, 0), min(stop - self._position, len(block))
            if low < high:
                parts.append(np.array(block[low:high]))
        self._position += len(block)

    def sounds(self) -> list[np.ndarray]:
        """Return what was kept.

        Returns
        -------
        list of ndarray, shape (n,), float32
        """
        return [np.concatenate(parts) if parts else np.zeros(0, np.float32) for parts in self._parts]


def _measure(source: str | Path, sample_rate: int) -> tuple[int, np.ndarray]:
    """Count the samples and take the level of every 50 ms."""
    frame = int(LEVEL_FRAME_S * sample_rate)
    n_samples, levels, rest = 0, [], np.zeros(0, np.float32)
    for block in files.stream(source, sample_rate=sample_rate, block_frames=sample_rate):
        n_samples += len(block)
        rest = np.concatenate([rest, block])
        whole = len(rest) // frame * frame
        levels.append(_frame_levels_db(rest[:whole].reshape(-1, frame)))
        rest = rest[whole:]
    if len(rest):
        levels.append(_frame_levels_db(rest[None]))
    return n_samples, np.concatenate(levels) if levels else np.zeros(0)


def _frame_levels_db(frames: np.ndarray) -> np.ndarray:
    return 10 * np.log10(np.square(frames, dtype=np.float64).mean(axis=1) + 1e-12)
