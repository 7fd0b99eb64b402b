"""Decoders spread over processes are trained as in one process."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from wavecore import checkpoint
from wavecore.errors import ModelError, UsageError
from wavecore.models.translation.config import TranslationTrainingConfig
from wavecore.models.translation.data import BatchSource
from wavecore.models.translation.distributed import SpreadTrainer
from wavecore.models.translation.model import TranslationNetwork
from wavecore.models.translation.train import TranslationTrainer
from wavecore.models.translation.validate import validate
from wavecore.training.distributed import ALONE, Processes
from wavecore.training.task import build_network

TORCHRUN = Path(sys.executable).with_name("torchrun")
TRAINING = TranslationTrainingConfig(
    steps=8,
    batch_size=4,
    crop_frames=3,
    targets_per_step=2,
    confusion_crops=4,
    validation_crops=2,
    seed=3,
    precision="float32",
)
SIZES = [
    "--preset", "tiny", "--device", "cpu", "--seed", "4", "--targets", "flute,organ", "--set", "batch_size=4",
    "--set", "targets_per_step=2", "--set", "crop_frames=2", "--set", "validation_crops=1", "--set", "validate_every=4",
    "--set", "checkpoint_every=2", "--set", "confusion_crops=4", "--set", "precision=float32",
]  # fmt: skip


def _network(network_config, **changes):
    return build_network(TranslationNetwork, replace(network_config, **changes), seed=5)


def test_a_process_keeps_its_decoders_alone(network_config):
    whole = _network(network_config)
    trainer = SpreadTrainer(_network(network_config), TRAINING, Processes(1, 2))
    assert tuple(trainer.network.decoders) == ("organ",)
    held = trainer.network.state_dict()
    assert not any(
        name.startswith("decoders.flute.") for name in [*held, *trainer.average, *trainer.parameters["autoencoder"]]
    )
    assert all(torch.equal(tensor, whole.state_dict()[name]) for name, tensor in held.items())
    per_decoder = sum(p.numel() for p in whole.decoders["flute"].parameters())
    assert (
        sum(p.numel() for p in whole.parameters()) - sum(p.numel() for p in trainer.network.parameters()) == per_decoder
    )


@pytest.mark.parametrize(
    ("shared", "size", "per_step", "message"),
    [(True, 2, 1, "share"), (False, 3, 1, "3 processes.*2$"), (False, 2, 1, "targets_per_step is 1.*multiple of 2")],
)
def test_what_cannot_be_spread(network_config, shared, size, per_step, message):
    with pytest.raises(UsageError, match=message):
        network = _network(network_config, shared_decoder=shared)
        SpreadTrainer(network, replace(TRAINING, targets_per_step=per_step), Processes(0, size))


@pytest.mark.slow
def test_alone_it_is_a_trainer_like_any_other(dataset, network_config):
    ends = []
    for build in (
        lambda network: TranslationTrainer(network, TRAINING),
        lambda network: SpreadTrainer(network, TRAINING, ALONE),
    ):
        trainer = build(_network(network_config))
        source = BatchSource(dataset, network_config, TRAINING, trainer.network.encoder.context_frames)
        found = [trainer.update(source.training_batch(step)) for step in range(4)]
        measured = trainer.merge(validate(trainer.own_averaged_network(), source, n_crops=2))
        ends.append((found, trainer.tensors(), trainer.averaged_network().state_dict(), measured))
    (losses, tensors, average, measured), (same, others, again, also) = ends
    assert [each["bits"] for each in losses] == pytest.approx([each["bits"] for each in same], rel=1e-5)
    assert (
        tensors.keys() == others.keys() and average.keys() == again.keys() and measured == pytest.approx(also, rel=1e-3)
    )
    for name, tensor in average.items():
        torch.testing.assert_close(again[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


def test_each_process_restores_its_part_of_a_whole_state(network_config):
    whole = TranslationTrainer(_network(network_config), TRAINING)
    for value in whole.average.values():
        value.add_(1)
    part = SpreadTrainer(_network(network_config), TRAINING, Processes(0, 2))
    part.restore(whole.tensors(), 7)
    assert part.step == 7 and tuple(part.network.decoders) == ("flute",)
    assert all(torch.equal(tensor, whole.average[name]) for name, tensor in part.average.items())
    state = {name: tensor for name, tensor in whole.tensors().items() if "decoders.flute.head.bias" not in name}
    with pytest.raises(ModelError, match="another network"):
        part.restore(state, 7)


def _train(dataset, *words, processes=0, restarts=0, **options):
    command = [TORCHRUN.with_name("wavecore"), "train", "translation", "--data", dataset.path, *words]
    if processes:
        run = [TORCHRUN, "--nproc-per-node", processes, "--standalone", "--max-restarts", restarts, "--no-python"]
        command = [*run, *command]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        list(map(str, command)), env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def _finish(process):
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out, err


def _weights(run):
    return checkpoint.read_tensors(run / "last" / "model.safetensors")


def _history(run):
    newest = sorted((run / "checkpoint").iterdir())[-1]
    return json.loads((newest / "state.json").read_text())["history"]


@pytest.fixture(scope="module")
def alone(dataset, tmp_path_factory):
    """The run of one process that holds everything."""
    run = tmp_path_factory.mktemp("runs") / "alone"
    _finish(_train(dataset, *SIZES, "--set", "steps=8", "--out", run))
    return run


@pytest.mark.slow
@pytest.mark.parametrize("layout", [[], ["--spread-decoders"]])
def test_two_processes_have_the_losses_of_one(dataset, alone, tmp_path, layout):
    run = tmp_path / "two"
    out, err = _finish(_train(dataset, *SIZES, "--set", "steps=8", "--out", run, *layout, processes=2))
    assert out.count("bits per sample, held out") == 1
    (peaks,) = re.findall(r"peak memory (.*) GiB", err)
    assert all(float(peak) > 0.1 for peak in peaks.split(", ")) and peaks.count(",") == 1, "of each process"
    first, second = _weights(alone), _weights(run)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, rtol=1e-3, atol=3e-5, msg=name)
    for one, two in zip(_history(alone), _history(run), strict=True):
        assert one.keys() == two.keys()
        for name, value in one.items():
            assert two[name] == pytest.approx(value, rel=1e-3, abs=1e-3), name
    assert checkpoint.load(run / "best").network.config == checkpoint.load(alone / "best").network.config


@pytest.mark.slow
def test_a_run_of_two_processes_is_resumed_by_one(dataset, alone, tmp_path):
    run = tmp_path / "two"
    process = _train(dataset, *SIZES, "--set", "steps=8", "--out", run, "--spread-decoders", processes=2)
    _kill_after_a_checkpoint(process, run)
    process.communicate(timeout=300)
    _finish(_train(dataset, "--out", run, "--resume", "--device", "cpu"))
    for name, tensor in _weights(alone).items():
        torch.testing.assert_close(_weights(run)[name], tensor, rtol=1e-3, atol=3e-5, msg=name)


def _kill_after_a_checkpoint(process, run):
    """Kill one of a run's two processes; whatever they had done is in the last checkpoint."""
    deadline = time.monotonic() + 300
    while not list((run / "checkpoint").glob("0*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_process_is_restarted_and_the_run_ends_bit_for_bit_alike(dataset, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    words = [*SIZES, "--set", "steps=30", "--spread-decoders"]
    _finish(_train(dataset, *words, "--out", whole, processes=2))
    process = _train(dataset, *words, "--out", killed, processes=2, restarts=1)
    _kill_after_a_checkpoint(process, killed)
    assert not (killed / "last").exists(), "it was killed in the middle"
    _finish(process)
    first, second = _weights(whole), _weights(killed)
    assert all(torch.equal(second[name], tensor) for name, tensor in first.items())
