"""A packed WaveNet in the layout of the native kernel: padded, blocked, in the storage format, in one piece.

csrc/native.h describes the layout.  Everything that is read for every sample lies in one buffer in the order in which
it is read, because at batch 1 reading it takes the time, and processors prefetch memory that is read in order.
"""

from __future__ import annotations

import ctypes

import numpy as np

from wavecore.errors import UsageError
from wavecore.kernels.packing import PackedWaveNet

COLUMNS = 64
"""Outputs of a product are padded to a multiple of this, except gates, to a multiple of `GATES`."""
GATES = 32
BLOCK = 128
"""Columns of a block."""
STORAGES = {"int16": 3, "float16": 1, "float32": 0, "int8": 2}
"""The formats of the weights, and the kernel's number of each.

With float weights the arithmetic is float32.  With integer weights the inputs of a product are quantised to `LEVELS`
steps, too, and the sums are exact (csrc/integers.h)."""
LEVELS = 8191
MOST_INPUTS = 128
"""Inputs of a column that the kernel sums in integers."""
_LARGEST = {"int16": 32_767, "int8": 127}


class Matrix(ctypes.Structure):
    """``Matrix`` of native.h."""

    _fields_ = [("weight", ctypes.c_void_p), ("scale", ctypes.c_void_p)]


