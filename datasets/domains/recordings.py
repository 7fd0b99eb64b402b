"""Making a ``domains`` data set from a folder of recordings."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wavecore.audio import mulaw, note_level
from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.domains.manifest import Domain, Manifest, Piece, Slice
from wavecore.datasets.domains.shards import Parts, save_part, write_shard
from wavecore.errors import InputError, UsageError

SAMPLE_RATE = 16_000
PIECE_S = 60.0
HELD_OUT_SHARE = 0.1
"""Of valid and of test, each."""


@dataclass(frozen=True)
class _Passage:
    """A part of a file that becomes one piece."""

    id: str
    file: str
    domain: str
    split: str
    start: int
    length: int


def from_recordings(
    folder: str | Path,
    out: str | Path,
    *,
    domain: str | None = None,
    level_db: float | None = None,
    sample_rate: int = SAMPLE_RATE,
    source: str = "",
    licence: str = "",
    on_progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Convert folders of audio files to a data set; one subfolder is one domain.

    Files of any format, rate and channel count that libsndfile reads are mixed to mono, resampled, and cut into pieces
    of up to a minute. Every file is in one split; of a domain with fewer than three files, the first 80% of each file
    are for training, then 10% each for validation and test. Files that cannot be read are skipped and listed, with the
    reason, under ``settings["skipped"]`` of the manifest.

    Parameters
    ----------
    out : str or Path
        The data set's folder: new, empty, or one where the same import was stopped.
    domain : str, optional
        All files of `folder` belong to this one domain.
    level_db : float, optional
        Level to which every file is brought (see `wavecore.audio.note_level`), in dB of full scale, as far as its peaks
        allow; files keep their level if not given.
    sample_rate : int
        Of the data set, in Hz.
    source, licence : str
        For the manifest; the source is the folder's name when empty.
    on_progress : callable, optional
        Called with the files done and the files in all.

    Returns
    -------
    Manifest
        As written to ``out/manifest.json``; unpaired.

    Raises
    ------
    InputError
        If there are no subfolders, or one of them has no usable audio.
    OutputExistsError
        If `out` holds a finished data set or other files.
    UsageError
        If `out` holds parts of another build, or lies within `folder`.
    """
    folder, out = Path(folder), Path(out)
    if out.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"the data set {out} would lie inside the recordings {folder}; choose a folder outside")
    files = _files_by_domain(folder, domain)
    made_with = {"sample_rate": sample_rate, "piece_seconds": PIECE_S, "source": source, "licence": licence}
    if level_db is not None:
        made_with["level_db"] = level_db
    parts = Parts(out, {**made_with, "files": _fingerprint(folder, files)})
    lengths, skipped = _decode_missing(parts, folder, files, sample_rate, level_db, on_progress)
    passages = [passage for name in files for passage in _passages(name, lengths[name], sample_rate)]
    source = source or folder.resolve().name
    shards, pieces = _join(parts, passages, sample_rate, source=source, licence=licence)
    domains = tuple(
        Domain(
            name=name,
            kind="recordings",
            source=source,
            licence=licence,
            seconds=round(sum(piece.seconds for piece in pieces if name in piece.domains), 1),
        )
        for name in files
    )
    manifests.write(out, Manifest(sample_rate, False, domains, pieces, shards, {**made_with, "skipped": skipped}))
    parts.remove()
    return manifests.read(out)


def _files_by_domain(folder: Path, domain: str | None) -> dict[str, list[Path]]:
    from wavecore.audio.finding import find_audio, missing_path

    if not folder.exists():
        raise missing_path(folder)
    if domain is not None:
        return {domain: find_audio(folder)}
    if not folder.is_dir():
        raise InputError(f"{folder} is a file; give a folder with one subfolder of recordings per domain")
    subfolders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not subfolders:
        raise InputError(f"{folder} has no subfolders; put the recordings of each domain into one, named after it")
    return {path.name: find_audio(path) for path in subfolders}


