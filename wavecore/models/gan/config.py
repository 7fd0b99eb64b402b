"""Configuration of a GAN on melodies: sizes, presets, and the settings of its training."""

from __future__ import annotations

from dataclasses import dataclass

from wavecore.configuration import Config, option
from wavecore.errors import UsageError
from wavecore.models.gan.features import NoteEncoding
from wavecore.training.config import TrainingConfig

VARIANTS = {"dense": (1, 2), "recurrent": (4,)}
"""Features that a note can have in each variant."""


@dataclass(frozen=True)
class GANConfig(Config):
    """Sizes of generator and discriminator, and the encoding of notes: the last five fields are of ``NoteEncoding``."""

    variant: str = option(
        "dense", "dense against recurrent layers, or recurrent on both sides", choices=tuple(VARIANTS)
    )
    features: int = option(2, "features of a note: pitch; pitch and duration; four in the recurrent variant")
    length: int = option(100, "notes of a sequence", least=2)
    latent: int = option(
        1000, "noise values: for a sequence of the dense variant, for a note of the recurrent one", least=1
    )
    generator: tuple[int, ...] = option((256, 512, 1024), "widths of the dense generator's hidden layers")
    discriminator: tuple[int, ...] = option(
        (512, 256), "widths of the dense variant's layers after the recurrent ones", formerly="judge"
    )
    hidden: int = option(512, "width of recurrent layers", least=1)
    n_layers: int = option(2, "recurrent layers on each side of the recurrent variant", least=1)
    feature_matching: bool = option(False, "train the generator to match the mean activations of the discriminator")
    label_smoothing: float = option(0.0, "amount by which the discriminator's target for data is below 1", least=0)
    instance_noise: float = option(
        0.0, "noise on the discriminator's input, which falls to zero over the run", least=0, most=1
    )
    interval_weight: float = option(
        0.0,
        "weight of the differences between notes in the dense discriminator's input",
        least=0,
        most=1000,
        formerly="steps_heard",
    )
    rounded: bool = option(False, "round the dense generator's output to pitches and durations, straight-through")
    lowest: int = option(48, "lowest MIDI number")
    highest: int = option(84, "highest MIDI number")
    durations: tuple[int, ...] = option((1, 2, 3, 4, 6, 8, 12, 16), "durations in steps")
    note_steps: int = option(2, "steps of a note where notes have one feature")
    steps_per_beat: int = option(4, "steps of the grid in a quarter note")

    def __post_init__(self):
        super().__post_init__()
        if self.features not in VARIANTS[self.variant]:
            allowed = " or ".join(map(str, VARIANTS[self.variant]))
            raise UsageError(f"a note of the {self.variant} variant has {allowed} features, not {self.features}")
        for name in ("generator", "discriminator"):
            if not getattr(self, name) or min(getattr(self, name)) < 1:
                raise UsageError(f"{name} must be one or more widths of at least 1, not {getattr(self, name)}")
        if not self.label_smoothing < 0.5:
            raise UsageError(f"label_smoothing must be below 0.5, not {self.label_smoothing}")
        if self.variant != "dense" and (self.interval_weight or self.rounded):
            raise UsageError(
                f"interval_weight ({self.interval_weight}) and rounded ({self.rounded}) are for the dense variant"
            )
        _ = self.encoding  # refuses an encoding that cannot be

    @property
    def encoding(self) -> NoteEncoding:
        """What the features stand for."""
        return NoteEncoding(self.lowest, self.highest, self.durations, self.note_steps, self.steps_per_beat)


_RECURRENT = {"variant": "recurrent", "features": 4, "feature_matching": True}
PRESETS = {
    "tiny": GANConfig(length=16, latent=16, generator=(32, 64), discriminator=(16,), hidden=12),
    "small": GANConfig(
        length=48,
        latent=128,
        generator=(128, 256, 512),
        discriminator=(128, 64),
        hidden=96,
        interval_weight=8.0,
        rounded=True,
    ),
    "gan": GANConfig(features=1),
    "mogren-tiny": GANConfig(**_RECURRENT, length=16, latent=8, hidden=16, n_layers=1),
    "mogren-small": GANConfig(**_RECURRENT, length=48, latent=16, hidden=128),
    "mogren": GANConfig(**_RECURRENT, length=100, latent=4, hidden=350),
}
"""``gan`` and ``mogren`` have the published sizes of the two variants.

The published discriminator of the dense variant is at chance as soon as pitches and durations are as frequent as in the
data, and does not learn that melodies move by small intervals.  That of ``small`` receives the intervals as well, and
rounded notes.
"""


@dataclass(frozen=True)
class GANTrainingConfig(TrainingConfig):
    """Settings of the training of a GAN; ``configuration.describe_fields`` lists them.

    The published ones, but for the learning rates (2e-4 for both networks as published): a discriminator that learns
    no faster than the generator stays at chance.  Nothing is transposed: that would even out the pitch classes by
    which the best model is chosen.
    """

    steps: int = option(2_000, "optimiser updates in all", least=1)
    batch_size: int = option(64, "sequences in each step; batch norm needs two", least=2)
    learning_rate: float = option(3e-4, "learning rate of the generator", above=0)
    discriminator_learning_rate: float = option(
        1e-3, "learning rate of the discriminator", above=0, formerly="classifier_learning_rate"
    )
    warmup_steps: int = option(0, "steps over which the learning rates rise from zero", least=0)
    decay_fraction: float = option(
        0.0, "last part of the run, over which the learning rates fall linearly to zero", least=0, most=1
    )
    clip_norm: float = option(10.0, "largest norm of the gradient", above=0)
    transpose_semitones: float = option(
        0.0, "semitones by which a sequence is transposed, at most, within the network's pitches", least=0
    )
