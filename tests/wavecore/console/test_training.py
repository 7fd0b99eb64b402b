"""``wavecore train KIND``: settings, contradictions, dry runs, recipes, and the report of a run."""

from __future__ import annotations

import json
from argparse import Namespace

import pytest

from wavecore import checkpoint
from wavecore.console import training
from wavecore.console.console import Console
from wavecore.errors import UsageError
from wavecore.models.coconet.config import CoconetConfig, CoconetTrainingConfig

TINY = ("--preset", "tiny", "--layers", "5", "--channels", "6", "--seed", "3", "--device", "cpu")
SETTINGS = [f"--set={text}" for text in ("steps=4", "batch_size=2", "crop_steps=8", "validate_every=2")]
RECIPE = """
kind = "coconet"
data = "wavecore data chorales"

[[stage]]
name = "first"
preset = "tiny"
network = { n_layers = 5, channels = 6 }
training = { steps = 2, batch_size = 2, crop_steps = 8, validate_every = 2, seed = 3 }

[[stage]]
name = "second"
training = { steps = 3, batch_size = 2, crop_steps = 8, validate_every = 3, seed = 4 }
"""


def flags(**changes) -> Namespace:
    return Namespace(**({"seed": None, "settings": []} | changes))


def settings(before=None, default=CoconetTrainingConfig, **changes):
    return training.training_settings(flags(**changes), before, Console(mute=True), default)


def test_settings_are_the_defaults_changed_by_seed_and_set():
    config = settings(seed=5, settings=["steps=9"])
    assert (config.seed, config.steps, config.optimizer) == (5, 9, "muon")
    assert settings(settings=["seed=6"]).seed == 6
    assert settings(default=CoconetTrainingConfig(steps=7), seed=2).steps == 7


def test_a_seed_is_drawn_and_shown(capsys):
    config = training.training_settings(flags(), None, Console(), CoconetTrainingConfig)
    assert str(config.seed) in capsys.readouterr().err


def test_a_resumed_run_keeps_its_settings_also_from_an_earlier_version():
    kept = CoconetTrainingConfig(steps=7, seed=3, crop_steps=32)
    assert settings({"training": kept.to_dict()}) == kept
    old = {"steps": 7, "seed": 3, "crop_frames": 32, "optimizer": "muon", "history_noise_db": -12.0, "lesson_steps": 9}
    assert settings({"training": old}) == kept
    assert settings({"training": old}, seed=4).seed == 4


@pytest.mark.parametrize(("resumed", "whose"), [(True, "the run"), (False, "--init")])
def test_flags_that_contradict_are_refused(resumed, whose):
    names = {"channels": "--channels"}
    training.refuse_contradictions(CoconetConfig(), {"channels": 64}, names, resumed=resumed)
    with pytest.raises(UsageError, match=f"{whose}.*64.*--channels.*6"):
        training.refuse_contradictions(CoconetConfig(), {"channels": 6}, names, resumed=resumed)


@pytest.fixture
def train(cli, chorales, tmp_path):
    return lambda *words, out="run": cli("train", "coconet", "--data", chorales, "--out", tmp_path / out, *words)


@pytest.mark.slow
def test_a_run_leaves_model_curves_and_record(train, tmp_path):
    done = train(*TINY, *SETTINGS, "--json")
    document = json.loads(done.out)
    assert done.code == 0 and document["summary"]["steps"] == 4
    assert checkpoint.load(tmp_path / "run", kind="coconet").network.config.channels == 6
    assert (tmp_path / "run" / "curves.png").read_bytes().startswith(b"\x89PNG")
    record = json.loads((tmp_path / "run" / "command.json").read_text())
    assert record["command"][:3] == ["wavecore", "train", "coconet"] and record["init"] is None
    assert train(*TINY, *SETTINGS).code == 6, "a run is never replaced"
    again = train("--resume", "--layers", "6")
    assert again.code == 2 and "--layers" in again.err


def test_a_dry_run_trains_nothing(train, cli, tmp_path):
    done = train(*TINY, *SETTINGS, "--dry-run", "--json")
    document = json.loads(done.out)
    assert done.code == 0 and document["data_checked"] and document["network"]["channels"] == 6
    assert document["training"]["crop_steps"] == 8
    without = cli("train", "coconet", "--out", tmp_path / "run", *TINY, "--dry-run", "--json")
    assert without.code == 0 and not json.loads(without.out)["data_checked"]
    assert train("--preset", "huge", "--dry-run").code == 2
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_recipe_is_trained_stage_by_stage(train, tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    done = train("--recipe", tmp_path / "recipe.toml", "--device", "cpu")
    assert done.code == 0, done.err
    first, second = (tmp_path / "run" / name for name in ("first", "second"))
    assert checkpoint.load(first / "last", kind="coconet").card["training"]["settings"]["seed"] == 3
    record = json.loads((second / "command.json").read_text())
    assert record["init_sha256"] == checkpoint.load(first, kind="coconet").sha256
    digest = checkpoint.load(second / "last", kind="coconet").sha256
    assert train("--recipe", tmp_path / "recipe.toml", "--resume").code == 0
    assert checkpoint.load(second / "last", kind="coconet").sha256 == digest, "what is finished is not trained again"


def test_a_recipe_is_not_mixed_with_flags_that_it_decides(train, tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    done = train("--recipe", tmp_path / "recipe.toml", "--set", "steps=3", "--preset", "tiny")
    assert done.code == 2 and "--set" in done.err and "--preset" in done.err


@pytest.mark.slow
def test_an_interrupt_names_the_command_that_resumes(train, tmp_path, monkeypatch):
    from wavecore.models.coconet.train import CoconetTask

    genuine = CoconetTask.batch

    def batch(self, step):
        if step == 3:
            raise KeyboardInterrupt
        return genuine(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(CoconetTask, "batch", batch)
        done = train(*TINY, *SETTINGS, "--set=checkpoint_every=2", out="a run")
    assert done.code == 130 and f"wavecore train coconet --out '{tmp_path / 'a run'}' --resume" in done.err


def test_a_picture_that_fails_does_not_end_the_training(train, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device", "curves.png")

    monkeypatch.setattr("wavecore.plots.audio.curves", fail)
    done = train(*TINY, *SETTINGS)
    assert done.code == 0 and "No space left on device" in done.err
