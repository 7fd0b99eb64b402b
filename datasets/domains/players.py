"""Who plays in a domain: one instrument, an ensemble of sections, or a whistler."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from wavecore.datasets.domains.excerpts import Excerpt, generator
from wavecore.datasets.synths import soundfont, whistle
from wavecore.errors import UsageError
from wavecore.symbolic import score as scores
from wavecore.symbolic.score import Score

WHISTLE_SOURCE = "wavecore.datasets.synths.whistle"
# Whistlers sit one octave above a singer's melody, some two.
WHISTLE_OCTAVES = (1, 2)
LOUDEST = 0.99
ENSEMBLE_S = 0.008
"""Standard deviation of a section's onsets around the written ones."""


@dataclass(frozen=True)
class Section:
    """Players who join an ensemble.

    Attributes
    ----------
    instrument : str or int
        Of `wavecore.datasets.synths.soundfont.PROGRAMS`.
    octave : int
        Above the written notes.
    level_db : float
        Relative to the common loudness.
    """

    instrument: str | int
    octave: int = 0
    level_db: float = 0.0

    def __post_init__(self):
        soundfont.program(self.instrument)
        if not (-2 <= self.octave <= 2 and -40 <= self.level_db <= 12):
            raise UsageError(f"{self} makes no sense: octaves -2 to 2, levels -40 to 12 dB")


@dataclass(frozen=True)
class DomainSpec:
    """How a domain is played.

    Attributes
    ----------
    instrument : str or int
        Of `wavecore.datasets.synths.soundfont.PROGRAMS`.
    bank : int
        MIDI bank.
    whistled : float
        Share of pieces that `wavecore.datasets.synths.whistle` performs instead.  Above 0 the
        domain is a whistle: it is moved up by the octaves that bring it into range, and pieces of
        several voices are left out.
    sections : tuple of Section
        Play with the instrument, each a little before or behind the others.
    """

    name: str
    instrument: str | int
    bank: int = 0
    whistled: float = 0.0
    sections: tuple[Section, ...] = ()

    def __post_init__(self):
        if not self.name or not self.name.replace("-", "").replace("_", "").isalnum():
            raise UsageError(f"a domain cannot be called {self.name!r}; use letters, digits, - and _")
        if not 0 <= self.whistled <= 1:
            raise UsageError(f"whistled is {self.whistled} for {self.name!r}; it is a share, 0 to 1")
        soundfont.program(self.instrument)
        if self.whistled and self.sections:
            raise UsageError(f"{self.name!r} is whistled, so that no sections can join")

    @property
    def players(self) -> tuple[Section, ...]:
        """The instrument and its sections."""
        return (Section(self.instrument), *self.sections)


# FluidR3's church organ sounds its lower octave at -14 dB, its drawbar organ at
# -6 dB; the reed organ's pitch is the written one (-76 dB).
DEFAULT_DOMAINS = (
    DomainSpec("strings", "violin"),
    DomainSpec("organ", "reed organ"),
    DomainSpec("harpsichord", "harpsichord"),
    DomainSpec("flute", "flute"),
    DomainSpec("orchestra", "strings ensemble", sections=(
        Section("french horn", level_db=-4), Section("oboe", level_db=-6), Section("flute", octave=1, level_db=-10),
        Section("cello", octave=-1, level_db=-12),
    )),
    DomainSpec("whistle", "whistle", whistled=0.8),
)  # fmt: skip


@dataclass(frozen=True)
class Performance:
    """How one excerpt is played in one domain.

    Attributes
    ----------
    octave : int
        Above the written notes.
    whistled : bool
        Whether `wavecore.datasets.synths.whistle` performs it, and not an instrument.
    """

    octave: int
    whistled: bool


def player_gains(spec: DomainSpec, sounds: soundfont.SoundFont) -> tuple[float, ...]:
    """Work out how loud every player of a domain plays.

    Returns
    -------
    tuple of float
        Linear, in the order of ``spec.players``; together they have the loudness of one.
    """
    shares = [10 ** (player.level_db / 20) for player in spec.players]
    total = sum(share**2 for share in shares) ** 0.5
    return tuple(
        share / total * sounds.calibrated_gain(player.instrument, bank=spec.bank)
        for share, player in zip(shares, spec.players, strict=True)
    )


def perform(
    excerpt: Excerpt, spec: DomainSpec, gains: tuple[float, ...], sounds: soundfont.SoundFont, *, seed: int
) -> np.ndarray:
    """Play one excerpt in one domain.

    Parameters
    ----------
    gains : tuple of float
        Of the players, from ``player_gains``.
    seed : int
        The data set's.

    Returns
    -------
    ndarray, shape (n_samples,), float32
        In (-1, 1); a passage whose peak would pass 0.99 is turned down to it.
    """
    how = performance(excerpt, spec, seed)
    score = scores.transpose(excerpt.score, 12 * how.octave)
    if how.whistled:
        rng = generator(seed, "whistle", excerpt.id, spec.name)
        return whistle.whistle(score, rng=rng, n_samples=excerpt.n_samples, sample_rate=sounds.sample_rate)
    x = np.zeros(excerpt.n_samples, np.float32)
    for number, (player, gain) in enumerate(zip(spec.players, gains, strict=True)):
        own = scores.transpose(score, 12 * player.octave)
        if spec.sections:
            own = _not_quite_together(own, generator(seed, "ensemble", excerpt.id, spec.name, str(number)))
        x += sounds.render(own, instrument=player.instrument, bank=spec.bank, n_samples=excerpt.n_samples, gain=gain)
    peak = float(np.abs(x).max())
    return x if peak <= LOUDEST else x * np.float32(LOUDEST / peak)


def _not_quite_together(score: Score, rng: np.random.Generator) -> Score:
    late_s = rng.normal(0.0, ENSEMBLE_S, len(score.notes))
    moved = (
        replace(note, onset_s=max(0.0, note.onset_s + late)) for note, late in zip(score.notes, late_s, strict=True)
    )
    return replace(score, notes=tuple(moved))


def able(excerpt: Excerpt, specs: tuple[DomainSpec, ...]) -> list[int]:
    """Say which domains can play an excerpt: nobody whistles two voices.

    Returns
    -------
    list of int
        Indices into `specs`.
    """
    alone = scores.is_monophonic(excerpt.score)
    return [index for index, spec in enumerate(specs) if alone or not spec.whistled]


def performance(excerpt: Excerpt, spec: DomainSpec, seed: int) -> Performance:
    """Say who plays, and in which octave.

    Parameters
    ----------
    seed : int
        The data set's.

    Raises
    ------
    UsageError
        If nobody could whistle it.
    """
    if not spec.whistled:
        return Performance(octave=0, whistled=False)
    rng = generator(seed, "performance", excerpt.id, spec.name)
    fitting = [octave for octave in whistle.octaves_in_range(excerpt.score) if octave in WHISTLE_OCTAVES]
    if not fitting:
        low, high = scores.pitch_range(excerpt.score)
        raise UsageError(
            f"MIDI {low} to {high} cannot be whistled one or two octaves up; narrow ExcerptSettings.pitches"
        )
    octave = fitting[int(rng.integers(len(fitting)))]
    return Performance(octave=octave, whistled=bool(rng.random() < spec.whistled))
