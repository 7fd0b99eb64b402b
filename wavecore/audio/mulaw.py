"""Mu-law companding: waveforms in [-1, 1] to 256 codes and back.

Code ``q = floor((F(x) + 1) / 2 * 255 + 0.5)`` with ``F(x) = sign(x) ln(1 + 255 |x|) / ln 256``.  Both directions go
through tables that are computed once in double precision: ``encode`` counts the bin edges at or below a sample and
``decode`` looks a value up.  A logarithm would round differently in NumPy, on a CPU and on a GPU; the tables give the
same code for the same float32 everywhere.

Codes 127 and 128 are the two values nearest to silence, ``0.0`` encodes to 128.

References
----------
ITU-T Recommendation G.711, and van den Oord et al., "WaveNet: a generative model for raw audio", arXiv 1609.03499,
section 2.2.
"""

from __future__ import annotations

import functools
from typing import TypeVar

import numpy as np
import torch

from wavecore.audio import checks
from wavecore.errors import InputError

N_CODES = 256
SILENCE = 128

Array = TypeVar("Array", np.ndarray, torch.Tensor)


def _expand(companded: np.ndarray) -> np.ndarray:
    """Compute the inverse of F in double precision: ``sign(y) (256^|y| - 1) / 255``."""
    return np.sign(companded) * np.expm1(np.abs(companded) * np.log(N_CODES)) / (N_CODES - 1)


def _decode_table() -> np.ndarray:
    codes = np.arange(N_CODES, dtype=np.float64)
    return _expand(2.0 * codes / (N_CODES - 1) - 1.0).astype(np.float32)


def _edge_table() -> np.ndarray:
    """Compute the smallest float32 that belongs to each of the codes 1 to 255."""
    codes = np.arange(1, N_CODES, dtype=np.float64)
    exact = _expand(2.0 * (codes - 0.5) / (N_CODES - 1) - 1.0)
    rounded = exact.astype(np.float32)
    # An edge that was rounded down would let the float32 just below it in.
    return np.where(rounded < exact, np.nextafter(rounded, np.float32(2.0)), rounded)


_VALUES = _decode_table()
_EDGES = _edge_table()


@functools.cache
def _tables_on(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the decode values and the bin edges on one device."""
    # A table first used under inference mode must serve autograd later.
    with torch.inference_mode(False):
        return torch.from_numpy(_VALUES).to(device), torch.from_numpy(_EDGES).to(device)


def encode(x: Array) -> Array:
    """Encode samples as mu-law codes.

    Parameters
    ----------
    x : ndarray or Tensor, any shape, float
        Samples in [-1, 1]; values beyond get the code of the limit they pass.  Other floating types are rounded to
        float32 first.

    Returns
    -------
    ndarray or Tensor, the shape of `x`, uint8
        Codes 0 to 255, on the device of `x`.

    Raises
    ------
    InputError
        If `x` is not of a floating-point type, or holds NaN or infinite values (how many, and where the first one is).

    Examples
    --------
    >>> import numpy as np
    >>> encode(np.array([-1.0, -0.01, 0.0, 0.01, 1.0])).tolist()
    [0, 98, 128, 157, 255]
    """
    if isinstance(x, torch.Tensor):
        checks.require_float(x)
        checks.require_finite(x)
        _, edges = _tables_on(x.device)
        samples = x.detach().float().contiguous()
        return torch.bucketize(samples, edges, out_int32=True, right=True).to(torch.uint8)
    x = np.asarray(x)
    checks.require_float(x)
    checks.require_finite(x)
    return np.asarray(np.searchsorted(_EDGES, x.astype(np.float32), side="right")).astype(np.uint8)


def decode(codes: Array) -> Array:
    """Decode mu-law codes to samples, the middle of each code's bin.

    Parameters
    ----------
    codes : ndarray or Tensor, any shape, any integer type
        Codes 0 to 255.

    Returns
    -------
    ndarray or Tensor, the shape of `codes`, float32
        Samples in [-1, 1], on the device of `codes`; ``encode(decode(q)) == q`` for every code.

    Raises
    ------
    InputError
        If `codes` is not of an integer type or leaves 0 to 255.

    Examples
    --------
    >>> import numpy as np
    >>> decode(np.array([0, 64, 128, 255])).astype(float).round(4).tolist()
    [-1.0, -0.0581, 0.0001, 1.0]
    """
    codes = _checked_codes(codes)
    if isinstance(codes, torch.Tensor):
        values, _ = _tables_on(codes.device)
        return values[codes.long()]
    return np.asarray(_VALUES[codes])


def _checked_codes(codes: Array) -> Array:
    """Return codes as an array; raise InputError for other types and ranges."""
    if isinstance(codes, torch.Tensor):
        integral = not (codes.is_floating_point() or codes.is_complex() or codes.dtype == torch.bool)
        one_byte = codes.dtype == torch.uint8
    else:
        codes = np.asarray(codes)
        integral = np.issubdtype(codes.dtype, np.integer)
        one_byte = codes.dtype == np.uint8
    if not integral:
        raise InputError(f"mu-law codes are integers 0 to {N_CODES - 1}, got {codes.dtype}; encode first")
    # One byte cannot leave the range, so the common case costs no reduction.
    if one_byte or 0 in codes.shape:
        return codes
    low, high = int(codes.min()), int(codes.max())
    if low < 0 or high >= N_CODES:
        raise InputError(f"mu-law codes run from 0 to {N_CODES - 1}, got values from {low} to {high}")
    return codes
