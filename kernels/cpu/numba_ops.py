"""The compiled inner loops of the numba backend.

Everything that is compiled lives in this one file, because numba's cache on disk notices a change only in the file of
the function it stores.

Three rules make a stream's samples independent of the streams it runs beside, to the last bit:

- `accumulate` and `accumulate4` add the products in the same order, input channel by input channel;
- the only licence given to the compiler is ``contract``: a product and the sum it goes into become one fused
  operation, everywhere alike.  It may not reorder sums;
- every stream has rows of its own in every buffer.

Two habits keep compilation short: no slice is assigned (numba compiles its error message, which takes seconds), and
every product goes through `accumulate_all` with arguments of the same types.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

TILE = 4  # streams that share one read of the weights in `accumulate4`


def jit(function):
    """Compile with the settings of this file, cached on disk if a cache can be written."""
    options = {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # numba found no folder to write to; each process compiles for itself
        return njit(**options)(function)


class Weights(NamedTuple):
    """The arrays of a PackedWaveNet, and the first slot of each layer's ring."""

    first: np.ndarray  # (K, R + S)
    first_bias: np.ndarray  # (R + S)
    condition: np.ndarray  # (C, P), P = L * 2G + H
    condition_bias: np.ndarray  # (P)
    filter: np.ndarray  # (L, K, R, 2G)
    residual_skip: np.ndarray  # (L, G, R + S)
    residual_skip_bias: np.ndarray  # (L, R + S)
    head: np.ndarray  # (S, H)
    output: np.ndarray  # (H, A)
    output_bias: np.ndarray  # (A)
    dilations: np.ndarray  # (L), int64
    ring_offsets: np.ndarray  # (L), int64
    hop: int  # samples per latent frame


class Buffers(NamedTuple):
    """The memory of B streams between samples (the first three arrays), and scratch space."""

    rings: np.ndarray  # (B, slots of all layers, R): the inputs of every layer
    history: np.ndarray  # (B, K): input scalars, the newest last
    condition: np.ndarray  # (B, P): projection of the current latent frame
    frame: np.ndarray  # (B, C)
    streams: np.ndarray  # (B, R + S): residual and skip stream
    tap: np.ndarray  # (B, R)
    z: np.ndarray  # (B, 2G)
    gated: np.ndarray  # (B, G)
    skip: np.ndarray  # (B, S): rectified
    hidden: np.ndarray  # (B, H)
    logits: np.ndarray  # (B, A)
    weights: np.ndarray  # (B, A): unnormalised probabilities


@jit
def accumulate(out, x, weight):
    """Compute ``out += x @ weight`` for out (n_out), x (n_in) and weight (n_in, n_out)."""
    n_in, n_out = weight.shape
    whole = n_in // 4 * 4
    for i in range(0, whole, 4):
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        w0, w1, w2, w3 = weight[i], weight[i + 1], weight[i + 2], weight[i + 3]
        for j in range(n_out):
            out[j] = out[j] + x0 * w0[j] + x1 * w1[j] + x2 * w2[j] + x3 * w3[j]
    for i in range(whole, n_in):
        x0, w0 = x[i], weight[i]
        for j in range(n_out):
            out[j] = out[j] + x0 * w0[j]


@jit
def accumulate4(out, x, weight, b):
    """Apply `accumulate` to the four rows of out (B, n_out) and x (B, n_in) from b on."""
    n_in, n_out = weight.shape
    whole = n_in // 4 * 4
    o, p, q, r = out[b], out[b + 1], out[b + 2], out[b + 3]
    c, d, e, f = x[b], x[b + 1], x[b + 2], x[b + 3]
    for i in range(0, whole, 4):
        c0, c1, c2, c3 = c[i], c[i + 1], c[i + 2], c[i + 3]
        d0, d1, d2, d3 = d[i], d[i + 1], d[i + 2], d[i + 3]
        e0, e1, e2, e3 = e[i], e[i + 1], e[i + 2], e[i + 3]
        f0, f1, f2, f3 = f[i], f[i + 1], f[i + 2], f[i + 3]
        w0, w1, w2, w3 = weight[i], weight[i + 1], weight[i + 2], weight[i + 3]
        for j in range(n_out):
            v0, v1, v2, v3 = w0[j], w1[j], w2[j], w3[j]
            o[j] = o[j] + c0 * v0 + c1 * v1 + c2 * v2 + c3 * v3
            p[j] = p[j] + d0 * v0 + d1 * v1 + d2 * v2 + d3 * v3
            q[j] = q[j] + e0 * v0 + e1 * v1 + e2 * v2 + e3 * v3
            r[j] = r[j] + f0 * v0 + f1 * v1 + f2 * v2 + f3 * v3
    for i in range(whole, n_in):
        c0, d0, e0, f0, w0 = c[i], d[i], e[i], f[i], weight[i]
        for j in range(n_out):
            o[j] = o[j] + c0 * w0[j]
            p[j] = p[j] + d0 * w0[j]
            q[j] = q[j] + e0 * w0[j]
            r[j] = r[j] + f0 * w0[j]


