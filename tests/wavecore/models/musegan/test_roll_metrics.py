"""Measures of rolls, against rolls that were made to have them."""

import numpy as np
import pytest

from wavecore.errors import InputError
from wavecore.models.musegan import roll_metrics
from wavecore.models.musegan.roll_metrics import measure


def empty(n=1, bars=2, steps=8, pitches=84, tracks=1):
    return np.zeros((n, bars, steps, pitches, tracks), bool)


def measured(phrases, *, lowest=24, beats=4, drums=None):
    return measure(phrases, lowest=lowest, beats=beats, drums=drums or [False] * phrases.shape[-1])


def test_empty_bars_are_those_that_are_empty():
    phrases = empty(n=2, tracks=2)
    phrases[0, 0, 3, 10, 0] = True
    np.testing.assert_allclose(measured(phrases).empty_bars, [3 / 4, 1])


def test_pitch_classes_of_bars_that_sound():
    phrases = empty()
    phrases[0, 0, :, [0, 12, 36], 0] = True  # three Cs
    phrases[0, 0, 5, 7, 0] = True
    assert measured(phrases).pitch_classes == [2], "the empty bar does not count"
    phrases[0, 1, 0, 4, 0] = True
    assert measured(phrases).pitch_classes == [1.5]
    assert np.isnan(measured(empty()).pitch_classes).all()


@pytest.mark.parametrize("lowest", [24, 21, 60])
@pytest.mark.parametrize("pitches", [84, 48, 13])
def test_chroma_is_folded_by_octaves(lowest, pitches):
    roll = np.eye(pitches, dtype=bool)
    folded = roll_metrics.fold(roll, lowest=lowest)
    assert (
        folded.argmax(axis=1).tolist() == [(lowest + p) % 12 for p in range(pitches)]
        and (folded.sum(axis=1) == 1).all()
    )
    chord = np.zeros(pitches, bool)
    chord[[0, 12]] = True
    assert roll_metrics.fold(chord, lowest=lowest)[lowest % 12] == 2


def test_qualified_notes_last_a_32nd():
    phrases = empty(bars=2, steps=96)
    for begin, length, pitch in ((0, 2, 5), (4, 3, 5), (10, 40, 6), (95, 2, 7)):  # the last goes on over the bar line
        phrases[0].reshape(192, 84, 1)[begin : begin + length, pitch] = True
    assert measured(phrases).qualified_notes == [2 / 4]
    assert sorted(roll_metrics.note_lengths(phrases[..., 0]).tolist()) == [2, 2, 3, 40]
    coarse = empty(steps=16)
    coarse[0, 0, 0, 5, 0] = True
    assert measured(coarse).qualified_notes == [1], "no note is shorter than a step"
    finer = empty(steps=64)
    finer[0, 0, [0, 4, 5], 5, 0] = True
    assert measured(finer).qualified_notes == [1 / 2], "a 32nd is two steps of 16 to a beat"


def test_a_run_of_another_phrase_is_another_note():
    phrases = empty(n=2, bars=1, steps=4)
    phrases[:, 0, :, 3, 0] = True
    assert roll_metrics.note_lengths(phrases[..., 0]).tolist() == [4, 4]
    assert roll_metrics.onsets(phrases[..., 0]).sum() == 2 and roll_metrics.onsets(phrases[..., 0])[:, 0, 0, 3].all()


@pytest.mark.parametrize(("steps_per_beat", "worth"), [
    (24, [1, 0.1, 0, 0, 0, 0.1] * 4),
    (12, [1, 0.1, 0.1] * 4),
    (16, [1, 0.1, 0, 0.1] * 4),
    (8, [1, 0.1] * 4),
    (4, [1, 0.1] * 2),
    (6, [1, 0.1, 0.1] * 2),
    (9, [1, 0.1, 0.1] * 3),
    (1, [1]),
    (5, [1] * 5),
])  # fmt: skip
def test_strokes_on_a_pattern(steps_per_beat, worth):
    for place, wanted in enumerate(worth):
        roll = np.zeros((1, 1, 4 * steps_per_beat, 3), bool)
        roll[0, 0, place + steps_per_beat, 1] = True
        assert roll_metrics.drum_pattern(roll, steps_per_beat=steps_per_beat) == pytest.approx(wanted)


