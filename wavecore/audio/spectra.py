"""Spectra: short-time Fourier and mel magnitudes of arrays and tensors, the constant-Q transform of arrays.

Fourier and mel spectra have one implementation, in torch, so that arrays and tensors give the same values, tensors
with gradients.  Frame i is centred on sample ``i * hop_length``; beyond its ends a signal counts as silent.
"""

from __future__ import annotations

import functools
from typing import Any, TypeVar

import numpy as np
import torch

from wavecore.audio import checks
from wavecore.errors import InputError, UsageError

Array = TypeVar("Array", np.ndarray, torch.Tensor)

C2_HZ = 65.40639132514966

# Amplitudes below this are silence; its square is still a normal float32.
_TINY = 1e-12

# Half the equivalent noise bandwidth of a Hann window, in bins; librosa's measure of where a filter ends.
_HANN_HALF_WIDTH = 0.7501


def stft_magnitude(x: Array, *, n_fft: int = 1024, hop_length: int = 256) -> Array:
    """Compute magnitudes of the short-time Fourier transform with a Hann window.

    Parameters
    ----------
    x : ndarray or Tensor, shape (..., T), float
        Signals, time last.
    n_fft : int
        Window length in samples, at least 2.
    hop_length : int
        Samples from frame to frame, at least 1.

    Returns
    -------
    ndarray or Tensor, shape (..., n_fft // 2 + 1, 1 + T // hop_length), float32
        Frequencies from 0 to half the sampling rate.  A sine of amplitude a that falls on a bin has the magnitude
        ``a * n_fft / 4``.

    Raises
    ------
    InputError
        If `x` has no samples, is of an integer type, or is not finite.
    UsageError
        If a length is too small.

    Examples
    --------
    >>> import numpy as np
    >>> tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    >>> magnitude = stft_magnitude(tone)
    >>> magnitude.shape, int(magnitude[:, 30].argmax()), round(float(magnitude.max()))
    ((513, 63), 64, 128)
    """
    if n_fft < 2 or hop_length < 1:
        raise UsageError(f"n_fft is {n_fft} and hop_length {hop_length}; at least 2 and 1 are needed")
    samples = _as_tensor(x)
    window = torch.hann_window(n_fft, dtype=samples.dtype, device=samples.device)
    flat = samples.reshape(-1, x.shape[-1])  # (signals, T)
    spectrum = torch.stft(flat, n_fft, hop_length, window=window, pad_mode="constant", return_complex=True)
    return _like(x, spectrum.abs().reshape(*x.shape[:-1], *spectrum.shape[-2:]))


def log_magnitude(magnitude: Array, *, reference: float | None = None, range_db: float = 120.0) -> Array:
    """Convert magnitudes to dB, relative to their own maximum or to a fixed value.

    Parameters
    ----------
    magnitude : ndarray or Tensor, shape (..., bins, frames), float
        Magnitudes, at least 0.
    reference : float, optional
        The magnitude that is 0 dB; by default the maximum of each spectrum (over its last two axes).
    range_db : float
        Values more than this below the reference are raised to it, above 0.

    Returns
    -------
    ndarray or Tensor, the shape of `magnitude`, float32
        dB, at least ``-range_db``; at most 0 without a `reference`.  Silence is ``-range_db`` throughout.

    Raises
    ------
    InputError
        If `magnitude` is empty, has fewer than two axes, is of an integer type, is not finite, or holds negative
        values.
    UsageError
        If `reference` or `range_db` is not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> log_magnitude(np.array([[2.0, 0.2, 0.0]]), range_db=60.0).round().tolist()
    [[0.0, -20.0, -60.0]]
    """
    if not range_db > 0 or (reference is not None and not reference > 0):
        raise UsageError(f"reference is {reference} and range_db {range_db}; both must be above 0")
    if magnitude.ndim < 2:
        raise InputError(f"magnitudes have shape {tuple(magnitude.shape)}, not (..., bins, frames)")
    values = _as_tensor(magnitude, what="magnitudes")
    if bool((values < 0).any()):
        raise InputError(f"magnitudes are at least 0, the smallest of these is {float(values.min())}")
    top = values.amax(dim=(-2, -1), keepdim=True) if reference is None else torch.as_tensor(float(reference))
    # Silence is compared with silence: everything lies at the bottom of the range.
    floor = _TINY * 10 ** (-range_db / 20)
    level_db = 20.0 * (torch.log10(values.clamp_min(floor)) - torch.log10(top.clamp_min(_TINY).to(values)))
    return _like(magnitude, level_db.clamp_min(-range_db))


def mel_spectrogram(
    x: Array,
    *,
    sample_rate: int,
    n_fft: int = 1024,
    hop_length: int = 256,
    n_mels: int = 80,
    fmin_hz: float = 0.0,
    fmax_hz: float | None = None,
) -> Array:
    """Compute magnitudes on the mel scale (Slaney's, bands of equal area, as librosa's).

    Parameters
    ----------
    x : ndarray or Tensor, shape (..., T), float
        Signals, time last.
    sample_rate : int
        Their rate in Hz.
    n_fft : int
        Window length in samples, at least 2.
    hop_length : int
        Samples from frame to frame, at least 1.
    n_mels : int
        Number of bands, at least 1.
    fmin_hz : float
        Lower edge of the lowest band, at least 0.
    fmax_hz : float, optional
        Upper edge of the highest band, by default half the sampling rate.

    Returns
    -------
    ndarray or Tensor, shape (..., n_mels, 1 + T // hop_length), float32

    Raises
    ------
    InputError
        If `x` has no samples, is of an integer type, or is not finite.
    UsageError
        If a parameter is out of its range, or the bands do not lie between 0 and half the sampling rate.

    Examples
    --------
    >>> import torch
    >>> mel_spectrogram(torch.zeros(2, 16000), sample_rate=16000).shape
    torch.Size([2, 80, 63])
    """
    top_hz = checks.require_rate(sample_rate) / 2 if fmax_hz is None else fmax_hz
    if n_mels < 1 or not 0 <= fmin_hz < top_hz <= sample_rate / 2:
        raise UsageError(
            f"{n_mels} mel bands from {fmin_hz} to {top_hz} Hz do not fit {sample_rate} Hz; at least one band is "
            f"needed and 0 <= fmin_hz < fmax_hz <= {sample_rate / 2}"
        )
    magnitude = stft_magnitude(_as_tensor(x), n_fft=n_fft, hop_length=hop_length)
    bands = _mel_bands(n_fft, n_mels, float(fmin_hz), float(top_hz), sample_rate).to(magnitude.device)
    return _like(x, bands @ magnitude)