def _fingerprint(folder: Path, files: dict[str, list[Path]]) -> list[list[Any]]:
    """Return names, sizes and times, which differ when a file was replaced."""
    return [
        [str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns]
        for paths in files.values()
        for path in paths
    ]


def _decode_missing(
    parts: Parts,
    folder: Path,
    files: dict[str, list[Path]],
    sample_rate: int,
    level_db: float | None,
    on_progress: Callable[[int, int], None] | None,
) -> tuple[dict[str, dict[str, int]], list[list[str]]]:
    """Convert every file to codes; return the lengths by domain and file, and the files that failed."""
    from wavecore.audio import files as audio_files

    lengths: dict[str, dict[str, int]] = {name: {} for name in files}
    skipped: list[list[str]] = []
    total, done = sum(map(len, files.values())), 0
    for domain, paths in files.items():
        for path in paths:
            name = path.relative_to(folder).as_posix()
            try:
                if not parts.has(name):
                    x, _ = audio_files.read(path, sample_rate=sample_rate)
                    x = x if level_db is None else note_level.level(x, level_db)
                    save_part(parts.path(name), mulaw.encode(x)[None])
                lengths[domain][name] = parts.read(name).shape[1]
            except InputError as error:
                skipped.append([name, str(error)])
            done += 1
            if on_progress is not None:
                on_progress(done, total)
        if not lengths[domain]:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped[-len(paths) :])
            raise InputError(f"none of the {len(paths)} files of the domain {domain!r} can be used: {reasons}")
    return lengths, skipped


def _passages(domain: str, lengths: dict[str, int], sample_rate: int) -> Iterator[_Passage]:
    """Cut a domain's files into pieces and assign the splits."""
    by_hash = sorted(lengths, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    n_held_out = max(1, round(HELD_OUT_SHARE * len(by_hash)))
    for rank, name in enumerate(by_hash):
        length, number = lengths[name], 0
        if len(by_hash) >= 3:
            split = "valid" if rank < n_held_out else "test" if rank < 2 * n_held_out else "train"
            ranges = [(split, 0, length)]
        else:
            first, second = round((1 - 2 * HELD_OUT_SHARE) * length), round((1 - HELD_OUT_SHARE) * length)
            ranges = [("train", 0, first), ("valid", first, second), ("test", second, length)]
        for split, begin, end in ranges:
            for start, stop in _cuts(begin, end, round(PIECE_S * sample_rate)):
                yield _Passage(f"{name}#{number}", name, domain, split, start, stop - start)
                number += 1


def _cuts(begin: int, end: int, longest: int) -> list[tuple[int, int]]:
    """Cut a range into parts of at most `longest` samples and equal length, so that no short rest is left."""
    n = -(-(end - begin) // longest)
    edges = [begin + (end - begin) * i // n for i in range(n + 1)] if n else [begin]
    return list(itertools.pairwise(edges))


def _join(
    parts: Parts, passages: list[_Passage], sample_rate: int, *, source: str, licence: str
) -> tuple[dict[str, dict[str, Any]], tuple[Piece, ...]]:
    """Write one shard per domain and split; return the shards' entries and the pieces."""
    shards: dict[str, dict[str, Any]] = {}
    pieces: list[Piece] = []
    groups: dict[tuple[str, str], list[_Passage]] = {}
    for passage in passages:
        groups.setdefault((passage.domain, passage.split), []).append(passage)
    for (domain, split), members in groups.items():
        name, offset = f"{domain}-{split}.npy", 0
        for member in members:
            seconds, slices = round(member.length / sample_rate, 6), {domain: Slice(name, offset, member.length)}
            pieces.append(Piece(member.id, member.file, split, source, licence, seconds, slices))
            offset += member.length
        codes = (parts.read(m.file)[0, m.start : m.start + m.length] for m in members)
        shards[name] = write_shard(parts.out / name, codes, offset)
    return shards, tuple(pieces)
