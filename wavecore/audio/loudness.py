"""Levels and loudness: peak, root mean square, and LUFS.

Silence has the level ``-inf`` dB, never NaN.

References
----------
ITU-R BS.1770-4, "Algorithms to measure audio programme loudness".  The two
filters of its annex 1 are given for 48 kHz; the analogue parameters behind
them, which serve every other rate, are those of Brecht De Man, "Evaluation of
implementations of the EBU R128 loudness measurement", AES 145 (2018).
"""

from __future__ import annotations

import math

import numpy as np
import torch

from wavecore.audio import checks
from wavecore.errors import UsageError

_BLOCK_S = 0.4
_BLOCKS_PER_LENGTH = 4  # blocks overlap by three quarters
_OFFSET_DB = -0.691  # makes a 997 Hz sine of full scale -3.01 LUFS
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_DB = -10.0

_SHELF_HZ, _SHELF_Q, _SHELF_DB = 1681.974450955533, 0.7071752369554196, 3.999843853973347
_SHELF_BAND_EXPONENT = 0.4996667741545416
_HIGHPASS_HZ, _HIGHPASS_Q = 38.13547087602444, 0.5003270373238773


def peak_db(x: np.ndarray | torch.Tensor) -> float:
    """The largest absolute sample in dB relative to full scale.

    Parameters
    ----------
    x : ndarray or Tensor, any shape, float
        Samples; not empty.

    Returns
    -------
    float
        0 at +-1, ``-inf`` for silence.

    Raises
    ------
    InputError
        If `x` is empty, of an integer type, or not finite.
    """
    return _decibel(float(np.abs(_flat(x)).max()))


def rms_db(x: np.ndarray | torch.Tensor) -> float:
    """The root mean square in dB relative to full scale.

    Parameters
    ----------
    x : ndarray or Tensor, any shape, float
        Samples; not empty.

    Returns
    -------
    float
        0 for a square wave of full scale, -3.01 for a sine, ``-inf`` for
        silence.

    Raises
    ------
    InputError
        If `x` is empty, of an integer type, or not finite.
    """
    return _decibel(math.sqrt(float(np.mean(np.square(_flat(x), dtype=np.float64)))))


def frame_rms(x: np.ndarray | torch.Tensor, *, frame_length: int = 1024, hop_length: int = 256) -> np.ndarray:
    """The root mean square over time.

    Parameters
    ----------
    x : ndarray or Tensor, shape (T,), float
        One signal.
    frame_length : int
        Samples per frame, at least 1.
    hop_length : int
        Samples from frame to frame, at least 1.

    Returns
    -------
    ndarray, shape (1 + (T - 1) // hop_length,), float32
        Frame i is centred on sample ``i * hop_length``; beyond its ends the
        signal counts as silent.

    Raises
    ------
    InputError
        If `x` is no finite, non-empty signal of one channel.
    UsageError
        If a length is below 1.
    """
    signal = checks.as_signal(x)
    if frame_length < 1 or hop_length < 1:
        raise UsageError(f"frame_length is {frame_length} and hop_length {hop_length}, wanted 1 or more")
    energy = np.concatenate([[0.0], np.cumsum(np.square(signal, dtype=np.float64))])
    starts = np.arange(0, len(signal), hop_length) - frame_length // 2
    first, last = (np.clip(edges, 0, len(signal)) for edges in (starts, starts + frame_length))
    return np.sqrt((energy[last] - energy[first]) / frame_length).astype(np.float32)


