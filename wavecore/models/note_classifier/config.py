"""Configuration of a note classifier and the settings of its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from wavecore.configuration import Config, option
from wavecore.datasets.nsynth.note import FAMILIES, QUALITIES, SOURCES
from wavecore.errors import UsageError
from wavecore.training.config import TrainingConfig


@dataclass(frozen=True)
class NoteClassifierConfig(Config):
    """Sizes of a classifier, and the names of its classes."""

    families: tuple[str, ...] = option(FAMILIES, "classes of which a note has one")
    sources: tuple[str, ...] = option(SOURCES, "classes of which a note has one")
    qualities: tuple[str, ...] = option(QUALITIES, "labels of which a note has any")
    n_samples: int = option(64_000, "samples of the notes it is trained on", least=1)
    sample_rate: int = option(16_000, "sample rate, Hz", least=1)
    n_fft: int = option(1024, "window of the spectrum, samples", least=1)
    hop_length: int = option(256, "hop of the spectrum, samples", least=1)
    channels: int = option(120, "width of the convolutions", least=1)
    dropout: float = option(0.15, "share of channels dropped in training", least=0)
    filtered: bool = option(True, "remove what lies below 20 Hz first (see wavecore.audio.dc)")

    def __post_init__(self):
        super().__post_init__()
        for name in ("families", "sources", "qualities"):
            names = getattr(self, name)
            if not names or len(set(names)) < len(names):
                raise UsageError(f"{name} must be distinct names, at least one, not {names!r}")
        for name in ("n_samples", "sample_rate", "n_fft", "hop_length", "channels"):
            if type(getattr(self, name)) is not int:
                raise UsageError(f"{name} must be a whole number, not {getattr(self, name)!r}")
        if self.n_fft % 2 or self.n_samples < self.n_fft:
            raise UsageError(f"n_fft must be even and at most n_samples ({self.n_samples}), not {self.n_fft}")
        if not self.dropout < 1 or type(self.filtered) is not bool:
            raise UsageError(f"dropout ({self.dropout!r}) must be below 1, filtered ({self.filtered!r}) a bool")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build a configuration; models from before ``filtered`` existed are not filtered."""
        return super().from_dict({"filtered": False} | dict(values))


@dataclass(frozen=True)
class ClassifierTrainingConfig(TrainingConfig):
    """Settings of the training of a note classifier; ``configuration.describe_fields`` lists them."""

    transpose_semitones: float = option(0.5, "semitones by which a note is detuned, at most", least=0)
    noise_probability: float = option(0.3, "share of notes with noise added", least=0, most=1)
