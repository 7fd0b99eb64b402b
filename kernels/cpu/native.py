"""The native backend: generation on a CPU by a kernel in C, compiled when wavecore was installed.

At batch 1 the speed is that of reading the weights, so they are stored in 16 bits:
whole numbers with a scale for each output channel, which are multiplied without being
turned into anything (csrc/integers.h), or half precision.  A second core, where
there is one, takes half of them.  Several streams share one read, eight at a time,
and are spread over the cores.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sysconfig
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np

from wavecore.errors import DeviceError
from wavecore.kernels.base import BaseGenerator, Run, check_whole
from wavecore.kernels.cpu.native_packing import NativeWeights
from wavecore.kernels.packing import PackedWaveNet

INSTRUCTION_SETS = ("portable", "avx2", "avx512", "avx512vnni")
"""In the kernel's numbering."""
TILE = 8


class _Memory(ctypes.Structure):
    _fields_ = [("rings", ctypes.c_void_p), ("history", ctypes.c_void_p)]


class _Run(ctypes.Structure):
    _fields_ = [
        ("latent", ctypes.c_void_p), ("n_frames", ctypes.c_int64), ("start", ctypes.c_int64),
        ("first", ctypes.c_int64), ("n", ctypes.c_int64), ("columns", ctypes.c_int64), ("forced", ctypes.c_int64),
        ("seed", ctypes.c_uint64), ("streams", ctypes.c_void_p), ("temperature", ctypes.c_double),
        ("codes", ctypes.c_void_p), ("logits", ctypes.c_void_p), ("logit_columns", ctypes.c_int64),
        ("residual_trace", ctypes.c_void_p), ("skip_trace", ctypes.c_void_p), ("trace_columns", ctypes.c_int64),
        ("partner", ctypes.c_void_p),
    ]  # fmt: skip


def library_path() -> Path | None:
    """Say where the compiled kernel lies.

    Returns
    -------
    Path or None
        None if it was not built.
    """
    path = Path(__file__).with_name("_native" + sysconfig.get_config_var("EXT_SUFFIX"))
    return path if path.is_file() else None


