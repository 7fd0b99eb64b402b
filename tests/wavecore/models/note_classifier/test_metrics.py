"""Accuracies and F1 of notes, by hand."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from wavecore.errors import InputError
from wavecore.models.note_classifier.metrics import class_accuracy, note_scores, quality_scores

LOGITS = np.array([[0.1, 2.0, -1.0], [3.0, 2.9, 0.0], [-5.0, -4.0, -3.0], [0.0, 0.0, -1.0]])
QUALITY_LOGITS = np.array([[1.0, -1.0, -0.1, -9.0], [2.0, 0.5, -0.2, -9.0], [-1.0, 0.1, -0.3, -9.0]])
BITS = np.array([[1, 0, 1, 0], [0, 1, 1, 0], [1, 1, 0, 0]])


@pytest.mark.parametrize(("truth", "share"), [([1, 0, 2, 0], 1.0), ([1, 1, 2, 1], 0.5), ([0, 1, 0, 2], 0.0)])
def test_the_largest_logit_is_the_answer(truth, share):
    assert class_accuracy(LOGITS, np.array(truth)) == share


def test_single_precision_and_small_integers_do_as_well():
    assert class_accuracy(LOGITS.astype(np.float32), np.array([1, 0, 2, 1], np.uint8)) == 0.75


def test_bits_by_hand():
    scores = quality_scores(QUALITY_LOGITS, BITS)
    # Bit 0: TP 1, FP 1, FN 1.  Bit 1: TP 2.  Bit 2: FN 2.  Bit 3: never set, never found.
    assert scores.bit_f1 == (2 / 4, 1.0, 0.0, None)
    assert scores.f1 == 6 / (6 + 1 + 3)
    assert scores.bit_accuracy == pytest.approx((1 / 3, 1.0, 1 / 3, 1.0))
    assert scores.accuracy == pytest.approx(8 / 12)


def test_a_logit_of_zero_sets_no_bit():
    assert quality_scores(np.zeros((2, 1)), np.array([[0], [1]])).f1 == 0.0


def test_a_judge_that_sees_nothing_is_accurate_and_has_no_f1():
    bits = np.zeros((100, 10), int)
    bits[:5, 0] = 1
    scores = quality_scores(np.full((100, 10), -1.0), bits)
    assert scores.accuracy == 0.995 and scores.f1 == 0.0
    assert quality_scores(np.full((3, 2), -1.0), np.zeros((3, 2), bool)).f1 is None


def test_f1_agrees_with_precision_and_recall():
    rng = np.random.default_rng(0)
    logits, bits = rng.standard_normal((200, 10)), rng.integers(0, 2, (200, 10))
    scores = quality_scores(logits, bits)
    found = logits > 0
    precision, recall = bits[found].mean(), found[bits == 1].mean()
    assert scores.f1 == pytest.approx(2 * precision * recall / (precision + recall))
    for q in range(10):
        precision, recall = bits[found[:, q], q].mean(), found[bits[:, q] == 1, q].mean()
        assert scores.bit_f1[q] == pytest.approx(2 * precision * recall / (precision + recall))


def _pairs(**changes):
    pairs = {
        "pitch": (np.eye(128)[[60, 61, 62]], np.array([60, 61, 0])),
        "quality": (QUALITY_LOGITS, BITS),
        "family": (np.eye(11)[[1, 1, 1]], np.array([1, 2, 3])),
        "source": (np.eye(3)[[2, 2, 2]], np.array([2, 2, 2])),
    }
    return pairs | changes


def test_all_that_is_judged():
    scores = note_scores(**_pairs())
    assert scores.n_notes == 3 and scores.quality == quality_scores(QUALITY_LOGITS, BITS)
    assert scores.pitch_accuracy == pytest.approx(2 / 3) and scores.family_accuracy == pytest.approx(1 / 3)
    assert scores.source_accuracy == 1
    assert scores.to_dict() == asdict(scores)
    assert json.loads(json.dumps(scores.to_dict()))["quality"]["bit_f1"] == [0.5, 1.0, 0.0, None]


@pytest.mark.parametrize(
    ("logits", "truth", "message"),
    [
        (LOGITS, np.array([1, 0, 2]), r"shape \(4, 3\) and truth of shape \(3,\)"),
        (LOGITS, np.zeros((4, 1), int), r"truth of shape \(4, 1\)"),
        (LOGITS[0], np.array([1, 0, 2]), r"logits of shape \(3,\)"),
        (np.zeros((0, 3)), np.zeros(0, int), r"shape \(0, 3\)"),
        (np.zeros((3, 0)), np.zeros(3, int), r"shape \(3, 0\)"),
        (LOGITS, np.array([1, 0, 3, 0]), "from 0 to 3, wanted whole numbers from 0 to 2"),
        (LOGITS, np.array([1, -1, 2, 0]), "from -1 to 2"),
        (LOGITS, np.array([1.0, 0, 2, 0]), "float64"),
        (np.where(LOGITS > 2, np.nan, LOGITS), np.array([1, 0, 2, 0]), "2 of 12 logits are not finite"),
        (np.where(LOGITS > 2.9, np.inf, LOGITS), np.array([1, 0, 2, 0]), "pitch: 1 of 12"),
    ],
)
def test_classes_that_cannot_be_scored_are_refused(logits, truth, message):
    with pytest.raises(InputError, match=message):
        class_accuracy(logits, truth, what="pitch")


@pytest.mark.parametrize(
    ("logits", "bits", "message"),
    [
        (QUALITY_LOGITS, BITS[:2], r"shape \(3, 4\) and bits of shape \(2, 4\)"),
        (QUALITY_LOGITS[0], BITS[0], r"shape \(4,\)"),
        (np.zeros((0, 4)), np.zeros((0, 4), int), r"shape \(0, 4\)"),
        (QUALITY_LOGITS, 2 * BITS, "bits are 0 or 1, not 2"),
        (QUALITY_LOGITS, BITS - 0.5, "bits are 0 or 1, not 0.5"),
        (QUALITY_LOGITS * np.nan, BITS, "quality: 12 of 12 logits"),
    ],
)
def test_bits_that_cannot_be_scored_are_refused(logits, bits, message):
    with pytest.raises(InputError, match=message):
        quality_scores(logits, bits)


def test_different_numbers_of_notes_are_refused():
    with pytest.raises(InputError, match=r"different numbers of notes: \[2, 3\]"):
        note_scores(**_pairs(source=(np.eye(3)[:2], np.array([0, 1]))))
