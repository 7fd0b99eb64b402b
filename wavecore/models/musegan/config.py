"""Sizes of a MuseGAN, and how its layers follow from the shape of its rolls."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from wavecore.errors import UsageError
from wavecore.models.musegan.rolls import Grid
from wavecore.models.musegan.tracks import Track
from wavecore.symbolic.chorale import VOICES
from wavecore.symbolic.chorale_song import RECORDER

VARIANTS = ("jamming", "composer", "hybrid")
NEURONS = ("real", "threshold", "bernoulli")
OCTAVE = 12


@dataclass(frozen=True)
class MuseGANConfig:
    """What a MuseGAN writes, and how wide it is.

    Attributes
    ----------
    tracks : tuple of Track
        In the order of the roll.
    variant : {"jamming", "composer", "hybrid"}
        ``jamming``: a generator, a critic and noise for each track.  ``composer``: one generator of all tracks, one critic, common noise.
        ``hybrid``: a generator for each track that hears its own noise and common noise, one critic.
    given : str
        Name of the track that is not written but given, bar by bar; empty if all are written.
    bars : int
        Of a phrase, at least 2: the critic compares them.
    steps, beats, lowest, n_pitches : int
        As of ``rolls.Grid``.
    noise : int
        Width of every noise vector.
    channels : int
        Of the generator's first layers, an even number; the later ones have half of it.
    critic_channels : int
        Of most of the critic's layers.
    neurons : {"real", "threshold", "bernoulli"}
        What the critic hears of a generator's cells: their values, or what is lit, with the gradient passed straight through.

    Raises
    ------
    UsageError
        If a value is out of its range.
    """

    tracks: tuple[Track, ...]
    variant: str = "hybrid"
    given: str = ""
    bars: int = 2
    steps: int = 16
    beats: int = 4
    lowest: int = 24
    n_pitches: int = 84
    noise: int = 32
    channels: int = 512
    critic_channels: int = 64
    neurons: str = "real"

    def __post_init__(self):
        object.__setattr__(self, "tracks", tuple(self.tracks))
        for name, choices in (("variant", VARIANTS), ("neurons", NEURONS)):
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} is one of {', '.join(choices)}, not {getattr(self, name)!r}")
        names = self.track_names
        if not names or len(set(names)) < len(names):
            raise UsageError(f"the tracks are {', '.join(names) or 'none'}; at least one is needed, and each once")
        if self.given and (self.given not in names or len(names) < 2):
            raise UsageError(
                f"the track {self.given!r} is to be given; it must be one of several tracks: {', '.join(names)}"
            )
        if self.bars < 2:
            raise UsageError(f"a phrase has {self.bars} bars; at least 2 are needed, since the critic compares them")
        if self.noise < 1 or self.critic_channels < 1 or self.channels < 2 or self.channels % 2:
            raise UsageError(
                f"noise ({self.noise}) and critic_channels ({self.critic_channels}) are at least 1, channels ({self.channels}) an even number"
            )
        _ = self.grid  # refuses a bar or a range that is none

    @property
    def grid(self) -> Grid:
        """What the cells of a roll are."""
        return Grid(self.steps, self.beats, self.lowest, self.n_pitches)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of a phrase: bars, steps, pitches, tracks."""
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
        """Place of the given track among the tracks."""
        return self.track_names.index(self.given) if self.given else None

    @property
    def n_written(self) -> int:
        """Tracks that the generator writes."""
        return len(self.tracks) - bool(self.given)

    @property
    def noise_rows(self) -> tuple[str, ...]:
        """What a phrase's noise vectors are for, in order.

        ``style`` and ``chords`` are common to all tracks, ``groove`` and ``melody`` are those of one track each; chords and melodies
        go through a temporal network and differ from bar to bar, style and groove do not.
        """
        common = () if self.variant == "jamming" else ("style", "chords")
        own = () if self.variant == "composer" else ("groove",) * self.n_written + ("melody",) * self.n_written
        return common + own

    @property
    def step_factors(self) -> tuple[int, ...]:
        """Factors of the steps, the smallest first: the first is where a bar's generator begins, by the others it draws time out."""
        found, rest, factor = [], self.steps, 2
        while rest > 1:
            while rest % factor == 0:
                found.append(factor)
                rest //= factor
            factor += 1
        return tuple(found) or (1,)

    @property
    def pitch_factors(self) -> tuple[int, ...]:
        """Two factors of the pitches: how many octaves, then the octave, or where no octave divides them the largest number below it."""
        last = max(factor for factor in range(1, OCTAVE + 1) if self.n_pitches % factor == 0)
        return self.n_pitches // last, last

    def to_dict(self) -> dict:
        """Return the sizes as JSON has them."""
        return asdict(self) | {"tracks": [track.to_dict() for track in self.tracks]}

    @classmethod
    def from_dict(cls, values: dict) -> MuseGANConfig:
        """Build a configuration from what ``to_dict`` returned.

        Raises
        ------
        UsageError
            If a name is unknown or a value out of range.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise UsageError(f"a MuseGAN has no {', '.join(unknown)}")
        return cls(**values | {"tracks": tuple(Track(**track) for track in values["tracks"])})


CHORALE_TRACKS = tuple(Track(voice, RECORDER) for voice in VOICES)
BAND = (
    Track("family:bass", 33), Track("family:drums", 0, True), Track("family:guitar", 25), Track("family:piano", 0),
    Track("family:strings+ensemble", 48),
)  # fmt: skip
"""The paper's five tracks."""
PRESETS = {
    "tiny": MuseGANConfig(CHORALE_TRACKS, noise=8, channels=16, critic_channels=4, n_pitches=48, lowest=36),
    "small": MuseGANConfig(CHORALE_TRACKS, channels=192, critic_channels=16),
    "seed": MuseGANConfig(CHORALE_TRACKS),
    "paper": MuseGANConfig(BAND, bars=4, steps=96),
}
"""``seed`` has the sizes of Foster's chapter on chorales; ``paper`` the shape of Dong et al., with layers that follow the same rule."""
