"""The splits of a data set, and which piece belongs to which."""

from __future__ import annotations

import hashlib

from wavecore.errors import UsageError

SPLITS = ("train", "valid", "test")


def split_of(piece_id: str, *, fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)) -> str:
    """Assign a piece to ``"train"``, ``"valid"`` or ``"test"`` by the hash of its id.

    The assignment is the same in every data set, on every machine and in every order. With the id of the whole piece,
    transpositions and excerpts of a piece never lie in two splits.

    Parameters
    ----------
    fractions : tuple of float
        Of train, valid and test; they add up to 1.

    Raises
    ------
    UsageError
        If a fraction is negative or they do not add up to 1.

    Examples
    --------
    >>> [split_of(f"POP909/{number}") for number in ("001", "004", "009")]
    ['train', 'valid', 'test']
    """
    if min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-9:
        raise UsageError(f"the split fractions {fractions} must be 0 or more and add up to 1")
    position = int.from_bytes(hashlib.sha256(piece_id.encode()).digest()[:8], "big") / 2**64
    if position < fractions[0]:
        return "train"
    return "valid" if position < fractions[0] + fractions[1] else "test"