class Network(ctypes.Structure):
    """``Network`` of native.h."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in (
            "storage", "n_layers", "kernel_size", "n_classes", "hop",
            "residual_in", "gate_in", "skip_in", "head_in", "latent_in",
            "residual", "gate", "skip", "head", "classes", "conditions",
        )),
        ("dilations", ctypes.c_void_p), ("ring_offsets", ctypes.c_void_p), ("ring_rows", ctypes.c_int64),
        ("first", ctypes.c_void_p), ("first_bias", ctypes.c_void_p),
        ("condition", ctypes.c_void_p), ("condition_bias", ctypes.c_void_p),
        ("filter", ctypes.c_void_p), ("to_residual", ctypes.c_void_p), ("to_skip", ctypes.c_void_p),
        ("residual_skip_bias", ctypes.c_void_p),
        ("to_head", ctypes.c_void_p), ("output", ctypes.c_void_p), ("output_bias", ctypes.c_void_p),
    ]  # fmt: skip


class NativeWeights:
    """Weights in the native layout; the arrays live as long as this object.

    `network` is the argument of the kernel, which reads `nbytes` for every sample; `ring_rows` and `residual` are the
    padded shape of a stream's rings.  int16 and int8 are rounded per output channel and tap, to at most 32,767 or 127
    steps on either side of zero.  `expand_half` keeps float16's values in float32, for processors that cannot read
    float16.  Raises UsageError if the storage is unknown, or float16 cannot hold a weight.
    """

    def __init__(self, packed: PackedWaveNet, *, storage: str = "int16", expand_half: bool = False):
        if storage not in STORAGES:
            raise UsageError(f"there is no weight format {storage!r}; choose from {', '.join(STORAGES)}")
        p = packed
        self._kept: list[object] = []
        self._storage, self._expand = storage, expand_half
        self.residual, skip = _up(p.residual_channels, COLUMNS), _up(p.skip_channels, COLUMNS)
        gate, head, classes = _up(p.gate_channels, GATES), _up(p.head_channels, COLUMNS), _up(p.n_classes, COLUMNS)
        offsets = np.cumsum([0, *p.ring_slots], dtype=np.int64)
        self.ring_rows = int(offsets[-1])
        matrices = self._matrices(p, gate, skip, head, classes)
        n_filters = p.n_layers * p.kernel_size
        condition, condition_bias = _conditions(p, gate, head)
        self.network = Network(
            storage=STORAGES["float32" if expand_half and storage == "float16" else storage],
            n_layers=p.n_layers, kernel_size=p.kernel_size, n_classes=p.n_classes, hop=p.hop_length,
            residual_in=p.residual_channels, gate_in=p.gate_channels, skip_in=p.skip_channels,
            head_in=p.head_channels, latent_in=p.latent_channels,
            residual=self.residual, gate=gate, skip=skip, head=head, classes=classes,
            conditions=condition.shape[1], dilations=self._keep(np.array(p.dilations, np.int64)),
            ring_offsets=self._keep(offsets[:-1].copy()), ring_rows=self.ring_rows,
            first=self._keep(self._streams(p, p.first_weight, skip)),
            first_bias=self._keep(self._streams(p, p.first_bias, skip)),
            condition=self._keep(blocked(condition)), condition_bias=self._keep(condition_bias),
            filter=self._table(matrices[:n_filters]),
            to_residual=self._table(matrices[n_filters : n_filters + p.n_layers]),
            to_skip=self._table(matrices[n_filters + p.n_layers : -2]),
            residual_skip_bias=self._keep(self._streams(p, p.residual_skip_bias, skip)),
            to_head=self._table(matrices[-2:-1]), output=self._table(matrices[-1:]),
            output_bias=self._keep(_pad(p.output_bias, classes)),
        )  # fmt: skip

    def _matrices(self, p: PackedWaveNet, gate: int, skip: int, head: int, classes: int) -> list[Matrix]:
        """Store all matrices of the time loop: filters, residuals, skips, head, output."""
        residual, to_skip = np.split(p.residual_skip_weight, [p.residual_channels], axis=-1)
        matrices = [
            *(_pad_halves(tap, gate) for taps in p.filter_weight for tap in taps),
            *(_pad(weight, self.residual) for weight in residual),
            *(_pad(weight, skip) for weight in to_skip),
            _pad(p.head_weight, head),
            _pad(p.output_weight, classes),
        ]
        stored = [store(matrix, self._storage, expand_half=self._expand) for matrix in matrices]
        self.nbytes = sum(array.nbytes for pair in stored for array in pair if array is not None)
        buffer = aligned(self.nbytes)
        self._kept.append(buffer)
        tables, end = [Matrix()] * len(stored), 0
        for index in _reading_order(p.n_layers, p.kernel_size):
            addresses: list[int | None] = [None, None]
            for which, array in enumerate(stored[index]):
                if array is not None:
                    buffer[end : end + array.nbytes] = array.view(np.uint8).reshape(-1)
                    addresses[which] = buffer.ctypes.data + end
                    end += array.nbytes
            tables[index] = Matrix(*addresses)
        return tables

    def _streams(self, p: PackedWaveNet, joined: np.ndarray, skip: int) -> np.ndarray:
        """Pad the residual and the skip columns separately."""
        residual, other = np.split(joined, [p.residual_channels], axis=-1)
        return np.concatenate([_pad(residual, self.residual), _pad(other, skip)], axis=-1)

    def _keep(self, array: np.ndarray) -> int:
        """Hold an array and return its address."""
        array = np.ascontiguousarray(array)
        self._kept.append(array)
        return array.ctypes.data

    def _table(self, matrices: list[Matrix]) -> int:
        """Hold an array of matrices and return its address."""
        table = (Matrix * len(matrices))(*matrices)
        self._kept.append(table)
        return ctypes.addressof(table)


def _reading_order(n_layers: int, n_taps: int) -> list[int]:
    """List the indices of the matrices in the order in which they are read.

    Two cores that share a stream read the current taps and the residuals, and the past taps and the skips: each of
    these groups is contiguous.
    """
    residuals, skips = n_layers * n_taps, n_layers * (n_taps + 1)
    order = []
    for layer in range(n_layers):
        order += [(layer + 1) * n_taps - 1, residuals + layer]
    for layer in range(n_layers):
        order += [*range(layer * n_taps, (layer + 1) * n_taps - 1), skips + layer]
    return [*order, skips + n_layers, skips + n_layers + 1]


def store(matrix: np.ndarray, storage: str, *, expand_half: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
    """Round a matrix (n_in, n_out), n_out a multiple of 64, to a storage format and block it.

    Returns the blocks of `blocked`, and for int16 and int8 the scale (n_out,) of each column, float32.  With
    `expand_half` float16's values are returned as float32.
    """
    blocks = blocked(matrix)
    if storage == "float32":
        return blocks, None
    if storage == "float16":
        with np.errstate(over="ignore"):
            half = blocks.astype(np.float16)
        if not np.isfinite(half).all():
            raise UsageError(
                f"a weight of {np.abs(matrix).max():.3g} does not fit float16 (65,504 at most); use float32"
            )
        return half.astype(np.float32) if expand_half else half, None
    scale = _steps(matrix, storage)
    whole = np.rint(matrix.astype(np.float64) / scale)  # in float32 a step of 32,767 would be rounded twice
    pairs = np.pad(whole, [(0, len(matrix) % 2), (0, 0)])
    return blocked(pairs, rows=2).astype(storage), scale


def _steps(matrix: np.ndarray, storage: str) -> np.ndarray:
    """Choose the step of each column, (n_out,), such that sums over `MOST_INPUTS` inputs fit 32 bits."""
    absolute = np.abs(matrix.astype(np.float64))
    sums = [absolute[begin : begin + MOST_INPUTS].sum(axis=0) for begin in range(0, len(matrix), MOST_INPUTS)]
    # Rounding adds half a step per input at most.
    most = (2**31 - 1) / LEVELS - MOST_INPUTS / 2
    steps = np.maximum(absolute.max(axis=0) / _LARGEST[storage], np.max(sums, axis=0) / most)
    return np.where(steps > 1e-30, steps, 1).astype(np.float32)


def blocked(matrix: np.ndarray, *, rows: int = 1) -> np.ndarray:
    """Cut a matrix (n_in, n_out) into blocks of 128 columns, the rest being one of 64, and flatten block after block.

    n_out is a multiple of 64 and n_in one of `rows`.  Within a block each row follows the one before; so many `rows`
    are interleaved column by column.
    """
    n_in, n_out = matrix.shape
    blocks = [matrix[:, begin : begin + BLOCK] for begin in range(0, n_out, BLOCK)]
    return np.concatenate([block.reshape(n_in // rows, rows, -1).transpose(0, 2, 1).reshape(-1) for block in blocks])


def aligned(n_bytes: int) -> np.ndarray:
    """Reserve n_bytes of zeros, uint8, that begin with a cache line."""
    memory = np.zeros(n_bytes + 64, np.uint8)
    offset = -memory.ctypes.data % 64
    return memory[offset : offset + n_bytes]


def _conditions(p: PackedWaveNet, gate: int, head: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the projection of the latent to all layers and the head, (C, P) and (P,), every part padded."""
    width = 2 * p.gate_channels

    def padded(rows: np.ndarray) -> np.ndarray:
        layers = [_pad_halves(rows[..., i * width : (i + 1) * width], gate) for i in range(p.n_layers)]
        return np.concatenate([*layers, _pad(rows[..., p.n_layers * width :], head)], axis=-1)

    return padded(p.condition_weight), padded(p.condition_bias)


def _pad_halves(columns: np.ndarray, gate: int) -> np.ndarray:
    """Pad the columns of tanh and of sigmoid separately."""
    return np.concatenate([_pad(half, gate) for half in np.split(columns, 2, axis=-1)], axis=-1)


def _pad(columns: np.ndarray, n: int) -> np.ndarray:
    """Pad the last axis with zeros up to n."""
    return np.pad(columns, [(0, 0)] * (columns.ndim - 1) + [(0, n - columns.shape[-1])])


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
