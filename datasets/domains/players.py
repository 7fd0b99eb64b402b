"""What plays in a domain: one instrument, an ensemble of sections, or a whistle."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from wavecore.datasets.domains.excerpts import Excerpt, generator
from wavecore.datasets.synths import soundfont, whistle
from wavecore.errors import UsageError
from wavecore.symbolic import score as scores
from wavecore.symbolic.score import Score

WHISTLE_SOURCE = "wavecore.datasets.whistle"
"""Names the whistle in manifests; it stays what it was in the first ones, wherever the module lies."""
WHISTLE_OCTAVES = (1, 2)
"""People whistle one octave above a singer's melody, some two."""
PEAK_LIMIT = 0.99
ENSEMBLE_S = 0.008
"""Standard deviation of a section's onsets around the written ones."""


@dataclass(frozen=True)
class Section:
    """Players who join an ensemble. The field names are part of the manifests' format.

    Attributes
    ----------
    instrument : str or int
        A name of `wavecore.datasets.synths.soundfont.PROGRAMS`, or a General MIDI program.
    octave : int
        Above the written notes, -2 to 2.
    level_db : float
        Relative to the common loudness, -40 to 12.
    """

    instrument: str | int
    octave: int = 0
    level_db: float = 0.0

    def __post_init__(self):
        soundfont.program(self.instrument)
        if not (-2 <= self.octave <= 2 and -40 <= self.level_db <= 12):
            raise UsageError(f"{self} is out of range: octaves -2 to 2, levels -40 to 12 dB")


@dataclass(frozen=True)
class DomainSpec:
    """How a domain is played. The field names are part of the manifests' format.

    Attributes
    ----------
    name : str
        Letters, digits, ``-`` and ``_``.
    instrument : str or int
        A name of `wavecore.datasets.synths.soundfont.PROGRAMS`, or a General MIDI program.
    whistled : float
        Share of pieces that are synthesized by `wavecore.datasets.synths.whistle` instead. Above 0 the domain is a
        whistle: it is moved up by the octaves that bring it into range, and pieces of several voices are left out.
    sections : tuple of Section
        Play with the instrument, each a little before or behind the others.

    Examples
    --------
    >>> trio = DomainSpec("trio", "violin", sections=(Section("oboe", level_db=-6), Section("cello", octave=-1)))
    >>> [player.instrument for player in trio.players]
    ['violin', 'oboe', 'cello']
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
            raise UsageError(f"{self.name!r} is whistled and cannot have sections")

    @property
    def players(self) -> tuple[Section, ...]:
        """The instrument and its sections."""
        return (Section(self.instrument), *self.sections)


# FluidR3's church organ sounds its lower octave at -14 dB, its drawbar organ at -6 dB; the reed organ's pitch is the
# written one (-76 dB).
DEFAULT_DOMAINS = (
    DomainSpec("strings", "violin"),
    DomainSpec("organ", "reed organ"),
    DomainSpec("harpsichord", "harpsichord"),
    DomainSpec("flute", "flute"),
    DomainSpec(
        "orchestra",
        "strings ensemble",
        sections=(
            Section("french horn", level_db=-4),
            Section("oboe", level_db=-6),
            Section("flute", octave=1, level_db=-10),
            Section("cello", octave=-1, level_db=-12),
        ),
    ),
    DomainSpec("whistle", "whistle", whistled=0.8),
)


def player_gains(spec: DomainSpec, sounds: soundfont.SoundFont) -> tuple[float, ...]:
    """Return the linear gains of ``spec.players``, with which they have the loudness of one player together."""
    amplitudes = [10 ** (player.level_db / 20) for player in spec.players]
    total = sum(amplitude**2 for amplitude in amplitudes) ** 0.5
    return tuple(
        amplitude / total * sounds.calibrated_gain(player.instrument, bank=spec.bank)
        for amplitude, player in zip(amplitudes, spec.players, strict=True)
    )


def perform(
    excerpt: Excerpt, spec: DomainSpec, gains: tuple[float, ...], sounds: soundfont.SoundFont, *, seed: int
) -> np.ndarray:
    """Render one excerpt in one domain with the gains of `player_gains`.

    Returns
    -------
    ndarray, shape (n_samples,), float32
        In (-1, 1); a passage whose peak would pass 0.99 is attenuated to it.
    """
    octave, whistled = choose_performance(excerpt, spec, seed)
    score = scores.transpose(excerpt.score, 12 * octave)
    if whistled:
        rng = generator(seed, "whistle", excerpt.id, spec.name)
        return whistle.whistle(score, rng=rng, n_samples=excerpt.n_samples, sample_rate=sounds.sample_rate)
    x = np.zeros(excerpt.n_samples, np.float32)
    for number, (player, gain) in enumerate(zip(spec.players, gains, strict=True)):
        own = scores.transpose(score, 12 * player.octave)
        if spec.sections:
            own = _shift_onsets(own, generator(seed, "ensemble", excerpt.id, spec.name, str(number)))
        x += sounds.render(own, instrument=player.instrument, bank=spec.bank, n_samples=excerpt.n_samples, gain=gain)
    peak = float(np.abs(x).max())
    return x if peak <= PEAK_LIMIT else x * np.float32(PEAK_LIMIT / peak)


def playable_in(excerpt: Excerpt, specs: tuple[DomainSpec, ...]) -> list[int]:
    """Return the indices of the domains that can play an excerpt: all, but for whistles and several voices."""
    monophonic = scores.is_monophonic(excerpt.score)
    return [index for index, spec in enumerate(specs) if monophonic or not spec.whistled]


def choose_performance(excerpt: Excerpt, spec: DomainSpec, seed: int) -> tuple[int, bool]:
    """Choose the octave above the written notes, and whether it is whistled, or raise UsageError if it cannot be."""
    if not spec.whistled:
        return 0, False
    rng = generator(seed, "performance", excerpt.id, spec.name)
    octaves = [octave for octave in whistle.octaves_in_range(excerpt.score) if octave in WHISTLE_OCTAVES]
    if not octaves:
        low, high = scores.pitch_range(excerpt.score)
        raise UsageError(
            f"MIDI {low} to {high} cannot be whistled one or two octaves up; narrow ExcerptSettings.pitches"
        )
    octave = octaves[int(rng.integers(len(octaves)))]
    return octave, bool(rng.random() < spec.whistled)


def _shift_onsets(score: Score, rng: np.random.Generator) -> Score:
    """Move every onset a little, as players in a section do."""
    shifts_s = rng.normal(0.0, ENSEMBLE_S, len(score.notes))
    onsets_s = [max(0.0, note.onset_s + shift_s) for note, shift_s in zip(score.notes, shifts_s, strict=True)]
    notes = (replace(note, onset_s=onset_s) for note, onset_s in zip(score.notes, onsets_s, strict=True))
    return replace(score, notes=tuple(notes))
