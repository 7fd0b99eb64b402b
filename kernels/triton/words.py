"""Stamped words: how the programs of a running kernel pass vectors to each other.

An element is one 64-bit word in global memory, ``stamp << 32 | float bits``, and
the stamp says for which sample it was written.  A reader repeats its load until
the stamp is the one awaited.  Value and stamp are one aligned word and so never
torn apart: no flag, no fence, and nothing is cleared.

**Why assembly in `wait`.**  A vector with fewer elements than the program has
threads is loaded by several threads in duplicate.  A loop in Triton looks at one
duplicate's condition and may go on with another one's stale value; the loop in
assembly makes every thread wait for itself.  The interpreter, which knows
neither assembly nor threads, takes the loop in Triton (``SPIN = False``).

**If the plain store of `post` should fail** on some device: ``EXCHANGE = True``
posts with `tl.atomic_xchg`, a strong access.

**Status.**  The word at `status` is zero while all is well.  Whoever waits longer
than the limit raises it to `STUCK`; whoever waits and finds it raised gives up.
What `wait` returns then is worth nothing.
"""

from __future__ import annotations

import triton
import triton.language as tl

STUCK = tl.constexpr(1)

# The status is looked at now and then only.
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
    """Wait until words carry their stamps.

    Parameters
    ----------
    stamps : block or scalar, int32
        What to wait for.
    limit : scalar, int32
        Loads after which waiting is given up; above 0.
    SPIN : bool
        Wait in assembly; False in the interpreter.

    Returns
    -------
    block of float32, N
        The values of the words.
    """
    if SPIN:
        # A loop of one round: the compiler may not move the wait to where it would be done in a layout with
        # many elements for each thread, one after the other, and in many copies.
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
        if late != 0:
            if tl.load(status, volatile=True) == 0:
                tl.store(status, STUCK)
        value = word.to(tl.int32).to(tl.float32, bitcast=True)
    return value


@triton.jit
def post(words, values, stamp, EXCHANGE: tl.constexpr):
    """Write values with a stamp.

    Parameters
    ----------
    EXCHANGE : bool
        Write with an atomic exchange.
    """
    word = (stamp.to(tl.int64) << 32) | values.to(tl.int32, bitcast=True).to(tl.uint32, bitcast=True).to(tl.int64)
    if EXCHANGE:
        tl.atomic_xchg(words, word, sem="relaxed")
    else:
        tl.store(words, word)