@functools.lru_cache(maxsize=16)
def _mel_bands(n_fft: int, n_mels: int, fmin_hz: float, fmax_hz: float, sample_rate: int) -> torch.Tensor:
    """Return triangular bands, shape (n_mels, n_fft // 2 + 1), float32, on the CPU."""
    from torchaudio.functional import melscale_fbanks

    # A matrix first used under inference mode must serve autograd later.
    with torch.inference_mode(False):
        bands = melscale_fbanks(
            n_fft // 2 + 1, fmin_hz, fmax_hz, n_mels, sample_rate, norm="slaney", mel_scale="slaney"
        )
        return bands.T.contiguous()


def constant_q(
    x: np.ndarray,
    *,
    sample_rate: int,
    hop_length: int = 256,
    fmin_hz: float = C2_HZ,
    n_bins: int = 72,
    bins_per_octave: int = 12,
    filter_scale: float = 1.0,
) -> np.ndarray:
    """Compute the constant-Q transform (librosa's) with its phases.

    Parameters
    ----------
    x : ndarray, shape (..., T), float
        Signals, time last.
    sample_rate : int
        Their rate in Hz.
    hop_length : int
        Samples from frame to frame, at least 1.
    fmin_hz : float
        Centre of the lowest bin, above 0; C2 by default.
    n_bins : int
        Number of bins, at least 1.
    bins_per_octave : int
        At least 1.
    filter_scale : float
        Length of the filters; below 1 they resolve time better and pitch worse; above 0.

    Returns
    -------
    ndarray, shape (..., n_bins, 1 + T // hop_length), complex64
        Scaled by the square root of each filter's length.

    Raises
    ------
    InputError
        If `x` has no samples, is of an integer type, or is not finite.
    UsageError
        If a parameter is out of its range, or the highest filter ends above half the sampling rate.

    Examples
    --------
    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> transform = constant_q(tone, sample_rate=16000)
    >>> transform.shape, int(np.abs(transform[:, 30]).argmax())  # A4 lies 33 semitones above C2
    ((72, 63), 33)
    """
    import librosa

    _require_bins(sample_rate, hop_length, fmin_hz, n_bins, bins_per_octave, filter_scale)
    signals = _as_tensor(np.asarray(x)).numpy()
    # librosa warns where a filter is longer than the signal, so silence is appended and cut off again.
    longest = filter_scale / (2.0 ** (1.0 / bins_per_octave) - 1.0) * sample_rate / fmin_hz
    missing = max(0, int(4 * longest) - signals.shape[-1])
    transform = librosa.cqt(
        np.pad(signals, [(0, 0)] * (signals.ndim - 1) + [(0, missing)]),
        sr=sample_rate,
        hop_length=hop_length,
        fmin=fmin_hz,
        n_bins=n_bins,
        bins_per_octave=bins_per_octave,
        filter_scale=filter_scale,
        pad_mode="constant",
    )
    return transform[..., : 1 + signals.shape[-1] // hop_length]


def _require_bins(
    sample_rate: int, hop_length: int, fmin_hz: float, n_bins: int, bins_per_octave: int, filter_scale: float
) -> None:
    """Raise UsageError for parameters of `constant_q` that are out of range or reach beyond half the sampling rate."""
    checks.require_rate(sample_rate)
    if min(hop_length, n_bins, bins_per_octave) < 1 or not (fmin_hz > 0 and filter_scale > 0):
        raise UsageError(
            f"hop_length {hop_length}, n_bins {n_bins}, bins_per_octave {bins_per_octave}, fmin_hz {fmin_hz} "
            f"and filter_scale {filter_scale} must all be above 0"
        )
    top_hz = fmin_hz * 2 ** ((n_bins - 1) / bins_per_octave)
    spacing = 2 ** (2 / bins_per_octave)
    edge_hz = top_hz * (1 + _HANN_HALF_WIDTH * (spacing - 1) / (spacing + 1) / filter_scale)
    if edge_hz >= sample_rate / 2:
        raise UsageError(
            f"the highest of {n_bins} filters lies at {top_hz:.0f} Hz and ends at {edge_hz:.0f} Hz, "
            f"above half of {sample_rate} Hz; take fewer bins"
        )


def _as_tensor(x: np.ndarray | torch.Tensor, *, what: str = "samples") -> torch.Tensor:
    """Return a checked floating-point array as a float32 tensor that keeps its gradient."""
    if x.ndim == 0 or 0 in x.shape:
        raise InputError(f"there are no {what}: the array has shape {tuple(x.shape)}")
    checks.require_float(x, what=what)
    checks.require_finite(x, what=what)
    if isinstance(x, torch.Tensor):
        return x.float()
    return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))


def _like(x: Array, result: torch.Tensor) -> Array:
    converted: Any = result if isinstance(x, torch.Tensor) else result.numpy()
    return converted
