"""The loop: reports, validations and checkpoints; a killed run that is resumed ends as one that was not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from multiprocessing import active_children

import pytest
import torch

from wavecore import checkpoint
from wavecore.datasets.chorales import ChoralesDataset
from wavecore.errors import OutputExistsError, UsageError
from wavecore.models.coconet.config import CoconetConfig, CoconetTrainingConfig
from wavecore.models.coconet.train import CoconetTask
from wavecore.training.loop import run_task

NETWORK = CoconetConfig(n_layers=5, channels=6, dilations=(1, 2))
SETTINGS = {
    "steps": 24,
    "batch_size": 2,
    "crop_steps": 8,
    "warmup_steps": 3,
    "validate_every": 8,
    "checkpoint_every": 5,
}

SCRIPT = """
import json, sys, time
from pathlib import Path
from wavecore.datasets.chorales import ChoralesDataset
from wavecore.models.coconet.config import CoconetConfig, CoconetTrainingConfig
from wavecore.models.coconet.train import CoconetTask
from wavecore.training.loop import run_task
request = json.loads(sys.argv[1])
task = CoconetTask(
    ChoralesDataset.open(Path(request["data"])), CoconetConfig.from_dict(request["network"]),
    CoconetTrainingConfig.from_dict(request["training"]),
)
run_task(task, request["out"], on_progress=lambda progress: time.sleep(0.05))
"""


@pytest.fixture(scope="module")
def dataset(chorales):
    return ChoralesDataset.open(chorales)


def make_task(dataset, **changes) -> CoconetTask:
    return CoconetTask(dataset, NETWORK, CoconetTrainingConfig(**(SETTINGS | changes)))


def final_state(folder):
    newest = sorted((folder / "checkpoint").iterdir())[-1]
    record = json.loads((newest / "state.json").read_text())
    return checkpoint.read_tensors(newest / "state.safetensors"), record


def assert_alike(run, other):
    (tensors, record), (expected, expected_record) = final_state(run), final_state(other)
    assert tensors.keys() == expected.keys() and record["history"] == expected_record["history"]
    assert all(torch.equal(tensor, expected[name]) for name, tensor in tensors.items())
    assert (
        checkpoint.load(run / "last", kind="coconet").sha256 == checkpoint.load(other / "last", kind="coconet").sha256
    )


@pytest.fixture(scope="module")
def undisturbed(dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "whole"
    seen, validated = [], []
    summary = run_task(
        make_task(dataset),
        out,
        on_progress=seen.append,
        on_validation=lambda network, step, history: validated.append((network.training, step, len(history))),
    )
    return out, seen, validated, summary


@pytest.mark.slow
def test_a_run_leaves_its_model_history_and_reports(undisturbed):
    out, seen, validated, _ = undisturbed
    assert [step for _, step, _ in validated] == [8, 16, 24] and not any(training for training, _, _ in validated)
    assert seen[-1].step == seen[-1].steps == 24 and seen[-1].samples_per_s > 0
    assert checkpoint.load(out / "best", kind="coconet").network.config == NETWORK
    assert checkpoint.load(out / "last", kind="coconet").card["training"]["steps"] == 24
    steps = [row["step"] for row in final_state(out)[1]["history"]]
    assert steps == sorted(steps) and steps.count(24) >= 1


@pytest.mark.slow
def test_the_cost_is_reported_and_not_stored(undisturbed):
    out, _, _, summary = undisturbed
    assert summary["samples_per_s"] > 0 and summary["samples_per_step"] == 16
    (peak,) = summary["peak_memory_bytes"]
    assert peak > 1e8
    stored = checkpoint.load(out / "last", kind="coconet").card["training"]
    assert not {"samples_per_s", "samples_per_step", "peak_memory_bytes"} & set(stored)


@pytest.mark.slow
def test_a_run_that_is_killed_and_resumed_ends_bit_for_bit_alike(undisturbed, dataset, tmp_path):
    out = tmp_path / "killed"
    training = make_task(dataset).training.to_dict()
    request = {"data": str(dataset.path), "network": NETWORK.to_dict(), "training": training, "out": str(out)}
    process = subprocess.Popen([sys.executable, "-P", "-c", SCRIPT, json.dumps(request)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not any((out / "checkpoint").glob("[0-9]*")):
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    run_task(make_task(dataset), out, resume=True)
    assert_alike(out, undisturbed[0])


@pytest.mark.slow
def test_a_run_whose_batches_other_processes_prepare_ends_bit_for_bit_alike(undisturbed, dataset, tmp_path):
    run_task(make_task(dataset), tmp_path / "run", workers=3)
    assert_alike(tmp_path / "run", undisturbed[0])


@pytest.mark.slow
def test_an_interrupt_saves_the_state_and_ends_the_other_processes(undisturbed, dataset, tmp_path):
    def interrupt(network, step, history):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_task(make_task(dataset), tmp_path / "run", workers=2, on_validation=interrupt)
    assert not active_children() and final_state(tmp_path / "run")[1]["step"] == 8
    run_task(make_task(dataset), tmp_path / "run", resume=True, workers=2)
    assert_alike(tmp_path / "run", undisturbed[0])


def test_resuming_a_finished_run_changes_nothing(undisturbed, dataset):
    before = checkpoint.load(undisturbed[0] / "last", kind="coconet").sha256
    run_task(make_task(dataset), undisturbed[0], resume=True)
    assert checkpoint.load(undisturbed[0] / "last", kind="coconet").sha256 == before


@pytest.mark.slow
def test_another_run_is_never_overwritten(undisturbed, dataset):
    with pytest.raises(OutputExistsError):
        run_task(make_task(dataset), undisturbed[0])
    with pytest.raises(UsageError, match="training"):
        run_task(make_task(dataset, seed=9), undisturbed[0], resume=True)


@pytest.mark.slow
def test_the_best_model_is_the_one_of_the_lowest_error(dataset, tmp_path):
    task = make_task(dataset, steps=6, validate_every=2)
    errors = iter([0.5, 0.1, 0.3])
    task.error = lambda measures: next(errors)
    run_task(task, tmp_path / "run")
    best = checkpoint.load(tmp_path / "run" / "best", kind="coconet")
    assert best.card["training"]["steps"] == 4, "the second validation"
