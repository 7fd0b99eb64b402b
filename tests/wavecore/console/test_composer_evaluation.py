"""What ``wavecore evaluate symbolic`` needs of each kind of composer."""

import pytest

from wavecore import registry
from wavecore.console.composer_evaluation import ComposerEvaluation, number
from wavecore.errors import InputError


def test_a_measure_that_is_missing_is_a_dash():
    assert number(None) == "-" and number(0.12345) == "0.123"


@pytest.mark.parametrize("name", [name for name, kind in registry.KINDS.items() if kind.evaluate])
def test_every_composer_is_evaluated_on_data_of_its_own(name, tmp_path):
    evaluation = registry.kind(name).load("evaluate")
    assert evaluation.default_samples is None or evaluation.default_samples > 0
    with pytest.raises(InputError):
        evaluation.open_data(tmp_path)


def test_an_evaluation_that_measures_nothing_is_refused():
    with pytest.raises(TypeError, match="ComposerEvaluation"):
        ComposerEvaluation().run(None, None, None, "cpu", None)
