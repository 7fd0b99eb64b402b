"""``wavecore evaluate symbolic`` from start to end, and what it refuses."""

import json

import pytest


@pytest.fixture
def evaluate(cli, choir, chorales):
    return lambda *words: cli("evaluate", "symbolic", choir, "--data", chorales, "--device", "cpu", *words)


def test_the_likelihood_is_told(evaluate, chorales):
    done = evaluate("--crop", "4", "--orderings", "2", "--json", "-q")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["framewise_nll"]["16th"] > 10 and (found["n_pieces"], found["orderings"], found["crop"]) == (3, 2, 4)
    assert (found["model"], found["data"], found["split"]) == ("choir", str(chorales), "test")


def test_samples_are_judged_beside_the_data(evaluate):
    done = evaluate("--crop", "16", "--orderings", "1", "--pieces", "2", "--samples", "2", "--json")
    found = json.loads(done.out)
    assert found["soprano_kept"] is True and set(found["samples_nll"]) == {"gibbs", "ancestral"}
    assert set(found["counterpoint"]) == {"data", "gibbs", "ancestral", "harmonised"}
    told = evaluate("--crop", "4", "--orderings", "1", "--pieces", "1", "--chronological")
    assert told.code == 0 and "nats per frame of sixteenths" in told.out and "1 chorales, 1 orderings" in told.out


def test_what_is_refused(evaluate, cli, choir, tmp_path):
    assert evaluate("--crop", "21").code == 3
    assert cli("evaluate", "symbolic", choir, "--data", tmp_path).code == 3
    assert cli("evaluate", "symbolic", "universal", "--data", tmp_path).code == 3
