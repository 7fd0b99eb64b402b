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
def test_equal_transposed_and_mirrored_contours(measure):
    same, transposed, mirrored = (measure(track(TUNE), track(midi)) for midi in (TUNE, TUNE - 12, 130 - TUNE))
    assert same == pytest.approx(1) and transposed == pytest.approx(1)
    assert mirrored == pytest.approx(-1) if measure is pitch_correlation else mirrored < 0.5
    coarse = track(TUNE[::5], frame_s=0.05)  # frame rates may differ
    rates = [(track(TUNE), coarse), (coarse, track(TUNE))]
    assert [pitch_correlation(*pair) for pair in rates] == pytest.approx([1, 1])


def test_warping_aligns_late_and_fast_contours():
    late = np.concatenate([TUNE[:1].repeat(12), TUNE[:-12]])
    before, after = (measure(track(TUNE), track(late)) for measure in (pitch_correlation, warped_pitch_correlation))
    assert before < 0.8 and after > 0.99
    assert warped_pitch_correlation(track(TUNE), track(TUNE[::2])) > 0.99


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


def test_a_piano_roll_holds_the_nearest_notes():
    roll = piano_roll(track([60.4, np.nan, 61.6, 127.2]))
    assert roll.shape == (4, 128) and [row.nonzero()[0].tolist() for row in roll] == [[60], [], [62], [127]]
    assert not piano_roll(track([127.6])).any()


@given(st.integers(0, 999))
def test_jaccard_distances_are_symmetric_and_between_0_and_1(seed):
    a, b = np.random.default_rng(seed).random((2, 3, 6)) < (seed % 5) / 4
    if (a | b).any():
        distance = jaccard_distance(a, b)
        assert 0 <= distance <= 1 and distance == jaccard_distance(b, a) and (distance == 0) == bool((a == b).all())


def test_known_rolls_and_those_that_cannot_be_compared():
    a, b = np.array([[1, 1, 0, 0], [0, 0, 0, 1]], bool), np.array([[0, 1, 1, 0], [0, 0, 0, 0]], bool)
    assert jaccard_distance(a, b) == pytest.approx(1 - 1 / 4)
    with pytest.raises(InputError, match=r"\(2, 4\) and \(3, 4\)"):
        jaccard_distance(np.ones((2, 4), bool), np.ones((3, 4), bool))
    with pytest.raises(InputError):
        jaccard_distance(np.zeros((2, 4), bool), np.zeros((2, 4), bool))
