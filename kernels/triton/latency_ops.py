"""The latency kernel: one role per program, weights in registers, activations as stamped words.

`advance` is the kernel, the rest are its parts.  `wavecore.kernels.triton.latency` lays out the memory it works on,
and `wavecore.kernels.triton.words` explains stamped words.

**No word is overwritten before it is read.**  Every post follows a barrier, so all threads of the program have what
they waited for; and a stream's sample t + 1 begins only when its logits of t have reached the sampler, so after every
program has done t.  One slot suffices where each sample's word is read at that sample.  A layer's inputs are kept for
``(K - 1) * dilation + 1`` samples.  Only the roles of past taps could run ahead of the sampler, because their inputs
are old; they wait for the layer's input of t - 1 before they post t, so their words need two slots.

**Leaving.**  A program that waits too long raises the status, as does the sampler at a logit that is not finite; all
programs check it once per sample, after their posts, when they have time.  It is read by a scalar atomic, which one
thread does for all of them: all leave, or none.

**One binary for all batches and calls.**  The batch, the number of samples and the time are numbers in memory, so the
bits of a stream depend on none of them.
"""

from __future__ import annotations

import triton
import triton.language as tl

from wavecore.kernels.triton.words import post, wait

# Kinds of role.
CURRENT, PAST, SKIP, HEAD, OUTPUT, SAMPLER = (tl.constexpr(kind) for kind in range(6))

# Fields of a program's row in `plan`; offsets count elements from the start of `mail`, `weights` or a row
# of `condition`.  -1 in PARTIAL or POST: there is none.
KIND, LAYER, COLUMN, WEIGHTS, SOURCE, SOURCE_SLOTS, LAG, PARTIAL, POST, POST_SLOTS, EXTRA = (
    tl.constexpr(field) for field in range(11)
)
N_FIELDS = tl.constexpr(12)

# Fields of `call`.
N_SAMPLES, BATCH, START, STAMP, HOP, LIMIT, FORCED, GREEDY, WITH_LOGITS = (tl.constexpr(field) for field in range(9))

# Value of status[0] when a logit is not finite; status[1] is then the index of its sample.
NOT_FINITE = tl.constexpr(2)


@triton.jit
def _field(table, index: tl.constexpr):
    """Load a number of `plan` or `call` in 32 bits, which suffice, because registers are scarce."""
    return tl.load(table + index).to(tl.int32)


@triton.jit
def _position_in(call, period):
    """Compute the time of the first sample modulo a period."""
    return (tl.load(call + START) % period).to(tl.int32)


@triton.jit
def _next(index, period):
    """Compute ``(index + 1) % period``."""
    return tl.where(index + 1 == period, 0, index + 1)


