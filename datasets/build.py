"""Rendering the ``domains`` data set."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from wavecore.audio import mulaw
from wavecore.datasets import manifest as manifests
from wavecore.datasets import soundfont, whistle
from wavecore.datasets.excerpts import Excerpt, ExcerptSettings, generator, plan
from wavecore.datasets.manifest import Domain, Manifest, Piece, Slice
from wavecore.datasets.shards import Parts, save_part, write_shard
from wavecore.datasets.workers import finish
from wavecore.errors import UsageError
from wavecore.symbolic import score as scores
from wavecore.symbolic.score import Score

WHISTLE_SOURCE = "wavecore.datasets.whistle"
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
        Of `wavecore.datasets.soundfont.PROGRAMS`.
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
    name : str
    instrument : str or int
        Of `wavecore.datasets.soundfont.PROGRAMS`.
    bank : int
        MIDI bank.
    whistled : float
        Share of pieces that `wavecore.datasets.whistle` performs instead.  Above 0 the
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
class _Studio:
    """What a worker needs to play any excerpt."""

    specs: tuple[DomainSpec, ...]
    gains: tuple[tuple[float, ...], ...]
    soundfont: str
    sample_rate: int
    seed: int


@dataclass(frozen=True)
class _Performance:
    """How one excerpt is played in one domain."""

    octave: int
    whistled: bool


def build_domains(
    melodies: Iterable[Score],
    domains: Iterable[DomainSpec] = DEFAULT_DOMAINS,
    *,
    out: str | Path,
    seconds: float | None,
    excerpt_seconds: tuple[float, float] = (8.0, 12.0),
    seed: int = 0,
    settings: ExcerptSettings | None = None,
    soundfont_path: str | Path | None = None,
    soundfont_licence: str = "see the SoundFont's own notes (FluidR3 GM: MIT)",
    sample_rate: int = soundfont.SAMPLE_RATE,
    workers: int = 1,
    companions: Mapping[str, Score] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Render melodies in every domain, sample for sample alike.

    A build that was stopped goes on where it was when it is called again with
    the same arguments.

    Parameters
    ----------
    melodies : iterable of Score
        Monophonic, each with a name of its own; `wavecore.datasets.scores.melodies` gives them.
    domains : iterable of DomainSpec
    out : str or Path
        The data set's folder: new, empty, or one where the same build was stopped.
    seconds : float or None
        Per domain; everything the melodies give when None.
    excerpt_seconds : tuple of float
        Shortest and longest excerpt; overrides that of `settings`.
    seed : int
        0 or more.
    settings : ExcerptSettings or None
        How tunes are cut and varied.
    soundfont_path : str, Path or None
        FluidR3 GM from its usual places when None.
    soundfont_licence : str
        For the manifest.
    sample_rate : int
        Hz.
    workers : int
        Processes that render; a script that asks for more than one needs the
        ``if __name__ == "__main__":`` of all programs that start processes.
    companions : mapping of str to Score, optional
        What accompanies a melody, by its name, for `settings` with duets.
    on_progress : callable or None
        Called with the pieces done and the pieces in all.

    Returns
    -------
    Manifest
        As written to ``out/manifest.json``.

    Raises
    ------
    OutputExistsError
        If the folder holds a finished data set or other files.
    UsageError
        If it holds parts of another build, or an argument makes no sense.
    InputError
        If there are not enough melodies, or no SoundFont.
    """
    specs = tuple(domains)
    names = [spec.name for spec in specs]
    if not names or len(set(names)) != len(names):
        raise UsageError(f"the domains are called {names}; wanted one or more, each with a name of its own")
    if workers < 1:
        raise UsageError(f"workers is {workers}, wanted 1 or more")
    cuts = ExcerptSettings(**{**asdict(settings or ExcerptSettings()), "seconds": tuple(excerpt_seconds)})
    sounds = soundfont.SoundFont(soundfont_path, sample_rate=sample_rate)
    chosen = plan(melodies, seconds=seconds, settings=cuts, sample_rate=sample_rate, seed=seed, companions=companions)
    studio = _Studio(
        specs=specs,
        gains=tuple(player_gains(spec, sounds) for spec in specs),
        soundfont=str(sounds.path),
        sample_rate=sample_rate,
        seed=seed,
    )
    made_with = {
        "seed": seed,
        "excerpts": asdict(cuts),
        "domains": [asdict(spec) for spec in specs],
        "soundfont": {"name": sounds.path.name, "sha256": manifests.file_sha256(sounds.path)},
        "sample_rate": sample_rate,
    }
    out = Path(out)
    parts = Parts(out, {**made_with, "pieces": [_fingerprint(excerpt) for excerpt in chosen]})
    _render_missing(parts, chosen, studio, workers, on_progress)
    manifest = _join(parts, chosen, studio, sounds, made_with, soundfont_licence)
    manifests.write(out, manifest)
    parts.remove()
    return manifests.read(out)


def player_gains(spec: DomainSpec, sounds: soundfont.SoundFont) -> tuple[float, ...]:
    """Work out how loud every player of a domain plays.

    Parameters
    ----------
    spec : DomainSpec
    sounds : SoundFont

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
    excerpt : Excerpt
    spec : DomainSpec
    gains : tuple of float
        Of the players, from ``player_gains``.
    sounds : SoundFont
    seed : int
        The data set's.

    Returns
    -------
    ndarray, shape (n_samples,), float32
        In (-1, 1); a passage whose peak would pass 0.99 is turned down to it.
    """
    how = _performance(excerpt, spec, seed)
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
    moved = (replace(note, onset_s=max(0.0, note.onset_s + late)) for note, late in zip(score.notes, late_s, strict=True))
    return replace(score, notes=tuple(moved))


