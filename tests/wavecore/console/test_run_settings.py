import argparse
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from wavecore.console import run_settings
from wavecore.errors import InputError, ModelError, UsageError
from wavecore.training.config import TrainingConfig

DOMAINS = ("whistle", "strings", "organ")


def flags(**changes) -> argparse.Namespace:
    plain = {
        "data": None,
        "preset": None,
        "encoder": None,
        "targets": None,
        "shared_decoder": False,
        "seed": None,
        "settings": [],
        "teach_encoder": False,
        "hop": None,
        "latent_channels": None,
        "latent_levels": None,
        "bottleneck": None,
        "bottleneck_context": None,
        "hearing_frames": None,
    }
    return argparse.Namespace(**(plain | changes))


@pytest.fixture
def before(network):
    config = network().config
    return {
        "network": json.loads(json.dumps(config.to_dict())),
        "training": asdict(TrainingConfig(steps=7, seed=3)),
        "data": "somewhere",
        "init": None,
    }


@pytest.mark.slow
def test_a_run_starts_from_the_model_that_was_named_until_it_has_weights_of_its_own(model, tmp_path):
    def starting(init, before):
        return run_settings.starting_model(argparse.Namespace(init=init, out=tmp_path), before, kind="translation")

    assert starting(None, None) is None
    assert starting(model, None).name == "tiny"
    assert starting(None, {"init": str(model)}).name == "tiny"
    assert starting(model, {"init": None}) is None, "what a run was started from counts, not a flag"
    (tmp_path / "checkpoint" / "00000001").mkdir(parents=True)
    (tmp_path / "checkpoint" / "00000001" / "state.json").write_text("{}")
    assert run_settings.has_checkpoint(tmp_path)
    assert starting(None, {"init": str(model)}) is None
    with pytest.raises(ModelError, match="there is no model 'absent'"):
        starting("absent", None)


def test_data_are_named_or_those_of_the_run(before):
    assert run_settings.data_folder(flags(data=Path("x")), before, built_by="x") == Path("x")
    assert run_settings.data_folder(flags(), before, built_by="x") == Path("somewhere")
    with pytest.raises(UsageError, match="--data"):
        run_settings.data_folder(flags(), None, built_by="wavecore data domains")


def test_read_run(tmp_path, before):
    with pytest.raises(InputError, match="no run to resume"):
        run_settings.read_run(tmp_path)
    (tmp_path / "settings.json").write_text(json.dumps(before))
    assert run_settings.read_run(tmp_path) == before | {"teach_encoder": False}
    (tmp_path / "command.json").write_text('{"init": "/models/a"}')
    assert run_settings.read_run(tmp_path) == before | {"init": "/models/a", "teach_encoder": False}
    (tmp_path / "command.json").write_text(json.dumps({"init": "/models/a", "teach_encoder": True}))
    assert run_settings.read_run(tmp_path) == before | {"init": "/models/a", "teach_encoder": True}
    for text in ("{", "{}"):
        (tmp_path / "settings.json").write_text(text)
        with pytest.raises(InputError, match="cannot be read"):
            run_settings.read_run(tmp_path)


def test_a_run_is_restarted_by_its_own_job_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job7")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    record = tmp_path / "command.json"
    assert not run_settings.is_restarted(tmp_path)
    record.write_text('{"job": "job7"}')
    assert not run_settings.is_restarted(tmp_path), "it was stopped before it began"
    (tmp_path / "settings.json").write_text("{}")
    assert run_settings.is_restarted(tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    assert not run_settings.is_restarted(tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    record.write_text('{"job": "job8"}')
    assert not run_settings.is_restarted(tmp_path)
    record.write_text("{")
    with pytest.raises(InputError, match="the record of the run in .* cannot be read"):
        run_settings.is_restarted(tmp_path)


def test_has_checkpoint(tmp_path):
    assert not run_settings.has_checkpoint(tmp_path)
    (tmp_path / "checkpoint" / "000000100").mkdir(parents=True)
    assert run_settings.has_checkpoint(tmp_path)
