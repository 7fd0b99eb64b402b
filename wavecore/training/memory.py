"""Keep large freed blocks in the process, for training.

glibc hands blocks of more than some 100 KiB to 32 MiB back to the system when
they are freed.  Training frees and takes the same large temporaries at every
step, so the system maps and zeroes every page anew: a sixth of the time of a
step on a CPU.
"""

from __future__ import annotations

import ctypes
import platform

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
