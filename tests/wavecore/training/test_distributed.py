"""Processes that train together: shares, means, and the same weights as one process alone."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from wavecore import checkpoint
from wavecore.errors import UsageError
from wavecore.training import distributed
from wavecore.training.distributed import ALONE, Processes

TORCHRUN = Path(sys.executable).with_name("torchrun")
SIZES = [
    "--preset",
    "tiny",
    "--device",
    "cpu",
    "--seed",
    "4",
    "--set",
    "batch_size=4",
    "--set",
    "crop_frames=2",
    "--set",
    "validation_crops=1",
    "--set",
    "validate_every=3",
    "--set",
    "checkpoint_every=2",
    "--set",
    "precision=float32",
]


@dataclass(frozen=True)
class Crops:
    """Two tensors with the same first axis."""

    audio: torch.Tensor
    pitches: torch.Tensor


def test_shares_are_every_nth_crop_and_lose_none():
    batch = Crops(torch.arange(12).view(6, 2), torch.arange(6))
    assert ALONE.share(batch) is batch
    parts = [Processes(rank, 3).share(batch) for rank in range(3)]
    assert [part.pitches.tolist() for part in parts] == [[0, 3], [1, 4], [2, 5]]
    assert all(torch.equal(part.audio, batch.audio[part.pitches]) for part in parts)
    with pytest.raises(UsageError, match=r"6 crops \(audio\) cannot be shared evenly by 4 processes"):
        Processes(0, 4).share(batch)


def test_one_process_alone_has_nobody_to_ask(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    tensor = torch.tensor([1.0, 2.0])
    ALONE.average([tensor])
    ALONE.spread([tensor])
    ALONE.wait()
    weight = torch.nn.Parameter(torch.zeros(1))
    ALONE.average_gradients([weight])
    assert weight.grad is None and ALONE.sum_value(2.5) == 2.5
    assert ALONE.gather({"a": 1.0}) == [{"a": 1.0}] and ALONE.collect({"t": tensor}) == {"t": tensor}
    assert tensor.tolist() == [1, 2] and ALONE.mean_values({"a": 3.0}) == {"a": 3.0} and ALONE.agree(7) == 7
    with distributed.join() as processes:
        assert processes == ALONE == distributed.current() and processes.leads


@pytest.mark.parametrize(
    ("rank", "device", "own"),
    [("1", "cuda", "cuda:1"), ("1", "cuda:0", "cuda:0"), ("1", "cpu", "cpu"), (None, "cuda", "cuda")],
)
def test_every_process_of_a_machine_has_its_own_gpu(monkeypatch, rank, device, own):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    assert distributed.own_device(device) == own


def test_a_job_knows_its_name_and_its_restarts(monkeypatch):
    for name in ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    assert distributed.job() is None and distributed.restarts() == 0
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job7")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "2")
    assert distributed.job() == "job7" and distributed.restarts() == 2


SCRIPT = """
import sys, torch
from wavecore.training import distributed
with distributed.join() as p:
    assert distributed.current() == p and p.size == 2
    a, b = torch.full((3,), 1.0 + p.rank), torch.full((2, 2), 10.0 * p.rank)
    p.average([a, b])
    c = torch.tensor([float(p.rank)], dtype=torch.float64)
    p.spread([c])
    p.wait()
    w, v, u = (torch.nn.Parameter(torch.zeros(2)) for _ in range(3))
    w.grad = torch.full((2,), 4.0 * p.rank)
    if p.rank:
        v.grad = torch.tensor([2.0, 6.0])
    p.average_gradients([w, v, u])
    assert w.grad.tolist() == [2, 2] and v.grad.tolist() == [1, 3] and u.grad is None
    held = p.collect({"all": torch.tensor([1.5 + p.rank]), f"own{p.rank}": torch.arange(6).view(2, 3) + p.rank})
    told = {name: tensor.tolist() for name, tensor in held.items()}
    if p.leads:
        assert told == {"all": [1.5], "own0": [[0, 1, 2], [3, 4, 5]], "own1": [[1, 2, 3], [4, 5, 6]]}, told
        assert held["own1"].dtype == torch.int64
    else:
        assert told == {"all": [2.5], "own1": [[1, 2, 3], [4, 5, 6]]}, told
    assert p.gather({"x": p.rank / 4, "only": 1.0}) == [{"x": 0.0, "only": 1.0}, {"x": 0.25, "only": 1.0}]
    assert p.sum_value(1.0 + p.rank) == 3
    found = [p.rank, a.tolist(), b.tolist(), p.mean_values({"x": p.rank, "y": 5}), c.tolist(), p.agree(40 + p.rank)]
    for turn in range(2):  # or their lines mix
        if p.rank == turn:
            print(*found, flush=True)
        p.wait()
