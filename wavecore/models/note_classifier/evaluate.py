"""Scores of a note classifier: pitch, qualities, family and source, from logits and truth.

Most of the ten quality bits are rarely set, so a classifier that never sets one is right most of the time; F1, the
harmonic mean of precision and recall, is not deceived by that and is reported beside the accuracy.

References
----------
Engel et al., "Neural Audio Synthesis of Musical Notes with WaveNet Autoencoders", arXiv:1704.01279, section 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wavecore.errors import InputError

CLASSES = ("pitch", "family", "source")
HEADS = (*CLASSES, "quality")


@dataclass(frozen=True)
class NoteScores:
    """How well notes are recognised, as shares from 0 to 1.

    Attributes
    ----------
    pitch_accuracy, family_accuracy, source_accuracy : float
        Share of notes whose largest logit is that of the true class.
    quality_f1 : float or None
        Of all bits together (micro average); None where no bit is set or detected.
    quality_accuracy : float
        Share of all bits that are right; a positive logit sets a bit.
    """

    pitch_accuracy: float
    quality_f1: float | None
    quality_accuracy: float
    family_accuracy: float
    source_accuracy: float
    n_notes: int


def note_scores(logits: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]) -> NoteScores:
    """Score the logits of notes.

    Parameters
    ----------
    logits : mapping of str to ndarray, shape (N, K), float
        Of ``HEADS``.
    truth : mapping of str to ndarray
        Integers of shape (N,), and bits of shape (N, K) for ``quality``.

    Raises
    ------
    InputError
        If there are no notes, shapes differ, a logit is not finite, or a class is out of range.

    Examples
    --------
    >>> logits = {"pitch": np.eye(128)[[60, 61]], "family": np.eye(11)[[1, 1]], "source": np.eye(3)[[2, 2]]}
    >>> truth = {"pitch": np.array([60, 0]), "family": np.array([1, 1]), "source": np.array([2, 2])}
    >>> bits = {"quality": np.array([[1, 0], [0, 0]])}
    >>> note_scores(logits | {"quality": np.array([[0.5, 2.0], [-1.0, -1.0]])}, truth | bits)
    NoteScores(pitch_accuracy=0.5, quality_f1=0.6..., quality_accuracy=0.75, family_accuracy=1.0, ...n_notes=2)
    """
    for name in HEADS:
        _check(name, logits[name], truth[name], n_notes=len(truth["pitch"]))
    accuracy = {name: float(np.mean(logits[name].argmax(axis=1) == truth[name])) for name in CLASSES}
    detected, bits = logits["quality"] > 0, truth["quality"].astype(bool)
    hits, claims = int((detected & bits).sum()), int(detected.sum() + bits.sum())
    return NoteScores(
        accuracy["pitch"],
        2 * hits / claims if claims else None,  # 2 TP / (2 TP + FP + FN)
        float((detected == bits).mean()),
        accuracy["family"],
        accuracy["source"],
        len(bits),
    )


def _check(name: str, logits: np.ndarray, truth: np.ndarray, *, n_notes: int) -> None:
    expected = logits.shape if name == "quality" else logits.shape[:1]
    if logits.ndim != 2 or not logits.size or truth.shape != expected or len(truth) != n_notes:
        raise InputError(f"{name}: logits of shape {logits.shape} and truth of shape {truth.shape} do not fit")
    if not np.isfinite(logits).all():
        raise InputError(f"{name}: {int((~np.isfinite(logits)).sum())} of {logits.size} logits are not finite")
    n_classes = 2 if name == "quality" else logits.shape[1]
    if truth.min() < 0 or truth.max() >= n_classes:
        raise InputError(f"{name}: the truth reaches from {truth.min()} to {truth.max()}, beyond 0 to {n_classes - 1}")
