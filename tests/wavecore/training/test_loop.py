"""The loop: a run that is killed and resumed ends as one that was not."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from multiprocessing import active_children

import pytest
import torch

from wavecore import checkpoint
from wavecore.errors import OutputExistsError, UsageError
from wavecore.models.translation.config import TranslationConfig
from wavecore.training.config import TrainingConfig
from wavecore.training.loop import TranslationTask, run_task, train

TRAINING = TrainingConfig(
    steps=24,
    batch_size=2,
    crop_frames=4,
    paired_probability=0.5,
    warmup_steps=3,
    skip_samples=80,
    validate_every=8,
    checkpoint_every=5,
    validation_crops=2,
)

SCRIPT = """
import json, sys
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.models.translation.config import TranslationConfig
from wavecore.training.config import TrainingConfig
from wavecore.training.loop import train
request = json.loads(sys.argv[1])
train(
    DomainsDataset.open(request["data"]), TranslationConfig.from_dict(request["network"]),
    TrainingConfig(**request["training"]), request["out"], resume=request["resume"],
)
"""


def _final_state(folder):
    newest = sorted((folder / "checkpoint").iterdir())[-1]
    record = json.loads((newest / "state.json").read_text())
    return checkpoint.read_tensors(newest / "state.safetensors"), record


@pytest.fixture(scope="module")
def undisturbed(dataset, network_config, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "whole"
    seen, validated = [], []
    train(
        dataset,
        network_config,
        TRAINING,
        out,
        on_progress=seen.append,
        on_validation=lambda network, step, history: validated.append((network.training, step, len(history))),
    )
    return out, seen, validated


def test_a_run_leaves_its_model_history_and_reports(undisturbed, network_config):
    out, seen, validated = undisturbed
    assert [step for _, step, _ in validated] == [8, 16, 24] and not any(training for training, _, _ in validated)
    assert seen[-1].step == seen[-1].steps == 24 and seen[-1].samples_per_s > 0
    for name in ("best", "last"):
        model = checkpoint.load(out / name)
        assert model.network.config == network_config
        assert model.card["training"]["data"]["midi_ranges"]["organ"] == [60.0, 67.0]
    assert checkpoint.load(out / "last").card["training"]["steps"] == 24
    _, record = _final_state(out)
    steps = [row["step"] for row in record["history"]]
    assert steps == sorted(steps) and any("valid/bits" in row for row in record["history"])


@pytest.mark.slow
def test_a_run_that_is_killed_and_resumed_ends_bit_for_bit_alike(undisturbed, dataset, network_config, tmp_path):
    out = tmp_path / "killed"
    request = {
        "data": str(dataset.path),
        "network": network_config.to_dict(),
        "training": asdict(TRAINING),
        "out": str(out),
        "resume": False,
    }
    command = [sys.executable, "-P", "-c", SCRIPT]
    process = subprocess.Popen([*command, json.dumps(request)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not any((out / "checkpoint").glob("[0-9]*")):
        assert process.poll() is None, process.stderr.read().decode()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run([*command, json.dumps(request | {"resume": True})], check=True)
    expected, wanted_record = _final_state(undisturbed[0])
    tensors, record = _final_state(out)
    assert tensors.keys() == expected.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, expected[name]), name
    assert record["history"] == wanted_record["history"]
    assert checkpoint.load(out / "last").sha256 == checkpoint.load(undisturbed[0] / "last").sha256


def test_an_interrupt_saves_and_the_run_goes_on_alike(undisturbed, dataset, network_config, tmp_path):
    out = tmp_path / "interrupted"

    def interrupt(network, step, history):
        if step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(dataset, network_config, TRAINING, out, on_validation=interrupt)
    assert _final_state(out)[1]["step"] == 8
    train(dataset, network_config, TRAINING, out, resume=True)
    for name, tensor in _final_state(out)[0].items():
        assert torch.equal(tensor, _final_state(undisturbed[0])[0][name]), name


@pytest.mark.parametrize("workers", [1, 3])
def test_a_run_whose_batches_others_draw_ends_bit_for_bit_alike(
    undisturbed, dataset, network_config, tmp_path, workers
):
    run_task(TranslationTask(dataset, network_config, TRAINING), tmp_path / "run", workers=workers)
    for name, tensor in _final_state(tmp_path / "run")[0].items():
        assert torch.equal(tensor, _final_state(undisturbed[0])[0][name]), name


def test_an_interrupt_while_others_draw_saves_and_leaves_nobody_behind(undisturbed, dataset, network_config, tmp_path):
    task, out = TranslationTask(dataset, network_config, TRAINING), tmp_path / "run"

    def interrupt(network, step, history):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_task(task, out, workers=2, on_validation=interrupt)
    assert not active_children() and _final_state(out)[1]["step"] == 8
    run_task(task, out, resume=True, workers=2)
    for name, tensor in _final_state(out)[0].items():
        assert torch.equal(tensor, _final_state(undisturbed[0])[0][name]), name


def test_resuming_a_finished_run_changes_nothing(undisturbed, dataset, network_config):
    before = checkpoint.load(undisturbed[0] / "last").sha256
    train(dataset, network_config, TRAINING, undisturbed[0], resume=True)
    assert checkpoint.load(undisturbed[0] / "last").sha256 == before


def test_a_run_starts_from_given_weights(undisturbed, dataset, network_config, tmp_path):
    initial = checkpoint.load(undisturbed[0] / "last").network
    kept = {name: tensor.clone() for name, tensor in initial.state_dict().items()}
    frozen = TrainingConfig(**asdict(TRAINING) | {"steps": 2, "freeze_encoder": True})
    train(dataset, network_config, frozen, tmp_path / "new", initial=initial)
    after = checkpoint.load(tmp_path / "new" / "last").network.state_dict()
    assert all(torch.equal(after[name], kept[name]) for name in kept if name.startswith("encoder."))
    assert not torch.equal(after["decoders.organ.output.weight"], kept["decoders.organ.output.weight"])


def test_data_that_do_not_fit_leave_no_run_behind(dataset, network_config, tmp_path):
    kazoo = TranslationConfig(("kazoo",), ("kazoo",), network_config.encoder, network_config.decoder)
    with pytest.raises(UsageError, match="no domain"):
        train(dataset, kazoo, TRAINING, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_run_is_never_overwritten(undisturbed, dataset, network_config):
    with pytest.raises(OutputExistsError, match="holds a run already"):
        train(dataset, network_config, TRAINING, undisturbed[0])
    with pytest.raises(UsageError, match="other settings of: training"):
        train(dataset, network_config, TrainingConfig(), undisturbed[0], resume=True)


def test_the_model_that_follows_best_is_kept_where_that_is_measured(dataset, network_config, tmp_path, monkeypatch):
    shares = iter([0.2, 0.9, 0.5])
    monkeypatch.setattr(
        "wavecore.models.translation.transfer.measure_transfer", lambda *_, **__: {"valid/transfer/organ": next(shares)}
    )
    training = TrainingConfig(
        steps=6,
        batch_size=2,
        crop_frames=5,
        validate_every=2,
        validation_crops=1,
        transfer_passages=1,
        confusion_crops=3,
    )
    summary = train(dataset, network_config, training, tmp_path / "run")
    assert summary["steps"] == 6
    best = checkpoint.load(tmp_path / "run" / "best")
    assert best.card["training"]["steps"] == 4, "the second validation"


def test_what_a_run_cost_is_told_and_not_kept(dataset, network_config, tmp_path):
    begun = time.monotonic()
    summary = train(dataset, network_config, TRAINING, tmp_path / "run")
    passed = time.monotonic() - begun
    n_samples = TRAINING.steps * TRAINING.batch_size * TRAINING.crop_frames * network_config.decoder.hop_length
    assert n_samples / passed < summary["samples_per_s"] < n_samples * 1000
    assert summary["samples_per_step"] * TRAINING.steps == n_samples
    (peak,) = summary["peak_memory_bytes"]
    assert peak > 1e8
    assert not {"samples_per_s", "samples_per_step", "peak_memory_bytes"} & set(
        checkpoint.load(tmp_path / "run" / "last").card["training"]
    )
