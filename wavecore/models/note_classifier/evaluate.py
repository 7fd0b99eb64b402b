"""How well notes are recognised: pitch, qualities, family and source, from logits and truth.

Most of the ten quality bits are rarely set, so a judge that never sets one is
right most of the time; F1, the harmonic mean of precision and recall, does not
flatter in that way and is told beside the accuracy.

References
----------
Engel et al., "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders", arXiv:1704.01279, section 4.2.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from wavecore.errors import InputError


@dataclass(frozen=True)
class QualityScores:
    """How well the bits of notes are recognised.

    Attributes
    ----------
    accuracy : float
        Share of all bits that are right, 0 to 1.
    f1 : float or None
        Of all bits together (micro average), 0 to 1; None where no bit is set or found.
    bit_accuracy : tuple of float
        Of each bit, 0 to 1.
    bit_f1 : tuple of (float or None)
        Of each bit, 0 to 1; None where it is neither set nor found in any note.
    """

    accuracy: float
    f1: float | None
    bit_accuracy: tuple[float, ...]
    bit_f1: tuple[float | None, ...]


@dataclass(frozen=True)
class NoteScores:
    """How well notes are recognised.

    Attributes
    ----------
    pitch_accuracy : float
        Share of notes whose MIDI number is the likeliest one, 0 to 1.
    family_accuracy, source_accuracy : float
        0 to 1.
    """

    n_notes: int
    pitch_accuracy: float
    quality: QualityScores
    family_accuracy: float
    source_accuracy: float

    def to_dict(self) -> dict:
        """Return the scores as plain JSON values."""
        return asdict(self)


def note_scores(
    *,
    pitch: tuple[np.ndarray, np.ndarray],
    quality: tuple[np.ndarray, np.ndarray],
    family: tuple[np.ndarray, np.ndarray],
    source: tuple[np.ndarray, np.ndarray],
) -> NoteScores:
    """Score all that is judged of notes; each pair is logits and truth.

    Parameters
    ----------
    pitch : tuple of ndarray, shapes (N, 128) and (N,), float and integer
    quality : tuple of ndarray, shapes (N, Q) and (N, Q), float and bits
    family : tuple of ndarray, shapes (N, n_families) and (N,), float and integer
    source : tuple of ndarray, shapes (N, n_sources) and (N,), float and integer

    Raises
    ------
    InputError
        If a pair is refused by ``class_accuracy`` or ``quality_scores``, or their numbers of notes differ.
    """
    counts = {len(truth) for _, truth in (pitch, quality, family, source)}
    if len(counts) > 1:
        raise InputError(f"pitch, quality, family and source are of different numbers of notes: {sorted(counts)}")
    return NoteScores(
        n_notes=len(pitch[1]),
        pitch_accuracy=class_accuracy(*pitch, what="pitch"),
        quality=quality_scores(*quality),
        family_accuracy=class_accuracy(*family, what="family"),
        source_accuracy=class_accuracy(*source, what="source"),
    )


def class_accuracy(logits: np.ndarray, truth: np.ndarray, *, what: str = "class") -> float:
    """Tell how often the largest logit is that of the true class.

    Parameters
    ----------
    logits : ndarray, shape (N, K), float
    truth : ndarray, shape (N,), integer
        0 to K - 1.
    what : str
        What the classes are, for messages.

    Returns
    -------
    float
        0 to 1.  Of equal logits the first one counts.

    Raises
    ------
    InputError
        If there are no notes, the shapes do not fit, a logit is not finite or a class is out of range.
    """
    logits, truth = np.asarray(logits), np.asarray(truth)
    if logits.ndim != 2 or truth.shape != logits.shape[:1] or not logits.size:
        raise InputError(
            f"{what}: logits of shape {logits.shape} and truth of shape {truth.shape}, wanted (N, K) and (N,)"
        )
    _require_finite(logits, what)
    if not np.issubdtype(truth.dtype, np.integer) or truth.min() < 0 or truth.max() >= logits.shape[1]:
        raise InputError(
            f"{what}: the truth is {truth.dtype} from {truth.min()} to {truth.max()}, wanted whole numbers from 0 to "
            f"{logits.shape[1] - 1}"
        )
    return float(np.mean(logits.argmax(axis=1) == truth))


def quality_scores(logits: np.ndarray, bits: np.ndarray) -> QualityScores:
    """Tell how well bits are recognised; a positive logit sets a bit.

    Parameters
    ----------
    logits : ndarray, shape (N, Q), float
    bits : ndarray, shape (N, Q), integer or bool
        0 and 1.

    Raises
    ------
    InputError
        If there are no notes, the shapes do not fit, a logit is not finite, or a bit is neither 0 nor 1.
    """
    logits, bits = np.asarray(logits), np.asarray(bits)
    if logits.ndim != 2 or bits.shape != logits.shape or not logits.size:
        raise InputError(f"quality: logits of shape {logits.shape} and bits of shape {bits.shape}, wanted (N, Q) twice")
    _require_finite(logits, "quality")
    strange = bits[(bits != 0) & (bits != 1)]
    if strange.size:
        raise InputError(f"quality: bits are 0 or 1, not {strange[0]}")
    found, true = logits > 0, bits.astype(bool)
    hits, claims = (found & true).sum(axis=0), found.sum(axis=0) + true.sum(axis=0)
    right = found == true
    return QualityScores(
        accuracy=float(right.mean()),
        f1=_f1(hits.sum(), claims.sum()),
        bit_accuracy=tuple(float(share) for share in right.mean(axis=0)),
        bit_f1=tuple(_f1(*pair) for pair in zip(hits, claims, strict=True)),
    )


def _f1(hits: int, claims: int) -> float | None:
    """2 TP / (2 TP + FP + FN); ``claims`` counts the bits found and the bits set."""
    return float(2 * hits / claims) if claims else None


def _require_finite(logits: np.ndarray, what: str) -> None:
    if not np.isfinite(logits).all():
        raise InputError(f"{what}: {int((~np.isfinite(logits)).sum())} of {logits.size} logits are not finite")
