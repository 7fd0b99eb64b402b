"""The hop: how one program of a running kernel hands a vector to another, and gets it back.

It is what every layer of the latency kernel waits for, so it bounds the speed of one stream.
"""

from __future__ import annotations

import triton
import triton.language as tl

from wavecore.kernels.triton.words import post, wait


@triton.jit
def ping_pong(words, status, rounds, limit, WIDTH: tl.constexpr, SPIN: tl.constexpr, EXCHANGE: tl.constexpr):
    """Two programs hand a vector to and fro; each adds one to it.

    Parameters
    ----------
    words : pointer to int64, 2 * WIDTH, zeros
        Where program 0 posts, then where program 1 does.
    status : pointer to int32
        See `words`.
    rounds : int32
        There and back, so often.
    limit : int32
        Loads after which waiting is given up.
    WIDTH : int
        Elements: a power of two.
    SPIN, EXCHANGE : bool
        See `words`.
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