@jit
def accumulate_all(out, x, weight, begin, end):
    """Apply `accumulate` to the rows [begin, end) of out (B, n_out) and x (B, n_in)."""
    whole = begin + (end - begin) // TILE * TILE
    for b in range(begin, whole, TILE):
        accumulate4(out, x, weight, b)
    for b in range(whole, end):
        accumulate(out[b], x[b], weight)


@intrinsic
def power_of_two(typing_context, shifted):
    """Compute 2**n from the float32 ``1.5 * 2**23 + n``, whose low bits hold n in two's complement."""

    def build(context, builder, signature, arguments):
        integer, real = ir.IntType(32), ir.FloatType()
        bits = builder.bitcast(arguments[0], integer)
        exponent = builder.add(bits, ir.Constant(integer, 127 - 0x4B400000))
        return builder.bitcast(builder.shl(exponent, ir.Constant(integer, 23)), real)

    return types.float32(types.float32), build


_ROUND = np.float32(12582912.0)  # 1.5 * 2**23: adding it to |x| < 2**22 rounds x to a whole number
_LOG2_E = np.float32(1.4426950408889634)
_LN2_HIGH = np.float32(0.693359375)  # ln 2 in two parts; n * _LN2_HIGH is exact for |n| < 2**15
_LN2_LOW = np.float32(0.6931471805599453 - 0.693359375)
_C2, _C3, _C4 = np.float32(1 / 2), np.float32(1 / 6), np.float32(1 / 24)
_C5, _C6, _C7 = np.float32(1 / 120), np.float32(1 / 720), np.float32(1 / 5040)
_ONE, _TWO = np.float32(1), np.float32(2)


@jit
def scaled_expm1(x):
    """Split ``exp(x)``, float32 with |x| <= 87, into (p, s) with ``exp(x) = s * (1 + p)``.

    s = 2**n and p = expm1(f) for x = n ln 2 + f, |f| <= ln(2) / 2, from Taylor's series up to f**7 (the next term is
    below 2e-8 of the sum).  So expm1(x) is ``s * p + (s - 1)`` without cancellation.
    """
    shifted = x * _LOG2_E + _ROUND
    n = shifted - _ROUND
    f = x - n * _LN2_HIGH - n * _LN2_LOW
    p = ((((_C7 * f + _C6) * f + _C5) * f + _C4) * f + _C3) * f + _C2
    return p * f * f + f, power_of_two(shifted)


@jit
def clamp(x, limit):
    """Limit ``x`` to [-limit, limit]; NaN stays NaN."""
    x = limit if x > limit else x
    return -limit if x < -limit else x


@jit
def gate(z, out):
    """Compute ``out = tanh(z[:G]) * sigmoid(z[G:])``, relative error below 5e-7.

    With a = expm1(2 u) and b = exp(-v) the product is a / ((a + 2) (1 + b)): one division.  Beyond |u| = 10 tanh is 1
    in float32; beyond |v| = 40 sigmoid keeps its value there, 4e-18 from 0 or equal to 1.
    """
    n_gate = len(out)
    u, v = z[:n_gate], z[n_gate:]
    for j in range(n_gate):
        p, s = scaled_expm1(_TWO * clamp(u[j], np.float32(10)))
        q, t = scaled_expm1(-clamp(v[j], np.float32(40)))
        a = s * p + (s - _ONE)
        out[j] = a / ((a + _TWO) * (_ONE + (t * q + t)))


@jit
def copy(x, out):
    """Compute ``out = x`` up to the end of the shorter one."""
    for j in range(min(len(x), len(out))):
        out[j] = x[j]


@jit
def add(x, out):
    """Compute ``out += x``."""
    for j in range(len(out)):
        out[j] += x[j]


@jit
def rectify(x, out):
    """Compute ``out = max(x, 0)``; NaN stays NaN."""
    for j in range(len(out)):
        out[j] = np.float32(0) if x[j] < 0 else x[j]


@jit
def philox_uniform(seed, stream, t):
    """Compute `wavecore.kernels.sampling.philox_uniform` of three uint64 scalars."""
    word, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    c0, c1, c2, c3 = t & low, t >> word, stream & low, stream >> word
    k0, k1 = seed & low, seed >> word
    for _ in range(10):
        product_0, product_1 = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c2 = (product_1 >> word) ^ c1 ^ k0, (product_0 >> word) ^ c3 ^ k1
        c1, c3 = product_1 & low, product_0 & low
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & low, (k1 + np.uint64(0xBB67AE85)) & low
    return np.float64(c0 >> np.uint64(8)) * 2.0**-24


@jit
def is_finite(values):
    """Return whether none of the numbers is NaN or infinite."""
    bad = 0
    for j in range(len(values)):
        bad += values[j] - values[j] != 0
    return bad == 0


