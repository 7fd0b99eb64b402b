"""Pitch and chroma accuracies of tracks whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio.pitch import PitchTrack
from wavecore.errors import InputError, UsageError
from wavecore.metrics.pitch import raw_chroma_accuracy, raw_pitch_accuracy

NAN = float("nan")
MEASURES = pytest.mark.parametrize("measure", [raw_pitch_accuracy, raw_chroma_accuracy])


def track(f0_hz, frame_s=0.02, start_s=0.0):
    f0_hz = np.asarray(f0_hz, np.float64)
    voiced = np.isfinite(f0_hz)
    return PitchTrack(start_s + np.arange(len(f0_hz)) * frame_s, f0_hz, voiced, voiced.astype(float))


def shifted(f_hz, cents):
    return f_hz * 2 ** (cents / 1200)


def melody(n_frames, seed=0):
    rng = np.random.default_rng(seed)
    f0_hz = 440 * 2 ** (np.cumsum(rng.normal(0, 1.5, n_frames)) / 12)
    f0_hz[rng.random(n_frames) < 0.2] = NAN
    f0_hz[0] = 440.0
    return f0_hz


@MEASURES
def test_a_track_matches_itself(measure):
    reference = track(melody(100))
    assert measure(reference, reference) == 1.0
    assert measure(track([440.0, NAN]), track([NAN, NAN])) == 0.0


@MEASURES
@pytest.mark.parametrize(
    ("cents", "matches"),
    [(0, True), (49.9, True), (50, True), (-50, True), (50.1, False), (-51, False), (600, False)],
)
def test_the_tolerance_is_inclusive(measure, cents, matches):
    reference, estimate = track([440.0] * 3), track([shifted(440.0, cents)] * 3)
    assert measure(reference, estimate) == float(matches)
    assert measure(reference, estimate, tolerance_cents=abs(cents) + 1) == 1


@pytest.mark.parametrize("octaves", [-3, -1, 1, 2])
@pytest.mark.parametrize("cents", [-50, 0, 50])
def test_chroma_ignores_octaves(octaves, cents):
    reference, estimate = track([440.0] * 3), track([shifted(440.0 * 2.0**octaves, cents)] * 3)
    assert raw_pitch_accuracy(reference, estimate) == 0.0
    assert raw_chroma_accuracy(reference, estimate) == 1.0


def test_the_references_voiced_frames_are_counted():
    reference = track([440.0, 440.0, 440.0, 440.0, NAN, NAN])
    estimate = track([440.0, 880.0, NAN, 500.0, 440.0, NAN])
    assert raw_pitch_accuracy(reference, estimate) == 0.25
    assert raw_chroma_accuracy(reference, estimate) == 0.5


@pytest.mark.parametrize("frame_s", [0.005, 0.01, 0.013, 0.02])
def test_frame_rates_may_differ(frame_s):
    reference, estimate = (track(np.where(np.arange(0, 1, step) < 0.5, 440.0, 660.0), step) for step in (0.02, frame_s))
    assert raw_pitch_accuracy(reference, estimate) >= 0.98


def test_the_nearest_frames_are_sampled_and_beyond_its_ends_a_track_is_unvoiced():
    estimate = track([440.0, 660.0], frame_s=0.02)  # 10 ms lies between the two, the earlier one counts
    assert raw_pitch_accuracy(track([440.0] * 3, frame_s=0.01), estimate) == pytest.approx(2 / 3)
    reference = track([440.0] * 100)
    assert raw_pitch_accuracy(reference, track([440.0] * 50)) == pytest.approx(0.51)
    assert raw_pitch_accuracy(reference, track([440.0] * 50, start_s=1.0)) == pytest.approx(0.51)
    assert raw_pitch_accuracy(reference, track([440.0])) == pytest.approx(0.01)


@MEASURES
@pytest.mark.parametrize("lag_frames", [-3, -1, 0, 2, 5])
def test_the_best_lag_counts(measure, lag_frames):
    f0_hz = melody(120, seed=4)
    reference = track(f0_hz[10:110])
    estimate = track(f0_hz[10 - lag_frames : 110 - lag_frames])
    assert measure(reference, estimate, max_lag_s=0.1) > 0.94
    assert measure(reference, estimate, max_lag_s=0.02 * abs(lag_frames)) > 0.94
    if lag_frames:
        assert measure(reference, estimate) < 0.5


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000), st.integers(0, 1000), st.floats(1, 200), st.sampled_from([0.0, 0.05]))
def test_order_and_transposition(seed, other_seed, tolerance_cents, max_lag_s):
    reference, estimate = track(melody(30, seed)), track(melody(35, other_seed))
    options = {"tolerance_cents": tolerance_cents, "max_lag_s": max_lag_s}
    chroma = raw_chroma_accuracy(reference, estimate, **options)
    assert 0 <= raw_pitch_accuracy(reference, estimate, **options) <= chroma <= 1
    assert chroma >= raw_chroma_accuracy(reference, estimate, tolerance_cents=tolerance_cents)
    transposed = track(2 * estimate.f0_hz)
    assert raw_chroma_accuracy(reference, transposed, **options) == pytest.approx(chroma)


@MEASURES
def test_tracks_that_cannot_be_compared(measure):
    for reference, estimate, value in (([NAN, NAN], [1], "2 frames"), ([], [1], "reference"), ([1], [], "estimate")):
        with pytest.raises(InputError, match=value):
            measure(track(reference), track(estimate))


@MEASURES
@pytest.mark.parametrize(
    ("name", "value"), [("tolerance_cents", 0), ("tolerance_cents", NAN), ("max_lag_s", -0.1), ("max_lag_s", NAN)]
)
def test_bad_parameters(measure, name, value):
    with pytest.raises(UsageError, match=f"{name} (is )?{value}"):
        measure(track([440.0]), track([440.0]), **{name: value})