def test_the_drum_pattern_is_a_share_of_strokes():
    phrases = empty(steps=96, tracks=2)
    phrases[0, 0, 0, [3, 9], 1] = True
    phrases[0, 1, [7, 9], 3, 1] = True
    found = measured(phrases, drums=[False, True])
    np.testing.assert_allclose(found.drum_pattern, [np.nan, (1 + 1 + 0.1 + 0) / 4])
    assert (
        np.isnan(found.pitch_classes).all()
        and np.isnan(found.qualified_notes[1])
        and np.isnan(found.tonal_distance).all()
    )
    assert np.isnan(measured(empty(), drums=[True]).drum_pattern).all()


def centroid(*classes):
    chroma = np.zeros((1, 12))
    chroma[0, list(classes)] = 1
    return roll_metrics.tonal_centroid(chroma)[0]


def test_tonal_centroids_lie_on_their_circles():
    np.testing.assert_allclose(centroid(0), [0, 1, 0, 1, 0, 0.5], atol=1e-12)
    np.testing.assert_allclose(centroid(3), [-1, 0, 1, 0, 0, 0.5], atol=1e-12)
    fifth = np.hypot(2 * np.sin(np.pi / 12), np.hypot(np.sqrt(2), np.sqrt(3) / 2))
    assert np.linalg.norm(centroid(0) - centroid(7)) == pytest.approx(fifth)
    apart = {n: np.linalg.norm(centroid(0) - centroid(n)) for n in range(1, 12)}
    for n in range(1, 12):
        assert apart[n] == pytest.approx(apart[12 - n])
    assert min(apart[n] for n in (3, 4, 5)) < max(apart[1], apart[2], apart[6]) and max(apart, key=apart.get) == 6
    np.testing.assert_allclose(roll_metrics.tonal_centroid(np.full((1, 12), 3))[0], np.zeros(6), atol=1e-12)
    assert np.isnan(roll_metrics.tonal_centroid(np.zeros((1, 12)))).all()


def test_tonal_distance_is_that_of_beats_in_which_both_sound():
    phrases = empty(bars=1, tracks=3)
    phrases[0, 0, 0, 0, 0] = phrases[0, 0, 1, 12 + 7, 1] = True  # C and G in the first beat
    phrases[0, 0, 2, 36, 0] = phrases[0, 0, 2:4, 0, 1] = True  # C and C in the second
    phrases[0, 0, 4, 6, 0] = True  # alone in the third
    found = measured(phrases).tonal_distance
    assert found[0, 1] == found[1, 0] == pytest.approx(np.linalg.norm(centroid(0) - centroid(7)) / 2)
    assert np.isnan(found[[0, 1, 2, 0], [0, 1, 2, 2]]).all()
    moved = measured(phrases, lowest=29).tonal_distance
    np.testing.assert_allclose(moved[0, 1], found[0, 1])


def test_a_chord_s_weights_are_those_of_what_sounds_longer():
    phrases = empty(bars=1, steps=8, tracks=2)
    phrases[0, 0, 0, 0, 0] = phrases[0, 0, 0:2, 4, 0] = True
    phrases[0, 0, 0, 0, 1] = True
    wanted = np.linalg.norm((centroid(0) + 2 * centroid(4)) / 3 - centroid(0))
    assert measured(phrases).tonal_distance[0, 1] == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("phrases", "drums", "beats", "message"),
    [
        (np.zeros((1, 2, 8, 84)), [False], 4, "shape"),
        (np.zeros((0, 2, 8, 84, 1), bool), [False], 4, "shape"),
        (np.zeros((1, 2, 8, 84, 1)), [False], 4, "float64"),
        (np.zeros((1, 2, 8, 84, 1), bool), [False, True], 4, "2 tracks"),
        (np.zeros((1, 2, 8, 84, 1), bool), [False], 3, "3 beats has 8 steps"),
    ],
)
def test_what_is_no_phrase(phrases, drums, beats, message):
    with pytest.raises(InputError, match=message):
        measure(phrases, lowest=24, beats=beats, drums=drums)
