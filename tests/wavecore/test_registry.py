"""The registry of kinds: every part of every kind is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

from wavecore import registry
from wavecore.configuration import Config
from wavecore.console.composer_evaluation import ComposerEvaluation
from wavecore.console.flags import Command
from wavecore.errors import ModelError
from wavecore.models.base import Model
from wavecore.training.config import TrainingConfig

PARTS = [(kind.name, part) for kind in registry.KINDS.values() for part in kind.parts()]
EXPECTED = {"config": Config, "training": TrainingConfig, "model": Model}


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_a_part_is_where_it_is_said_to_be(name, part):
    found = registry.kind(name).load(part)
    if part in EXPECTED:
        assert issubclass(found, EXPECTED[part])
    elif part == "network":
        assert found.kind == name
    else:
        assert isinstance(found, ComposerEvaluation if part == "evaluate" else Command)


def test_a_kind_that_is_not_there_is_named_beside_those_that_are():
    with pytest.raises(ModelError, match="wavenot") as caught:
        registry.kind("wavenot")
    assert all(name in str(caught.value) for name in registry.KINDS)


def test_the_table_itself_loads_nothing():
    code = "import sys, wavecore.registry; print([name for name in sys.modules if name in ('torch', 'numpy')])"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
