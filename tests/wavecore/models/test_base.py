"""What ``wavecore.load`` returns for every kind has in common."""

from __future__ import annotations

import pytest

import wavecore
from wavecore import checkpoint
from wavecore.errors import ModelError, OutputExistsError
from wavecore.models import base


@pytest.mark.slow
@pytest.mark.parametrize("name", checkpoint.shipped())
def test_every_shipped_model_loads_and_says_what_it_can_do(name):
    model = wavecore.load(name)
    shown = repr(model)
    assert len(shown) < 200 and repr(name) in shown and "\n" not in shown
    assert model.verbs and all(callable(getattr(model, verb)) and verb in shown for verb in model.verbs)


def test_a_model_of_another_kind_is_refused():
    with pytest.raises(ModelError, match="coconet"):
        base.load("coconet", kind="nsynth")


def test_a_model_is_saved_and_loaded_again(choir, tmp_path):
    model = base.load(choir)
    assert model.save(tmp_path / "copy") == tmp_path / "copy"
    again = base.load(tmp_path / "copy")
    assert again.kind == model.kind and again.sha256 == model.sha256 and again.name == "copy"
    with pytest.raises(OutputExistsError):
        model.save(tmp_path / "copy")
    model.save(tmp_path / "copy", overwrite=True)


def test_a_seed_that_is_given_is_taken_and_another_one_drawn():
    assert base.draw_seed(7) == 7 and base.draw_seed(0) == 0
    drawn = {base.draw_seed(None) for _ in range(8)}
    assert len(drawn) > 1 and all(0 <= seed < base.SEED_LIMIT for seed in drawn)
