"""Batches drawn by others are those that would have been drawn here, in their order, and so are their errors."""

import os
import signal
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.errors import DeviceError, InputError, UsageError
from wavecore.training import prefetch
from wavecore.training.batch import TensorBatch


@dataclass(frozen=True)
class Pair(TensorBatch):
    codes: torch.Tensor
    drawn_by: torch.Tensor


def draw(step):
    """As long as chance will, so that later batches may be ready before earlier ones."""
    rng = np.random.default_rng((3, step))
    time.sleep(rng.uniform(0, 0.01))
    return Pair(torch.from_numpy(rng.integers(0, 256, (step % 5, 7))), torch.tensor(os.getpid()))


def refuse_the_fifth(step):
    if step == 5:
        raise InputError("crop 5 is no crop")
    return draw(step)


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z (zombie)" not in Path(f"/proc/{process}/status").read_text()


@pytest.mark.slow
@settings(deadline=None, max_examples=8)
@given(first=st.integers(0, 30), n=st.integers(0, 12), workers=st.integers(0, 4))
def test_the_order_is_that_of_the_steps_and_nothing_is_lost(first, n, workers):
    with prefetch.batches(draw, range(first, first + n), workers=workers) as drawn:
        found = list(drawn)
    assert len(found) == n
    for step, batch in zip(range(first, first + n), found, strict=True):
        assert isinstance(batch, Pair)
        assert torch.equal(batch.codes, draw(step).codes) and batch.codes.dtype == torch.int64


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "processes"), [(0, 1), (1, 1), (3, 3)])
def test_as_many_processes_draw_as_asked_for(workers, processes):
    with prefetch.batches(draw, range(9), workers=workers) as drawn:
        drew = {int(batch.drawn_by) for batch in drawn}
    assert len(drew) == processes
    assert (os.getpid() in drew) == (workers == 0)


@pytest.mark.slow
def test_the_processes_end_with_the_generator():
    with prefetch.batches(draw, range(1000), workers=2) as drawn:
        drew = {int(batch.drawn_by) for batch in islice(drawn, 4)}
        assert all(map(alive, drew))
    assert not any(map(alive, drew))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_what_a_draw_raises_is_raised_here_where_its_turn_is(workers):
    with prefetch.batches(refuse_the_fifth, range(9), workers=workers) as drawn:
        assert len(list(islice(drawn, 5))) == 5
        with pytest.raises(InputError, match=r"^crop 5 is no crop$"):
            next(drawn)


@pytest.mark.slow
def test_an_interrupt_does_not_reach_those_who_draw():
    with prefetch.batches(draw, range(40), workers=1) as drawn:
        first = next(drawn)
        os.kill(int(first.drawn_by), signal.SIGINT)
        assert {int(batch.drawn_by) for batch in drawn} == {int(first.drawn_by)}


@pytest.mark.slow
@pytest.mark.parametrize("learning", [False, True], ids=["while one waits for it", "while one learns"])
def test_a_process_that_is_lost_is_said_to_be(learning):
    with (
        pytest.raises(DeviceError, match="--workers 0"),
        prefetch.batches(draw, range(10**6), workers=1) as drawn,
    ):
        os.kill(int(next(drawn).drawn_by), signal.SIGKILL)
        while learning:
            time.sleep(0.01)
        for _ in drawn:
            pass


@pytest.mark.slow
def test_other_errors_of_the_run_are_left_alone():
    with pytest.raises(RuntimeError, match="^out of luck$"), prefetch.batches(draw, range(9), workers=1) as drawn:
        next(drawn)
        raise RuntimeError("out of luck")


def test_bad_requests_are_refused_before_anything_is_drawn(monkeypatch):
    with pytest.raises(UsageError, match="-1 workers"), prefetch.batches(draw, range(3), workers=-1):
        pass
    monkeypatch.setattr(prefetch, "get_all_start_methods", lambda: ["spawn"])
    with pytest.raises(UsageError, match="can fork"), prefetch.batches(draw, range(3), workers=1):
        pass
    with prefetch.batches(draw, range(3), workers=0) as drawn:
        assert len(list(drawn)) == 3


def test_a_cpu_learns_alone_and_a_gpu_is_fed_by_all_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert prefetch.default_workers("cpu") == 0
    assert prefetch.default_workers("cuda") == prefetch.default_workers("cuda:1") == 15
    assert prefetch.default_workers("cuda", processes=4) == 3
    with monkeypatch.context() as patch:
        patch.setattr(prefetch, "get_all_start_methods", lambda: ["spawn"])
        assert prefetch.default_workers("cuda") == 0, "a system that cannot fork trains all the same"
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert prefetch.default_workers("cuda") == 0
