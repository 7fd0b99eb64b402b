"""One contract for every kind of model: saved and loaded, trained and resumed bit for bit, described, commanded."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import fields
from pathlib import Path

import pytest
import torch

import wavecore
from wavecore import checkpoint, registry
from wavecore.errors import OutputExistsError, UsageError
from wavecore.training.loop import run_task

_spec = importlib.util.spec_from_file_location("tiny_models", Path(__file__).with_name("tiny_models.py"))
tiny_models = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tiny_models)

KINDS = sorted(registry.KINDS)


@pytest.fixture(scope="module", params=KINDS)
def case(request, tmp_path_factory):
    """Kind, network, and a function that builds the same task anew."""
    kind = request.param
    folder = tmp_path_factory.mktemp(kind)
    made = iter(range(99))

    def build():
        return tiny_models.CASES[kind](folder / str(next(made)))

    network, _ = build()
    return kind, network, build


@pytest.fixture(scope="module")
def whole(case, tmp_path_factory):
    """A run that nothing disturbs."""
    _, _, build = case
    out = tmp_path_factory.mktemp("runs") / "whole"
    task = build()[1]
    reports = []
    run_task(task, out, on_progress=reports.append)
    return out, task, reports


def state(run: Path) -> tuple[dict[str, torch.Tensor], dict]:
    newest = sorted((run / "checkpoint").iterdir())[-1]
    return checkpoint.read_tensors(newest / "state.safetensors"), json.loads((newest / "state.json").read_text())


def test_every_kind_has_a_case():
    assert sorted(tiny_models.CASES) == KINDS


def test_a_model_comes_back_from_its_folder(case, tmp_path):
    kind, network, _ = case
    digest = checkpoint.save(network, tmp_path / "model", training={"temperature": 0.5})
    loaded = wavecore.load(tmp_path / "model")
    assert (loaded.kind, loaded.sha256, loaded.temperature) == (kind, digest, 0.5)
    assert loaded.network.config == network.config and not loaded.network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor), name
    with pytest.raises(OutputExistsError):
        checkpoint.save(network, tmp_path / "model")


def test_the_card_holds_what_readers_need(case, tmp_path):
    kind, network, _ = case
    checkpoint.save(network, tmp_path / "model")
    card = json.loads((tmp_path / "model" / "config.json").read_text())
    assert {"schema_version", "kind", "config", "training", "sha256"} <= set(card) and card["kind"] == kind
    assert registry.kind(kind).load("config").from_dict(card["config"]) == network.config
    assert json.loads(json.dumps(network.config.to_dict())) == card["config"]


def test_a_configuration_refuses_what_it_does_not_know(case):
    kind, network, _ = case
    with pytest.raises(UsageError, match="colour"):
        registry.kind(kind).load("config").from_dict(network.config.to_dict() | {"colour": "red"})


@pytest.mark.slow
def test_batches_follow_from_seed_and_step_alone(case):
    _, _, build = case
    (_, one), (_, other) = build(), build()
    for step in (3, 0):
        for a, b in zip(vars(one.batch(step)).values(), vars(other.batch(step)).values(), strict=True):
            assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@pytest.mark.slow
def test_the_initial_weights_are_those_given_or_follow_from_the_seed(case):
    _, _, build = case
    (_, one), (_, other) = build(), build()
    for a, b in zip(one.build().state_dict().values(), other.build().state_dict().values(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.slow
def test_a_run_measures_reports_and_leaves_its_best_model(case, whole):
    kind, _, _ = case
    out, task, reports = whole
    assert checkpoint.load(out / "best", kind=kind).name == "whole"
    assert checkpoint.load(out / "last", kind=kind).card["training"]["steps"] == task.training.steps
    measured = [report.losses for report in reports if "valid/bits" in report.losses]
    assert measured and all(torch.isfinite(torch.tensor(list(one.values()))).all() for one in measured)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_that_is_interrupted_and_resumed_ends_bit_for_bit_alike(case, whole, tmp_path, workers):
    _, _, build = case
    task, out = build()[1], tmp_path / "parted"
    genuine, stop = task.batch, task.training.steps - 1

    def batch(step):
        if step == stop:
            raise KeyboardInterrupt
        return genuine(step)

    task.batch = batch
    with pytest.raises(KeyboardInterrupt):
        run_task(task, out)
    assert 0 < state(out)[1]["step"] < task.training.steps
    run_task(build()[1], out, resume=True, workers=workers)
    (tensors, record), (expected, expected_record) = state(out), state(whole[0])
    assert tensors.keys() == expected.keys() and record["history"] == expected_record["history"]
    for name, tensor in tensors.items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.slow
def test_a_run_goes_on_with_its_own_settings_only(case, whole):
    _, _, build = case
    with pytest.raises(OutputExistsError):
        run_task(build()[1], whole[0])
    file = whole[0] / "settings.json"
    settings = json.loads(file.read_text())
    other = settings | {"training": settings["training"] | {"learning_rate": 0.123}}
    file.write_text(json.dumps(other))
    with pytest.raises(UsageError, match="training"):
        run_task(build()[1], whole[0], resume=True)
    file.write_text(json.dumps(settings))


@pytest.mark.parametrize("kind", KINDS)
def test_training_explains_itself_and_a_dry_run_needs_no_data(cli, kind, tmp_path):
    helped = cli("train", kind, "-h")
    assert helped.code == 0
    settings = registry.kind(kind).load("training")
    assert all(f"\n  {field.name}=" in helped.out for field in fields(settings))
    done = cli("train", kind, "--out", tmp_path / "run", "--dry-run", "--seed", "1", "--json")
    assert done.code == 0 and json.loads(done.out)["kind"] == kind
    assert json.loads(done.out)["training"]["seed"] == 1 and not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if registry.kind(kind).compose])
def test_composers_write_the_same_piece_for_the_same_seed(cli, kind, tmp_path, request):
    folder = tmp_path / "model"
    checkpoint.save(tiny_models.CASES[kind](tmp_path / "data")[0], folder)
    model = wavecore.load(folder)
    songs = [model.compose(1, seed=5, device="cpu") for _ in range(2)]
    assert songs[0] == songs[1] and songs[0].info["seed"] == 5 and songs[0].info["model"] == "model"
    assert cli("compose", kind, "-h").code == 0
