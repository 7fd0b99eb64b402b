"""Fundamental frequency of one voice, and the arithmetic of pitch.

The tracker is probabilistic YIN (librosa's) with three changes for whistles.  YIN compares a signal with itself
shifted by whole samples: at 16 kHz a whistle of 3.6 kHz repeats after 4.5 samples, a shift of 9 matches much better,
and the estimate is an octave too low.  So the signal is first resampled to at least twelve samples per shortest
period.  A frame counts as voiced only if it is periodic itself, not because its neighbours are.  And long signals are
processed in overlapping segments, so that memory stays bounded.

References
----------
Mauch and Dixon, "pYIN: a fundamental frequency estimator using probabilistic threshold distributions", ICASSP 2014.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from wavecore.audio import checks
from wavecore.audio.resample import resample
from wavecore.errors import InputError, UsageError

A4_HZ = 440.0
A4_MIDI = 69

# At 12 samples per period the worst rounding of a period (half a sample) leaves
# a dip of 1 - cos(2 pi / 24), about 0.03, below nearly all of pYIN's thresholds.
_SAMPLES_PER_PERIOD = 12
# Periods of the lowest pitch in one analysis window (64 ms from 55 Hz on): with fewer, low
# tones come out up to 50 cents sharp; with more, glides are smeared.
_PERIODS_PER_WINDOW = 3.5
# YIN finds no dip at the very edge of its range of shifts, so the range is wider than the reported pitches.
_HEADROOM_ABOVE, _HEADROOM_BELOW = 1.1, 1.03
# Steps of 20 cents.  Viterbi's cost grows with the square of the number of steps:
# at 10 cents it runs five times slower, for errors of 5 cents instead of 10.
_RESOLUTION_SEMITONES = 0.2
_STEP = 2.0 ** (_RESOLUTION_SEMITONES / 12.0)
# A frame without a dip below any threshold gets exactly 0.01; noise does.
_MIN_PROBABILITY = 0.02
_SEGMENT_S = 20.0
_OVERLAP_S = 1.0


@dataclass(frozen=True, eq=False)
class PitchTrack:
    """Fundamental frequency over time.

    Parameters
    ----------
    times_s : ndarray, shape (N,), float64
        The middle of each frame, ascending.
    f0_hz : ndarray, shape (N,), float64
        The fundamental frequency, NaN where the frame is unvoiced.
    voiced : ndarray, shape (N,), bool
        Whether the frame has a pitch.
    probability : ndarray, shape (N,), float64
        The tracker's probability that it has, in [0, 1].

    Raises
    ------
    InputError
        If the lengths differ, times do not ascend, or a voiced frame has no frequency above zero, or an unvoiced one
        has any.
    """

    times_s: np.ndarray
    f0_hz: np.ndarray
    voiced: np.ndarray
    probability: np.ndarray

    def __post_init__(self) -> None:
        shapes = {np.shape(x) for x in (self.times_s, self.f0_hz, self.voiced, self.probability)}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise InputError(f"a pitch track is four arrays of one length (N,), got shapes {sorted(shapes)}")
        if np.any(np.diff(self.times_s) <= 0):
            raise InputError("the times of a pitch track must ascend")
        if self.voiced.dtype != bool:
            raise InputError(f"the voiced flags of a pitch track are bool, got {self.voiced.dtype}")
        inconsistent = self.voiced != (np.isfinite(self.f0_hz) & (np.nan_to_num(self.f0_hz) > 0))
        if inconsistent.any():
            raise InputError(
                f"{int(inconsistent.sum())} frames are voiced without a frequency above zero, or unvoiced with one; "
                f"the first is frame {int(np.argmax(inconsistent))}"
            )


def track_f0(
    x: np.ndarray | torch.Tensor,
    *,
    sample_rate: int,
    fmin_hz: float = 55.0,
    fmax_hz: float = 5000.0,
    frame_rate_hz: float = 50.0,
) -> PitchTrack:
    """Track the fundamental frequency of a monophonic signal.

    Parameters
    ----------
    x : ndarray or Tensor, shape (T,), float
        One voice, whistle or instrument, T at least 1.
    sample_rate : int
        Its rate in Hz.
    fmin_hz, fmax_hz : float
        The lowest and the highest pitch to report, ``0 < fmin_hz < fmax_hz``; half the sampling rate limits both.
    frame_rate_hz : float
        Frames per second, above 0 and at most 1,000; kept as nearly as whole samples allow.

    Returns
    -------
    PitchTrack
        Frame i lies at ``i / frame_rate``, the first one at 0, the last one at or before the end.  Frequencies are in
        steps of 20 cents: steady tones are off by about 10 at most, and by up to 30 below 70 Hz.  Silence is unvoiced
        throughout.

    Raises
    ------
    InputError
        If `x` is no finite, non-empty signal of one channel.
    UsageError
        If a limit or the frame rate is out of its range.

    Notes
    -----
    About 10 seconds of sound per second on one core with the default limits, and memory for 22 seconds of sound at a
    time.

    Examples
    --------
    >>> import numpy as np
    >>> whistle = 0.3 * np.sin(2 * np.pi * 880 * np.arange(3200) / 16000)
    >>> track = track_f0(whistle, sample_rate=16000, fmin_hz=500, fmax_hz=1500)
    >>> len(track.times_s), round(float(np.nanmedian(hz_to_midi(track.f0_hz))))
    (10, 81)
    """
    signal = checks.as_signal(x)
    fmax_hz = min(fmax_hz, checks.require_rate(sample_rate) / 2)
    if not 0 < fmin_hz < fmax_hz:
        raise UsageError(f"fmin_hz is {fmin_hz} and fmax_hz {fmax_hz}; 0 < fmin_hz < fmax_hz is needed")
    if not 0 < frame_rate_hz <= 1000:
        raise UsageError(f"frame_rate_hz is {frame_rate_hz}; it must be above 0 and at most 1000")
    rate = sample_rate * max(1, -(-int(_SAMPLES_PER_PERIOD * fmax_hz) // sample_rate))
    signal = resample(signal, from_rate=sample_rate, to_rate=rate)
    hop = round(rate / frame_rate_hz)
    f0_hz, probability = _track_in_segments(signal, rate, hop, fmin_hz, fmax_hz)
    voiced = np.isfinite(f0_hz) & (probability >= _MIN_PROBABILITY)
    times_s = np.arange(len(f0_hz)) * (hop / rate)
    return PitchTrack(times_s, np.where(voiced, f0_hz, np.nan), voiced, probability)


def _track_in_segments(
    signal: np.ndarray, rate: int, hop: int, fmin_hz: float, fmax_hz: float
) -> tuple[np.ndarray, np.ndarray]:
    """Compute f0 (NaN where unvoiced) and voicing probability of all frames, each (N,)."""
    n_frames = 1 + (len(signal) - 1) // hop
    step, margin = round(_SEGMENT_S * rate / hop), round(_OVERLAP_S * rate / hop)
    f0_parts, probability_parts = [], []
    for first in range(0, n_frames, step):
        last = min(first + step, n_frames)
        begin, end = max(0, first - margin), min(n_frames, last + margin)
        # A segment begins on a frame, and its margins are wider than a window, so its padded ends are cut away.
        f0_hz, probability = _pyin(signal[begin * hop : end * hop], rate, hop, fmin_hz, fmax_hz)
        f0_parts.append(f0_hz[first - begin : last - begin])
        probability_parts.append(probability[first - begin : last - begin])
    return np.concatenate(f0_parts), np.concatenate(probability_parts)


def _pyin(signal: np.ndarray, rate: int, hop: int, fmin_hz: float, fmax_hz: float) -> tuple[np.ndarray, np.ndarray]:
    import librosa

    window = 2 * round(_PERIODS_PER_WINDOW * rate / fmin_hz / 2)
    f0_hz, _, probability = librosa.pyin(
        signal,
        fmin=fmin_hz / _HEADROOM_BELOW,
        fmax=fmax_hz * _HEADROOM_ABOVE,
        sr=rate,
        frame_length=window,
        hop_length=hop,
        resolution=_RESOLUTION_SEMITONES,
    )
    # The grid of steps need not meet the limits: the step nearest to a limit may lie beyond it.
    inside = (f0_hz > fmin_hz / _STEP) & (f0_hz < fmax_hz * _STEP)
    return np.where(inside, f0_hz, np.nan), probability


def hz_to_midi(frequency_hz: float | np.ndarray) -> float | np.ndarray:
    """Convert frequencies in Hz to MIDI numbers with fractions, ``69 + 12 log2(f / 440)``; NaN stays NaN.

    Raises InputError if a frequency is zero, negative or infinite.

    Examples
    --------
    >>> hz_to_midi(880.0)
    81.0
    """
    values = np.asarray(frequency_hz, dtype=np.float64)
    bad = (values <= 0) | np.isinf(values)
    if bad.any():
        raise InputError(
            f"{int(bad.sum())} of {values.size} frequencies are not above 0 Hz and finite, the first is "
            f"{values[bad][0]}; mark frames without a pitch by NaN"
        )
    midi = A4_MIDI + 12.0 * np.log2(values / A4_HZ)
    return midi if midi.ndim else float(midi)


def midi_to_hz(midi: float | np.ndarray) -> float | np.ndarray:
    """Convert MIDI numbers, fractions allowed, to frequencies in Hz, ``440 * 2^((midi - 69) / 12)``; NaN stays NaN.

    Examples
    --------
    >>> round(midi_to_hz(60), 2)
    261.63
    """
    hz = A4_HZ * 2.0 ** ((np.asarray(midi, dtype=np.float64) - A4_MIDI) / 12.0)
    return hz if hz.ndim else float(hz)
