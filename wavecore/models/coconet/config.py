"""Configuration of a Coconet: the network's sizes, presets, and the settings of its training."""

from __future__ import annotations

from dataclasses import dataclass

from wavecore.configuration import Config, option
from wavecore.errors import UsageError
from wavecore.training.config import TrainingConfig

N_VOICES = 4
METHODS = ("gibbs", "ancestral")
DEFAULT_BARS = 8


@dataclass(frozen=True)
class CoconetConfig(Config):
    """Sizes of a Coconet.

    Attributes
    ----------
    dilations : tuple of int
        Of the 3 x 3 convolutions after the first, in time and in pitch; they repeat.
    lowest, n_pitches : int
        The MIDI numbers from ``lowest`` on.

    References
    ----------
    Huang et al., "Counterpoint by Convolution", ISMIR 2017; "The Bach Doodle", ISMIR 2019 (separable, dilated).
    """

    n_layers: int = option(24, "convolutions in all: the first, 3 x 3 ones, and the last two, which are 2 x 2", least=4)
    channels: int = option(64, "width of the convolutions", least=1)
    separable: bool = option(True, "depthwise convolutions, each followed by a 1 x 1 one")
    dilations: tuple[int, ...] = option((1, 2, 4, 8, 16), "dilations of the 3 x 3 convolutions")
    lowest: int = option(36, "lowest MIDI number", least=0)
    n_pitches: int = option(46, "number of pitches", least=2)

    def __post_init__(self):
        super().__post_init__()
        if not self.dilations or min(self.dilations) < 1:
            raise UsageError(f"dilations must be at least 1, not {self.dilations}")
        if self.lowest > 128 - self.n_pitches:
            raise UsageError(f"{self.n_pitches} pitches from {self.lowest} on do not lie within MIDI's 0 to 127")

    @property
    def highest(self) -> int:
        """The highest MIDI number."""
        return self.lowest + self.n_pitches - 1


PRESETS = {
    "tiny": CoconetConfig(n_layers=8, channels=16),
    "small": CoconetConfig(),
    "doodle": CoconetConfig(n_layers=33, channels=128, dilations=(1, 2, 4, 8, 16, 32)),
    "coconet": CoconetConfig(n_layers=64, channels=128, separable=False, dilations=(1,)),
}
"""``coconet`` is the network of 2017, ``doodle`` that of the Bach Doodle of 2019."""


@dataclass(frozen=True)
class CoconetTrainingConfig(TrainingConfig):
    """Settings of the training of a Coconet; ``configuration.describe_fields`` lists them."""

    steps: int = option(6_000, "optimiser updates in all", least=1)
    batch_size: int = option(16, "crops in each step", least=1)
    optimizer: str = option("muon", "optimiser of the weights", choices=("adam", "muon"))
    learning_rate: float = option(4e-3, "learning rate after the warm-up", above=0)
    decay_fraction: float = option(
        0.5, "last part of the run, over which the learning rate falls linearly to zero", least=0, most=1
    )
    crop_steps: int = option(64, "length of a crop in sixteenths", least=1, formerly="crop_frames")
    transpose_semitones: float = option(
        6.0, "semitones by which a chorale is transposed, at most, within the network's pitches", least=0
    )