def integrated_lufs(x: np.ndarray | torch.Tensor, *, sample_rate: int) -> float:
    """The integrated loudness of a mono signal after ITU-R BS.1770-4.

    Parameters
    ----------
    x : ndarray or Tensor, shape (T,), float
        One signal.
    sample_rate : int
        Its rate in Hz.

    Returns
    -------
    float
        LUFS; -3.01 for a 997 Hz sine of full scale.  ``-inf`` where no block
        reaches the absolute gate of -70 LUFS, as in silence.

    Raises
    ------
    InputError
        If `x` is no finite, non-empty signal of one channel.
    UsageError
        If `sample_rate` is not a whole number above zero.

    Notes
    -----
    A signal shorter than one block of 0.4 s is measured as if silence
    followed, so short sounds measure quieter, as they sound.

    torchaudio's ``functional.loudness`` clips what it has filtered to +-1, and
    reports loud treble up to 2.3 dB too low; hence an implementation here.
    """
    signal = checks.as_signal(x)
    block = max(1, round(_BLOCK_S * checks.require_rate(sample_rate)))
    hop = max(1, block // _BLOCKS_PER_LENGTH)
    weighted = _k_weighted(np.pad(signal, (0, max(0, block - len(signal)))), sample_rate)
    energy = np.concatenate([[0.0], np.cumsum(np.square(weighted))])
    starts = np.arange(0, len(weighted) - block + 1, hop)
    power = (energy[starts + block] - energy[starts]) / block
    power = power[power > 10 ** ((_ABSOLUTE_GATE_LUFS - _OFFSET_DB) / 10)]
    if not len(power):
        return -math.inf
    power = power[power > power.mean() * 10 ** (_RELATIVE_GATE_DB / 10)]
    return _OFFSET_DB + 10 * math.log10(power.mean())


def loudness_gain(
    x: np.ndarray | torch.Tensor,
    reference: np.ndarray | torch.Tensor,
    *,
    sample_rate: int,
    max_peak: float = 1.0,
) -> float:
    """The factor that gives a signal the loudness of another.

    Parameters
    ----------
    x : ndarray or Tensor, shape (T,), float
        The signal to be scaled.
    reference : ndarray or Tensor, shape (T2,), float
        The signal whose loudness is wanted.
    sample_rate : int
        The rate of both in Hz.
    max_peak : float
        The factor is lowered where `x` would pass this peak; above 0.

    Returns
    -------
    float
        The factor.  Where one of the two is below the gate of -70 LUFS there
        is no loudness to match, and the factor is 1 (lowered as above).

    Raises
    ------
    InputError
        If a signal is no finite, non-empty signal of one channel.
    UsageError
        If `sample_rate` is not a whole number above zero, or `max_peak` is
        not above 0.
    """
    if not max_peak > 0:
        raise UsageError(f"max_peak is {max_peak}, wanted a value above 0")
    signal = checks.as_signal(x)
    wanted = integrated_lufs(reference, sample_rate=sample_rate)
    present = integrated_lufs(signal, sample_rate=sample_rate)
    gain = 10 ** ((wanted - present) / 20) if math.isfinite(wanted) and math.isfinite(present) else 1.0
    peak = float(np.abs(signal).max())
    return min(gain, max_peak / peak) if peak > 0 else gain


def match_loudness(
    x: np.ndarray | torch.Tensor,
    reference: np.ndarray | torch.Tensor,
    *,
    sample_rate: int,
    max_peak: float = 1.0,
) -> np.ndarray:
    """Scale a signal to the loudness of another.

    Parameters
    ----------
    x : ndarray or Tensor, shape (T,), float
        The signal to be scaled.
    reference : ndarray or Tensor, shape (T2,), float
        The signal whose loudness is wanted.
    sample_rate : int
        The rate of both in Hz.
    max_peak : float
        The result stays quieter than `reference` where it would pass this
        peak; above 0.

    Returns
    -------
    ndarray, shape (T,), float32
        `x` times `loudness_gain`; never beyond `max_peak`.

    Raises
    ------
    InputError
        If a signal is no finite, non-empty signal of one channel.
    UsageError
        If `sample_rate` is not a whole number above zero, or `max_peak` is
        not above 0.
    """
    signal = checks.as_signal(x)
    gain = loudness_gain(signal, reference, sample_rate=sample_rate, max_peak=max_peak)
    # The rounding of the product must not pass the limit either.
    return np.clip(signal * np.float32(gain), -max_peak, max_peak)


def _flat(x: np.ndarray | torch.Tensor) -> np.ndarray:
    """All values of an array of any shape as one checked signal."""
    return checks.as_signal(checks.to_numpy(x).reshape(-1))


def _decibel(amplitude: float) -> float:
    return 20.0 * math.log10(amplitude) if amplitude > 0 else -math.inf


def _k_weighted(signal: np.ndarray, sample_rate: int) -> np.ndarray:
    """The signal through the head shelf and the high-pass of BS.1770, float64."""
    from torchaudio.functional import lfilter

    weighted = torch.from_numpy(signal.astype(np.float64))
    for numerator, denominator in (_shelf(sample_rate), _highpass(sample_rate)):
        weighted = lfilter(weighted, _tensor(denominator), _tensor(numerator), clamp=False)
    return weighted.numpy()


def _tensor(coefficients: list[float]) -> torch.Tensor:
    return torch.tensor(coefficients, dtype=torch.float64)


def _shelf(sample_rate: int) -> tuple[list[float], list[float]]:
    """Numerator and denominator of the high shelf, by the bilinear transform."""
    k = _warp(_SHELF_HZ, sample_rate)
    high = 10 ** (_SHELF_DB / 20)
    band = high**_SHELF_BAND_EXPONENT
    a0 = 1 + k / _SHELF_Q + k * k
    numerator = [high + band * k / _SHELF_Q + k * k, 2 * (k * k - high), high - band * k / _SHELF_Q + k * k]
    denominator = [a0, 2 * (k * k - 1), 1 - k / _SHELF_Q + k * k]
    return _normalised(numerator, a0), _normalised(denominator, a0)


def _highpass(sample_rate: int) -> tuple[list[float], list[float]]:
    """Numerator and denominator of the high-pass; the recommendation leaves its gain unnormalised."""
    k = _warp(_HIGHPASS_HZ, sample_rate)
    a0 = 1 + k / _HIGHPASS_Q + k * k
    return [1.0, -2.0, 1.0], _normalised([a0, 2 * (k * k - 1), 1 - k / _HIGHPASS_Q + k * k], a0)


def _warp(frequency_hz: float, sample_rate: int) -> float:
    # Below 3.4 kHz of sampling rate the shelf lies above half the rate; it then acts on nothing.
    return math.tan(math.pi * min(frequency_hz / sample_rate, 0.499))


def _normalised(coefficients: list[float], a0: float) -> list[float]:
    return [c / a0 for c in coefficients]
