"""Sizes that a run or a model has settled, and flags that contradict them."""

import argparse
from pathlib import Path

import pytest

from wavecore.console import resume as train_notes
from wavecore.errors import InputError, UsageError
from wavecore.models.nsynth.config import NSynthConfig
from wavecore.nn.encoders import EncoderConfig

ARGS = argparse.Namespace(out=Path("runs/a"), data=None, resume=False, init=None)
CONFIG = NSynthConfig(EncoderConfig(latent_channels=16, hop_length=512))


def _settled(initial=None, before=None, **given):
    return train_notes.settled(NSynthConfig.from_dict, ARGS, initial, before, given, kind="nsynth's")


def test_without_run_and_model_the_flags_decide():
    assert _settled(pitch_channels=3) is None


def test_a_run_goes_before_a_model_and_flags_that_agree_are_fine():
    run = {"network": CONFIG.to_dict()}
    assert _settled(before=run, pitch_channels=0) == CONFIG
    assert _settled(initial=CONFIG, pitch_channels=None) is CONFIG
    assert _settled(initial=CONFIG, **{"encoder.kind": "cqt"}) is CONFIG


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        ({"pitch_channels": 2}, "0 where --pitch-channels says 2"),
        ({"encoder.kind": "waveform"}, "cqt where --encoder says waveform"),
    ],
)
def test_flags_that_contradict_are_refused(given, flag):
    with pytest.raises(UsageError, match=f"the model of --init has {flag}"):
        _settled(initial=CONFIG, **given)
    with pytest.raises(UsageError, match=f"the run has {flag}"):
        _settled(before={"network": CONFIG.to_dict()}, **given)


def test_a_run_of_another_kind_is_refused():
    with pytest.raises(UsageError, match=r"runs/a holds a run of another kind of network than nsynth's"):
        _settled(before={"network": {"variant": "magnitude"}})


def test_data_are_needed_and_must_be_there(tmp_path):
    with pytest.raises(UsageError, match="data are missing"):
        train_notes.open_notes(ARGS, kind="nsynth")
    with pytest.raises(InputError, match="manifest"):
        train_notes.open_notes(argparse.Namespace(**vars(ARGS) | {"data": tmp_path}), kind="nsynth")


def test_notes_without_a_model(notes):
    dataset, model, before = train_notes.open_notes(
        argparse.Namespace(**vars(ARGS) | {"data": notes.path}), kind="nsynth"
    )
    assert dataset.path == notes.path and model is None and before is None
