"""Configuration of a music translation network and the settings of its training."""

from __future__ import annotations

from dataclasses import dataclass, field

from wavecore.configuration import Config, option
from wavecore.errors import UsageError
from wavecore.nn.config import EncoderConfig, WaveNetConfig
from wavecore.training.config import WaveNetTrainingConfig

MOST_TRANSPOSED = 6.0
"""Semitones: further transposition by resampling changes timbres."""


@dataclass(frozen=True)
class TranslationConfig(Config):
    """Sizes of a translation network.

    Attributes
    ----------
    domains : tuple of str
        Every domain that is encoded; the classes of the domain classifier.
    targets : tuple of str
        The domains that can be generated; a subset of ``domains``.
    classifier_channels : int
        Width of the domain classifier.
    shared_decoder : bool
        One decoder for all targets, conditioned on the domain by a learned vector added to the latent;
        ``TranslationNetwork.fork`` makes one decoder per domain of it, exactly.
    """

    domains: tuple[str, ...]
    targets: tuple[str, ...]
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    decoder: WaveNetConfig = field(default_factory=WaveNetConfig)
    classifier_channels: int = option(100, "width of the domain classifier", least=1)
    shared_decoder: bool = option(False, "one decoder for all targets")

    def __post_init__(self):
        super().__post_init__()
        if not self.targets or len(set(self.domains)) < len(self.domains):
            raise UsageError(f"domains must be distinct and targets not empty: {self.domains}, {self.targets}")
        unknown = [name for name in self.targets if name not in self.domains]
        if unknown:
            raise UsageError(f"targets {unknown} are not among the domains {list(self.domains)}")
        for name in ("latent_channels", "hop_length", "sample_rate"):
            if getattr(self.encoder, name) != getattr(self.decoder, name):
                values = f"{getattr(self.encoder, name)} and {getattr(self.decoder, name)}"
                raise UsageError(f"encoder and decoder disagree on {name}: {values}")


@dataclass(frozen=True)
class TranslationTrainingConfig(WaveNetTrainingConfig):
    """Settings of the training of a translation network; ``configuration.describe_fields`` lists them.

    References
    ----------
    Mor, Wolf, Polyak and Taigman, "A Universal Music Translation Network", arXiv:1805.07848.
    """

    targets_per_step: int = option(
        1, "domains whose decoders are trained in a step, each on an equal share of the crops", least=1
    )
    classifier_learning_rate: float = option(1e-3, "learning rate of the domain classifier", above=0)
    confusion_weight: float = option(0.01, "weight of the domain confusion loss (lambda)", least=0)
    confusion_warmup_steps: int = option(2000, "steps over which that weight rises from zero", least=0)
    confusion_crops: int = option(32, "further crops per step for encoder and classifier alone", least=0)
    paired_probability: float = option(
        0.0,
        "share of crops whose input is the same passage in another domain; 0 is the paper's unsupervised training",
        least=0,
        most=1,
    )
    glide_probability: float = option(0.3, "share of crops over which the transposition changes", least=0, most=1)
    glide_semitones: float = option(3.0, "semitones by which it changes, at most", least=0)
    augment_probability: float = option(
        0.5, "share of crops in which a segment of the input is detuned", least=0, most=1
    )
    noise_probability: float = option(0.3, "share of crops whose input gets noise and another level", least=0, most=1)
    rest_probability: float = option(0.0, "share of crops with a rest in them", least=0, most=1)
    train_bottleneck_context: bool = option(
        False,
        "with freeze_encoder: train the layers of the bottleneck that take surrounding frames, with the decoders",
        formerly="learn_following",
    )
    transfer_passages: int = option(
        0,
        "held-out passages per target that are translated at every validation; with any, the model that keeps their "
        "melodies best is kept, instead of the one with the fewest bits",
        least=0,
    )
    latent_noise: float = option(0.0, "noise on the latent in training, relative to its root mean square", least=0)
    pretraining_steps: int = option(
        4000, "steps of pretraining the encoder on notes (--teach-encoder)", least=0, formerly="lesson_steps"
    )

    def __post_init__(self):
        super().__post_init__()
        if self.batch_size % self.targets_per_step:
            raise UsageError(
                f"batch_size is {self.batch_size}, no multiple of targets_per_step, {self.targets_per_step}"
            )
        if self.transpose_semitones + self.glide_semitones > MOST_TRANSPOSED:
            raise UsageError(
                f"transpose_semitones and glide_semitones must be {MOST_TRANSPOSED:g} in sum at most, not "
                f"{self.transpose_semitones} + {self.glide_semitones}"
            )

    def confusion(self, step: int) -> float:
        """Return the weight of the domain confusion loss at a step."""
        return self.confusion_weight * min(1.0, (step + 1) / max(1, self.confusion_warmup_steps))
