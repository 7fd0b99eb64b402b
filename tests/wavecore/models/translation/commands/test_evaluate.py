"""``wavecore evaluate translation``: what it prints, and what it refuses."""

import json

import pytest

from wavecore.metrics import probe
from wavecore.models.translation import evaluate as evaluation
from wavecore.models.translation.commands.evaluate import default_source


@pytest.fixture(autouse=True)
def small_probes(monkeypatch):
    """Let probe and judge be fitted to less, which these facts do not need."""
    for name, number in (("PROBE_TRAINING", 40), ("PROBE_TEST", 20), ("JUDGE_CLIPS", 20)):
        monkeypatch.setattr(evaluation, name, number)
    monkeypatch.setattr(probe, "STEPS", 300)


PAIR = {
    "from",
    "to",
    "raw_pitch_accuracy",
    "raw_chroma_accuracy",
    "truth_chroma_accuracy",
    "pitch_ncc",
    "pitch_ncc_dtw",
    "pitch_jaccard",
    "mel_distance",
    "source_mel_distance",
    "rest_level_db",
    "target_classifier_accuracy",
    "clips",
}
WHOLE = {
    "model",
    "model_sha256",
    "data",
    "domains",
    "split",
    "seed",
    "temperature",
    "judged",
    "seconds",
    "voices",
    "pairs",
    "n_clips",
    "latent_probe_accuracy",
    "latent_probe_chance",
    "reconstruction_bits",
}


@pytest.fixture(scope="module")
def data(make_tunes, tmp_path_factory):
    """The folder of tunes that are whistled, and played by strings and organ."""
    folder = tmp_path_factory.mktemp("tunes") / "data"
    tunes = {"train": range(12), "valid": range(12, 14), "test": range(14, 17)}
    return make_tunes(folder, domains=("whistle", "strings", "organ"), tunes=tunes).path


@pytest.fixture
def evaluate(cli, data, model):
    return lambda *words: cli("evaluate", "translation", model, "--data", data, "--device", "cpu", *words)


@pytest.mark.slow
def test_a_model_is_measured(evaluate, data):
    done = evaluate("--seconds", "1", "--clips", "2", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert set(found) == WHOLE and found["n_clips"] == 2 and found["judged"] == "model"
    assert [(pair["from"], pair["to"]) for pair in found["pairs"]] == [("whistle", "strings"), ("whistle", "organ")]
    assert all(set(pair) == PAIR and len(pair["clips"]) == 2 for pair in found["pairs"])
    assert found["latent_probe_chance"] == pytest.approx(1 / 3) and found["reconstruction_bits"] > 4


@pytest.mark.slow
def test_the_truth_is_right_and_silence_is_not(evaluate):
    done = evaluate("--judge", "truth", "--to", "organ", "--json")
    assert done.code == 0, done.err
    (truth,) = json.loads(done.out)["pairs"]
    assert (
        truth["raw_pitch_accuracy"] == 1
        and truth["mel_distance"] == 0
        and truth["rest_level_db"] in (None, -90)
        and truth["target_classifier_accuracy"] == 1
    )
    done = evaluate("--judge", "silence", "--to", "organ")
    assert done.code == 0 and "3 tunes, medians" in done.out
    row = next(line for line in done.out.splitlines() if line.startswith("whistle to organ"))
    assert row.split()[3:5] == ["0.000", "0.000"] and row.split()[-1] == "0.000"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "code", "fact"),
    [
        (["--to", "kazoo"], 2, "kazoo"),
        (["--from", "kazoo"], 2, "kazoo"),
        (["--seconds", "0.1"], 2, "half a second"),
        (["--judge", "music"], 2, "music"),
        (["--clips", "0"], 2, "clips"),
        (["--data", "nowhere"], 3, "nowhere"),
    ],
)
def test_what_makes_no_sense(evaluate, words, code, fact):
    done = evaluate(*words)
    assert done.code == code and fact in done.err, done.err


def test_the_default_input_is_a_whistle_that_is_not_generated():
    domains = ("strings", "harpsichord", "flute", "whistle")
    assert default_source(domains, ("strings", "flute")) == "whistle"
    assert default_source(domains, ("strings", "flute", "whistle")) == "harpsichord"
    assert default_source(domains, domains) == "strings"
    assert default_source(domains, ()) == "strings", "of several voices"
