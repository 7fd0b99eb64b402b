"""Stamped words in the interpreter, the programs that take turns there, and the assembly that waits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from kernel_interpreter import launch

triton = pytest.importorskip("triton")
tl = pytest.importorskip("triton.language")
words = pytest.importorskip("wavecore.kernels.triton.words")


@triton.jit
def post_and_wait(memory, values, out, status, stamp, awaited, EXCHANGE: tl.constexpr):
    """Post four words with a stamp, and wait for a stamp."""
    i = tl.arange(0, 4)
    words.post(memory + i, tl.load(values + i), tl.load(stamp), EXCHANGE)
    tl.store(out + i, words.wait(memory + i, tl.load(awaited), status, 20, False))


@triton.jit
def relay(memory, N: tl.constexpr):
    """The last program begins; every other one waits for the one after it."""
    i = tl.program_id(0)
    value = tl.load(memory + i + 1, volatile=True)
    while value == 0:
        value = tl.load(memory + i + 1, volatile=True)
    tl.store(memory + i, value * 2)


@triton.jit
def fail(memory, N: tl.constexpr):
    """Program 1 fails, program 0 waits for ever."""
    value = tl.load(memory, volatile=True)
    while value == 0:
        if tl.program_id(0) == 1:
            missing(value)  # noqa: F821
        value = tl.load(memory, volatile=True)


def arrive(exchange, stamp, awaited):
    """Post and wait; what arrived, the status, and the stamps in memory."""
    values = torch.tensor([0.5, -1.25, float("inf"), float("nan")])
    memory, out, status = torch.zeros(4, dtype=torch.int64), torch.zeros(4), torch.zeros(1, dtype=torch.int32)
    numbers = [torch.tensor([number], dtype=torch.int32) for number in (stamp, awaited)]
    post_and_wait[(1,)](memory, values, out, status, *numbers, EXCHANGE=exchange)
    bits = {"got": out, "want": values}
    bits = {name: tensor.view(torch.int32).numpy() for name, tensor in bits.items()}
    return {**bits, "status": status.numpy(), "stamps": (memory >> 32).numpy()}


def take_turns():
    """Relay a number, wait in vain, and fail."""
    memory = torch.tensor([0, 0, 0, 5], dtype=torch.int32)
    launch(relay, 3, [memory], {"N": 3})
    errors = {}
    for name, kernel, timeout_s in (("in vain", relay, 0.2), ("failed", fail, 60)):
        try:
            launch(kernel, 2, [torch.zeros(4, dtype=torch.int32)], {"N": 2}, timeout_s)
        except RuntimeError as error:
            errors[name] = np.array(str(error))
    return {"memory": memory.numpy(), **errors}


def go_to_and_fro():
    """Three rounds of two programs."""
    memory, status = torch.zeros(32, dtype=torch.int64), torch.zeros(1, dtype=torch.int32)
    launch(words.ping_pong, 2, [memory, status, 3, 1000], {"WIDTH": 16, "SPIN": False, "EXCHANGE": False})
    return {
        "stamps": (memory >> 32).numpy(),
        "values": (memory & 0xFFFFFFFF).to(torch.int32).view(torch.float32).numpy(),
    }


@pytest.mark.slow
@pytest.mark.parametrize("exchange", [False, True])
@pytest.mark.parametrize(("stamp", "awaited"), [(7, 7), (-3, -3), (2**31 - 1, 2**31 - 1), (7, 8), (-3, 3)])
def test_words_arrive_with_their_stamps_or_the_status_is_raised(exchange, stamp, awaited, interpreter):
    got = interpreter.call(arrive, exchange, stamp, awaited)
    np.testing.assert_array_equal(got["got"], got["want"])
    assert (got["stamps"] == stamp).all() and got["status"] == (stamp != awaited)


@pytest.mark.slow
def test_a_vector_goes_to_and_fro(interpreter):
    got = interpreter.call(go_to_and_fro)
    # Three rounds of two additions: program 0 posted 1, 3, 5, and program 1 posted 2, 4, 6.
    assert (got["stamps"] == 3).all() and got["values"].tolist() == [5.0] * 16 + [6.0] * 16


@pytest.mark.slow
def test_interpreted_programs_wait_for_each_other_and_are_ended(interpreter):
    got = interpreter.call(take_turns)
    assert got["memory"].tolist() == [40, 20, 10, 5]
    assert "2 of 2 programs" in str(got["in vain"]) and "missing" in str(got["failed"])


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
def test_the_hop_compiles_ahead_of_time(capability, compiler):
    arguments = {"words": "*i64", "status": "*i32", "rounds": 2, "limit": 2, "WIDTH": 64, "SPIN": True}
    kernel = compiler.compile_kernel(words.ping_pong, {**arguments, "EXCHANGE": False, "num_warps": 2}, capability)
    assert "ld.relaxed.gpu.global.b64" in kernel.asm["ptx"]


def test_the_loop_reads_the_word_as_one():
    loop = words.SPIN_LOOP.value
    # A vector load of two halves may be torn; a weak load may be taken out of the loop.
    assert loop.count("ld.relaxed.gpu.global.b64 word, [$1]") == 1
    assert f"st.relaxed.gpu.global.b32 [$3], {words.STUCK.value};" in loop