@functools.lru_cache(maxsize=1)
def load_library() -> ctypes.CDLL:
    """Load the compiled kernel.

    Raises
    ------
    DeviceError
        If it was not built, or does not load.
    """
    path = library_path()
    if path is None:
        raise DeviceError(
            "the native backend was not built when wavecore was installed: it needs a C compiler (Debian, Ubuntu: "
            "apt install gcc); install again, or take --backend numba"
        )
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise DeviceError(f"the native backend does not load ({error}); install wavecore again") from error
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    for name, result, arguments in (
        ("wavecore_isa", integer, []),
        ("wavecore_advance", integer, [pointer, pointer, pointer, integer, integer, integer]),
        ("wavecore_advance_pair", integer, [pointer, pointer, pointer, integer, integer]),
        ("wavecore_read", ctypes.c_double, [pointer, integer, integer, integer]),
        ("wavecore_multiply_adds", ctypes.c_double, [integer, integer]),
        ("wavecore_dots", ctypes.c_double, [integer, integer]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def best_isa() -> str:
    """Name the widest instruction set that this processor and the kernel share.

    Returns
    -------
    {"portable", "avx2", "avx512", "avx512vnni"}

    Raises
    ------
    DeviceError
        If the kernel was not built.
    """
    return INSTRUCTION_SETS[load_library().wavecore_isa()]


_CONDITION_BYTES = 2**21
"""Of a stream's frames that are projected before their samples are generated."""


class NativeGenerator(BaseGenerator):
    """Generate on the CPU with the C kernel.

    Parameters
    ----------
    packed : PackedWaveNet
        The weights.
    batch : int
        Number of streams B, at least 1.
    seed : int
        Key of all draws, in [0, 2**64).
    streams : sequence of B ints, optional
        The number of each stream, in [0, 2**64); 0 to B - 1 if not given.
    temperature : float
        Divides the logits; 0 takes the likeliest code.
    threads : int, optional
        Cores to use; ``os.cpu_count()`` if not given.  It never changes the samples.
    storage : {"int16", "float16", "float32", "int8"}
        Format of the weights.
    isa : {"portable", "avx2", "avx512", "avx512vnni"}, optional
        Instruction set; the best one if not given.

    Raises
    ------
    UsageError
        If an argument is out of its range.
    DeviceError
        If the kernel was not built, or the processor lacks the instruction set.
    """

    block_samples = 1024

    def __init__(
        self,
        packed: PackedWaveNet,
        *,
        batch: int,
        seed: int,
        streams: Sequence[int] | None = None,
        temperature: float = 1.0,
        threads: int | None = None,
        storage: str = "int16",
        isa: str | None = None,
    ):
        super().__init__(packed, batch=batch, seed=seed, streams=streams, temperature=temperature)
        threads = (os.cpu_count() or 1) if threads is None else threads
        check_whole(threads, "threads", 1, 2**16)
        self._library = load_library()
        self._isa = _isa_number(self._library, isa)
        self._weights = NativeWeights(packed, storage=storage, expand_half=self._isa == 0)
        self._rings = np.zeros((batch, self._weights.ring_rows, self._weights.residual), np.float32)
        self._history = np.zeros((batch, packed.kernel_size), np.float32)
        self._partner = np.array([0, 0, 100], np.int64)  # `Partner` of native.h
        frame_bytes = 4 * (packed.n_layers * 2 * packed.gate_channels + packed.head_channels)
        # With a frame for every sample the conditions of a long block would not stay in the cache.
        self.block_samples = min(self.block_samples, max(1, _CONDITION_BYTES // frame_bytes) * packed.hop_length)
        self._pair = batch == 1 and threads > 1
        self._shares = _shares(batch, threads)
        self._pool = ThreadPoolExecutor(len(self._shares)) if len(self._shares) > 1 else None

    @property
    def abandoned(self) -> int:
        """How often the second core did not answer in time; for a while one core goes on alone."""
        return int(self._partner[0])

    @property
    def bytes_per_sample(self) -> int:
        """Weights read for every sample of a tile."""
        return self._weights.nbytes

    def _advance(self, run: Run, latent: np.ndarray, first: int, n_samples: int) -> int:
        latent = np.ascontiguousarray(latent)
        memory = _Memory(self._rings.ctypes.data, self._history.ctypes.data)
        call = _Run(
            latent=latent.ctypes.data, n_frames=latent.shape[1], start=self._position, first=first, n=n_samples,
            columns=run.codes.shape[1], forced=run.forced, seed=self._seed, streams=self._streams.ctypes.data,
            temperature=self._temperature, codes=run.codes.ctypes.data, logits=run.logits.ctypes.data,
            logit_columns=run.logits.shape[1], residual_trace=run.residual.ctypes.data,
            skip_trace=run.skip.ctypes.data, trace_columns=run.skip.shape[1],
            partner=self._partner.ctypes.data,
        )  # fmt: skip
        arguments = [ctypes.byref(self._weights.network), ctypes.byref(memory), ctypes.byref(call), self._isa]
        if self._pair and not run.skip.shape[1]:
            found = [self._library.wavecore_advance_pair(*arguments, 0)]
        elif self._pool is None:
            found = [self._library.wavecore_advance(*arguments, *self._shares[0])]
        else:
            futures = [self._pool.submit(self._library.wavecore_advance, *arguments, *share) for share in self._shares]
            try:
                wait(futures)
            finally:
                wait(futures)  # an interrupt ends the first wait while the threads still write
            found = [future.result() for future in futures]
        if -2 in found:
            raise MemoryError("the native kernel could not reserve its scratch memory")
        return min((index for index in found if index >= 0), default=-1)

    def _save(self) -> tuple[np.ndarray, ...]:
        return self._rings.copy(), self._history.copy()

    def _load(self, memory: tuple[np.ndarray, ...]) -> None:
        self._rings[:], self._history[:] = memory


def _isa_number(library: ctypes.CDLL, isa: str | None) -> int:
    best = library.wavecore_isa()
    if isa is None:
        return best
    if isa not in INSTRUCTION_SETS or INSTRUCTION_SETS.index(isa) > best:
        raise DeviceError(
            f"instruction set {isa!r} is not here; this processor offers {', '.join(INSTRUCTION_SETS[: best + 1])}"
        )
    return INSTRUCTION_SETS.index(isa)


def _shares(batch: int, threads: int) -> list[tuple[int, int]]:
    """Spread streams over threads in whole tiles where there are enough of them."""
    threads = min(threads, batch)
    unit = TILE if batch >= TILE * threads else 1
    edges = np.linspace(0, batch // unit, threads + 1).astype(int) * unit
    edges[-1] = batch
    return [(int(begin), int(end)) for begin, end in zip(edges[:-1], edges[1:], strict=True)]
