"""The kernels of the layers backend: two launches for every layer of every sample, for networks of any width.

A sample is the launches `begin`, then `filter_gate` and `residual_skip` for each layer, then `dense` twice for the
head, then `draw`.  A program computes a tile of streams by a block of columns, and what passes from one launch to the
next lies in global memory, so neither registers nor shared memory bound the width of a network.

What the kernels have in common:

- The host's arguments are the same for every sample, so that the launches of a sample can be captured once and
  replayed.  All that changes is on the device: the time is in `clock`, which `draw` advances.
- `call` holds three int64: the seed, the time of the first sample of the run, and whether the codes are given (1) or
  drawn (0).
- The streams of a tile are the rows of every product, a row of a product depends on that row alone, and products are
  summed in the order of their input channels, DEPTH at a time.  Neither the tile's other rows nor the number of tiles
  changes a stream's samples.
- Arrays are contiguous, with N = n_rows streams, a multiple of TILE and of ROWS; those without a dtype have the
  operands'.  Sizes in upper case are padded with zeros by the host: blocks are powers of two, at least 16, and divide
  the sizes that they cut.
- t modulo the ring's length is the slot of time t.  A ring has (K - 1) * dilation + 1 slots, so slot
  t + 1 + k * dilation is that of the k-th tap's time, and the last tap's is the newest.
- residual (N, RESIDUAL) and skip (N, SKIP) are the streams, float32.  residual_trace (n, LAYERS, N, RESIDUAL) and
  skip_trace (n, LAYERS + 1, N, SKIP), float32, are written if TRACE.
"""

from __future__ import annotations

import triton
import triton.language as tl

from wavecore.kernels.triton.throughput_ops import draw_uniform, find_largest, gate, pick_codes, rectify


@triton.jit
def _write(
    value, row, block, layer, t, index, slots, n_rows, residual, skip, ring, residual_trace, skip_trace,
    LAYERS: tl.constexpr, RESIDUAL: tl.constexpr, SKIP: tl.constexpr, COLUMNS: tl.constexpr, TRACE: tl.constexpr,
):  # fmt: skip
    """Write a block of a layer's input: residual columns to the stream and the layer's ring, or skip columns."""
    lane = tl.arange(0, COLUMNS)
    if block < RESIDUAL:
        cell = row[:, None] * RESIDUAL + (block + lane)[None, :]
        tl.store(residual + cell, value)
        tl.store(ring + (t % slots) * (n_rows * RESIDUAL) + cell, value.to(ring.dtype.element_ty))
        if TRACE:
            tl.store(residual_trace + (index * LAYERS + layer) * (n_rows * RESIDUAL) + cell, value)
    else:
        cell = row[:, None] * SKIP + (block - RESIDUAL + lane)[None, :]
        tl.store(skip + cell, value)
        if TRACE:
            tl.store(skip_trace + (index * (LAYERS + 1) + layer) * (n_rows * SKIP) + cell, value)