def _players_of(excerpt: Excerpt, specs: tuple[DomainSpec, ...]) -> list[int]:
    """Which domains can play an excerpt: nobody whistles two voices."""
    alone = scores.is_monophonic(excerpt.score)
    return [index for index, spec in enumerate(specs) if alone or not spec.whistled]


def _performance(excerpt: Excerpt, spec: DomainSpec, seed: int) -> _Performance:
    """Who plays, and in which octave."""
    if not spec.whistled:
        return _Performance(octave=0, whistled=False)
    rng = generator(seed, "performance", excerpt.id, spec.name)
    fitting = [octave for octave in whistle.octaves_in_range(excerpt.score) if octave in WHISTLE_OCTAVES]
    if not fitting:
        low, high = scores.pitch_range(excerpt.score)
        raise UsageError(
            f"MIDI {low} to {high} cannot be whistled one or two octaves up; narrow ExcerptSettings.pitches"
        )
    octave = fitting[int(rng.integers(len(fitting)))]
    return _Performance(octave=octave, whistled=bool(rng.random() < spec.whistled))


def _render_missing(
    parts: Parts,
    chosen: list[Excerpt],
    studio: _Studio,
    workers: int,
    on_progress: Callable[[int, int], None] | None,
) -> None:
    todo = [(studio, excerpt, str(parts.path(excerpt.id))) for excerpt in chosen if not parts.has(excerpt.id)]
    finish(_render_part, todo, workers, total=len(chosen), on_progress=on_progress)


@functools.lru_cache(maxsize=1)
def _sounds(path: str, sample_rate: int) -> soundfont.SoundFont:
    """The SoundFont of this process, checked once."""
    return soundfont.SoundFont(path, sample_rate=sample_rate)


def _render_part(task: tuple[_Studio, Excerpt, str]) -> None:
    """Play one excerpt in every domain that can and keep the codes."""
    studio, excerpt, path = task
    sounds = _sounds(studio.soundfont, studio.sample_rate)
    played = [
        perform(excerpt, studio.specs[index], studio.gains[index], sounds, seed=studio.seed)
        for index in _players_of(excerpt, studio.specs)
    ]
    save_part(Path(path), mulaw.encode(np.stack(played)))


def _join(
    parts: Parts,
    chosen: list[Excerpt],
    studio: _Studio,
    sounds: soundfont.SoundFont,
    made_with: dict[str, object],
    licence: str,
) -> Manifest:
    """Write the shards and describe them."""
    shards, slices = {}, {excerpt.id: {} for excerpt in chosen}
    rows = {excerpt.id: _players_of(excerpt, studio.specs) for excerpt in chosen}
    for index, spec in enumerate(studio.specs):
        for split in manifests.SPLITS:
            members = [excerpt for excerpt in chosen if excerpt.split == split and index in rows[excerpt.id]]
            if not members:
                continue
            name, offset = f"{spec.name}-{split}.npy", 0
            for excerpt in members:
                how = _performance(excerpt, spec, studio.seed)
                player = WHISTLE_SOURCE if how.whistled else f"program {soundfont.program(spec.instrument)}"
                slices[excerpt.id][spec.name] = Slice(name, offset, excerpt.n_samples, how.octave, player)
                offset += excerpt.n_samples
            codes = (parts.read(excerpt.id)[rows[excerpt.id].index(index)] for excerpt in members)
            shards[name] = write_shard(parts.out / name, codes, offset)
    pieces = tuple(_piece(excerpt, slices[excerpt.id], studio.sample_rate) for excerpt in chosen)
    seconds = {spec.name: sum(piece.seconds for piece in pieces if spec.name in piece.domains) for spec in studio.specs}
    return Manifest(
        sample_rate=studio.sample_rate,
        paired=True,
        domains=tuple(
            _domain(spec, gains, sounds, seconds[spec.name], licence)
            for spec, gains in zip(studio.specs, studio.gains, strict=True)
        ),
        pieces=pieces,
        shards=shards,
        settings=made_with,
    )


def _piece(excerpt: Excerpt, slices: dict[str, Slice], sample_rate: int) -> Piece:
    return Piece(
        id=excerpt.id,
        tune=excerpt.tune,
        split=excerpt.split,
        source=excerpt.score.source,
        licence=excerpt.score.licence,
        seconds=round(excerpt.n_samples / sample_rate, 6),
        domains=slices,
        notes=tuple(
            (round(note.onset_s, 4), round(note.duration_s, 4), note.pitch, note.velocity)
            for note in excerpt.score.notes
        ),
    )


def _domain(
    spec: DomainSpec, gains: tuple[float, ...], sounds: soundfont.SoundFont, seconds: float, licence: str
) -> Domain:
    programs = []
    for player, gain in zip(spec.players, gains, strict=True):
        programs.append(
            {
                "bank": spec.bank,
                "program": soundfont.program(player.instrument),
                "preset": sounds.preset_name(player.instrument, bank=spec.bank),
                "gain": gain,
                "share": round(1 - spec.whistled, 6),
            }
            | ({"octave": player.octave} if player.octave else {})
        )
    names = " + ".join(program["preset"] for program in programs)
    source = f"{sounds.path.name}: {names}" + (f"; {WHISTLE_SOURCE}" if spec.whistled else "")
    return Domain(
        name=spec.name,
        kind="whistle" if spec.whistled else "soundfont",
        programs=tuple(programs),
        source=source,
        licence=licence,
        seconds=round(seconds, 1),
    )


def _fingerprint(excerpt: Excerpt) -> list[object]:
    """What identifies an excerpt and its sound."""
    notes = [[n.onset_s, n.duration_s, n.pitch, n.velocity] for n in excerpt.score.notes]
    return [excerpt.id, excerpt.n_samples, notes]
