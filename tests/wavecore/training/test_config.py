"""Training settings: the learning rate's course, key=value texts, refusals."""

import itertools

import pytest

from wavecore.errors import UsageError
from wavecore.training.config import TrainingConfig, WaveNetTrainingConfig


def test_the_rate_rises_holds_and_falls_to_zero():
    config = TrainingConfig(steps=100, warmup_steps=10, decay_fraction=0.5, learning_rate=1.0)
    rates = [config.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9:51] == [1.0] * 42
    assert all(a > b for a, b in itertools.pairwise(rates[50:]))
    assert rates[-1] == pytest.approx(1 / 50)


def test_without_warmup_and_decay_the_rate_is_constant():
    config = TrainingConfig(steps=5, warmup_steps=0, decay_fraction=0.0, learning_rate=0.5)
    assert {config.rate(step) for step in range(5)} == {0.5}


BASE = [
    ("steps", 0),
    ("batch_size", -1),
    ("ema_decay", -0.1),
    ("learning_rate", 0.0),
    ("clip_norm", float("nan")),
    ("precision", "float16"),
    ("optimizer", "sgd"),
    ("validate_every", 0),
    ("decay_fraction", 1.1),
]
OF_WAVENETS = [
    ("crop_frames", 0),
    ("transpose_semitones", -0.5),
    ("context_noise_db", 0.5),
    ("context_noise_db", -61.0),
    ("context_tone_probability", 1.5),
    ("context_offset_probability", -0.5),
    ("skip_samples", -1),
]


@pytest.mark.parametrize(("field", "value"), BASE + OF_WAVENETS)
def test_values_out_of_range_are_refused(field, value):
    config = TrainingConfig if (field, value) in BASE else WaveNetTrainingConfig
    with pytest.raises(UsageError, match=field):
        config(**{field: value})


def test_settings_of_all_systems_that_an_earlier_version_stored_are_read():
    """One class held the settings of all systems once; its settings of other systems are passed over."""
    stored = {"steps": 7, "crop_frames": 4, "history_noise_db": -15.0, "lesson_steps": 9, "confusion_crops": 2}
    assert TrainingConfig.from_dict(stored) == TrainingConfig(steps=7)
    assert WaveNetTrainingConfig.from_dict(stored) == WaveNetTrainingConfig(
        steps=7, crop_frames=4, context_noise_db=-15.0
    )
    with pytest.raises(UsageError, match="stepps"):
        TrainingConfig.from_dict({"stepps": 7})
