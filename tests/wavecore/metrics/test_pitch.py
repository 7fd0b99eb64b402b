"""Pitch measures on tracks whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio.pitch import PitchTrack
from wavecore.errors import InputError, UsageError
from wavecore.metrics import pitch
from wavecore.metrics.pitch import PitchScores, evaluate, raw_chroma_accuracy, raw_pitch_accuracy, voicing

NAN = float("nan")


def track(f0_hz, frame_s=0.02, start_s=0.0):
    f0_hz = np.asarray(f0_hz, np.float64)
    voiced = np.isfinite(f0_hz)
    return PitchTrack(start_s + np.arange(len(f0_hz)) * frame_s, f0_hz, voiced, voiced.astype(float))


def cents(f_hz, offset):
    return f_hz * 2 ** (offset / 1200)


def melody(n_frames, seed=0):
    rng = np.random.default_rng(seed)
    f0_hz = 440 * 2 ** (np.cumsum(rng.normal(0, 1.5, n_frames)) / 12)
    f0_hz[rng.random(n_frames) < 0.2] = NAN
    f0_hz[0] = 440.0
    return f0_hz


def test_a_track_follows_itself():
    reference = track(melody(100))
    scores = evaluate(reference, reference)
    n_voiced = int(reference.voiced.sum())
    assert scores == PitchScores(1.0, 1.0, 1.0, 0.0, 0.0, n_voiced)
    assert raw_pitch_accuracy(reference, reference) == raw_chroma_accuracy(reference, reference) == 1.0


@pytest.mark.parametrize(
    ("offset", "right"),
    [(0, True), (49.9, True), (50, True), (-50, True), (50.1, False), (-51, False), (600, False)],
)
def test_the_tolerance_is_inclusive(offset, right):
    reference, estimate = track([440.0] * 3), track([cents(440.0, offset)] * 3)
    assert raw_pitch_accuracy(reference, estimate) == raw_chroma_accuracy(reference, estimate) == float(right)


@pytest.mark.parametrize("octaves", [-3, -1, 1, 2])
@pytest.mark.parametrize("offset", [-50, 0, 50])
def test_chroma_folds_octaves(octaves, offset):
    reference, estimate = track([440.0] * 3), track([cents(440.0 * 2.0**octaves, offset)] * 3)
    assert raw_pitch_accuracy(reference, estimate) == 0.0
    assert raw_chroma_accuracy(reference, estimate) == 1.0


def test_other_tolerances():
    reference, estimate = track([440.0]), track([cents(440.0, 80)])
    assert raw_pitch_accuracy(reference, estimate, tolerance_cents=100) == 1.0
    assert raw_pitch_accuracy(reference, estimate, tolerance_cents=79) == 0.0


def test_counts_are_over_the_references_voiced_frames():
    reference = track([440.0, 440.0, 440.0, 440.0, NAN, NAN])
    estimate = track([440.0, 880.0, NAN, 500.0, 440.0, NAN])
    scores = evaluate(reference, estimate)
    assert scores == PitchScores(0.25, 0.5, 0.75, 0.5, 0.0, 4)
    assert voicing(reference, estimate) == (0.75, 0.5)


def test_a_reference_voiced_throughout_has_no_false_alarms_to_count():
    recall, false_alarm = voicing(track([440.0, 440.0]), track([440.0, NAN]))
    assert recall == 0.5 and np.isnan(false_alarm)


def test_an_estimate_without_a_voice_scores_nothing():
    scores = evaluate(track([440.0, NAN]), track([NAN, NAN]))
    assert scores == PitchScores(0.0, 0.0, 0.0, 0.0, 0.0, 1)


@pytest.mark.parametrize("frame_s", [0.005, 0.01, 0.013, 0.02])
def test_frame_rates_may_differ(frame_s):
    steps = lambda t: np.where(np.asarray(t) < 0.5, 440.0, 660.0)
    reference = track(steps(np.arange(50) * 0.02))
    estimate = track(steps(np.arange(round(1 / frame_s)) * frame_s), frame_s=frame_s)
    assert raw_pitch_accuracy(reference, estimate) >= 0.98


def test_nearest_frames_are_read():
    reference = track([440.0, 440.0, 440.0], frame_s=0.01)
    estimate = track([440.0, 660.0], frame_s=0.02)  # 10 ms lies between the two, the earlier one counts
    assert raw_pitch_accuracy(reference, estimate) == pytest.approx(2 / 3)


def test_beyond_its_ends_a_track_is_unvoiced():
    reference = track([440.0] * 100)
    assert raw_pitch_accuracy(reference, track([440.0] * 50)) == pytest.approx(0.51)
    assert raw_pitch_accuracy(reference, track([440.0] * 50, start_s=1.0)) == pytest.approx(0.51)
    assert raw_pitch_accuracy(reference, track([440.0])) == pytest.approx(0.01)


@pytest.mark.parametrize("lag_frames", [-3, -1, 0, 2, 5])
def test_a_lag_is_found(lag_frames):
    f0_hz = melody(120, seed=4)
    reference = track(f0_hz[10:110])
    estimate = track(f0_hz[10 - lag_frames : 110 - lag_frames])
    scores = evaluate(reference, estimate, max_lag_s=0.1)
    assert scores.lag_s == pytest.approx(0.02 * lag_frames, abs=0.0101)
    assert scores.raw_pitch_accuracy > 0.94
    assert raw_pitch_accuracy(reference, estimate, max_lag_s=0.1) == scores.raw_pitch_accuracy
    if lag_frames:
        assert evaluate(reference, estimate).raw_pitch_accuracy < 0.5


def test_of_equal_lags_the_smallest_counts():
    reference = track([440.0] * 50)
    assert evaluate(reference, reference, max_lag_s=0.05).lag_s == 0.0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000), st.integers(0, 1000), st.floats(1, 200), st.sampled_from([0.0, 0.05]))
def test_laws(seed, other_seed, tolerance_cents, max_lag_s):
    reference, estimate = track(melody(30, seed)), track(melody(35, other_seed))
    options = {"tolerance_cents": tolerance_cents, "max_lag_s": max_lag_s}
    scores = evaluate(reference, estimate, **options)
    assert 0 <= scores.raw_pitch_accuracy <= scores.raw_chroma_accuracy <= 1
    assert scores.raw_chroma_accuracy <= scores.voicing_recall
    assert abs(scores.lag_s) <= max_lag_s + 1e-9
    assert scores.raw_chroma_accuracy == raw_chroma_accuracy(reference, estimate, **options)
    unlagged = options | {"max_lag_s": 0.0}
    assert scores.raw_chroma_accuracy >= raw_chroma_accuracy(reference, estimate, **unlagged)
    transposed = track(2 * estimate.f0_hz)
    assert raw_chroma_accuracy(reference, transposed, **options) == pytest.approx(scores.raw_chroma_accuracy)


@pytest.mark.parametrize("measure", [evaluate, raw_pitch_accuracy, raw_chroma_accuracy, voicing, pitch.validate])
def test_tracks_that_cannot_be_compared(measure):
    with pytest.raises(InputError, match="none of the reference's 2 frames is voiced"):
        measure(track([NAN, NAN]), track([440.0]))
    with pytest.raises(InputError, match="reference pitch track has no frames"):
        measure(track([]), track([440.0]))
    with pytest.raises(InputError, match="estimate pitch track has no frames"):
        measure(track([440.0]), track([]))


@pytest.mark.parametrize("measure", [evaluate, raw_pitch_accuracy, raw_chroma_accuracy])
@pytest.mark.parametrize(
    "options", [{"tolerance_cents": 0.0}, {"tolerance_cents": NAN}, {"max_lag_s": -0.1}, {"max_lag_s": NAN}]
)
def test_bad_parameters(measure, options):
    with pytest.raises(UsageError, match="wanted above 0 and at least 0"):
        measure(track([440.0]), track([440.0]), **options)
