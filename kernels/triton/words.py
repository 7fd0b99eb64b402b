"""Stamped words: how the programs of a running kernel pass vectors to each other.

An element is one 64-bit word in global memory, ``stamp << 32 | float bits``, and the stamp is the number of the sample
for which it was written.  A reader repeats its load until the stamp is the one it waits for.  Value and stamp are one
aligned word, which is never read in two parts: no flag, no fence, and nothing is cleared.

**Why assembly in `wait`.**  A vector with fewer elements than the program has threads is loaded by several threads in
duplicate.  A loop in Triton evaluates one duplicate's condition and may continue with another one's stale value; the
loop in assembly makes every thread wait for itself.  The interpreter, which has neither assembly nor threads, uses the
loop in Triton (``SPIN = False``).

**If the plain store of `post` should fail** on some device: ``EXCHANGE = True`` posts with `tl.atomic_xchg`, a strong
access.

**Status.**  The word at `status` is zero while all is well.  A program that waits longer than the limit raises it to
`STUCK`; one that waits and finds it raised gives up.  What `wait` returns then is worth nothing.
"""

from __future__ import annotations

import triton
import triton.language as tl

STUCK = tl.constexpr(1)

# The status is read every 256 rounds only.
# $0 value, $1 address, $2 stamp, $3 address of the status, $4 limit.
SPIN_LOOP = tl.constexpr("""{
    .reg .pred test;
    .reg .b32 value, stamp, spins, seen;
    .reg .b64 word;
    mov.u32 spins, 0;
again:
    ld.relaxed.gpu.global.b64 word, [$1];
    mov.b64 {value, stamp}, word;
    setp.eq.b32 test, stamp, $2;
    @test bra done;
    add.u32 spins, spins, 1;
    and.b32 seen, spins, 255;
    setp.ne.u32 test, seen, 0;
    @test bra again;
    ld.relaxed.gpu.global.b32 seen, [$3];
    setp.ne.u32 test, seen, 0;
    @test bra done;
    setp.lt.u32 test, spins, $4;
    @test bra again;
    st.relaxed.gpu.global.b32 [$3], 1;
done:
    mov.b32 $0, value;
}""")


@triton.jit
def wait(words, stamps, status, limit, SPIN: tl.constexpr):
    """Wait until words carry their stamps, int32, and return their values, float32.

    After `limit` loads, an int32 above 0, waiting is given up.
    """
    if SPIN:
        # A loop of one round, so that the compiler does not move the wait into a layout with many elements for each
        # thread, which would wait one after the other and in many copies.
        value, waiting = tl.zeros(words.shape, tl.float32), limit > 0
        while waiting:
            value = tl.inline_asm_elementwise(
                SPIN_LOOP,
                "=f,l,r,l,r",
                [words.to(tl.int64), stamps, status.to(tl.int64), limit],
                dtype=tl.float32,
                is_pure=False,
                pack=1,
            )
            waiting = limit < 0
    else:
        word = tl.load(words, volatile=True)
        late = tl.max(((word >> 32).to(tl.int32) != stamps).to(tl.int32), axis=0)
        spins = 0
        while (late != 0) & (spins < limit):
            word = tl.load(words, volatile=True)
            late = tl.max(((word >> 32).to(tl.int32) != stamps).to(tl.int32), axis=0)
            spins = tl.where(tl.load(status, volatile=True) != 0, limit, spins + 1)
        if late != 0:  # noqa: SIM102, because a kernel evaluates both sides of an `and`
            if tl.load(status, volatile=True) == 0:
                tl.store(status, STUCK)
        value = word.to(tl.int32).to(tl.float32, bitcast=True)
    return value


@triton.jit
def post(words, values, stamp, EXCHANGE: tl.constexpr):
    """Write values with a stamp, by an atomic exchange if EXCHANGE."""
    word = (stamp.to(tl.int64) << 32) | values.to(tl.int32, bitcast=True).to(tl.uint32, bitcast=True).to(tl.int64)
    if EXCHANGE:
        tl.atomic_xchg(words, word, sem="relaxed")
    else:
        tl.store(words, word)


@triton.jit
def ping_pong(words, status, rounds, limit, WIDTH: tl.constexpr, SPIN: tl.constexpr, EXCHANGE: tl.constexpr):
    """Pass a vector of WIDTH elements to and fro between two programs, each of which adds one to it.

    It measures the latency that every layer of the latency kernel waits for.  words (2 * WIDTH,), int64, are zeros.
    """
    mine = tl.program_id(0)
    columns = tl.arange(0, WIDTH)
    own, other = words + mine * WIDTH + columns, words + (1 - mine) * WIDTH + columns
    values = tl.zeros([WIDTH], tl.float32)
    stamp = tl.full([], 0, tl.int32)
    while stamp < rounds:
        stamp += 1
        if mine == 0:
            post(own, values + 1.0, stamp, EXCHANGE)
            values = wait(other, stamp, status, limit, SPIN)
        else:
            values = wait(other, stamp, status, limit, SPIN)
            post(own, values + 1.0, stamp, EXCHANGE)