assert distributed.current() == distributed.ALONE
"""


def _torchrun(*words, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [TORCHRUN, "--nproc-per-node", "2", "--standalone", "--no-python", *map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.slow
def test_two_processes_average_and_agree():
    process = _torchrun(sys.executable, "-P", "-c", SCRIPT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    said = "[1.5, 1.5, 1.5] [[5.0, 5.0], [5.0, 5.0]] {'x': 0.5, 'y': 5.0} [0.0] 40"
    assert sorted(out.splitlines()) == [f"0 {said}", f"1 {said}"]


LOST = """
import os, torch
from wavecore.errors import DeviceError
from wavecore.training import distributed
try:
    with distributed.join() as p:
        p.wait()
        if p.rank:
            os._exit(3)
        p.average([torch.zeros(5)])
except DeviceError as error:
    print("heard:", error, flush=True)
"""


@pytest.mark.slow
def test_a_process_that_is_lost_is_said_to_be():
    # torchrun ends the rest as soon as it sees that one is gone, sometimes before they can speak; so they meet here
    # without it.
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    command = [sys.executable, "-P", "-c", LOST]
    heard, lost = (
        subprocess.Popen(
            command, env={**environment, "RANK": rank}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for rank in "01"
    )
    out, err = heard.communicate(timeout=300)
    lost.communicate(timeout=300)
    assert lost.returncode == 3 and heard.returncode == 0, err
    assert out.startswith("heard: another process of this run was lost") and "--max-restarts" in out


def _weights(run):
    return checkpoint.read_tensors(run / "last" / "model.safetensors")


def _history(run):
    newest = sorted((run / "checkpoint").iterdir())[-1]
    return json.loads((newest / "state.json").read_text())["history"]


@pytest.fixture(scope="module")
def alone(notes, tmp_path_factory):
    """The run of one process."""
    run = tmp_path_factory.mktemp("runs") / "alone"
    command = [
        TORCHRUN.with_name("wavecore"),
        "train",
        "nsynth",
        "--data",
        notes.path,
        "--out",
        run,
        *SIZES,
        "--set",
        "steps=6",
    ]
    subprocess.run(list(map(str, command)), check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return run


@pytest.mark.slow
def test_two_processes_do_what_one_does(notes, alone, tmp_path):
    process = _torchrun(
        TORCHRUN.with_name("wavecore"),
        "train",
        "nsynth",
        "--data",
        notes.path,
        "--out",
        tmp_path / "two",
        *SIZES,
        "--set",
        "steps=6",
    )
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out.count("bits per sample, held out") == 1, "one process speaks"
    first, second = _weights(alone), _weights(tmp_path / "two")
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=1e-3, atol=2e-5, msg=name)
    for one, two in zip(_history(alone), _history(tmp_path / "two"), strict=True):
        assert two["step"] == one["step"] and two["valid/bits"] == pytest.approx(one["valid/bits"], rel=1e-4)


@pytest.mark.slow
def test_a_batch_that_cannot_be_shared_is_refused(notes, tmp_path):
    words = ["--data", notes.path, "--out", tmp_path / "odd", *SIZES, "--set", "batch_size=3", "--set", "steps=2"]
    process = _torchrun(TORCHRUN.with_name("wavecore"), "train", "nsynth", *words)
    _, err = process.communicate(timeout=300)
    assert process.returncode != 0 and "3 crops (audio) cannot be shared evenly by 2 processes" in err


@pytest.mark.slow
def test_killed_together_and_resumed_together(notes, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = ["train", "nsynth", "--data", notes.path, *SIZES, "--set", "steps=60"]
    command = TORCHRUN.with_name("wavecore")
    process = _torchrun(command, *words, "--out", whole)
    assert process.wait(timeout=600) == 0, process.stderr.read()
    process = _torchrun(command, *words, "--out", killed)
    deadline = time.monotonic() + 300
    while not list((killed / "checkpoint").glob("0*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(workers[-1]), signal.SIGKILL)  # the other is ended by torchrun
    process.communicate(timeout=300)
    assert process.returncode != 0 and not (killed / "last").exists(), "it was killed in the middle"
    process = _torchrun(command, "train", "nsynth", "--out", killed, "--resume", "--device", "cpu")
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    first, second = _weights(whole), _weights(killed)
    assert all(torch.equal(second[name], tensor) for name, tensor in first.items())