@jit
def pick_code(logits, weights, uniform, temperature):
    """Select a code by the rule of `wavecore.kernels.sampling`, with float32 exponentials; weights is scratch."""
    best = 0
    for a in range(1, len(logits)):
        if logits[a] > logits[best]:
            best = a
    if temperature == 0:
        return best
    largest = np.float64(logits[best])
    for a in range(len(logits)):
        x = np.float32(max((np.float64(logits[a]) - largest) / temperature, -87.0))
        p, s = scaled_expm1(x)
        weights[a] = s * p + s if x > np.float32(-87) else np.float32(0)
    total = 0.0
    for a in range(len(logits)):
        total += np.float64(weights[a])
    threshold, edge, code = uniform * total, 0.0, 0
    for a in range(len(logits)):
        edge += np.float64(weights[a])
        code += edge <= threshold
    return code


@jit
def project_frame(w, buffers, latent, frame, begin, end):
    """Project a frame of latent (B, F, C) for every stream: the conditions of the layers, then of the head."""
    for b in range(begin, end):
        copy(latent[b, frame], buffers.frame[b])
        copy(w.condition_bias, buffers.condition[b])
    accumulate_all(buffers.condition, buffers.frame, w.condition, begin, end)


@jit
def filter_taps(w, buffers, layer, t, begin, end):
    """Compute ``z`` of one layer from its condition and all taps.

    The ring of a layer has (K - 1) * dilation + 1 slots; the input of time t replaces, in slot t modulo their number,
    the one that no tap reads any more.
    """
    n_taps, _, width = w.filter.shape[1:]
    dilation, ring = w.dilations[layer], w.ring_offsets[layer]
    n_slots = (n_taps - 1) * dilation + 1
    for b in range(begin, end):
        copy(buffers.streams[b], buffers.rings[b, ring + t % n_slots])
        copy(buffers.condition[b, layer * width :], buffers.z[b])
    for k in range(n_taps):
        slot = ring + (t + 1 + k * dilation) % n_slots  # that of t - (K - 1 - k) * dilation
        for b in range(begin, end):
            copy(buffers.rings[b, slot], buffers.tap[b])
        accumulate_all(buffers.z, buffers.tap, w.filter[layer, k], begin, end)


@jit
def step(w, buffers, t, i, begin, end, residual, skip):
    """Compute the logits of every stream at time t; row i of the traces, if they have one, receives the streams."""
    n_layers, n_residual = len(w.filter), w.filter.shape[2]
    for b in range(begin, end):
        copy(w.first_bias, buffers.streams[b])
    accumulate_all(buffers.streams, buffers.history, w.first, begin, end)
    for layer in range(n_layers):
        for b in range(begin, end):
            if i < residual.shape[1]:
                copy(buffers.streams[b], residual[b, i, layer])
                copy(buffers.streams[b, n_residual:], skip[b, i, layer])
        filter_taps(w, buffers, layer, t, begin, end)
        for b in range(begin, end):
            gate(buffers.z[b], buffers.gated[b])
            add(w.residual_skip_bias[layer], buffers.streams[b])
        accumulate_all(buffers.streams, buffers.gated, w.residual_skip[layer], begin, end)
    for b in range(begin, end):
        if i < residual.shape[1]:
            copy(buffers.streams[b, n_residual:], skip[b, i, n_layers])
        rectify(buffers.streams[b, n_residual:], buffers.skip[b])
        copy(buffers.condition[b, n_layers * w.filter.shape[3] :], buffers.hidden[b])
    accumulate_all(buffers.hidden, buffers.skip, w.head, begin, end)
    for b in range(begin, end):
        rectify(buffers.hidden[b], buffers.hidden[b])
        copy(w.output_bias, buffers.logits[b])
    accumulate_all(buffers.logits, buffers.hidden, w.output, begin, end)


@jit
def append_sample(history, code, n_classes):
    """Make a code the newest of a stream's input scalars."""
    for k in range(len(history) - 1):
        history[k] = history[k + 1]
    history[-1] = np.float32(code) / np.float32(n_classes - 1) - np.float32(0.5)


@jit
def advance(w, buffers, latent, begin, end, start, first, last, forced, draw, codes, logits, residual, skip):
    """Run streams [begin, end) over columns [first, last) of codes (B, T), from time `start`.

    latent (B, F, C) begins with the frame of `start`.  The codes are input if `forced`, else drawn and written.  draw
    is (seed, stream numbers (B), temperature).  logits (B, T, A), residual (B, T, L, R) and skip (B, T, L + 1, S) are
    written unless their second axis has length 0.  Returns the number of samples before the first one with a logit
    that is not finite, or -1.
    """
    seed, streams, temperature = draw
    for i in range(first, last):
        t = start + i - first
        if t % w.hop == 0:
            project_frame(w, buffers, latent, t // w.hop - start // w.hop, begin, end)
        step(w, buffers, t, i, begin, end, residual, skip)
        for b in range(begin, end):
            if not is_finite(buffers.logits[b]):
                return i - first
            if i < logits.shape[1]:
                copy(buffers.logits[b], logits[b, i])
            if not forced:
                uniform = philox_uniform(seed, streams[b], np.uint64(t))
                codes[b, i] = pick_code(buffers.logits[b], buffers.weights[b], uniform, temperature)
            append_sample(buffers.history[b], codes[b, i], buffers.logits.shape[1])
    return -1
