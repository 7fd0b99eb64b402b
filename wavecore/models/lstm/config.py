"""Configuration of an LSTM with attention: vocabulary and sizes, presets, and the settings of its training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from wavecore.configuration import Config, option
from wavecore.models.lstm.vocabulary import NoteVocabulary
from wavecore.symbolic.note_sequence import REST
from wavecore.training.config import TrainingConfig


@dataclass(frozen=True)
class LSTMConfig(Config):
    """Vocabulary and sizes of an LSTM with attention.

    Attributes
    ----------
    symbols : tuple of str
        As of ``NoteVocabulary``.
    durations : tuple of int
        As of ``NoteVocabulary``.
    """

    symbols: tuple[str, ...]
    durations: tuple[int, ...]
    steps_per_beat: int = option(4, "steps of the grid in a quarter note", least=1)
    chords: bool = option(False, "train on the melody's part with its chords instead of its highest notes")
    embedding: int = option(100, "width of each of the two embeddings", least=1)
    hidden: int = option(256, "width of the LSTM's layers", least=1)
    n_layers: int = option(2, "layers of the LSTM", least=1)
    window: int = option(32, "positions that attention reads, the present one included; 0 for all so far", least=0)

    def __post_init__(self):
        super().__post_init__()
        _ = self.vocabulary  # refuses symbols and durations that cannot be

    @cached_property
    def vocabulary(self) -> NoteVocabulary:
        """What the network's numbers stand for."""
        return NoteVocabulary(self.symbols, self.durations, self.steps_per_beat)

    @property
    def start(self) -> tuple[int, int]:
        """The numbers of symbol and duration that stand before a line; they follow those of the vocabulary."""
        return len(self.symbols), len(self.durations)


# A training replaces this vocabulary by that of its data.
_ONE_NOTE = {"symbols": (REST, "60"), "durations": (1,)}
PRESETS = {
    "tiny": LSTMConfig(**_ONE_NOTE, embedding=24, hidden=48, n_layers=1, window=8),
    "small": LSTMConfig(**_ONE_NOTE, embedding=64, hidden=160, n_layers=2, window=8),
    "lstm": LSTMConfig(**_ONE_NOTE, embedding=100, hidden=256, n_layers=2, window=32),
}
"""Sizes; the vocabulary is that of the data.  ``lstm`` has the published ones."""


@dataclass(frozen=True)
class LSTMTrainingConfig(TrainingConfig):
    """Settings of the training of an LSTM with attention; ``configuration.describe_fields`` lists them."""

    steps: int = option(12_000, "optimiser updates in all", least=1)
    batch_size: int = option(32, "crops in each step", least=1)
    learning_rate: float = option(2e-3, "learning rate after the warm-up", above=0)
    decay_fraction: float = option(
        0.5, "last part of the run, over which the learning rate falls linearly to zero", least=0, most=1
    )
    crop_notes: int = option(64, "length of a crop in notes and rests", least=1, formerly="crop_frames")
    transpose_semitones: float = option(
        6.0, "semitones by which a melody is transposed, at most, within the vocabulary", least=0
    )
