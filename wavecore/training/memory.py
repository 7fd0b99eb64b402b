"""Memory of a training: what it took, and keeping large freed blocks in the process.

glibc hands blocks of more than some 100 KiB to 32 MiB back to the system when
they are freed.  Training frees and takes the same large temporaries at every
step, so the system maps and zeroes every page anew: a sixth of the time of a
step on a CPU.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import sys

import torch

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
"""Parameters of mallopt, from glibc's malloc.h."""

THRESHOLDS = (2**30, 2**25)
"""Bytes up to which blocks are kept; older glibc takes no more than 32 MiB."""


def keep_freed_memory() -> int:
    """Ask the C library to keep freed blocks instead of giving them back.

    It concerns the whole process, so programs call it, and libraries do not.

    Returns
    -------
    int
        Bytes up to which freed blocks are kept; 0 where the C library is not
        glibc, and nothing was changed.

    References
    ----------
    mallopt(3).
    """
    if platform.libc_ver()[0] != "glibc":
        return 0
    mallopt = ctypes.CDLL(None).mallopt
    for threshold in THRESHOLDS:
        if mallopt(M_MMAP_THRESHOLD, threshold) == 1 and mallopt(M_TRIM_THRESHOLD, threshold) == 1:
            return threshold
    return 0


def peak_bytes(device: str | torch.device) -> int:
    """Return the most memory that this process has held so far.

    Parameters
    ----------
    device : str or torch.device
        Of a CUDA device what torch took of it; else the process's resident memory, data and libraries included.

    Returns
    -------
    int
        Bytes.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux KiB
