"""Accuracies and F1 of notes, by hand."""

import numpy as np
import pytest

from wavecore.errors import InputError
from wavecore.models.note_classifier.evaluate import note_scores

QUALITY_LOGITS = np.array([[1.0, -1.0, -0.1, -9.0], [2.0, 0.5, -0.2, -9.0], [-1.0, 0.1, -0.3, 0.0]])
BITS = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [1, 1, 0, 0]])


def score(**changes):
    """Score three notes; changes are pairs of logits and truth."""
    pairs = {
        "pitch": (np.eye(128, dtype=np.float32)[[60, 61, 62]], np.array([60, 61, 0])),
        "quality": (QUALITY_LOGITS, BITS),
        "family": (np.eye(11)[[1, 1, 1]], np.array([1, 2, 3])),
        "source": (np.array([[0.0, 0.0, -1.0]] * 3), np.array([0, 0, 0], np.uint8)),
    } | changes
    return note_scores(*({name: pair[i] for name, pair in pairs.items()} for i in (0, 1)))


def test_scores_by_hand():
    scores = score()
    assert scores.n_notes == 3 and scores.pitch_accuracy == pytest.approx(2 / 3)
    assert scores.family_accuracy == pytest.approx(1 / 3) and scores.source_accuracy == 1
    # TP 3, FP 1, FN 3; a logit of zero sets no bit.
    assert scores.quality_f1 == 6 / (6 + 1 + 3) and scores.quality_accuracy == pytest.approx(8 / 12)


def test_a_classifier_that_detects_nothing_is_accurate_and_has_no_f1():
    bits = np.zeros((3, 4), int)
    assert score(quality=(np.full((3, 4), -1.0), bits)).quality_f1 is None
    bits[0, 0] = 1
    scores = score(quality=(np.full((3, 4), -1.0), bits))
    assert scores.quality_accuracy == pytest.approx(11 / 12) and scores.quality_f1 == 0


def test_f1_agrees_with_precision_and_recall():
    rng = np.random.default_rng(0)
    logits, bits = rng.standard_normal((200, 10)), rng.integers(0, 2, (200, 10))
    zeros = {name: (np.zeros((200, 2)), np.zeros(200, int)) for name in ("pitch", "family", "source")}
    precision, recall = bits[logits > 0].mean(), (logits > 0)[bits == 1].mean()
    expected = 2 * precision * recall / (precision + recall)
    assert score(quality=(logits, bits), **zeros).quality_f1 == pytest.approx(expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"pitch": (np.eye(128)[[60, 61]], np.array([60, 61, 0]))},
        {"pitch": (np.zeros((0, 3)), np.zeros(0, int))},
        {"pitch": (np.eye(3), np.array([0, 1, 3]))},
        {"pitch": (np.eye(3), np.array([0, -1, 2]))},
        {"pitch": (np.where(np.eye(3) > 0, np.nan, 0), np.array([0, 1, 2]))},
        {"family": (np.zeros((2, 3)), np.zeros(2, int))},
        {"quality": (QUALITY_LOGITS, BITS[:2])},
        {"quality": (QUALITY_LOGITS, 2 * BITS)},
        {"quality": (QUALITY_LOGITS * np.nan, BITS)},
    ],
)
def test_notes_that_cannot_be_scored_are_refused(changes):
    (name,) = changes
    with pytest.raises(InputError, match=name):
        score(**changes)
