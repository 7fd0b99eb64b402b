"""A packed WaveNet as the native kernel reads it: padded, blocked, in the storage format, in one piece.

csrc/native.h has the layout.  Everything that is read for every sample lies in
one buffer in the order in which it is read, because at batch 1 reading it is
what takes the time, and processors read ahead where memory is read in order.
"""

from __future__ import annotations

import ctypes

import numpy as np

from wavecore.errors import UsageError
from wavecore.kernels.packing import PackedWaveNet

COLUMNS = 64
"""Channels that are written are padded to a multiple of this."""
GATES = 32
BLOCK = 128
"""Columns of a block."""
STORAGES = {"int16": 3, "float16": 1, "float32": 0, "int8": 2}
"""How weights can be stored, and the kernel's number for it.

With float weights the arithmetic is float32.  With whole numbers the inputs of a product are rounded to
`LEVELS` steps, too, and the sums are exact (csrc/integers.h)."""
LEVELS = 8191
MOST_INPUTS = 128
"""Inputs of a column that the kernel sums in whole numbers."""
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

    Parameters
    ----------
    storage : {"int16", "float16", "float32", "int8"}
        int16 and int8 are rounded per output channel and tap, to 32,767 or 127 steps at most on
        either side of zero.
    expand_half : bool
        Keep float16's values in float32, for processors that cannot read float16.

    Attributes
    ----------
    network : Network
        For the kernel.
    nbytes : int
        Read for every sample.
    residual, ring_rows : int
        Shape of a stream's rings, padded.

    Raises
    ------
    UsageError
        If there is no such storage.
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
        """All matrices of the time loop: filters, residuals, skips, head, output.

        Where two cores share a stream, one reads the current taps and the residuals,
        the other the past taps and the skips; so these lie together.
        """
        residual_skip = np.split(p.residual_skip_weight, [p.residual_channels], axis=-1)
        filters = [
            _pad_halves(p.filter_weight[layer, tap], gate)
            for layer in range(p.n_layers)
            for tap in range(p.kernel_size)
        ]
        residuals = [_pad(weight, self.residual) for weight in residual_skip[0]]
        skips = [_pad(weight, skip) for weight in residual_skip[1]]
        ends = [_pad(p.head_weight, head), _pad(p.output_weight, classes)]
        everything = [*filters, *residuals, *skips, *ends]
        stored = [store(matrix, self._storage, expand_half=self._expand) for matrix in everything]
        n_filters = len(filters)
        order = []
        for layer in range(p.n_layers):
            order += [(layer + 1) * p.kernel_size - 1, n_filters + layer]
        for layer in range(p.n_layers):
            order += [*range(layer * p.kernel_size, (layer + 1) * p.kernel_size - 1), n_filters + p.n_layers + layer]
        order += [len(everything) - 2, len(everything) - 1]
        self.nbytes = sum(array.nbytes for pair in stored for array in pair if array is not None)
        buffer = aligned(self.nbytes)
        self._kept.append(buffer)
        found, at = [Matrix()] * len(stored), 0
        for index in order:
            places: list[int | None] = [None, None]
            for which, array in enumerate(stored[index]):
                if array is not None:
                    buffer[at : at + array.nbytes] = array.view(np.uint8).reshape(-1)
                    places[which] = buffer.ctypes.data + at
                    at += array.nbytes
            found[index] = Matrix(*places)
        return found

    def _streams(self, p: PackedWaveNet, joined: np.ndarray, skip: int) -> np.ndarray:
        """Residual and skip columns, padded each for itself."""
        residual, other = np.split(joined, [p.residual_channels], axis=-1)
        return np.concatenate([_pad(residual, self.residual), _pad(other, skip)], axis=-1)

    def _keep(self, array: np.ndarray) -> int:
        """Hold an array and return its address."""
        array = np.ascontiguousarray(array)
        self._kept.append(array)
        return array.ctypes.data

    def _table(self, matrices: list[Matrix]) -> int:
        table = (Matrix * len(matrices))(*matrices)
        self._kept.append(table)
        return ctypes.addressof(table)


