"""Settings of training runs: what every system shares.

Each system adds its own fields in a subclass, in the ``config.py`` of its folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from wavecore.configuration import Config, option

PRECISIONS = ("auto", "float32", "bfloat16")
OPTIMIZERS = ("adam", "muon")


@dataclass(frozen=True)
class TrainingConfig(Config):
    """Settings of any training run; ``configuration.describe_fields`` lists them."""

    # One class held the settings of all systems once; runs of that time name settings that mean nothing to theirs.
    ignored: ClassVar[frozenset[str]] = frozenset(
        [
            "crop_frames",
            "targets_per_step",
            "decoder_rate",
            "classifier_learning_rate",
            "confusion_weight",
            "confusion_warmup_steps",
            "paired_probability",
            "confusion_crops",
            "transpose_semitones",
            "glide_probability",
            "glide_semitones",
            "augment_probability",
            "noise_probability",
            "history_noise_probability",
            "history_noise_db",
            "history_tone_probability",
            "history_offset_probability",
            "history_dropout_probability",
            "rest_probability",
            "skip_samples",
            "freeze_encoder",
            "learn_following",
            "validation_crops",
            "transfer_passages",
            "latent_noise",
            "lesson_steps",
        ]
    )

    steps: int = option(20_000, "optimiser updates in all", least=1)
    batch_size: int = option(4, "examples in each step", least=1)
    optimizer: str = option("adam", "optimiser of the weights", choices=OPTIMIZERS)
    learning_rate: float = option(1.5e-3, "learning rate after the warm-up", above=0)
    warmup_steps: int = option(200, "steps over which the learning rate rises from zero", least=0)
    decay_fraction: float = option(
        0.3, "last part of the run, over which the learning rate falls linearly to zero", least=0, most=1
    )
    clip_norm: float = option(1.0, "largest norm of the gradient", above=0)
    ema_decay: float = option(0.999, "decay of the weight average that is validated and kept", least=0, most=1)
    validate_every: int = option(500, "steps between validations", least=1)
    checkpoint_every: int = option(100, "steps between checkpoints", least=1)
    seed: int = option(0, "seed of everything drawn", least=0)
    precision: str = option("auto", "number format of the matrix products", choices=PRECISIONS)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, 0 to ``steps`` - 1: warm-up, plateau, linear decay to zero."""
        rise = min(1.0, (step + 1) / max(1, self.warmup_steps))
        decay_steps = self.decay_fraction * self.steps
        fall = min(1.0, (self.steps - step) / decay_steps) if decay_steps else 1.0
        return self.learning_rate * rise * fall


@dataclass(frozen=True)
class WaveNetTrainingConfig(TrainingConfig):
    """Settings of a run that trains a WaveNet decoder on crops of sound."""

    crop_frames: int = option(6, "latent frames of a crop", least=1)
    transpose_semitones: float = option(
        0.5, "semitones by which input and target of a crop are transposed together, at most", least=0
    )
    skip_samples: int = option(0, "samples at the start of a crop that the loss leaves out", least=0)
    freeze_encoder: bool = option(False, "train the decoders alone")
    validation_crops: int = option(8, "held-out crops of a validation, for each domain", least=1)
    context_noise_probability: float = option(
        0.7,
        "share of crops in which noise is added to the decoder's past samples",
        least=0,
        most=1,
        formerly="history_noise_probability",
    )
    context_noise_db: float = option(
        -12.0, "highest level of that noise, dB of full scale", least=-60, most=0, formerly="history_noise_db"
    )
    context_tone_probability: float = option(
        0.0,
        "share of crops in which a tone, at most as loud as that noise, is added to the past samples",
        least=0,
        most=1,
        formerly="history_tone_probability",
    )
    context_offset_probability: float = option(
        0.0,
        "share of crops in which a constant is added to the past samples",
        least=0,
        most=1,
        formerly="history_offset_probability",
    )
    context_dropout_probability: float = option(
        0.4,
        "share of crops in which a stretch of the past samples is set to zero",
        least=0,
        most=1,
        formerly="history_dropout_probability",
    )
