"""The ``domains`` data set: the same kind of music in several kinds of sound.

`build_domains` renders melodies in every domain, sample for sample alike, so
that a translation's truth is known.  `from_recordings` makes the same layout
from anybody's recordings.  `DomainsDataset` reads either and needs NumPy alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.domains.build import build_domains
from wavecore.datasets.domains.manifest import Manifest, Piece
from wavecore.datasets.domains.players import DEFAULT_DOMAINS, DomainSpec
from wavecore.datasets.domains.recordings import from_recordings
from wavecore.errors import InputError, UsageError

__all__ = [
    "DEFAULT_DOMAINS",
    "DomainSpec",
    "DomainsDataset",
    "PairedCrop",
    "build_domains",
    "from_recordings",
]


class PairedCrop(NamedTuple):
    """The same passage in two domains.

    Attributes
    ----------
    source, target : ndarray, shape (n_samples,), uint8
        Mu-law codes.
    octave_shift : int
        From the source's octave to the target's.
    """

    source: np.ndarray
    target: np.ndarray
    octave_shift: int


class DomainsDataset:
    """A finished data set, open for reading; use `open`.

    Shards are memory-mapped: what is not read takes no memory.

    Parameters
    ----------
    path : Path
        The folder.
    shards : dict of str to ndarray of shape (samples,), uint8
        By file name.

    Attributes
    ----------
    domains : tuple of str
        The domains' names in the manifest's order.
    sample_rate : int
        Hz.
    paired : bool
        Every piece exists in every domain, sample for sample.
    """

    def __init__(self, path: Path, manifest: Manifest, shards: dict[str, np.ndarray]):
        self.path = path
        self.manifest = manifest
        self.domains = tuple(domain.name for domain in manifest.domains)
        self.sample_rate = manifest.sample_rate
        self.paired = manifest.paired
        self._shards = shards
        # (domains, split, n_samples, hop) -> the pieces that are long enough, and their starts summed up
        self._starts: dict[tuple, tuple[list[Piece], np.ndarray]] = {}

    @classmethod
    def open(cls, path: str | Path) -> DomainsDataset:
        """Open a data set.

        Parameters
        ----------
        path : str or Path
            The folder with ``manifest.json``.

        Raises
        ------
        InputError
            If it is unfinished, damaged, or a shard is missing or has another size.
        """
        path = Path(path)
        manifest = manifests.read(path)
        shards = {name: _open_shard(path / name, entry["samples"]) for name, entry in manifest.shards.items()}
        return cls(path, manifest, shards)

    def pieces(self, split: str, *, domain: str | None = None) -> tuple[Piece, ...]:
        """List the pieces of a split.

        Parameters
        ----------
        split : str
            ``train``, ``valid`` or ``test``.
        domain : str or None
            Only those that exist in this domain.

        Returns
        -------
        tuple of Piece
            In the manifest's order, possibly none.

        Raises
        ------
        UsageError
            If there is no such split or domain.
        """
        if split not in manifests.SPLITS:
            raise UsageError(f"there is no split {split!r}; choose from {', '.join(manifests.SPLITS)}")
        if domain is not None:
            self._require(domain)
        wanted = (piece for piece in self.manifest.pieces if piece.split == split)
        return tuple(piece for piece in wanted if domain is None or domain in piece.domains)

    def codes(self, piece: Piece, domain: str) -> np.ndarray:
        """Return a whole piece in one domain.

        Returns
        -------
        ndarray, shape (T,), uint8
            A read-only view of the file.

        Raises
        ------
        UsageError
            If the piece does not exist in this domain.
        """
        self._require(domain)
        if domain not in piece.domains:
            raise UsageError(f"piece {piece.id!r} does not exist in {domain!r}, only in {', '.join(piece.domains)}")
        where = piece.domains[domain]
        return self._shards[where.shard][where.offset : where.offset + where.length]

    def whole_pieces(self, split: str, domain: str) -> Iterator[tuple[Piece, np.ndarray]]:
        """Go through all pieces of a split in one domain.

        Yields
        ------
        tuple of Piece and ndarray of shape (T,), uint8
        """
        for piece in self.pieces(split, domain=domain):
            yield piece, self.codes(piece, domain)

    def crop(self, rng: np.random.Generator, domain: str, split: str, n_samples: int) -> np.ndarray:
        """Draw a crop; every possible start is equally likely.

        Returns
        -------
        ndarray, shape (n_samples,), uint8
            A copy.

        Raises
        ------
        UsageError
            If there is no such domain or split.
        InputError
            If no piece is long enough.
        """
        piece, start = self._draw(rng, (domain,), split, n_samples, 1)
        return np.array(self.codes(piece, domain)[start : start + n_samples])

    def paired_crop(
        self,
        rng: np.random.Generator,
        source_domain: str,
        target_domain: str,
        split: str,
        n_samples: int,
        hop: int,
    ) -> PairedCrop:
        """Draw the same passage in two domains; every possible start is equally likely.

        Parameters
        ----------
        source_domain, target_domain : str
            The same name twice is allowed and gives the same codes twice.
        hop : int
            The passage starts at a multiple of this many samples in its piece.

        Returns
        -------
        PairedCrop
            Copies.

        Raises
        ------
        UsageError
            If there is no such domain or split, or two domains of unpaired data are asked for.
        InputError
            If no piece is long enough.
        """
        if source_domain != target_domain and not self.paired:
            raise UsageError(
                f"{self.path} holds unrelated recordings, so {source_domain!r} and {target_domain!r} "
                "have no common passages; train without pairs, or on a rendered data set"
            )
        piece, start = self._draw(rng, (source_domain, target_domain), split, n_samples, hop)
        source, target = (
            np.array(self.codes(piece, name)[start : start + n_samples]) for name in (source_domain, target_domain)
        )
        shift = piece.domains[target_domain].octave - piece.domains[source_domain].octave
        return PairedCrop(source, target, shift)

    def summary(self) -> dict[str, object]:
        """Describe the data set for a model's card.

        Returns
        -------
        dict
            JSON values only: name, rate, pairing, pieces and seconds per split, domains with
            their sources and licences, and the hash of the manifest.
        """
        seconds = {split: 0.0 for split in manifests.SPLITS}
        counts = {split: 0 for split in manifests.SPLITS}
        for piece in self.manifest.pieces:
            seconds[piece.split] += piece.seconds
            counts[piece.split] += 1
        return {
            "name": self.path.resolve().name,
            "sample_rate": self.sample_rate,
            "paired": self.paired,
            "pieces": counts,
            "seconds": {split: round(value, 1) for split, value in seconds.items()},
            "domains": [
                {
                    "name": d.name,
                    "kind": d.kind,
                    "source": d.source,
                    "licence": d.licence,
                    "seconds": d.seconds,
                }
                for d in self.manifest.domains
            ],
            "music": sorted({f"{piece.source} ({piece.licence})" for piece in self.manifest.pieces}),
            "manifest_sha256": manifests.file_sha256(self.path / manifests.NAME),
        }

    def verify(self) -> list[str]:
        """Compare every shard with the hash it was written with.

        Returns
        -------
        list of str
            The shards that differ; empty when all is well.
        """
        return [
            name
            for name, entry in self.manifest.shards.items()
            if manifests.file_sha256(self.path / name) != entry["sha256"]
        ]

    def _require(self, domain: str) -> None:
        if domain not in self.domains:
            raise UsageError(f"there is no domain {domain!r} in {self.path}; it has {', '.join(self.domains)}")

    def _draw(
        self, rng: np.random.Generator, domains: tuple[str, ...], split: str, n_samples: int, hop: int
    ) -> tuple[Piece, int]:
        """A piece and a start in it, uniform over all starts there are."""
        pieces, ends = self._candidates(domains, split, n_samples, hop)
        drawn = int(rng.integers(ends[-1]))
        index = int(np.searchsorted(ends, drawn, side="right"))
        first = int(ends[index - 1]) if index else 0
        return pieces[index], (drawn - first) * hop

    def _candidates(
        self, domains: tuple[str, ...], split: str, n_samples: int, hop: int
    ) -> tuple[list[Piece], np.ndarray]:
        key = (domains, split, n_samples, hop)
        if key not in self._starts:
            if n_samples < 1 or hop < 1:
                raise UsageError(f"n_samples is {n_samples} and hop {hop}; both must be 1 or more")
            for domain in domains:
                self._require(domain)
            pieces = [p for p in self.pieces(split) if all(name in p.domains for name in domains)]
            lengths = [min(piece.domains[name].length for name in domains) for piece in pieces]
            fitting = [(p, (n - n_samples) // hop + 1) for p, n in zip(pieces, lengths, strict=True) if n >= n_samples]
            if not fitting:
                raise InputError(
                    f"no {split} piece of {self.path} in {' and '.join(sorted(set(domains)))} "
                    f"has {n_samples} samples; "
                    f"the longest of {len(pieces)} has {max(lengths, default=0)}: take shorter crops "
                    "or more data"
                )
            self._starts[key] = [piece for piece, _ in fitting], np.cumsum([starts for _, starts in fitting])
        return self._starts[key]


def _open_shard(path: Path, samples: int) -> np.ndarray:
    """The codes of one shard, memory-mapped."""
    try:
        shard = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"the shard {path} cannot be read: {error}; build the data set again") from error
    if shard.shape != (samples,) or shard.dtype != np.uint8:
        raise InputError(
            f"the shard {path} holds {shard.dtype} of shape {shard.shape}, its manifest says uint8 of "
            f"({samples},); build the data set again"
        )
    return shard
