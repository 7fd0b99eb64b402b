"""Reading a ``domains`` data set: crops, paired crops and whole pieces as mu-law codes.

This needs NumPy alone. `wavecore.datasets.domains.build` renders such data sets from scores, sample for sample alike in
every domain; `wavecore.datasets.domains.recordings` makes them from recordings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wavecore.datasets import storage
from wavecore.datasets.domains import manifest as manifests
from wavecore.datasets.domains.manifest import Manifest, Piece
from wavecore.datasets.splits import SPLITS
from wavecore.errors import InputError, UsageError


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

    Shards are memory-mapped, so that a data set may be larger than the memory::

        dataset = DomainsDataset.open("data/domains")
        crop = dataset.paired_crop(rng, "whistle", "strings", "train", n_samples=16_000, hop=800)

    Parameters
    ----------
    shards : dict of str to ndarray of shape (samples,), uint8
        Mu-law codes, by file name.

    Attributes
    ----------
    domains : tuple of str
        The domains' names in the manifest's order.
    sample_rate : int
        Hz.
    paired : bool
        Whether every piece exists in every domain, sample for sample.
    """

    def __init__(self, path: Path, manifest: Manifest, shards: dict[str, np.ndarray]):
        self.path = path
        self.manifest = manifest
        self.domains = tuple(domain.name for domain in manifest.domains)
        self.sample_rate = manifest.sample_rate
        self.paired = manifest.paired
        self._shards = shards
        # By (domains, split, n_samples, hop): the pieces that are long enough, and the running sum of their starts.
        self._starts: dict[tuple, tuple[list[Piece], np.ndarray]] = {}

    @classmethod
    def open(cls, path: str | Path) -> DomainsDataset:
        """Open the data set in a folder.

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
        """Return the pieces of a split, or those of them that exist in a domain, in the manifest's order.

        Raises
        ------
        UsageError
            If there is no such split or domain.
        """
        if split not in SPLITS:
            raise UsageError(f"there is no split {split!r}; choose from {', '.join(SPLITS)}")
        if domain is not None:
            self._require(domain)
        return tuple(
            piece
            for piece in self.manifest.pieces
            if piece.split == split and (domain is None or domain in piece.domains)
        )

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
        part = piece.domains[domain]
        return self._shards[part.shard][part.offset : part.offset + part.length]

    def paired_crop(
        self, rng: np.random.Generator, source_domain: str, target_domain: str, split: str, n_samples: int, hop: int
    ) -> PairedCrop:
        """Draw the same passage in two domains, uniformly from all possible starts.

        Parameters
        ----------
        source_domain, target_domain : str
            They may be the same.
        split : {"train", "valid", "test"}
        hop : int
            The passage starts at a multiple of this many samples in its piece.

        Returns
        -------
        PairedCrop
            Copies.

        Raises
        ------
        UsageError
            If there is no such domain or split, or the data set is not paired and the domains differ.
        InputError
            If no piece is long enough.
        """
        if source_domain != target_domain and not self.paired:
            raise UsageError(
                f"{self.path} holds unrelated recordings, so {source_domain!r} and {target_domain!r} "
                "have no common passages; train without pairs, or on a rendered data set"
            )
        pieces, ends = self._candidates((source_domain, target_domain), split, n_samples, hop)
        position = int(rng.integers(ends[-1]))
        index = int(np.searchsorted(ends, position, side="right"))
        piece, start = pieces[index], (position - (int(ends[index - 1]) if index else 0)) * hop
        source, target = (
            np.array(self.codes(piece, name)[start : start + n_samples]) for name in (source_domain, target_domain)
        )
        shift = piece.domains[target_domain].octave - piece.domains[source_domain].octave
        return PairedCrop(source, target, shift)

    def summary(self) -> dict[str, Any]:
        """Describe the data set for a model's card, in JSON values."""
        seconds = dict.fromkeys(SPLITS, 0.0)
        counts = dict.fromkeys(SPLITS, 0)
        for piece in self.manifest.pieces:
            seconds[piece.split] += piece.seconds
            counts[piece.split] += 1
        shown = ("name", "kind", "source", "licence", "seconds")
        return {
            "name": self.path.resolve().name,
            "sample_rate": self.sample_rate,
            "paired": self.paired,
            "pieces": counts,
            "seconds": {split: round(value, 1) for split, value in seconds.items()},
            "domains": [{key: getattr(domain, key) for key in shown} for domain in self.manifest.domains],
            "music": sorted({f"{piece.source} ({piece.licence})" for piece in self.manifest.pieces}),
            "manifest_sha256": storage.file_sha256(self.path / storage.MANIFEST),
        }

    def verify(self) -> list[str]:
        """Return the names of the shards whose hash is not the manifest's."""
        return [
            name
            for name, entry in self.manifest.shards.items()
            if storage.file_sha256(self.path / name) != entry["sha256"]
        ]

    def _require(self, domain: str) -> None:
        if domain not in self.domains:
            raise UsageError(f"there is no domain {domain!r} in {self.path}; it has {', '.join(self.domains)}")

    def _candidates(
        self, domains: tuple[str, ...], split: str, n_samples: int, hop: int
    ) -> tuple[list[Piece], np.ndarray]:
        """Return the pieces that are long enough and the running sum of their numbers of starts."""
        key = (domains, split, n_samples, hop)
        if key not in self._starts:
            if n_samples < 1 or hop < 1:
                raise UsageError(f"n_samples is {n_samples} and hop {hop}; both must be 1 or more")
            for domain in domains:
                self._require(domain)
            pieces = [piece for piece in self.pieces(split) if set(domains) <= set(piece.domains)]
            lengths = [min(piece.domains[name].length for name in domains) for piece in pieces]
            fitting = [(p, (n - n_samples) // hop + 1) for p, n in zip(pieces, lengths, strict=True) if n >= n_samples]
            if not fitting:
                raise InputError(
                    f"no {split} piece of {self.path} in {' and '.join(sorted(set(domains)))} has {n_samples} samples; "
                    f"the longest of {len(pieces)} has {max(lengths, default=0)}: take shorter crops or more data"
                )
            self._starts[key] = [piece for piece, _ in fitting], np.cumsum([starts for _, starts in fitting])
        return self._starts[key]


def _open_shard(path: Path, samples: int) -> np.ndarray:
    """Map the codes of one shard into memory."""
    shard = storage.open_codes(path)
    if shard.shape != (samples,):
        raise InputError(f"the shard {path} has shape {shard.shape}, its manifest lists {samples} samples")
    return shard
