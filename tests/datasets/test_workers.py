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
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order_and_errors_reach_the_caller(jobs):
    results = workers.run(math.factorial, [3, 5, -1, 4], jobs)
    assert [next(results), next(results)] == [6, 120]
    with pytest.raises(ValueError, match="negative"):
        next(results)


def test_one_job_runs_no_task_in_advance():
    done = []
    next(workers.run(done.append, range(5), 1))
    assert done == [0]


@pytest.mark.slow
def test_pending_tasks_are_cancelled_when_the_caller_stops(tmp_path):
    commands = [["sh", "-c", f"sleep 0.1; touch {tmp_path / str(number)}"] for number in range(60)]
    results = workers.run(subprocess.check_call, commands, 2)
    next(results)
    results.close()
    assert 1 <= len(list(tmp_path.iterdir())) < 30


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the states of processes from /proc")
def test_workers_exit_when_their_parent_is_killed():
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


def test_progress_includes_the_tasks_that_were_done_before():
    progress = []
    workers.run_remaining(math.factorial, [3, 4], 1, total=5, on_progress=lambda *done: progress.append(done))
    assert progress == [(3, 5), (4, 5), (5, 5)]
    workers.run_remaining(math.factorial, [], 1, total=0)
