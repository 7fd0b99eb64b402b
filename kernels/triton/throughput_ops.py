"""The kernels of the throughput backend: one program generates a tile of streams, all layers, sample by sample.

The weights are read once per tile and sample, so a tile of 64 streams needs a 64th of the memory traffic per stream,
and its products are matrix products, which the tensor cores compute.

The structure of `advance` follows from:

- The streams of a tile are the rows of every matrix, and a row of a product depends on that row alone.  The tile is
  the only batch there is, so a stream's samples do not depend on the streams around it.
- All memory of a stream lies in global memory: a launch may end after any sample, and the next one continues.
- The current input of a layer stays in registers.  Earlier ones come from a ring of (K - 1) * dilation + 1 slots, so
  the slot that is written is none of those that are read in the same sample.  One barrier per sample therefore keeps
  all reads and writes apart, and the loads of the next layers may start early, which hides their latency.
- The rows of logits do not fit the registers in double precision, and hardly in single.  They are stored, and the draw
  reads them again in groups of columns.
- All sizes in upper case are powers of two, at least 16 where a matrix product needs it; the host pads with zeros.  A
  padded class has the logit `LOWEST`.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def gate(u, v):
    """Compute tanh(u) * sigmoid(v) by exponentials; NaN stays NaN, and infinities saturate."""
    return (2.0 / (1.0 + tl.exp(-2.0 * u)) - 1.0) / (1.0 + tl.exp(-v))


@triton.jit
def rectify(x):
    """Compute max(x, 0), but NaN stays NaN, so that it reaches the logits."""
    return tl.where(x < 0.0, 0.0, x)


@triton.jit
def draw_uniform(seed, stream, t):
    """Draw the uniform number of sample t of each stream: Philox4x32-10, as in sampling.py.

    seed is a scalar, stream a vector, t a scalar; all int64, read as unsigned.  Words live in the lower halves of
    64-bit integers, which hold a product of two.
    """
    low: tl.constexpr = 0xFFFFFFFF
    k0, k1 = seed.to(tl.uint64) & low, seed.to(tl.uint64) >> 32
    c2, c3 = stream.to(tl.uint64) & low, stream.to(tl.uint64) >> 32
    c0, c1 = c2 * 0 + (t.to(tl.uint64) & low), c3 * 0 + (t.to(tl.uint64) >> 32)
    for _ in tl.static_range(10):
        product_0, product_1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c2 = (product_1 >> 32) ^ c1 ^ k0, (product_0 >> 32) ^ c3 ^ k1
        c1, c3 = product_1 & low, product_0 & low
        k0, k1 = (k0 + 0x9E3779B9) & low, (k1 + 0xBB67AE85) & low
    return (c0 >> 8).to(tl.int32).to(tl.float32) * 5.9604644775390625e-08  # 2**-24


@triton.jit
def find_largest(logits, TILE: tl.constexpr, CLASSES: tl.constexpr, GROUP: tl.constexpr):
    """Find the largest logit of each row, the first class that has it, and whether a logit is not finite (1 or 0)."""
    column = tl.arange(0, GROUP)
    largest = tl.full([TILE], float("-inf"), tl.float32)
    likeliest, infinite = tl.zeros([TILE], tl.int32), tl.zeros([TILE], tl.int32)
    for begin in range(0, CLASSES, GROUP):
        group = tl.load(logits + (begin + column)[None, :])
        infinite = tl.maximum(infinite, tl.max((tl.abs(group) < float("inf")).to(tl.int32) ^ 1, axis=1))
        peak = tl.max(group, axis=1)
        first = begin + tl.min(tl.where(group == peak[:, None], column[None, :], GROUP - 1), axis=1)
        likeliest = tl.where(peak > largest, first, likeliest)
        largest = tl.maximum(largest, peak)
    return largest, likeliest, infinite


@triton.jit
def pick_codes(
    logits, largest, uniform, inverse_temperature, TILE: tl.constexpr, CLASSES: tl.constexpr, GROUP: tl.constexpr
):
    """Select the code of each row: the number of edges of its CDF at or below uniform * total."""
    column = tl.arange(0, GROUP)
    total = tl.zeros([TILE], tl.float64)
    for begin in range(0, CLASSES, GROUP):
        group = tl.load(logits + (begin + column)[None, :])
        total += tl.sum(tl.exp((group - largest[:, None]) * inverse_temperature).to(tl.float64), axis=1)
    threshold = uniform.to(tl.float64) * total
    below = tl.zeros([TILE], tl.float64)  # the last edge of the groups before
    code = tl.zeros([TILE], tl.int32)
    for begin in range(0, CLASSES, GROUP):
        group = tl.load(logits + (begin + column)[None, :])
        weight = tl.exp((group - largest[:, None]) * inverse_temperature).to(tl.float64)
        edges = below[:, None] + tl.cumsum(weight, axis=1)
        code += tl.sum((edges <= threshold[:, None]).to(tl.int32), axis=1)
        below += tl.sum(weight, axis=1)
    return tl.minimum(code, CLASSES - 1)  # a row of NaN has no edges; it is reported as failed


@triton.jit
def project(
    latent, weight, bias, condition,
    TILE: tl.constexpr, LATENT: tl.constexpr, WIDTH: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """Project latent frames for all layers and the head: the program (tile, frame, group of columns).

    latent (F, N, LATENT), weight (LATENT, WIDTH) and bias (WIDTH,) are float32; condition (F, N, WIDTH), of the
    operands' dtype, is written.  The order of the sums depends on the sizes of the network alone, so a frame has the
    same projection to the bit whatever it is projected with.
    """
    STEP: tl.constexpr = 16
    row = tl.program_id(0) * TILE + tl.arange(0, TILE)
    row = tl.program_id(1).to(tl.int64) * tl.num_programs(0) * TILE + row
    column = tl.program_id(2) * COLUMNS + tl.arange(0, COLUMNS)
    step = tl.arange(0, STEP)
    total = tl.zeros([TILE, COLUMNS], tl.float32)
    for begin in range(0, LATENT, STEP):
        x = tl.load(latent + row[:, None] * LATENT + (begin + step)[None, :])
        w = tl.load(weight + (begin + step)[:, None] * WIDTH + column[None, :])
        total = tl.dot(x, w, total, input_precision="ieee")
    total += tl.load(bias + column)[None, :]
    tl.store(condition + row[:, None] * WIDTH + column[None, :], total.to(condition.dtype.element_ty))


@triton.jit(do_not_specialize=["n_samples", "batch", "into_frame", "hop", "forced", "logits_step"])
def advance(
    codes, logits, residual_trace, skip_trace, failed,
    condition, clock, streams, rings, history, ring_table,
    scalars, first, layers, layer_bias, head, output_bias,
    n_samples, batch, into_frame, hop, forced, logits_step, inverse_temperature,
    LAYERS: tl.constexpr, TAPS: tl.constexpr, RESIDUAL: tl.constexpr, GATE: tl.constexpr, SKIP: tl.constexpr,
    HEAD: tl.constexpr, HIDDEN: tl.constexpr, CLASSES: tl.constexpr, GROUP: tl.constexpr, SLOTS: tl.constexpr,
    TILE: tl.constexpr, TRACE: tl.constexpr,
):  # fmt: skip
    """Run a tile of streams over n_samples samples.

    Arrays are pointers, contiguous, with N = tiles * TILE streams, of which the first `batch` are no padding; those
    without a dtype have the operands'.

    - codes (n_samples, N), uint8: read if `forced`, else written.
    - logits (n_samples or 1, N, CLASSES), float32: written; rows of a sample begin `logits_step` rows after the last's.
    - residual_trace (n_samples, L, N, RESIDUAL), skip_trace (n_samples, L + 1, N, SKIP), float32: written if TRACE.
    - failed (tiles,), int32: written, the first sample with logits that are not finite, or n_samples.
    - condition (F, N, L * 2 * GATE + HEAD): projected frames, the first of them begun `into_frame` samples ago.
    - clock (2,), int64: the seed, and the time of the first sample.
    - streams (N,), int64: the numbers of the streams.
    - rings (tiles, SLOTS, TILE, RESIDUAL): inputs of all layers, read and written.
    - history (tiles, TAPS + 1, TILE), float32: input scalars, that of time t in row t modulo TAPS; then ones.
    - ring_table (L, 4), int32: a ring's first slot, number of slots, dilation, and the first sample's slot.
    - scalars (CLASSES,), float32: the input scalar of each code.
    - first (TAPS + 1, RESIDUAL + SKIP), float32: the first convolution; the last row is its bias.
    - layers (L, TAPS * 2 * RESIDUAL * GATE + GATE * RESIDUAL + GATE * SKIP): filters, residual and skip products.
    - layer_bias (L, RESIDUAL + SKIP), float32: biases of these products.
    - head (HEAD / HIDDEN, SKIP * HIDDEN + HIDDEN * CLASSES): groups of hidden columns, each with its output rows.
    - output_bias (CLASSES,), float32.
    - inverse_temperature: 0 takes the most likely code.
    - HIDDEN, GROUP: hidden columns that are computed, and classes that the draw reads, at a time.
    """
    operand = rings.dtype.element_ty
    tile, n_rows = tl.program_id(0), tl.num_programs(0) * TILE
    rows = tl.arange(0, TILE)
    row = tile * TILE + rows
    r, g, s = tl.arange(0, RESIDUAL), tl.arange(0, GATE), tl.arange(0, SKIP)
    h, a = tl.arange(0, HIDDEN), tl.arange(0, CLASSES)
    WIDTH: tl.constexpr = LAYERS * 2 * GATE + HEAD
    LAYER: tl.constexpr = TAPS * 2 * RESIDUAL * GATE + GATE * (RESIDUAL + SKIP)
    PART: tl.constexpr = HIDDEN * (SKIP + CLASSES)

    seed, start = tl.load(clock), tl.load(clock + 1)
    phase = (start % TAPS).to(tl.int32)
    stream = tl.load(streams + row)
    my_rings = rings + tile.to(tl.int64) * (SLOTS * TILE * RESIDUAL)
    my_history = history + tile * ((TAPS + 1) * TILE) + rows
    first_failure = n_samples

    for i in range(n_samples):
        t = start + i
        index = t - start  # i in 64 bits, for offsets that 32 do not hold
        frame = (into_frame + i) // hop
        my_condition = condition + (frame.to(tl.int64) * n_rows + row)[:, None] * WIDTH

        # A loop at run time: unrolled, the addresses of all taps would occupy registers throughout.
        residual, skip = tl.zeros([TILE, RESIDUAL], tl.float32), tl.zeros([TILE, SKIP], tl.float32)
        for tap in range(TAPS + 1):
            sample_row = tl.where(tap < TAPS, (phase + i + tap) % TAPS, TAPS)  # of t - TAPS + tap; then that of ones
            scalar = tl.load(my_history + sample_row * TILE)[:, None]
            residual += scalar * tl.load(first + tap * (RESIDUAL + SKIP) + r)[None, :]
            skip += scalar * tl.load(first + tap * (RESIDUAL + SKIP) + RESIDUAL + s)[None, :]

        # Global memory is slow, so a layer's condition is loaded while the layer before it is computed.
        cell = my_condition + g[None, :]
        u_next, v_next = tl.load(cell), tl.load(cell + GATE)
        for layer in range(LAYERS):
            if TRACE:
                trace_row = (index * LAYERS + layer) * n_rows + row
                tl.store(residual_trace + trace_row[:, None] * RESIDUAL + r[None, :], residual)
                trace_row += index * n_rows
                tl.store(skip_trace + trace_row[:, None] * SKIP + s[None, :], skip)
            x = residual.to(operand)
            u, v = u_next.to(tl.float32), v_next.to(tl.float32)
            cell = my_condition + min(layer + 1, LAYERS - 1) * (2 * GATE) + g[None, :]
            u_next, v_next = tl.load(cell), tl.load(cell + GATE)
            weights = layers + layer * LAYER
            matrix = weights + r[:, None] * GATE + g[None, :]
            if TAPS > 1:
                ring = ring_table + layer * 4
                begin, slots, dilation, now = tl.load(ring), tl.load(ring + 1), tl.load(ring + 2), tl.load(ring + 3) + i
                for k in tl.static_range(TAPS - 1):
                    slot = begin + (now + 1 + k * dilation) % slots  # of (TAPS - 1 - k) * dilation samples ago
                    past = tl.load(my_rings + (slot.to(tl.int64) * TILE + rows)[:, None] * RESIDUAL + r[None, :])
                    tap_u = tl.load(matrix + k * 2 * RESIDUAL * GATE)
                    tap_v = tl.load(matrix + (k * 2 + 1) * RESIDUAL * GATE)
                    u = tl.dot(past, tap_u, u, input_precision="ieee")
                    v = tl.dot(past, tap_v, v, input_precision="ieee")
                slot = begin + now % slots
                tl.store(my_rings + (slot.to(tl.int64) * TILE + rows)[:, None] * RESIDUAL + r[None, :], x)
            u = tl.dot(x, tl.load(matrix + (TAPS - 1) * 2 * RESIDUAL * GATE), u, input_precision="ieee")
            v = tl.dot(x, tl.load(matrix + (TAPS * 2 - 1) * RESIDUAL * GATE), v, input_precision="ieee")
            r_bias = tl.load(layer_bias + layer * (RESIDUAL + SKIP) + r)[None, :]
            s_bias = tl.load(layer_bias + layer * (RESIDUAL + SKIP) + RESIDUAL + s)[None, :]
            gated = gate(u, v).to(operand)
            matrix = tl.load(weights + TAPS * 2 * RESIDUAL * GATE + g[:, None] * RESIDUAL + r[None, :])
            residual = tl.dot(gated, matrix, residual + r_bias, input_precision="ieee")
            matrix = tl.load(weights + (TAPS * 2 + 1) * RESIDUAL * GATE + g[:, None] * SKIP + s[None, :])
            skip = tl.dot(gated, matrix, skip + s_bias, input_precision="ieee")

        if TRACE:
            trace_row = (index * (LAYERS + 1) + LAYERS) * n_rows + row
            tl.store(skip_trace + trace_row[:, None] * SKIP + s[None, :], skip)

        # The hidden layer is computed in groups of columns: all of it would not fit the registers beside the logits.
        y = rectify(skip).to(operand)
        score = tl.zeros([TILE, CLASSES], tl.float32) + tl.load(output_bias + a)[None, :]
        cell = my_condition + LAYERS * 2 * GATE + h[None, :]
        hidden_next = tl.load(cell)
        for part in range(HEAD // HIDDEN):
            hidden = hidden_next.to(tl.float32)
            hidden_next = tl.load(cell + min(part + 1, HEAD // HIDDEN - 1) * HIDDEN)
            matrix = tl.load(head + part * PART + s[:, None] * HIDDEN + h[None, :])
            hidden = tl.dot(y, matrix, hidden, input_precision="ieee")
            matrix = tl.load(head + part * PART + SKIP * HIDDEN + h[:, None] * CLASSES + a[None, :])
            score = tl.dot(rectify(hidden).to(operand), matrix, score, input_precision="ieee")

        # Rows are counted from the first sample, not from this one: a matrix of offsets that does not change in the
        # loop would occupy registers throughout.
        my_logits = logits + (index * logits_step + row)[:, None] * CLASSES
        tl.store(my_logits + a[None, :], score)
        tl.debug_barrier()  # what follows reads logits that other threads have stored
        largest, code, infinite = find_largest(my_logits, TILE, CLASSES, GROUP)
        if tl.max(tl.where(row < batch, infinite, 0), axis=0) > 0:
            first_failure = tl.minimum(first_failure, index.to(tl.int32))
        if forced != 0:
            code = tl.load(codes + index * n_rows + row).to(tl.int32)
        else:
            if inverse_temperature > 0.0:
                uniform = draw_uniform(seed, stream, t)
                code = pick_codes(my_logits, largest, uniform, inverse_temperature, TILE, CLASSES, GROUP)
            tl.store(codes + index * n_rows + row, code.to(tl.uint8))
        tl.store(my_history + ((phase + i) % TAPS) * TILE, tl.load(scalars + code))
        tl.debug_barrier()  # the next sample reads what other threads have written in this one

    tl.store(failed + tile, first_failure)
