"""Contours that are equal, late, constant or different."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavecore.audio.pitch import PitchTrack, midi_to_hz
from wavecore.errors import InputError
from wavecore.metrics.contour import jaccard_distance, piano_roll, pitch_correlation, warped_pitch_correlation


def track(midi, *, frame_s=0.01):
    midi = np.asarray(midi, float)
    voiced = np.isfinite(midi)
    f0_hz = np.where(voiced, midi_to_hz(np.nan_to_num(midi, nan=60.0)), np.nan)
    return PitchTrack(frame_s * (np.arange(len(midi)) + 0.5), f0_hz, voiced, voiced.astype(float))


TUNE = np.repeat([60.0, 64, 67, 65, 62, 71, 69, 60], 25)
BOTH = pytest.mark.parametrize("measure", [pitch_correlation, warped_pitch_correlation])


@BOTH
def test_an_equal_contour_an_octave_away_is_fully_correlated(measure):
    assert measure(track(TUNE), track(TUNE)) == pytest.approx(1)
    assert measure(track(TUNE), track(TUNE - 12)) == pytest.approx(1)


@BOTH
def test_a_mirrored_contour_is_anticorrelated(measure):
    correlation = measure(track(TUNE), track(130 - TUNE))
    assert correlation == pytest.approx(-1) if measure is pitch_correlation else correlation < 0.5


def test_warping_aligns_a_late_contour():
    late = np.concatenate([TUNE[:1].repeat(12), TUNE[:-12]])
    before, after = (measure(track(TUNE), track(late)) for measure in (pitch_correlation, warped_pitch_correlation))
    assert before < 0.8 and after > 0.99


def test_warping_does_not_align_another_phrase():
    rng = np.random.default_rng(0)
    others = [np.repeat(rng.permutation(TUNE[::25]), 25) for _ in range(10)]
    assert np.mean([warped_pitch_correlation(track(TUNE), track(other)) for other in others]) < 0.8


@BOTH
def test_constant_contours(measure):
    constant, wavering = np.full(100, 64.0), 64 + 0.2 * np.sin(np.arange(100))
    assert measure(track(constant), track(wavering)) == 1
    assert measure(track(TUNE), track(np.full(200, 64.0))) == 0


@BOTH
def test_an_unvoiced_estimate_is_uncorrelated_and_an_unvoiced_reference_is_refused(measure):
    silent = track(np.full(200, np.nan))
    assert measure(track(TUNE), silent) == 0
    for reference, estimate, value in ((silent, track(TUNE), "200 frames"), (track(TUNE), track([]), "estimate")):
        with pytest.raises(InputError, match=value):
            measure(reference, estimate)


@BOTH
def test_unvoiced_frames_do_not_count(measure):
    gaps = TUNE.copy()
    gaps[::3] = np.nan
    assert measure(track(TUNE), track(gaps)) > 0.97
    assert measure(track(gaps), track(TUNE)) > 0.97


def test_contours_of_other_lengths_are_aligned():
    fast = track(TUNE[::2])
    assert warped_pitch_correlation(track(TUNE), fast) > 0.99


def test_frame_rates_may_differ():
    fine, coarse = track(TUNE), track(TUNE[::5], frame_s=0.05)
    assert pitch_correlation(fine, coarse) == pytest.approx(1)
    assert pitch_correlation(coarse, fine) == pytest.approx(1)


def test_a_piano_roll_holds_the_nearest_notes():
    roll = piano_roll(track([60.4, np.nan, 61.6, 127.2]))
    assert roll.shape == (4, 128) and [row.nonzero()[0].tolist() for row in roll] == [[60], [], [62], [127]]
    assert not piano_roll(track([127.6])).any()


def test_the_jaccard_distance_of_known_rolls():
    a, b = np.zeros((2, 4), bool), np.zeros((2, 4), bool)
    a[0, :2], b[0, 1:3], a[1, 3] = True, True, True
    assert jaccard_distance(a, b) == pytest.approx(1 - 1 / 4)


@given(st.data())
def test_jaccard_distances_are_symmetric_and_between_0_and_1(data):
    rows = st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=3, max_size=3)
    a, b = (np.array(data.draw(rows)) for _ in range(2))
    if (a | b).any():
        distance = jaccard_distance(a, b)
        assert 0 <= distance <= 1 and distance == jaccard_distance(b, a) and (distance == 0) == bool((a == b).all())


def test_rolls_that_cannot_be_compared():
    with pytest.raises(InputError, match=r"\(2, 4\) and \(3, 4\)"):
        jaccard_distance(np.ones((2, 4), bool), np.ones((3, 4), bool))
    with pytest.raises(InputError):
        jaccard_distance(np.zeros((2, 4), bool), np.zeros((2, 4), bool))