@triton.jit(do_not_specialize=["slots"])
def begin(
    residual, skip, ring, residual_trace, skip_trace, history, first, first_bias, clock, call, slots, n_rows,
    TAPS: tl.constexpr, LAYERS: tl.constexpr, RESIDUAL: tl.constexpr, SKIP: tl.constexpr,
    TILE: tl.constexpr, COLUMNS: tl.constexpr, TRACE: tl.constexpr,
):  # fmt: skip
    """Start both streams of a sample from the last scalars: the program (tile, block of columns).

    ring (slots, N, RESIDUAL) is that of the first layer, whose slot of t is written.  history (TAPS, N), float32, holds
    the input scalars, that of time t in row t modulo TAPS.
    """
    row = tl.program_id(0) * TILE + tl.arange(0, TILE)
    block = tl.program_id(1) * COLUMNS
    column = block + tl.arange(0, COLUMNS)
    t = tl.load(clock)
    value = tl.zeros([TILE, COLUMNS], tl.float32) + tl.load(first_bias + column)[None, :]
    for tap in tl.static_range(TAPS):
        scalar = tl.load(history + ((t + tap) % TAPS) * n_rows + row)  # of t - TAPS + tap
        value += scalar[:, None] * tl.load(first + tap * (RESIDUAL + SKIP) + column)[None, :]
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
    """Filter a layer's inputs and write the gated (N, GATE): the program (tile, block of COLUMNS gate channels).

    The columns of tanh and sigmoid alternate, so that both of a channel are in one thread's registers after the
    product.  condition (F, N, WIDTH) holds projected frames, the first of them that of the run's first sample.
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
    # One loop over taps and channels, because the pipeline of loads starts anew with every loop.
    for step in range(TAPS * PARTS):
        slot = now + (step // PARTS) * dilation
        slot = tl.where(slot >= slots, slot - slots, slot).to(tl.int64)
        channel = (step % PARTS) * DEPTH + depth
        x = tl.load(ring + slot * (n_rows * RESIDUAL) + row[:, None] * RESIDUAL + channel[None, :])
        w = tl.load(weight + (step * DEPTH + depth)[:, None] * (2 * GATE) + column[None, :])
        z = tl.dot(x, w, z, input_precision="ieee")
    u, v = tl.split(tl.reshape(z, [TILE, COLUMNS, 2]))
    channel = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    tl.store(gated + row[:, None] * GATE + channel[None, :], gate(u, v).to(gated.dtype.element_ty))


@triton.jit(do_not_specialize=["layer", "slots", "first_block"])
def residual_skip(
    residual, skip, ring, residual_trace, skip_trace, gated, weight, bias, clock, call, layer, slots, first_block,
    n_rows,
    LAYERS: tl.constexpr, RESIDUAL: tl.constexpr, SKIP: tl.constexpr, GATE: tl.constexpr,
    TILE: tl.constexpr, COLUMNS: tl.constexpr, DEPTH: tl.constexpr, TRACE: tl.constexpr,
):  # fmt: skip
    """Add a layer's products to both streams: the program (tile, block of columns).

    `layer` is the next layer, and ring (slots, N, RESIDUAL) belongs to it; its slot of t is written.  The first program
    computes the block `first_block`: after the last layer no residual columns are needed.
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

    out (n or 1, N, OUT), of any float dtype, is written; the rows of a sample begin `out_step` rows after those of the
    last one.  addend is the last columns of projected frames (F, N, WIDTH), or a bias (OUT,) if WIDTH is 0.
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
        inputs = rectify(tl.load(x + row[:, None] * IN + (begin_depth + depth)[None, :]).to(tl.float32))
        w = tl.load(weight + (begin_depth + depth)[:, None] * OUT + column[None, :])
        value = tl.dot(inputs.to(weight.dtype.element_ty), w, value, input_precision="ieee")
    cell = ((t - start) * out_step + row)[:, None] * OUT + column[None, :]
    tl.store(out + cell, value.to(out.dtype.element_ty))


@triton.jit(do_not_specialize=["batch", "logits_step"])
def draw(
    codes, history, failed, clock, logits, streams, scalars, call, batch, logits_step, n_rows, inverse_temperature,
    TAPS: tl.constexpr, CLASSES: tl.constexpr, GROUP: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Draw a code for each of ROWS streams, append it to their input scalars, and advance their clock.

    - codes (n, N), uint8: read if they are given, else written.
    - history (TAPS, N), float32: the row of t is written.
    - failed (N / ROWS,), int32: the first sample of the run with logits that are not finite, or a larger number.
    - clock (N / ROWS,), int64: the time; each program has its own, as no program may change what another one reads.
    - logits (n or 1, N, CLASSES), float32: rows of a sample begin `logits_step` rows after those of the last one.
    - streams (N,), int64: the numbers of the streams, of which the first `batch` are no padding.
    - scalars (CLASSES,), float32: the input scalar of each code.
    - inverse_temperature: 0 takes the most likely code.
    - GROUP: classes that are read at a time.
    """
    group = tl.program_id(0)
    row = group * ROWS + tl.arange(0, ROWS)
    seed, start, forced = tl.load(call), tl.load(call + 1), tl.load(call + 2)
    t = tl.load(clock + group)
    index = t - start
    rows = logits + (index * logits_step + row)[:, None] * CLASSES
    largest, code, infinite = find_largest(rows, ROWS, CLASSES, GROUP)
    if tl.max(tl.where(row < batch, infinite, 0), axis=0) > 0:
        tl.store(failed + group, tl.minimum(tl.load(failed + group), index.to(tl.int32)))
    cell = codes + index * n_rows + row
    if forced != 0:
        code = tl.load(cell).to(tl.int32)
    else:
        if inverse_temperature > 0.0:
            uniform = draw_uniform(seed, tl.load(streams + row), t)
            code = pick_codes(rows, largest, uniform, inverse_temperature, ROWS, CLASSES, GROUP)
        tl.store(cell, code.to(tl.uint8))
    tl.store(history + (t % TAPS) * n_rows + row, tl.load(scalars + code))
    tl.debug_barrier()  # until all threads have read the time
    tl.store(clock + group, t + 1)
