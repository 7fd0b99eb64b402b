"""Configuration of a MuseGAN: tracks and sizes, presets, and the settings of its training."""

from __future__ import annotations

from dataclasses import dataclass

from wavecore.configuration import Config, option
from wavecore.errors import UsageError
from wavecore.models.musegan.rolls import Grid, Track
from wavecore.symbolic.chorale import VOICES
from wavecore.symbolic.chorale_song import RECORDER
from wavecore.training.config import TrainingConfig

VARIANTS = ("jamming", "composer", "hybrid")
NEURONS = ("real", "threshold", "bernoulli")
METHODS = ("threshold", "bernoulli", "likeliest")
"""Ways to make the cells of a composed piece binary."""
OCTAVE = 12


@dataclass(frozen=True)
class MuseGANConfig(Config):
    """Tracks and sizes of a MuseGAN.

    Attributes
    ----------
    tracks : tuple of Track
        In the order of the roll.
    variant : {"jamming", "composer", "hybrid"}
        ``jamming``: a generator, a critic and noise for each track.  ``composer``: one generator of all tracks, one
        critic, common noise.  ``hybrid``: a generator for each track with its own and common noise, one critic.
    given : str
        Name of the track that conditions the others, bar by bar; empty if all are generated.
    steps, beats, lowest, n_pitches : int
        As of ``rolls.Grid``.
    channels : int
        Of the generator's first layers, an even number; the later ones have half of it.
    """

    tracks: tuple[Track, ...]
    variant: str = option(
        "hybrid", "generators and critics: for each track, one of each, or one critic", choices=VARIANTS
    )
    given: str = option("", "track that is given, to be accompanied")
    bars: int = option(2, "bars of a phrase; the critic compares them", least=2)
    steps: int = option(16, "steps of a bar")
    beats: int = option(4, "quarter notes of a bar")
    lowest: int = option(24, "lowest MIDI number")
    n_pitches: int = option(84, "number of pitches")
    noise: int = option(32, "width of each noise vector", least=1)
    channels: int = option(512, "width of the generator's first layers", least=2)
    critic_channels: int = option(64, "width of most of the critic's layers", least=1)
    neurons: str = option("real", "what critics receive of cells: their values, or binary ones", choices=NEURONS)

    def __post_init__(self):
        super().__post_init__()
        names = self.track_names
        if not names or len(set(names)) < len(names):
            raise UsageError(f"the tracks are {', '.join(names) or 'none'}; at least one is needed, and each once")
        if self.given and (self.given not in names or len(names) < 2):
            raise UsageError(
                f"the track {self.given!r} is to be given; it must be one of several tracks: {', '.join(names)}"
            )
        if self.channels % 2:
            raise UsageError(f"channels must be an even number, not {self.channels}")
        _ = self.grid  # refuses a bar or a range that is none

    @property
    def grid(self) -> Grid:
        """What the cells of a roll are."""
        return Grid(self.steps, self.beats, self.lowest, self.n_pitches)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Bars, steps, pitches and tracks of a phrase."""
        return self.bars, self.steps, self.n_pitches, len(self.tracks)

    @property
    def drums(self) -> tuple[bool, ...]:
        """Which tracks are for drums."""
        return tuple(track.is_drum for track in self.tracks)

    @property
    def track_names(self) -> tuple[str, ...]:
        """Which parts the tracks take."""
        return tuple(track.name for track in self.tracks)

    @property
    def given_index(self) -> int | None:
        """Index of the given track."""
        return self.track_names.index(self.given) if self.given else None

    @property
    def n_generated(self) -> int:
        """Number of tracks that are generated."""
        return len(self.tracks) - bool(self.given)

    @property
    def noise_rows(self) -> tuple[str, ...]:
        """What a phrase's noise vectors are for, in order.

        ``style`` and ``chords`` are common to all tracks, ``groove`` and ``melody`` belong to one track each.  Chords
        and melodies differ from bar to bar, through a temporal network; style and groove do not.
        """
        common = () if self.variant == "jamming" else ("style", "chords")
        own = () if self.variant == "composer" else ("groove",) * self.n_generated + ("melody",) * self.n_generated
        return common + own

    @property
    def step_factors(self) -> tuple[int, ...]:
        """Prime factors of the steps, ascending: a bar is generated with the first, then upsampled by the others."""
        factors, rest, factor = [], self.steps, 2
        while rest > 1:
            while rest % factor == 0:
                factors.append(factor)
                rest //= factor
            factor += 1
        return tuple(factors) or (1,)

    @property
    def pitch_factors(self) -> tuple[int, int]:
        """Number of octaves and their size, or where no octave divides the pitches the largest number below it."""
        last = max(factor for factor in range(1, OCTAVE + 1) if self.n_pitches % factor == 0)
        return self.n_pitches // last, last


CHORALE_TRACKS = tuple(Track(voice, RECORDER) for voice in VOICES)
BAND = (
    Track("family:bass", 33),
    Track("family:drums", 0, True),
    Track("family:guitar", 25),
    Track("family:piano", 0),
    Track("family:strings+ensemble", 48),
)
"""The paper's five tracks."""
PRESETS = {
    "tiny": MuseGANConfig(CHORALE_TRACKS, noise=8, channels=16, critic_channels=4, n_pitches=48, lowest=36),
    "small": MuseGANConfig(CHORALE_TRACKS, channels=192, critic_channels=16),
    "seed": MuseGANConfig(CHORALE_TRACKS),
    "paper": MuseGANConfig(BAND, bars=4, steps=96),
}
"""``seed`` has the sizes of Foster's chapter on chorales, ``paper`` the shape of Dong et al."""


@dataclass(frozen=True)
class MuseGANTrainingConfig(TrainingConfig):
    """Settings of the training of a MuseGAN; ``configuration.describe_fields`` lists them.

    The penalty bounds the slope of the critics; clipping the gradient as well would only disturb Adam's estimates.
    """

    steps: int = option(8_000, "updates of the generators; the critics are updated several times in each", least=1)
    batch_size: int = option(16, "phrases in each update; batch norm needs two", least=2)
    optimizer: str = option("adam", "optimiser of the weights", choices=("adam",))
    learning_rate: float = option(5e-4, "learning rate of generators and critics", above=0)
    warmup_steps: int = option(0, "steps over which the learning rate rises from zero", least=0)
    decay_fraction: float = option(
        0.5, "last part of the run, over which the learning rate falls linearly to zero", least=0, most=1
    )
    clip_norm: float = option(1e4, "largest norm of the gradient", above=0)
    transpose_semitones: float = option(
        6.0, "semitones by which a phrase is transposed, at most, within the network's pitches", least=0
    )
