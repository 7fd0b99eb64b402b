"""The kernels of the layers backend: a launch or two for every layer of every sample, for networks of any width.

A sample is the launches `begin`, then `filter_gate` and `residual_skip` for
each layer, then `dense` twice for the head, then `draw`.  A program computes a
tile of streams by a block of columns, and what passes from one launch to the
next lies in global memory, so neither registers nor shared memory bound the
width of a network.

What the kernels have in common:

- The host's arguments are the same for every sample, so that the launches of a
  sample can be captured once and replayed.  All that changes is on the device:
  the time is in `clock`, and `draw` moves it on.
- `call` holds three int64: the seed, the time of the first sample of the run,
  and whether the codes are given (1) or drawn (0).
- The streams of a tile are the rows of every product, a row of a product
  depends on that row alone, and products are summed in the order of their
  input channels, DEPTH at a time.  Neither the tile's other rows nor the number
  of tiles changes a stream's samples.
- Arrays are contiguous, with N = n_rows streams, a multiple of TILE and of
  ROWS; those without a dtype have the operands'.  Sizes in upper case are
  padded with zeros by the host: blocks are powers of two, at least 16, and
  divide the sizes that they cut.
- t modulo the ring's length is the slot of time t.  A ring has
  (K - 1) * dilation + 1 slots, so slot t + 1 + k * dilation is that of the k-th
  tap's time, and the last tap's is the newest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import triton
import triton.language as tl

from wavecore.kernels.triton.throughput_ops import _draw_uniform, _gate, _pick, _rectify, _survey

if TYPE_CHECKING:
    from torch import Tensor

ROWS = 16
"""Streams per program where no matrix product asks for more."""
GROUP = 64
"""Classes that the draw reads at a time: what fits the registers in double precision."""

Launch = tuple[Any, tuple[int, ...], dict[str, Any]]
"""A kernel, its grid and its arguments by name."""


@triton.jit
def _write(
    value, row, block, layer, t, index, slots, n_rows, residual, skip, ring, residual_trace, skip_trace,
    LAYERS: tl.constexpr, RESIDUAL: tl.constexpr, SKIP: tl.constexpr, COLUMNS: tl.constexpr, TRACE: tl.constexpr,
):  # fmt: skip
    """Write a block of what a layer hears: residual columns to the stream and the layer's ring, or skip columns."""
    lane = tl.arange(0, COLUMNS)
    if block < RESIDUAL:
        place = row[:, None] * RESIDUAL + (block + lane)[None, :]
        tl.store(residual + place, value)
        tl.store(ring + (t % slots) * (n_rows * RESIDUAL) + place, value.to(ring.dtype.element_ty))
        if TRACE:
            tl.store(residual_trace + (index * LAYERS + layer) * (n_rows * RESIDUAL) + place, value)
    else:
        place = row[:, None] * SKIP + (block - RESIDUAL + lane)[None, :]
        tl.store(skip + place, value)
        if TRACE:
            tl.store(skip_trace + (index * (LAYERS + 1) + layer) * (n_rows * SKIP) + place, value)


@triton.jit(do_not_specialize=["slots"])
def begin(
    residual, skip, ring, residual_trace, skip_trace, history, first, first_bias, clock, call, slots, n_rows,
    TAPS: tl.constexpr, LAYERS: tl.constexpr, RESIDUAL: tl.constexpr, SKIP: tl.constexpr,
    TILE: tl.constexpr, COLUMNS: tl.constexpr, TRACE: tl.constexpr,
):  # fmt: skip
    """Start both streams of a sample from the last scalars: the program (tile, block of columns).

    Parameters
    ----------
    residual, skip : (N, RESIDUAL), (N, SKIP), float32
        Written.
    ring : (slots, N, RESIDUAL)
        Of the first layer; the slot of t is written.
    residual_trace, skip_trace : (n, LAYERS, N, RESIDUAL), (n, LAYERS + 1, N, SKIP), float32
        Written if TRACE.
    history : (TAPS, N), float32
        Input scalars, that of time t in row t modulo TAPS.
    """
    row = tl.program_id(0) * TILE + tl.arange(0, TILE)
    block = tl.program_id(1) * COLUMNS
    column = block + tl.arange(0, COLUMNS)
    t = tl.load(clock)
    value = tl.zeros([TILE, COLUMNS], tl.float32) + tl.load(first_bias + column)[None, :]
    for tap in tl.static_range(TAPS):
        heard = tl.load(history + ((t + tap) % TAPS) * n_rows + row)  # of t - TAPS + tap
        value += heard[:, None] * tl.load(first + tap * (RESIDUAL + SKIP) + column)[None, :]
    _write(
        value, row, block, 0, t, t - tl.load(call + 1), slots, n_rows, residual, skip, ring, residual_trace,
        skip_trace, LAYERS, RESIDUAL, SKIP, COLUMNS, TRACE,
    )  # fmt: skip


