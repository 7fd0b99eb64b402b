"""Configuration of a MuseNet: sizes, presets, and the settings of its training and of its critic's."""

from __future__ import annotations

from dataclasses import dataclass

from wavecore.configuration import Config, option
from wavecore.errors import UsageError
from wavecore.models.musenet.tokens import SIZES, Vocabulary
from wavecore.symbolic.instruments import INSTRUMENTS
from wavecore.training.config import TrainingConfig

LONGEST_PREFIX = len(INSTRUMENTS) + 3
"""Style, tempo, all instruments and the start."""
DEFAULT_TEMPERATURE = 0.95
ATTENTION = ("dense", "strided", "fixed")


@dataclass(frozen=True)
class Pattern:
    """Which earlier positions a position attends to, one of ``ATTENTION``; see ``model.attention_mask``.

    Attributes
    ----------
    block : int
        Length of a block; without effect on ``dense``.
    summary : int
        Positions at the end of each block that ``fixed`` attention reads, at most ``block``.
    """

    kind: str = "dense"
    block: int = 32
    summary: int = 1

    def __post_init__(self):
        if self.kind not in ATTENTION:
            raise UsageError(f"there is no attention pattern {self.kind!r}; it is one of {', '.join(ATTENTION)}")
        if not 1 <= self.summary <= self.block:
            raise UsageError(f"summary must lie between 1 and the block, {self.block}, not {self.summary}")


@dataclass(frozen=True)
class MuseNetConfig(Config):
    """Sizes of a MuseNet; ``configuration.describe_fields`` lists them."""

    n_layers: int = option(4, "layers of the transformer", least=1)
    channels: int = option(256, "width of the transformer, a multiple of n_heads", least=1)
    n_heads: int = option(4, "attention heads", least=1)
    context: int = option(1024, "tokens of a window, its prefix included", least=LONGEST_PREFIX + 1)
    patterns: tuple[str, ...] = option(("dense",), f"attention of the layers, in turn: {', '.join(ATTENTION)}")
    block: int = option(32, "block of the sparse patterns, tokens")
    summary: int = option(4, "summary positions of a block")
    embeddings: tuple[str, ...] = option(
        tuple(SIZES), f"embeddings beside token and position: {', '.join(SIZES)}, or none"
    )
    styles: tuple[str, ...] = option((), "styles of the data")
    dropout: float = option(0.1, "dropout of what a layer adds", least=0)
    critic: bool = option(False, "an inner critic, a head that distinguishes data from samples")

    def __post_init__(self):
        super().__post_init__()
        if self.embeddings == ("none",):
            object.__setattr__(self, "embeddings", ())
        if self.channels % self.n_heads:
            raise UsageError(f"channels ({self.channels}) must be a multiple of n_heads ({self.n_heads})")
        if not self.patterns:
            raise UsageError("patterns is empty; at least one attention pattern is needed")
        if len(set(self.embeddings)) < len(self.embeddings) or set(self.embeddings) - set(SIZES):
            raise UsageError(f"embeddings must be some of {', '.join(SIZES)}, each once, not {self.embeddings}")
        if not self.dropout < 1:
            raise UsageError(f"dropout must be below 1, not {self.dropout}")
        _ = self.layer_patterns, self.vocabulary  # both check their values

    @property
    def vocabulary(self) -> Vocabulary:
        """All tokens of the network."""
        return Vocabulary(self.styles)

    @property
    def layer_patterns(self) -> tuple[Pattern, ...]:
        """The attention of every layer."""
        kinds = (self.patterns[i % len(self.patterns)] for i in range(self.n_layers))
        return tuple(Pattern(kind, self.block, self.summary) for kind in kinds)


PRESETS = {
    "tiny": MuseNetConfig(n_layers=2, channels=64, n_heads=2, context=256),
    "small": MuseNetConfig(),
    "medium": MuseNetConfig(
        n_layers=12, channels=512, n_heads=8, context=2048, patterns=("strided", "dense"), block=64
    ),
    "musenet": MuseNetConfig(n_layers=72, channels=1536, n_heads=24, context=4096, block=64),
}
"""``musenet`` has the published layers, heads and context; its width is unpublished: 64 channels a head are assumed."""


@dataclass(frozen=True)
class MuseNetTrainingConfig(TrainingConfig):
    """Settings of the training of a MuseNet; ``configuration.describe_fields`` lists them.

    A window is as long as the network's context.
    """

    steps: int = option(10_000, "optimiser updates in all", least=1)
    batch_size: int = option(4, "windows in each step", least=1)
    learning_rate: float = option(1e-3, "learning rate after the warm-up", above=0)
    decay_fraction: float = option(
        0.5, "last part of the run, over which the learning rate falls linearly to zero", least=0, most=1
    )
    transpose_semitones: float = option(
        5.0, "semitones by which a window is transposed, at most; less while the learning rate falls", least=0
    )
    augment_probability: float = option(
        0.25, "share of windows with other volumes, of those with another tempo, and of those mixed", least=0, most=1
    )
    validation_windows: int = option(
        16, "held-out windows of a validation, for each style", least=1, formerly="validation_crops"
    )


@dataclass(frozen=True)
class CriticTrainingConfig(TrainingConfig):
    """Settings of the training of a MuseNet's critic; ``configuration.describe_fields`` lists them."""

    steps: int = option(600, "optimiser updates in all", least=1)
    batch_size: int = option(16, "windows in each step", least=1)
    learning_rate: float = option(1e-3, "learning rate after the warm-up", above=0)
    warmup_steps: int = option(20, "steps over which the learning rate rises from zero", least=0)
    decay_fraction: float = option(
        0.5, "last part of the run, over which the learning rate falls linearly to zero", least=0, most=1
    )
    ema_decay: float = option(0.98, "decay of the weight average that is validated and kept", least=0, most=1)
    validate_every: int = option(50, "steps between validations", least=1)