def store(matrix: np.ndarray, storage: str, *, expand_half: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
    """Round a matrix to a storage format and block it.

    Parameters
    ----------
    matrix : ndarray, shape (n_in, n_out), float32
        n_out a multiple of 64.
    storage : {"int16", "float16", "float32", "int8"}
    expand_half : bool
        Give float16's values as float32.

    Returns
    -------
    blocks : ndarray, shape (n_in * n_out,), of the format
        See ``blocked``.
    scale : ndarray, shape (n_out,), float32, or None
        int16 and int8 alone: what a column is to be multiplied with.

    Raises
    ------
    UsageError
        If float16 cannot hold a weight.
    """
    blocks = blocked(matrix)
    if storage == "float32":
        return blocks, None
    if storage == "float16":
        with np.errstate(over="ignore"):
            half = blocks.astype(np.float16)
        if not np.isfinite(half).all():
            raise UsageError(
                f"a weight of {np.abs(matrix).max():.3g} does not fit float16 (65,504 at most); take float32"
            )
        return half.astype(np.float32) if expand_half else half, None
    scale = _steps(matrix, storage)
    whole = np.rint(matrix.astype(np.float64) / scale)  # in float32 a step of 32,767 would be rounded twice
    pairs = np.pad(whole, [(0, len(matrix) % 2), (0, 0)])
    return blocked(pairs, rows=2).astype(storage), scale


def _steps(matrix: np.ndarray, storage: str) -> np.ndarray:
    """The size of a step of each column, (n_out,), such that sums over `MOST_INPUTS` inputs fit 32 bits."""
    absolute = np.abs(matrix.astype(np.float64))
    sums = [absolute[begin : begin + MOST_INPUTS].sum(axis=0) for begin in range(0, len(matrix), MOST_INPUTS)]
    # Rounding adds half a step per input at most.
    most = (2**31 - 1) / LEVELS - MOST_INPUTS / 2
    steps = np.maximum(absolute.max(axis=0) / _LARGEST[storage], np.max(sums, axis=0) / most)
    return np.where(steps > 1e-30, steps, 1).astype(np.float32)


def blocked(matrix: np.ndarray, *, rows: int = 1) -> np.ndarray:
    """Cut a matrix into blocks of 128 columns; what is left makes one of 64.

    Parameters
    ----------
    matrix : ndarray, shape (n_in, n_out), float
        n_out a multiple of 64.
    rows : int
        So many rows lie side by side, column by column; n_in is a multiple of it.

    Returns
    -------
    ndarray, shape (n_in * n_out,)
        Block after block, each row after row.
    """
    n_in, n_out = matrix.shape
    blocks = [matrix[:, begin : begin + BLOCK] for begin in range(0, n_out, BLOCK)]
    return np.concatenate([block.reshape(n_in // rows, rows, -1).transpose(0, 2, 1).reshape(-1) for block in blocks])


def aligned(n_bytes: int) -> np.ndarray:
    """Reserve memory that begins with a cache line.

    Returns
    -------
    ndarray, shape (n_bytes,), uint8
        Zeros.
    """
    memory = np.zeros(n_bytes + 64, np.uint8)
    offset = -memory.ctypes.data % 64
    return memory[offset : offset + n_bytes]


def _conditions(p: PackedWaveNet, gate: int, head: int) -> tuple[np.ndarray, np.ndarray]:
    """Projection of the latent to all layers and the head, (C, P) and (P,), every part padded."""
    width = 2 * p.gate_channels

    def padded(rows: np.ndarray) -> np.ndarray:
        layers = [_pad_halves(rows[..., i * width : (i + 1) * width], gate) for i in range(p.n_layers)]
        return np.concatenate([*layers, _pad(rows[..., p.n_layers * width :], head)], axis=-1)

    return padded(p.condition_weight), padded(p.condition_bias)


def _pad_halves(columns: np.ndarray, gate: int) -> np.ndarray:
    """Pad tanh's and sigmoid's columns each for themselves."""
    return np.concatenate([_pad(half, gate) for half in np.split(columns, 2, axis=-1)], axis=-1)


def _pad(columns: np.ndarray, n: int) -> np.ndarray:
    """Zeros behind the last axis, up to n."""
    return np.pad(columns, [(0, 0)] * (columns.ndim - 1) + [(0, n - columns.shape[-1])])


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
