"""Held-out tunes whose true rendering in every domain is known, and what may stand in a translation's place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wavecore.audio import mulaw
from wavecore.datasets.domains.manifest import Piece
from wavecore.datasets.domains.reader import DomainsDataset
from wavecore.errors import InputError, UsageError

ROUNDING_S = 1e-3
"""Of times in a data set's notes: what overlaps by less does not."""
INSTEAD = ("truth", "source", "silence", "noise")
"""What may be judged in the model's place, to see that the measures measure."""


@dataclass(frozen=True)
class Clip:
    """A held-out tune.

    Attributes
    ----------
    source : ndarray, shape (T,), float32
        As it comes in.
    truth : dict of str to ndarray, shape (T,), float32
        As each target plays it.
    several : bool
        Whether notes sound at once.
    """

    name: str
    source: np.ndarray
    truth: dict[str, np.ndarray]
    several: bool = False


def choose(
    dataset: DomainsDataset,
    source: str,
    targets: Sequence[str],
    *,
    split: str,
    n_clips: int,
    seconds: float,
    several: bool = False,
) -> list[Clip]:
    """Take the beginnings of different tunes.

    Parameters
    ----------
    dataset : DomainsDataset
        Paired: the same tunes in every domain.
    source : str
        The domain that comes in.
    split : {"train", "valid", "test"}
    n_clips : int
        At most.
    seconds : float
        Of a clip, at most.
    several : bool
        Whether tunes of several voices are taken, and not those of one.

    Returns
    -------
    list of Clip
        One for each tune.

    Raises
    ------
    UsageError
        If the data are not paired or lack a domain.
    InputError
        If the split holds no such tune.
    """
    if not dataset.paired:
        raise UsageError(
            f"{dataset.path} does not hold the same tunes in every domain, so that no true answer is known"
        )
    unknown = [name for name in (source, *targets) if name not in dataset.domains]
    if unknown:
        raise UsageError(f"the data set has no domain {', '.join(unknown)}; it has {', '.join(dataset.domains)}")
    length, found = int(seconds * dataset.sample_rate), {}
    for piece in dataset.pieces(split, domain=source):
        fits = is_of_several(piece) == several and all(target in piece.domains for target in targets)
        if piece.tune not in found and fits:
            sounds = {name: mulaw.decode(np.array(dataset.codes(piece, name)[:length])) for name in {source, *targets}}
            found[piece.tune] = Clip(piece.id, sounds[source], {name: sounds[name] for name in targets}, several)
        if len(found) == n_clips:
            break
    if not found:
        kind = " of several voices" if several else ""
        raise InputError(
            f"the split {split!r} of {dataset.path} holds no tune{kind} in {source} and {', '.join(targets)}"
        )
    return list(found.values())


def is_of_several(piece: Piece) -> bool:
    """Tell whether notes of a piece sound at once.

    Returns
    -------
    bool
        False where its notes are not known.
    """
    notes = sorted(piece.notes)
    return any(a[0] + a[1] > b[0] + ROUNDING_S for a, b in zip(notes, notes[1:], strict=False))


def instead(what: str, clips: Sequence[Clip], targets: Sequence[str], *, seed: int = 0) -> dict[str, list[np.ndarray]]:
    """Make what is judged in a model's place, to see that the measures measure.

    Parameters
    ----------
    what : str
        One of ``INSTEAD``.
    seed : int
        Of the noise.

    Returns
    -------
    dict of str to list of ndarray, shape (T,), float32
        As ``translate`` returns it.

    Raises
    ------
    UsageError
        If `what` is unknown.
    """
    if what not in INSTEAD:
        raise UsageError(f"there is no {what!r} to be judged instead; choose one of {', '.join(INSTEAD)}")
    rng = np.random.default_rng(seed)

    def make(clip: Clip, target: str) -> np.ndarray:
        if what == "truth":
            return clip.truth[target]
        if what == "source":
            return clip.source
        return (0.1 if what == "noise" else 0.0) * rng.standard_normal(len(clip.source)).astype(np.float32)

    return {target: [make(clip, target) for clip in clips] for target in targets}
