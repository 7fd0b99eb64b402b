"""Rendering the ``domains`` data set from scores."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wavecore.audio import mulaw
from wavecore.datasets import storage
from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.domains.excerpts import Excerpt, ExcerptSettings, plan
from wavecore.datasets.domains.manifest import Domain, Manifest, Piece, Slice
from wavecore.datasets.domains.players import (
    DEFAULT_DOMAINS,
    WHISTLE_SOURCE,
    DomainSpec,
    choose_performance,
    perform,
    playable_in,
    player_gains,
)
from wavecore.datasets.domains.shards import Parts, save_part, write_shard
from wavecore.datasets.splits import SPLITS
from wavecore.datasets.synths import soundfont
from wavecore.datasets.workers import run_remaining
from wavecore.errors import UsageError
from wavecore.symbolic.score import Score


@dataclass(frozen=True)
class _Studio:
    """What a process needs to render any excerpt."""

    specs: tuple[DomainSpec, ...]
    gains: tuple[tuple[float, ...], ...]
    soundfont: str
    sample_rate: int
    seed: int


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

    A build that was stopped continues when the function is called again with the same arguments.

    Parameters
    ----------
    melodies : iterable of Score
        Monophonic, with different names, as from `wavecore.datasets.scores.melodies`.
    out : str or Path
        The data set's folder: new, empty, or one where the same build was stopped.
    seconds : float or None
        Per domain; everything the melodies give when None.
    excerpt_seconds : tuple of float
        Shortest and longest excerpt; overrides that of `settings`.
    soundfont_path : str, Path or None
        FluidR3 GM from its usual places when None.
    sample_rate : int
        Hz.
    workers : int
        Number of processes; a script that asks for more than one needs the ``if __name__ == "__main__":`` of all
        programs that start processes.
    companions : mapping of str to Score, optional
        Accompaniments by the melody's name, for `settings` with duets.
    on_progress : callable, optional
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
        If it holds parts of another build, or an argument is out of range.
    InputError
        If there are not enough melodies, or no SoundFont.
    """
    specs = tuple(domains)
    names = [spec.name for spec in specs]
    if not names or len(set(names)) != len(names):
        raise UsageError(f"the domains are called {names}; at least one is needed, with different names")
    if workers < 1:
        raise UsageError(f"workers is {workers}; it must be 1 or more")
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
        "soundfont": {"name": sounds.path.name, "sha256": storage.file_sha256(sounds.path)},
        "sample_rate": sample_rate,
    }
    out = Path(out)
    parts = Parts(out, {**made_with, "pieces": [_fingerprint(excerpt) for excerpt in chosen]})
    remaining = [(studio, excerpt, parts.path(excerpt.id)) for excerpt in chosen if not parts.has(excerpt.id)]
    run_remaining(_render_part, remaining, workers, total=len(chosen), on_progress=on_progress)
    manifests.write(out, _join(parts, chosen, studio, sounds, made_with, soundfont_licence))
    parts.remove()
    return manifests.read(out)


@functools.lru_cache(maxsize=1)
def _sounds(path: str, sample_rate: int) -> soundfont.SoundFont:
    """Return the SoundFont of this process, opened once."""
    return soundfont.SoundFont(path, sample_rate=sample_rate)


def _render_part(task: tuple[_Studio, Excerpt, Path]) -> None:
    """Render one excerpt in every domain that can play it and save the codes."""
    studio, excerpt, path = task
    sounds = _sounds(studio.soundfont, studio.sample_rate)
    rendered = [
        perform(excerpt, studio.specs[index], studio.gains[index], sounds, seed=studio.seed)
        for index in playable_in(excerpt, studio.specs)
    ]
    save_part(path, mulaw.encode(np.stack(rendered)))


def _join(
    parts: Parts,
    chosen: list[Excerpt],
    studio: _Studio,
    sounds: soundfont.SoundFont,
    made_with: dict[str, Any],
    licence: str,
) -> Manifest:
    """Write the shards and return the manifest that describes them."""
    shards, slices = {}, {excerpt.id: {} for excerpt in chosen}
    rows = {excerpt.id: playable_in(excerpt, studio.specs) for excerpt in chosen}
    for index, spec in enumerate(studio.specs):
        for split in SPLITS:
            members = [excerpt for excerpt in chosen if excerpt.split == split and index in rows[excerpt.id]]
            if not members:
                continue
            name, offset = f"{spec.name}-{split}.npy", 0
            for excerpt in members:
                octave, whistled = choose_performance(excerpt, spec, studio.seed)
                player = WHISTLE_SOURCE if whistled else f"program {soundfont.program(spec.instrument)}"
                slices[excerpt.id][spec.name] = Slice(name, offset, excerpt.n_samples, octave, player)
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
    return Domain(
        name=spec.name,
        kind="whistle" if spec.whistled else "soundfont",
        programs=tuple(programs),
        source=f"{sounds.path.name}: {names}" + (f"; {WHISTLE_SOURCE}" if spec.whistled else ""),
        licence=licence,
        seconds=round(seconds, 1),
    )


def _fingerprint(excerpt: Excerpt) -> list[Any]:
    """Return what identifies an excerpt and its sound."""
    notes = [[n.onset_s, n.duration_s, n.pitch, n.velocity] for n in excerpt.score.notes]
    return [excerpt.id, excerpt.n_samples, notes]
