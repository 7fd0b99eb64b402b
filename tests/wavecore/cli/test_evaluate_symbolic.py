"""``wavecore evaluate symbolic`` from start to end, and what it refuses."""

import json

import numpy as np
import pytest
import torch
from wavecore.datasets import chorales

from wavecore.models import checkpoint
from wavecore.symbolic.coconet import Coconet, CoconetConfig


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(0)
    grids = {split: [rng.integers(45, 75, (20, 4)) for _ in range(3)] for split in ("train", "valid", "test")}
    return chorales.write(grids, tmp_path_factory.mktemp("chorales") / "data", source="", licence="").path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Coconet(CoconetConfig(n_layers=5, channels=6, dilations=(1, 2)))
    folder = tmp_path_factory.mktemp("models") / "choir"
    checkpoint.save(network, folder)
    return folder


@pytest.fixture
def evaluate(cli, model, data):
    return lambda *words: cli("evaluate", "symbolic", model, "--data", data, "--device", "cpu", *words)


def test_the_likelihood_is_told(evaluate, data):
    done = evaluate("--crop", "4", "--orderings", "2", "--json", "-q")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["framewise_nll"]["16th"] > 10 and (found["n_pieces"], found["orderings"], found["crop"]) == (3, 2, 4)
    assert (found["model"], found["data"], found["split"]) == ("choir", str(data), "test")


def test_samples_are_judged_beside_the_data(evaluate):
    done = evaluate("--crop", "16", "--orderings", "1", "--pieces", "2", "--samples", "2", "--json")
    found = json.loads(done.out)
    assert found["soprano_kept"] is True and set(found["samples_nll"]) == {"gibbs", "ancestral"}
    assert set(found["counterpoint"]) == {"data", "gibbs", "ancestral", "harmonised"}
    told = evaluate("--crop", "4", "--orderings", "1", "--pieces", "1", "--chronological")
    assert told.code == 0 and "nats per frame of sixteenths" in told.out and "1 chorales, 1 orderings" in told.out


def test_what_is_refused(evaluate, cli, model, tmp_path):
    assert evaluate("--crop", "21").code == 3
    assert cli("evaluate", "symbolic", model, "--data", tmp_path).code == 3
    assert cli("evaluate", "symbolic", "universal", "--data", tmp_path).code == 3
