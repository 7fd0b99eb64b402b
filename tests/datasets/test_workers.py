from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wavecore.datasets import workers

SLEEPERS = """
import multiprocessing, time
from wavecore.datasets import workers

if __name__ == "__main__":
    for _ in workers.run(time.sleep, [0.01] * 2 + [0.5] * 1000, 2):
        print(*(process.pid for process in multiprocessing.active_children()), flush=True)
"""


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order(jobs):
    assert list(workers.run(math.factorial, range(8), jobs)) == [math.factorial(n) for n in range(8)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_reaches_the_caller(jobs):
    results = workers.run(math.factorial, [3, -1, 4], jobs)
    assert next(results) == 6
    with pytest.raises(ValueError, match="negative"):
        list(results)


def test_one_job_does_no_more_than_is_asked_for():
    done = []
    next(workers.run(done.append, range(5), 1))
    assert done == [0]


def test_what_is_planned_is_left_when_the_caller_stops():
    began = time.monotonic()
    results = workers.run(time.sleep, [0.0] + [1.0] * 60, 2)
    next(results)
    results.close()
    assert time.monotonic() - began < 20


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked at in /proc")
def test_workers_leave_when_their_parent_is_killed():
    with subprocess.Popen([sys.executable, "-P", "-c", SLEEPERS], stdout=subprocess.PIPE, text=True) as parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2 and all(map(is_alive, pids))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        deadline = time.monotonic() + 20
        while any(map(is_alive, pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
    left = [pid for pid in pids if is_alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


def test_progress_counts_what_was_done_before():
    told = []
    workers.finish(math.factorial, [3, 4], 1, total=5, on_progress=lambda *done: told.append(done))
    assert told == [(3, 5), (4, 5), (5, 5)]
    workers.finish(math.factorial, [], 1, total=0)
