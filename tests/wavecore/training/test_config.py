"""Training settings: the learning rate's course, key=value texts, refusals."""

import pytest

from wavecore.errors import UsageError
from wavecore.training.config import TrainingConfig, with_settings


def test_the_rate_rises_holds_and_falls_to_zero():
    config = TrainingConfig(steps=100, warmup_steps=10, decay_fraction=0.5, learning_rate=1.0)
    rates = [config.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9:51] == [1.0] * 42
    assert all(a > b for a, b in zip(rates[50:], rates[51:]))
    assert rates[-1] == pytest.approx(1 / 50)


def test_without_warmup_and_decay_the_rate_is_constant():
    config = TrainingConfig(steps=5, warmup_steps=0, decay_fraction=0.0, learning_rate=0.5)
    assert {config.rate(step) for step in range(5)} == {0.5}


def test_settings_take_the_type_of_their_field():
    config = with_settings(TrainingConfig(), ["steps=7", "learning_rate=1e-4", "freeze_encoder=true"])
    assert (config.steps, config.learning_rate, config.freeze_encoder) == (7, 1e-4, True)
    assert with_settings(config, []) == config


@pytest.mark.parametrize(
    "setting, message",
    [
        ("stepz=1", "'stepz'.*steps"),
        ("steps=many", "steps takes a int, not 'many'"),
        ("freeze_encoder=1", "takes a bool"),
        ("steps", "takes a int"),
    ],
)
def test_settings_that_make_no_sense_are_refused(setting, message):
    with pytest.raises(UsageError, match=message):
        with_settings(TrainingConfig(), [setting])


@pytest.mark.parametrize(
    "field, value",
    [
        ("steps", 0),
        ("batch_size", -1),
        ("paired_probability", 1.1),
        ("ema_decay", -0.1),
        ("learning_rate", 0.0),
        ("confusion_weight", -1.0),
        ("clip_norm", float("nan")),
        ("confusion_crops", -1),
        ("transpose_semitones", -0.5),
        ("transpose_semitones", 7.0),
        ("glide_probability", 1.5),
        ("decoder_rate", 1.1),
        ("context_noise_db", 0.5),
        ("context_noise_db", -61.0),
        ("glide_semitones", -1.0),
        ("precision", "float16"),
        ("optimizer", "sgd"),
        ("targets_per_step", 0),
        ("context_tone_probability", 1.5),
        ("context_offset_probability", -0.5),
        ("targets_per_step", 3),
    ],
)
def test_values_out_of_range_are_refused(field, value):
    with pytest.raises(UsageError, match=field):
        TrainingConfig(**{field: value})
