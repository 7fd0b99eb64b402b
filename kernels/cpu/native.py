"""The native backend: generation on a CPU by a kernel in C, compiled when wavecore was installed.

At batch 1 the speed is that of reading the weights, so they are stored in 16 bits: integers with a scale for each
output channel, which are multiplied without conversion (csrc/integers.h), or half precision.  A second core, if there
is one, computes half of the products.  Several streams share one read of the weights, eight at a time, and are spread
over the cores.
"""

from __future__ import annotations

import ctypes
import functools
import sysconfig
from pathlib import Path
from typing import Unpack

import numpy as np

from wavecore.errors import DeviceError
from wavecore.kernels.base import BaseGenerator, Run, StreamOptions
from wavecore.kernels.cpu.native_packing import NativeWeights
from wavecore.kernels.cpu.threads import StreamThreads
from wavecore.kernels.packing import PackedWaveNet

INSTRUCTION_SETS = ("portable", "avx2", "avx512", "avx512vnni")
"""In the kernel's numbering."""
TILE = 8
_CONDITION_BYTES = 2**21
"""Of a stream's frames that are projected before their samples are generated."""


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
    """Return the file of the compiled kernel, or None if it was not built."""
    path = Path(__file__).with_name("_native" + sysconfig.get_config_var("EXT_SUFFIX"))
    return path if path.is_file() else None


@functools.lru_cache(maxsize=1)
def load_library() -> ctypes.CDLL:
    """Load the compiled kernel; raises DeviceError if it was not built or does not load."""
    path = library_path()
    if path is None:
        raise DeviceError(
            "the native backend was not built when wavecore was installed: it needs a C compiler (Debian, Ubuntu: "
            "apt install gcc); install again, or use --backend numba"
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
    """Return the widest of `INSTRUCTION_SETS` that this processor has; raises DeviceError as `load_library` does."""
    return INSTRUCTION_SETS[load_library().wavecore_isa()]


class NativeGenerator(BaseGenerator):
    """Generate on the CPU with the C kernel.

    Parameters
    ----------
    threads : int, optional
        Cores to use; ``os.cpu_count()`` if not given.  It never changes the samples.
    storage : {"int16", "float16", "float32", "int8"}
        Format of the weights.
    isa : {"portable", "avx2", "avx512", "avx512vnni"}, optional
        Instruction set; the best one if not given.
    **options
        batch, seed, streams and temperature of `BaseGenerator`.

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
        threads: int | None = None,
        storage: str = "int16",
        isa: str | None = None,
        **options: Unpack[StreamOptions],
    ):
        super().__init__(packed, **options)
        self._threads = StreamThreads(self._batch, threads, tile=TILE)
        self._library = load_library()
        self._isa = _isa_number(self._library, isa)
        self._weights = NativeWeights(packed, storage=storage, expand_half=self._isa == 0)
        self._rings = np.zeros((self._batch, self._weights.ring_rows, self._weights.residual), np.float32)
        self._history = np.zeros((self._batch, packed.kernel_size), np.float32)
        self._partner = np.array([0, 0, 100], np.int64)  # `Partner` of native.h
        frame_bytes = 4 * (packed.n_layers * 2 * packed.gate_channels + packed.head_channels)
        # With a frame for every sample the conditions of a long block would not stay in the cache.
        self.block_samples = min(self.block_samples, max(1, _CONDITION_BYTES // frame_bytes) * packed.hop_length)
        self._pair = self._batch == 1 and self._threads.threads > 1

    @property
    def abandoned(self) -> int:
        """How often the second core did not answer in time; for a while one core then continues alone."""
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
            results = [self._library.wavecore_advance_pair(*arguments, 0)]
        else:
            results = self._threads.run(lambda begin, end: self._library.wavecore_advance(*arguments, begin, end))
        if -2 in results:
            raise MemoryError("the native kernel could not reserve its scratch memory")
        return min((index for index in results if index >= 0), default=-1)

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
            f"instruction set {isa!r} is not available; this processor has {', '.join(INSTRUCTION_SETS[: best + 1])}"
        )
    return INSTRUCTION_SETS.index(isa)