@triton.jit
def _block(pointer, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Load a matrix (ROWS, COLUMNS) that is stored row after row."""
    return tl.load(pointer + tl.arange(0, ROWS)[:, None] * COLUMNS + tl.arange(0, COLUMNS)[None, :])


@triton.jit
def _product(x, weight):
    """Compute ``x @ weight`` for x (K) and weight (K, M)."""
    return tl.sum(x[:, None] * weight, axis=0)


@triton.jit
def _tanh(x):
    """Compute tanh from ``e = exp(-2 |x|)``, which cannot overflow; the absolute error is that of e, some 1e-7."""
    e = tl.exp(-2.0 * tl.abs(x))
    size = (1.0 - e) / (1.0 + e)
    return tl.where(x < 0, -size, size)


@triton.jit
def _rectify(x):
    """``max(x, 0)``; NaN stays NaN."""
    return tl.where(x < 0, 0.0, x)


@triton.jit
def _draw(logits, n_classes, uniform, inverse_temperature, greedy, CLASSES: tl.constexpr):
    """Select a code by the rule of `wavecore.kernels.sampling`; the inverse temperature is float64."""
    column = tl.arange(0, CLASSES)
    real = column < n_classes
    largest = tl.max(tl.where(real, logits, float("-inf")), axis=0)
    likeliest = tl.min(tl.where(real & (logits == largest), column, CLASSES), axis=0)
    x = (tl.where(real, logits, largest) - largest).to(tl.float64) * inverse_temperature
    x = tl.where(x > -87.0, x, -87.0).to(tl.float32)
    weights = tl.where(real & (x > -87.0), tl.exp(x), 0.0).to(tl.float64)
    edges = tl.cumsum(weights, axis=0)
    threshold = uniform.to(tl.float64) * tl.max(edges, axis=0)
    sampled = tl.sum((real & (edges <= threshold)).to(tl.int32), axis=0)
    return tl.where(greedy != 0, likeliest, sampled)


@triton.jit
def _run_current(
    plan, call, weights, mail, condition, residual_trace, status,
    R: tl.constexpr, G: tl.constexpr, WIDTH: tl.constexpr, PAST_TAPS: tl.constexpr, N_LAYERS: tl.constexpr,
    N_RESIDUAL: tl.constexpr, TRACE: tl.constexpr, SPIN: tl.constexpr, EXCHANGE: tl.constexpr,
):  # fmt: skip
    """Compute a layer's current tap, gate and residual product: the only role that every sample waits for."""
    n, batch, hop, limit = _field(call, N_SAMPLES), _field(call, BATCH), _field(call, HOP), _field(call, LIMIT)
    stamp, layer = _field(call, STAMP), _field(plan, LAYER)
    source, partial = _field(plan, SOURCE), _field(plan, PARTIAL)
    target, extra = _field(plan, POST), _field(plan, EXTRA)
    n_slots, n_target_slots = _field(plan, SOURCE_SLOTS), _field(plan, POST_SLOTS)
    r, g, both = tl.arange(0, R), tl.arange(0, G), tl.arange(0, 2 * G)
    pointer = weights + tl.multiple_of(tl.load(plan + WEIGHTS), 16)
    filter_weight = _block(pointer, R, 2 * G)
    residual_weight = _block(pointer + 2 * R * G, G, R)
    slot, target_slot = _position_in(call, n_slots), _position_in(call, n_target_slots)
    into, frame, i = _position_in(call, hop), 0, 0
    stopped = tl.atomic_add(status, 0, sem="relaxed")
    while (i < n) & (stopped == 0):
        b = 0
        while b < batch:
            if PAST_TAPS:
                words = mail + partial + ((stamp & 1) * batch + b) * (2 * G) + both
                z = wait(words, stamp, status, limit, SPIN)
            else:
                z = tl.load(condition + (frame * batch + b) * WIDTH + layer * (2 * G) + both)
            x = wait(mail + source + (slot * batch + b) * R + r, stamp, status, limit, SPIN)
            z += _product(x, filter_weight)
            u, v = tl.split(tl.reshape(z, (G, 2)))
            gated = _tanh(u) * tl.sigmoid(v)
            tl.debug_barrier()
            if target >= 0:
                bias = tl.load(pointer + 3 * R * G + r)  # not before the loop: all registers are in use
                after = x + _product(gated, residual_weight) + bias
                post(mail + target + (target_slot * batch + b) * R + r, after, stamp, EXCHANGE)
            post(mail + extra + b * G + g, gated, stamp, EXCHANGE)
            if TRACE:
                tl.store(residual_trace + ((b * n + i) * N_LAYERS + layer) * N_RESIDUAL + r, x, mask=r < N_RESIDUAL)
            b += 1
        slot, target_slot = _next(slot, n_slots), _next(target_slot, n_target_slots)
        into = _next(into, hop)
        frame = tl.where(into == 0, frame + 1, frame)
        i += 1
        stamp += 1
        stopped = tl.atomic_add(status, 0, sem="relaxed")


@triton.jit
def _run_past(
    plan, call, weights, mail, condition, status,
    R: tl.constexpr, G: tl.constexpr, WIDTH: tl.constexpr, SPIN: tl.constexpr, EXCHANGE: tl.constexpr,
):  # fmt: skip
    """Compute one past tap of a layer, added to the condition or to the older taps."""
    n, batch, hop, limit = _field(call, N_SAMPLES), _field(call, BATCH), _field(call, HOP), _field(call, LIMIT)
    stamp, layer, lag, n_slots = _field(call, STAMP), _field(plan, LAYER), _field(plan, LAG), _field(plan, SOURCE_SLOTS)
    source, partial, target = _field(plan, SOURCE), _field(plan, PARTIAL), _field(plan, POST)
    r, both = tl.arange(0, R), tl.arange(0, 2 * G)
    pointer = weights + tl.multiple_of(tl.load(plan + WEIGHTS), 16)
    filter_weight = _block(pointer, R, 2 * G)
    now = _position_in(call, n_slots)
    slot, newest = (now + n_slots - lag) % n_slots, (now + n_slots - 1) % n_slots
    into, frame, i = _position_in(call, hop), 0, 0
    stopped = tl.atomic_add(status, 0, sem="relaxed")
    while (i < n) & (stopped == 0):
        b = 0
        while b < batch:
            two_slots = ((stamp & 1) * batch + b) * (2 * G) + both
            if partial < 0:
                z = tl.load(condition + (frame * batch + b) * WIDTH + layer * (2 * G) + both)
            else:
                z = wait(mail + partial + two_slots, stamp, status, limit, SPIN)
            x = wait(mail + source + (slot * batch + b) * R + r, stamp - lag, status, limit, SPIN)
            z += _product(x, filter_weight)
            # Its value is not used: its arrival shows that what was posted for t - 2 has been read.
            wait(mail + source + (newest * batch + b) * R + r, stamp - 1, status, limit, SPIN)
            tl.debug_barrier()
            post(mail + target + two_slots, z, stamp, EXCHANGE)
            b += 1
        slot, newest, into = _next(slot, n_slots), _next(newest, n_slots), _next(into, hop)
        frame = tl.where(into == 0, frame + 1, frame)
        i += 1
        stamp += 1
        stopped = tl.atomic_add(status, 0, sem="relaxed")


@triton.jit
def _run_skip(
    plan, call, weights, mail, skip_trace, status,
    G: tl.constexpr, S: tl.constexpr, COLUMNS: tl.constexpr, N_LAYERS: tl.constexpr, N_SKIP: tl.constexpr,
    TRACE: tl.constexpr, SPIN: tl.constexpr, EXCHANGE: tl.constexpr,
):  # fmt: skip
    """Compute COLUMNS columns of a layer's skip product, added to those of the layers before."""
    n, batch, limit, stamp = _field(call, N_SAMPLES), _field(call, BATCH), _field(call, LIMIT), _field(call, STAMP)
    layer, source = _field(plan, LAYER), _field(plan, SOURCE)
    partial, target = _field(plan, PARTIAL), _field(plan, POST)
    g, s = tl.arange(0, G), _field(plan, COLUMN) + tl.arange(0, COLUMNS)
    pointer = weights + tl.multiple_of(tl.load(plan + WEIGHTS), 16)
    weight, bias = _block(pointer, G, COLUMNS), tl.load(pointer + G * COLUMNS + tl.arange(0, COLUMNS))
    i = 0
    stopped = tl.atomic_add(status, 0, sem="relaxed")
    while (i < n) & (stopped == 0):
        b = 0
        while b < batch:
            before = wait(mail + partial + b * S + s, stamp, status, limit, SPIN)
            gated = wait(mail + source + b * G + g, stamp, status, limit, SPIN)
            after = before + _product(gated, weight) + bias
            tl.debug_barrier()
            post(mail + target + b * S + s, after, stamp, EXCHANGE)
            if TRACE:
                row = skip_trace + ((b * n + i) * (N_LAYERS + 1) + layer) * N_SKIP + s
                tl.store(row + N_SKIP, after, mask=s < N_SKIP)
                if layer == 0:
                    tl.store(row, before, mask=s < N_SKIP)
            b += 1
        i += 1
        stamp += 1
        stopped = tl.atomic_add(status, 0, sem="relaxed")


@triton.jit
def _run_dense(
    plan, call, weights, mail, condition, status,
    K: tl.constexpr, M: tl.constexpr, COLUMNS: tl.constexpr, WIDTH: tl.constexpr, CONDITION: tl.constexpr,
    SPIN: tl.constexpr, EXCHANGE: tl.constexpr,
):  # fmt: skip
    """Compute COLUMNS of the M columns of a product of the head, plus a bias or (CONDITION >= 0) a condition."""
    n, batch, hop, limit = _field(call, N_SAMPLES), _field(call, BATCH), _field(call, HOP), _field(call, LIMIT)
    stamp, source, target = _field(call, STAMP), _field(plan, SOURCE), _field(plan, POST)
    k, m = tl.arange(0, K), _field(plan, COLUMN) + tl.arange(0, COLUMNS)
    pointer = weights + tl.multiple_of(tl.load(plan + WEIGHTS), 16)
    weight, base = _block(pointer, K, COLUMNS), tl.load(pointer + K * COLUMNS + tl.arange(0, COLUMNS))
    into, frame, i = _position_in(call, hop), 0, 0
    stopped = tl.atomic_add(status, 0, sem="relaxed")
    while (i < n) & (stopped == 0):
        b = 0
        while b < batch:
            if CONDITION >= 0:
                base = tl.load(condition + (frame * batch + b) * WIDTH + CONDITION + m)
            x = _rectify(wait(mail + source + b * K + k, stamp, status, limit, SPIN))
            y = base + _product(x, weight)
            tl.debug_barrier()
            post(mail + target + b * M + m, y, stamp, EXCHANGE)
            b += 1
        into = _next(into, hop)
        frame = tl.where(into == 0, frame + 1, frame)
        i += 1
        stamp += 1
        stopped = tl.atomic_add(status, 0, sem="relaxed")


@triton.jit
def _run_sampler(
    plan, call, weights, mail, inverse_temperature, uniforms, codes, logits_out, status,
    R: tl.constexpr, S: tl.constexpr, A: tl.constexpr, N_CLASSES: tl.constexpr,
    TAPS: tl.constexpr, N_TAPS: tl.constexpr, SPIN: tl.constexpr, EXCHANGE: tl.constexpr,
):  # fmt: skip
    """Draw or read the codes, and start both streams from the last N_TAPS scalars (TAPS: padded)."""
    n, batch, limit = _field(call, N_SAMPLES), _field(call, BATCH), _field(call, LIMIT)
    n_slots = _field(plan, POST_SLOTS)
    forced, greedy, with_logits, sharp = (
        _field(call, FORCED),
        _field(call, GREEDY),
        _field(call, WITH_LOGITS),
        tl.load(inverse_temperature),
    )
    source, history = _field(plan, SOURCE), _field(plan, PARTIAL)
    target, extra = _field(plan, POST), _field(plan, EXTRA)
    r, s, a, tap = tl.arange(0, R), tl.arange(0, S), tl.arange(0, A), tl.arange(0, TAPS)
    scalar_of = weights + tl.multiple_of(tl.load(plan + WEIGHTS), 16)  # (A) the scalar of each code
    first, first_skip = _block(scalar_of + A, TAPS, R), _block(scalar_of + A + TAPS * R, TAPS, S)
    bias = tl.load(scalar_of + A + TAPS * (R + S) + r)
    skip_bias = tl.load(scalar_of + A + TAPS * (R + S) + R + s)
    # Tap k of sample t reads the scalar of t - back.  The last tap's is drawn here, and those that only pad have
    # weights of zero: both read an older word instead.
    back = N_TAPS - tl.minimum(tap, N_TAPS - 2)
    slot = _position_in(call, n_slots)
    i, stamp, past = -1, _field(call, STAMP) - 1, (_position_in(call, N_TAPS) + N_TAPS - 1) % N_TAPS
    stopped = tl.atomic_add(status, 0, sem="relaxed")
    while (i < n) & (stopped == 0):
        # The code of sample i is drawn, and sample i + 1 is started; i = -1 starts the first one from memory.
        b = 0
        while b < batch:
            scalars = tl.zeros((TAPS,), tl.float32)
            if N_TAPS > 1:
                words = mail + history + (past + 1 - back + N_TAPS) % N_TAPS * batch + b
                scalars = wait(words, stamp + 1 - back, status, limit, SPIN)
            word = mail + history + past * batch + b
            if i >= 0:
                logits = wait(mail + source + b * A + a, stamp, status, limit, SPIN)
                real = a < N_CLASSES
                exponents = logits.to(tl.int32, bitcast=True) & 0x7F800000
                n_bad = tl.sum((real & (exponents == 0x7F800000)).to(tl.int32), axis=0)
                if n_bad != 0:
                    tl.store(status + 1, i)
                    tl.store(status, NOT_FINITE)
                if with_logits != 0:
                    tl.store(logits_out + (b * n + i) * N_CLASSES + a, logits, mask=real)
                if forced != 0:
                    code = tl.load(codes + b * n + i).to(tl.int32)
                else:
                    code = _draw(logits, N_CLASSES, tl.load(uniforms + b * n + i), sharp, greedy, A)
                    tl.store(codes + b * n + i, code.to(tl.uint8))
                newest = tl.load(scalar_of + tl.minimum(code, N_CLASSES - 1))
            else:
                newest = tl.sum(wait(word + tl.arange(0, 1), stamp, status, limit, SPIN), axis=0)
            tl.debug_barrier()
            if i + 1 < n:
                taps = tl.where(tap == N_TAPS - 1, newest, scalars)
                x, skip = _product(taps, first) + bias, _product(taps, first_skip) + skip_bias
                post(mail + target + (slot * batch + b) * R + r, x, stamp + 1, EXCHANGE)
                post(mail + extra + b * S + s, skip, stamp + 1, EXCHANGE)
            if i >= 0:
                post(word, newest, stamp, EXCHANGE)
            b += 1
        slot, past = _next(slot, n_slots), _next(past, N_TAPS)
        i += 1
        stamp += 1
        stopped = tl.atomic_add(status, 0, sem="relaxed")


@triton.jit
def advance(
    plan, call, weights, mail, condition, inverse_temperature, uniforms, codes, logits, residual_trace, skip_trace,
    status,
    R: tl.constexpr, G: tl.constexpr, S: tl.constexpr, H: tl.constexpr, A: tl.constexpr, TAPS: tl.constexpr,
    SKIP_COLUMNS: tl.constexpr, HEAD_COLUMNS: tl.constexpr, OUTPUT_COLUMNS: tl.constexpr,
    N_LAYERS: tl.constexpr, N_TAPS: tl.constexpr, N_RESIDUAL: tl.constexpr, N_SKIP: tl.constexpr,
    N_CLASSES: tl.constexpr, TRACE: tl.constexpr, SPIN: tl.constexpr, EXCHANGE: tl.constexpr,
):  # fmt: skip
    """Run N samples; one program for every row of `plan`, all of them on the device at once.

    - plan (P, N_FIELDS), int64: the role of each program; see the fields at the top of this file.
    - call (9,), int64: the numbers of this launch.
    - weights, float32: the blocks of all roles, padded with zeros.
    - mail, int64: stamped words, the rings and mailboxes of all roles.
    - condition (F, B, N_LAYERS * 2G + H), float32: projected latent frames, the first that of the first sample.
    - inverse_temperature (1,), float64.
    - uniforms (B, N), float32: the draws.
    - codes (B, N), uint8: read if forced, else written.
    - logits (B, N, N_CLASSES), float32: written if the call asks for them.
    - residual_trace (B, N, N_LAYERS, N_RESIDUAL), skip_trace (B, N, N_LAYERS + 1, N_SKIP), float32: written if TRACE.
    - status (2,), int32: zeros; raised as described at the top of this file.
    - R, G, S, H, A, TAPS: padded sizes, powers of two; those that begin with N_ are the sizes without padding.
    - SKIP_COLUMNS, HEAD_COLUMNS, OUTPUT_COLUMNS: columns of one program of these roles.
    - SPIN, EXCHANGE: see `wavecore.kernels.triton.words`.
    """
    plan += tl.program_id(0) * N_FIELDS
    kind = tl.load(plan + KIND)
    WIDTH: tl.constexpr = N_LAYERS * 2 * G + H
    if kind == CURRENT:
        _run_current(
            plan, call, weights, mail, condition, residual_trace, status,
            R, G, WIDTH, N_TAPS > 1, N_LAYERS, N_RESIDUAL, TRACE, SPIN, EXCHANGE,
        )  # fmt: skip
    elif kind == PAST:
        if N_TAPS > 1:
            _run_past(plan, call, weights, mail, condition, status, R, G, WIDTH, SPIN, EXCHANGE)
    elif kind == SKIP:
        _run_skip(
            plan, call, weights, mail, skip_trace, status,
            G, S, SKIP_COLUMNS, N_LAYERS, N_SKIP, TRACE, SPIN, EXCHANGE,
        )  # fmt: skip
    elif kind == HEAD:
        HEAD_BASE: tl.constexpr = N_LAYERS * 2 * G
        _run_dense(plan, call, weights, mail, condition, status, S, H, HEAD_COLUMNS, WIDTH, HEAD_BASE, SPIN, EXCHANGE)
    elif kind == OUTPUT:
        _run_dense(plan, call, weights, mail, condition, status, H, A, OUTPUT_COLUMNS, WIDTH, -1, SPIN, EXCHANGE)
    else:
        _run_sampler(
            plan, call, weights, mail, inverse_temperature, uniforms, codes, logits, status,
            R, S, A, N_CLASSES, TAPS, N_TAPS, SPIN, EXCHANGE,
        )  # fmt: skip
