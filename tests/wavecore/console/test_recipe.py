"""Recipes: what stands in one, and what is refused."""

from __future__ import annotations

import pytest

from wavecore import checkpoint
from wavecore.console import recipe
from wavecore.errors import InputError, UsageError

GOOD = (
    'kind = "coconet"\ndata = "how"\n[[stage]]\npreset = "tiny"\nnetwork = { channels = 6 }\ntraining = { steps = 2 }\n'
)


def read(tmp_path, text: str):
    (tmp_path / "recipe.toml").write_text(text)
    return recipe.read(tmp_path / "recipe.toml", kind="coconet")


def test_stages_are_read_in_order(tmp_path):
    found = read(tmp_path, GOOD + '[[stage]]\ntraining = { optimizer = "adam", seed = 7 }\n')
    assert (found.kind, found.data, [stage.name for stage in found.stages]) == ("coconet", "how", ["1", "2"])
    assert found.stages[0].network == {"channels": 6} and found.stages[0].settings() == ["steps=2"]
    assert found.stages[1].settings() == ["optimizer=adam", "seed=7"]


@pytest.mark.parametrize(
    ("old", "new", "offending"),
    [
        ('"coconet"', '"lstm"', "'lstm'"),
        ("steps = 2", "stepps = 2", "stepps"),
        ("steps = 2", "steps = 0", "steps"),
        ("channels = 6", "width = 6", "width"),
        ("preset", "presets", "presets"),
        ("[[stage]]", "[[stages]]", "stages"),
        ('data = "how"', 'date = "how"', "date"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path, old, new, offending):
    with pytest.raises(UsageError, match=offending):
        read(tmp_path, GOOD.replace(old, new))


@pytest.mark.parametrize("text", ["kind = ", "\x00"])
def test_what_is_no_toml_is_refused(tmp_path, text):
    with pytest.raises(InputError, match="recipe.toml"):
        read(tmp_path, text)


def test_a_recipe_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="absent"):
        recipe.read(tmp_path / "absent.toml", kind="coconet")


@pytest.mark.parametrize("file", sorted(checkpoint.PRETRAINED.glob("*/recipe.toml")), ids=lambda file: file.parent.name)
def test_the_recipe_of_a_shipped_model_starts_the_training_that_made_it(cli, file, tmp_path):
    card = checkpoint.read_card(file.parent)
    found = recipe.read(file, kind=card["kind"])
    done = cli("train", card["kind"], "--recipe", file, "--dry-run", "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    made = card["training"]["settings"]
    assert {key: made[key] for key in found.stages[-1].training if key in made} == {
        key: value for key, value in found.stages[-1].training.items() if key in made
    }
    assert not (tmp_path / "run").exists()
