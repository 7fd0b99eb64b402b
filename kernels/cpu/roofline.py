"""The limits of one core, measured with the native kernel's own instructions.

At batch 1 a sample cannot take less time than reading the weights from the cache that holds them; with many streams it
cannot take less than the arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

from wavecore.errors import UsageError
from wavecore.kernels.cpu.native import INSTRUCTION_SETS, best_isa, load_library
from wavecore.kernels.cpu.native_packing import aligned

READ_AT_LEAST = 4e8
"""Bytes per measurement: milliseconds, long beside the clock's steps and an interrupt."""
REPEATS = 7


@dataclass(frozen=True)
class Ceilings:
    """The limits of one core."""

    n_bytes: int  # the working set that was read
    bytes_per_s: float  # of reading it again and again
    multiply_adds_per_s: float  # fused float32 multiply-adds from registers
    dots_per_s: float  # multiply-adds of 16-bit integers from registers

    def samples_per_s(self, *, streams: int, reads: int, multiply_adds: int, whole_numbers: bool = False) -> float:
        """Bound the samples per second of streams that advance together on one core, over all streams.

        The working set is read `reads` times for one sample of each stream, and a sample of one stream takes
        `multiply_adds`, which are integer operations (``cpu/csrc/integers.h``) for `whole_numbers`.
        """
        reading = reads * self.n_bytes / self.bytes_per_s
        computing = streams * multiply_adds / (self.dots_per_s if whole_numbers else self.multiply_adds_per_s)
        return streams / max(reading, computing)


def measure_ceilings(n_bytes: int, *, isa: str | None = None) -> Ceilings:
    """Measure one core; the best of several runs.

    Parameters
    ----------
    n_bytes : int
        The working set, at least 4,096: it decides which cache it is read from.
    isa : {"portable", "avx2", "avx512", "avx512vnni"}, optional
        The best one if not given.

    Raises
    ------
    UsageError
        If the working set is too small to measure.
    DeviceError
        If the native kernel was not built.
    """
    if n_bytes < 4096:
        raise UsageError(f"a working set of {n_bytes} bytes is too small to measure; 4,096 at least")
    library, number = load_library(), INSTRUCTION_SETS.index(isa or best_isa())
    memory = aligned(n_bytes)
    memory[:] = 1  # pages that were never written are all one page of zeros
    times = max(2, int(READ_AT_LEAST / n_bytes))
    seconds = min(library.wavecore_read(memory.ctypes.data, n_bytes, times, number) for _ in range(REPEATS))
    rate = max(library.wavecore_multiply_adds(1_000_000, number) for _ in range(REPEATS))
    dots = max(library.wavecore_dots(1_000_000, number) for _ in range(REPEATS))
    return Ceilings(n_bytes, n_bytes * times / seconds, rate, dots)


def read_speeds(sizes: tuple[int, ...] = (1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 27)) -> dict[int, float]:
    """Measure the bytes per second at which one core reads working sets of these sizes, one for each cache level."""
    return {size: measure_ceilings(size).bytes_per_s for size in sizes}
