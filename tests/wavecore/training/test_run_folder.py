"""A run's folder: claimed once, checkpoints whole, the newest ones kept."""

import json
from dataclasses import replace

import pytest
import torch

from wavecore.errors import InputError, OutputExistsError, UsageError
from wavecore.models.coconet.config import CoconetConfig
from wavecore.training.config import TrainingConfig
from wavecore.training.run_folder import RunFolder

NETWORK = CoconetConfig()
TRAINING = TrainingConfig()


@pytest.fixture
def folder(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.start(NETWORK, TRAINING, "data", resume=False)
    return run


def test_settings_are_kept(folder):
    found = json.loads((folder.path / "settings.json").read_text())
    assert CoconetConfig.from_dict(found["network"]) == NETWORK
    assert TrainingConfig.from_dict(found["training"]) == TRAINING and found["data"] == "data"


def test_a_folder_is_claimed_once(folder):
    with pytest.raises(OutputExistsError):
        folder.start(NETWORK, TRAINING, "data", resume=False)
    folder.start(NETWORK, TRAINING, "elsewhere", resume=True)


def test_nothing_to_resume_is_an_error(tmp_path):
    with pytest.raises(InputError):
        RunFolder(tmp_path / "none").start(NETWORK, TRAINING, "data", resume=True)
    assert not (tmp_path / "none").exists()


def test_other_settings_cannot_resume(folder):
    with pytest.raises(UsageError, match="training"):
        folder.start(NETWORK, replace(TRAINING, steps=3), "data", resume=True)


def test_a_run_from_before_a_setting_existed_goes_on(folder):
    file = folder.path / "settings.json"
    settings = json.loads(file.read_text())
    del settings["training"]["optimizer"]
    settings["training"]["history_noise_db"] = -12.0  # an earlier version kept the settings of all systems
    file.write_text(json.dumps(settings))
    folder.start(NETWORK, TrainingConfig(), "data", resume=True)
    with pytest.raises(UsageError, match="training"):
        folder.start(NETWORK, TrainingConfig(optimizer="muon"), "data", resume=True)


def test_the_newest_checkpoints_are_kept_and_the_last_is_read(folder):
    assert folder.load_state() is None
    for step in (1, 5, 20, 100):
        folder.save_state({"x": torch.tensor([float(step)])}, step, [{"step": step}], {"best_bits": None})
    assert sorted(p.name for p in folder.checkpoints.iterdir()) == ["000000020", "000000100"]
    tensors, state = folder.load_state()
    assert tensors["x"].item() == 100.0
    assert state == {"step": 100, "history": [{"step": 100}], "extra": {"best_bits": None}}


def test_an_interrupted_checkpoint_is_invisible(folder):
    folder.save_state({"x": torch.zeros(1)}, 1, [], {})
    with pytest.raises(TypeError):
        folder.save_state({"x": torch.ones(1)}, 2, [{"broken": object()}], {})
    assert [p.name for p in folder.checkpoints.iterdir()] == ["000000001"]
    assert folder.load_state()[1]["step"] == 1


def test_half_a_folder_left_by_a_kill_is_ignored(folder):
    folder.save_state({"x": torch.zeros(1)}, 1, [], {})
    (folder.checkpoints / ".000000002.abcd.tmp").mkdir()
    assert folder.load_state()[1]["step"] == 1