@triton.jit(do_not_specialize=["layer", "slots", "dilation", "hop"])
def filter_gate(
    gated, ring, weight, condition, clock, call, layer, slots, dilation, hop, n_rows,
    TAPS: tl.constexpr, RESIDUAL: tl.constexpr, GATE: tl.constexpr, WIDTH: tl.constexpr,
    TILE: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """Filter a layer's inputs and gate them: the program (tile, block of gate channels).

    The columns of tanh and sigmoid alternate, so that both of a channel are
    in one thread's registers after the product.

    Parameters
    ----------
    gated : (N, GATE)
        Written.
    condition : (F, N, WIDTH)
        Projected frames, the first of them that of the run's first sample.
    TAPS, RESIDUAL, GATE, WIDTH, TILE, COLUMNS, DEPTH : int
        COLUMNS gate channels per program.
    """
    PARTS: tl.constexpr = RESIDUAL // DEPTH
    row = tl.program_id(0) * TILE + tl.arange(0, TILE)
    column = tl.program_id(1) * (2 * COLUMNS) + tl.arange(0, 2 * COLUMNS)
    depth = tl.arange(0, DEPTH)
    t = tl.load(clock)
    frame = t // hop - tl.load(call + 1) // hop
    cell = condition + (frame * n_rows + row)[:, None] * WIDTH + layer * (2 * GATE)
    z = tl.load(cell + column[None, :]).to(tl.float32)
    now = (t % slots).to(tl.int32) + 1
    # One loop over taps and channels, or the pipeline of loads would run dry after every tap.
    for step in range(0, TAPS * PARTS):
        slot = now + (step // PARTS) * dilation
        slot = tl.where(slot >= slots, slot - slots, slot).to(tl.int64)
        channel = (step % PARTS) * DEPTH + depth
        x = tl.load(ring + slot * (n_rows * RESIDUAL) + row[:, None] * RESIDUAL + channel[None, :])
        w = tl.load(weight + (step * DEPTH + depth)[:, None] * (2 * GATE) + column[None, :])
        z = tl.dot(x, w, z, input_precision="ieee")
    u, v = tl.split(tl.reshape(z, [TILE, COLUMNS, 2]))
    channel = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    tl.store(gated + row[:, None] * GATE + channel[None, :], _gate(u, v).to(gated.dtype.element_ty))


@triton.jit(do_not_specialize=["layer", "slots", "first_block"])
def residual_skip(
    residual, skip, ring, residual_trace, skip_trace, gated, weight, bias, clock, call, layer, slots, first_block,
    n_rows,
    LAYERS: tl.constexpr, RESIDUAL: tl.constexpr, SKIP: tl.constexpr, GATE: tl.constexpr,
    TILE: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, TRACE: tl.constexpr,
):  # fmt: skip
    """Add a layer's products to both streams: the program (tile, block of columns).

    Parameters
    ----------
    residual, skip : (N, RESIDUAL), (N, SKIP), float32
        Read and written.
    ring : (slots, N, RESIDUAL)
        Of the next layer; the slot of t is written.
    residual_trace, skip_trace : (n, LAYERS, N, RESIDUAL), (n, LAYERS + 1, N, SKIP), float32
        Written if TRACE.
    layer : int
        The next layer.
    first_block : int
        Of the first program: after the last layer none is left to hear the residual columns.
    """
    row = tl.program_id(0) * TILE + tl.arange(0, TILE)
    block = (first_block + tl.program_id(1)) * COLUMNS
    column = block + tl.arange(0, COLUMNS)
    depth = tl.arange(0, DEPTH)
    t = tl.load(clock)
    if block < RESIDUAL:
        value = tl.load(residual + row[:, None] * RESIDUAL + column[None, :])
    else:
        value = tl.load(skip + row[:, None] * SKIP + (column - RESIDUAL)[None, :])
    value += tl.load(bias + column)[None, :]
    for begin_depth in range(0, GATE, DEPTH):
        x = tl.load(gated + row[:, None] * GATE + (begin_depth + depth)[None, :])
        w = tl.load(weight + (begin_depth + depth)[:, None] * (RESIDUAL + SKIP) + column[None, :])
        value = tl.dot(x, w, value, input_precision="ieee")
    _write(
        value, row, block, layer, t, t - tl.load(call + 1), slots, n_rows, residual, skip, ring, residual_trace,
        skip_trace, LAYERS, RESIDUAL, SKIP, COLUMNS, TRACE,
    )  # fmt: skip


@triton.jit(do_not_specialize=["hop", "out_step"])
def dense(
    out, x, weight, addend, clock, call, hop, out_step, n_rows,
    IN: tl.constexpr, OUT: tl.constexpr, WIDTH: tl.constexpr,
    TILE: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr,
):  # fmt: skip
    """Rectify, multiply and add, as both parts of the head do: the program (tile, block of columns).

    Parameters
    ----------
    out : (n or 1, N, OUT)
        Written, of any float dtype; the rows of a sample begin `out_step` rows after those of the one before.
    addend : (F, N, WIDTH), or (OUT,)
        The last columns of projected frames; or a bias, if WIDTH is 0.
    """
    row = tl.program_id(0) * TILE + tl.arange(0, TILE)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    depth = tl.arange(0, DEPTH)
    t, start = tl.load(clock), tl.load(call + 1)
    if WIDTH > 0:
        frame = t // hop - start // hop
        cell = addend + (frame * n_rows + row)[:, None] * WIDTH + (WIDTH - OUT) + column[None, :]
        value = tl.load(cell).to(tl.float32)
    else:
        value = tl.zeros([TILE, COLUMNS], tl.float32) + tl.load(addend + column)[None, :]
    for begin_depth in range(0, IN, DEPTH):
        heard = _rectify(tl.load(x + row[:, None] * IN + (begin_depth + depth)[None, :]).to(tl.float32))
        w = tl.load(weight + (begin_depth + depth)[:, None] * OUT + column[None, :])
        value = tl.dot(heard.to(weight.dtype.element_ty), w, value, input_precision="ieee")
    place = ((t - start) * out_step + row)[:, None] * OUT + column[None, :]
    tl.store(out + place, value.to(out.dtype.element_ty))


@triton.jit(do_not_specialize=["batch", "logits_step"])
def draw(
    codes, history, failed, clock, logits, streams, scalars, call, batch, logits_step, n_rows, inverse_temperature,
    TAPS: tl.constexpr, CLASSES: tl.constexpr, GROUP: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Draw a code for each of ROWS streams, let them hear it, and move their clock on.

    Parameters
    ----------
    codes : (n, N), uint8
        Read if they are given, else written.
    history : (TAPS, N), float32
        The row of t is written.
    failed : (N / ROWS,), int32
        The first sample of the run with logits that are not finite, or a larger number.
    clock : (N / ROWS,), int64
        The time, the same in all; each program has its own, as no program may change what another one reads.
    logits : (n or 1, N, CLASSES), float32
        The rows of a sample begin `logits_step` rows after those of the one before.
    streams : (N,), int64
        Numbers of the streams.
    scalars : (CLASSES,), float32
        What the network hears of each code.
    batch, logits_step, n_rows : int
        Of the N streams the first `batch` are no padding.
    inverse_temperature : float
        0 takes the likeliest code.
    TAPS, CLASSES, GROUP, ROWS : int
        GROUP classes are read at a time.
    """
    group = tl.program_id(0)
    row = group * ROWS + tl.arange(0, ROWS)
    seed, start, forced = tl.load(call), tl.load(call + 1), tl.load(call + 2)
    t = tl.load(clock + group)
    index = t - start
    rows = logits + (index * logits_step + row)[:, None] * CLASSES
    largest, code, infinite = _survey(rows, ROWS, CLASSES, GROUP)
    if tl.max(tl.where(row < batch, infinite, 0), axis=0) > 0:
        tl.store(failed + group, tl.minimum(tl.load(failed + group), index.to(tl.int32)))
    place = codes + index * n_rows + row
    if forced != 0:
        code = tl.load(place).to(tl.int32)
    else:
        if inverse_temperature > 0.0:
            uniform = _draw_uniform(seed, tl.load(streams + row), t)
            code = _pick(rows, largest, uniform, inverse_temperature, ROWS, CLASSES, GROUP)
        tl.store(place, code.to(tl.uint8))
    tl.store(history + (t % TAPS) * n_rows + row, tl.load(scalars + code))
    tl.debug_barrier()  # until all threads have read the time
    tl.store(clock + group, t + 1)


def list_launches(
    weights: Any,
    memory: dict[str, Tensor],
    *,
    batch: int,
    logits_step: int,
    inverse_temperature: float,
    trace: bool,
) -> list[Launch]:
    """List the launches of one sample.

    Parameters
    ----------
    weights : object
        The network's, their sizes and how they are cut, as `wavecore.kernels.triton.layers` lays them out.
    memory : dict of str to Tensor
        What the kernels read and write, by the names of their arguments.
    batch : int
        Streams that are no padding.
    logits_step : int
        Rows of logits from one sample to the next: all streams, or 0 to keep those of the last sample only.
    inverse_temperature : float
        0 takes the likeliest code.
    trace : bool
        Whether to write the traces.

    Returns
    -------
    list of Launch
        In order.
    """
    w, m, tiling, n_rows = weights, memory, weights.tiling, len(memory["residual"])
    tiles, n_layers = n_rows // tiling.tile, w.n_layers
    now = {"clock": m["clock"], "call": m["call"], "n_rows": n_rows}
    streams = {name: m[name] for name in ("residual", "skip", "residual_trace", "skip_trace")}
    sizes = {"LAYERS": n_layers, "RESIDUAL": w.residual, "SKIP": w.skip, "TRACE": trace}
    width, gates = min(tiling.columns, w.residual, w.skip), min(tiling.columns, w.gate)
    rings = m["rings"].split(w.ring_slots)

    def cut(depth: int, columns: int) -> dict[str, int]:
        options = {"num_warps": tiling.warps, "num_stages": tiling.stages}
        return {"TILE": tiling.tile, "DEPTH": min(tiling.depth, depth), "COLUMNS": columns, **options}

    start = {
        **now, **streams, **sizes, "ring": rings[0], "history": m["history"], "first": w.first,
        "first_bias": w.first_bias, "slots": w.ring_slots[0], "TAPS": w.taps, "TILE": ROWS, "COLUMNS": width,
    }  # fmt: skip
    launches = [(begin, (n_rows // ROWS, (w.residual + w.skip) // width), start)]
    for layer, (ring, slots, dilation) in enumerate(zip(rings, w.ring_slots, w.dilations, strict=True)):
        inputs = {
            **now, "gated": m["gated"], "ring": ring, "weight": w.filter[layer], "condition": m["condition"],
            "layer": layer, "slots": slots, "dilation": dilation, "hop": w.hop, "TAPS": w.taps, "GATE": w.gate,
            "RESIDUAL": w.residual, "WIDTH": w.width, **cut(w.residual, gates),
        }  # fmt: skip
        launches.append((filter_gate, (tiles, w.gate // gates), inputs))
        after = min(layer + 1, n_layers - 1)
        first_block = 0 if after > layer else w.residual // width
        outputs = {
            **now, **streams, **sizes, "ring": rings[after], "slots": w.ring_slots[after], "layer": layer + 1,
            "gated": m["gated"], "weight": w.residual_skip[layer], "bias": w.residual_skip_bias[layer],
            "first_block": first_block, "GATE": w.gate, **cut(w.gate, width),
        }  # fmt: skip
        launches.append((residual_skip, (tiles, (w.residual + w.skip) // width - first_block), outputs))
    for x, weight, addend, out, step, condition_width in (
        ("skip", w.head_weight, m["condition"], "hidden", 0, w.width),
        ("hidden", w.output_weight, w.output_bias, "logits", logits_step, 0),
    ):
        columns = min(tiling.columns, weight.shape[1])
        product = {
            **now, "out": m[out], "x": m[x], "weight": weight, "addend": addend, "hop": w.hop, "out_step": step,
            "IN": weight.shape[0], "OUT": weight.shape[1], "WIDTH": condition_width, **cut(weight.shape[0], columns),
        }  # fmt: skip
        launches.append((dense, (tiles, weight.shape[1] // columns), product))
    last = {
        **now, **{name: m[name] for name in ("codes", "history", "failed", "logits", "streams")},
        "scalars": w.scalars, "batch": batch, "logits_step": logits_step, "inverse_temperature": inverse_temperature,
        "TAPS": w.taps, "CLASSES": w.classes, "GROUP": min(GROUP, w.classes), "ROWS": ROWS,
    }  # fmt: skip
    return [*launches, (draw, (n_rows // ROWS,), last)]
