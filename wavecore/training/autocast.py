"""Which number format the matrix products of training read."""

from __future__ import annotations

import torch

from wavecore.errors import UsageError


def resolve(precision: str, device: torch.device) -> str:
    """Choose the format for a device.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
        ``auto`` takes bfloat16 on a GPU and on a processor with bfloat16 units, and float32
        elsewhere, where it would be emulated.  An AVX512-BF16 processor trained twice as fast with it.

    Returns
    -------
    {"float32", "bfloat16"}

    Raises
    ------
    UsageError
        If the name is not known.
    """
    if precision in ("float32", "bfloat16"):
        return precision
    if precision != "auto":
        raise UsageError(f"precision must be auto, float32 or bfloat16, not {precision!r}")
    return "bfloat16" if device.type == "cuda" or has_bfloat16_units() else "float32"


def has_bfloat16_units() -> bool:
    """Tell whether this processor multiplies bfloat16 natively."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context in which a network's products take the format.

    Weights, their averages, optimiser moments, residual and skip streams and the
    loss stay in float32 either way.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=resolve(precision, device) == "bfloat16")
