"""Pitch: whistles up to 5 kHz at any rate, silence and noise unvoiced, conversions exact."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wavecore.audio import files, pitch
from wavecore.audio.pitch import PitchTrack, hz_to_midi, midi_to_hz, track_f0
from wavecore.errors import InputError, UsageError

RECORDINGS = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "audio"
needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"recordings are not at {RECORDINGS}")


def tone(frequency_hz, rate, seconds=0.4, harmonics=1, noise=1e-3):
    t = np.arange(int(seconds * rate)) / rate
    orders = [k for k in range(1, harmonics + 1) if k * frequency_hz < rate / 2]
    x = sum(np.sin(2 * np.pi * k * frequency_hz * t) / k for k in orders)
    return (0.3 * x + noise * np.random.default_rng(0).standard_normal(len(t))).astype(np.float32)


def cents(reference_hz, estimate_hz):
    return 1200 * np.log2(estimate_hz / reference_hz)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [16000, 22050, 48000])
@pytest.mark.parametrize("frequency_hz", [1234.0, 3555.6, 4000.0, 4571.4, 4999.0])
def test_whistles_are_right(rate, frequency_hz):
    found = track_f0(tone(frequency_hz, rate, seconds=0.3), sample_rate=rate)
    assert np.abs(cents(frequency_hz, found.f0_hz[2:-2])).max() < 15  # NaN, where unvoiced, fails


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize(("frequency_hz", "tolerance_cents"), [(56.0, 35), (82.4, 25), (220.0, 15)])
def test_instruments_are_right(rate, frequency_hz, tolerance_cents):
    found = track_f0(tone(frequency_hz, rate, seconds=0.6, harmonics=12), sample_rate=rate)
    assert np.abs(cents(frequency_hz, found.f0_hz[4:-4])).max() < tolerance_cents


@pytest.mark.slow
def test_a_gliding_whistle_is_tracked():
    rate = 16000
    t = np.arange(rate) / rate
    f_hz = 1400.0 * 2 ** (0.5 * np.sin(2 * np.pi * 1.5 * t))
    x = (0.3 * np.sin(2 * np.pi * np.cumsum(f_hz) / rate)).astype(np.float32)
    found = track_f0(x, sample_rate=rate)
    error = np.abs(cents(np.interp(found.times_s, t, f_hz), found.f0_hz))[3:-3]
    assert np.median(error) < 15 and error.max() < 50


@pytest.mark.parametrize(("level", "n_samples"), [(0.0, 1), (0.0, 8000), (8.6e-5, 8000), (0.1, 100), (0.1, 8000)])
def test_silence_is_unvoiced(level, n_samples):
    found = track_f0(np.full(n_samples, level, np.float32), sample_rate=16000)
    assert not found.voiced.any() and np.isnan(found.f0_hz).all()
    assert len(found.times_s) == 1 + (n_samples - 1) // 320


@pytest.mark.slow
@pytest.mark.parametrize("level", [1e-5, 0.1])
def test_noise_is_unvoiced(level):
    x = (level * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)
    assert track_f0(x, sample_rate=16000).voiced.mean() < 0.05


@pytest.mark.slow
def test_pauses_are_unvoiced():
    rate = 16000
    x = np.concatenate([tone(440.0, rate, noise=0), np.zeros(rate // 2, np.float32), tone(440.0, rate, noise=0)])
    found = track_f0(x, sample_rate=rate)
    assert not found.voiced[24:41].any()
    assert found.voiced[2:18].all() and found.voiced[47:63].all()


@pytest.mark.slow
@pytest.mark.parametrize(("frame_rate_hz", "rate"), [(10.0, 16000), (31.25, 44100), (50.0, 44100), (100.0, 16000)])
def test_frames_lie_on_the_frame_rate(frame_rate_hz, rate):
    found = track_f0(tone(440.0, rate, seconds=0.3), sample_rate=rate, frame_rate_hz=frame_rate_hz)
    assert found.times_s[0] == 0.0 and found.times_s[-1] < 0.3
    assert np.allclose(np.diff(found.times_s), 1 / frame_rate_hz, rtol=1e-3)
    assert len(found.times_s) == pytest.approx(0.3 * frame_rate_hz, abs=1.01)


@pytest.mark.slow
def test_segments_equal_the_whole(monkeypatch):
    rate = 16000
    rng = np.random.default_rng(3)
    f_hz = np.repeat(rng.uniform(300, 3000, 12), rate // 8)
    x = (0.3 * np.sin(2 * np.pi * np.cumsum(f_hz) / rate)).astype(np.float32)
    whole = track_f0(x, sample_rate=rate)
    monkeypatch.setattr(pitch, "_SEGMENT_S", 0.5)
    monkeypatch.setattr(pitch, "_OVERLAP_S", 0.5)
    parts = track_f0(x, sample_rate=rate)
    assert np.array_equal(parts.times_s, whole.times_s)
    assert np.array_equal(parts.f0_hz, whole.f0_hz, equal_nan=True)


def test_pitches_outside_the_limits_are_not_reported():
    found = track_f0(tone(900.0, 4000), sample_rate=4000)  # half the rate limits the pitch
    assert np.abs(cents(900.0, found.f0_hz[2:-2])).max() < 15
    for f0_hz in (200.0, 1500.0):
        found = track_f0(tone(f0_hz, 16000), sample_rate=16000, fmin_hz=300.0, fmax_hz=1000.0)
        assert not (found.f0_hz < 295).any() and not (found.f0_hz > 1015).any()


@pytest.mark.slow
def test_tensors_and_arrays_agree():
    x = tone(440.0, 16000)
    tensor = track_f0(torch.from_numpy(x).requires_grad_(), sample_rate=16000)
    assert np.array_equal(tensor.f0_hz, track_f0(x, sample_rate=16000).f0_hz, equal_nan=True)


@pytest.mark.slow
@needs_recordings
def test_a_human_whistle():
    x, rate = files.read(RECORDINGS / "human-whistle.wav")
    found = track_f0(x, sample_rate=rate)
    voiced = found.f0_hz[found.voiced]
    assert 0.6 < found.voiced.mean() < 0.95
    assert voiced.min() > 900 and voiced.max() < 2000
    low = track_f0(files.read(RECORDINGS / "human-whistle.wav", sample_rate=16000)[0], sample_rate=16000)
    both = found.voiced & low.voiced
    assert both.sum() > 0.9 * found.voiced.sum()
    assert np.median(np.abs(cents(found.f0_hz[both], low.f0_hz[both]))) < 21


@pytest.mark.slow
@needs_recordings
def test_a_trumpet():
    x, rate = files.read(RECORDINGS / "solo-trumpet.ogg")
    found = track_f0(x[: 3 * rate], sample_rate=rate)
    assert found.voiced.mean() > 0.7
    assert 64 < np.nanmedian(hz_to_midi(found.f0_hz)) < 75


def test_bad_signals():
    for x in (np.zeros(0, np.float32), np.zeros((2, 9), np.float32), np.zeros(9, np.int16), np.array([0, np.nan])):
        with pytest.raises(InputError):
            track_f0(x, sample_rate=16000)


@pytest.mark.parametrize(
    "options",
    [
        {"sample_rate": 0},
        {"sample_rate": 100},
        {"fmin_hz": 0.0},
        {"fmin_hz": float("nan")},
        {"fmin_hz": 500.0, "fmax_hz": 500.0},
        {"frame_rate_hz": 0.0},
        {"frame_rate_hz": 1001.0},
    ],
)
def test_bad_parameters(options):
    with pytest.raises(UsageError):
        track_f0(np.zeros(99, np.float32), **{"sample_rate": 16000} | options)


@pytest.mark.parametrize(
    ("arrays", "value"),
    [
        (([0.0, 1.0], [440.0], [True], [1.0]), r"\(1,\), \(2,\)"),
        (([[0.0]], [[440.0]], [[True]], [[1.0]]), r"\(1, 1\)"),
        (([0.0, 0.0], [440.0, 440.0], [True, True], [1.0, 1.0]), "ascend"),
        (([0.0], [440.0], [1.0], [1.0]), "float64"),
        (([0.0, 1.0], [440.0, np.nan], [True, True], [1.0, 1.0]), "frame 1"),
        (([0.0, 1.0], [440.0, 440.0], [True, False], [1.0, 1.0]), "frame 1"),
        (([0.0], [0.0], [True], [1.0]), "frame 0"),
        (([0.0], [np.inf], [True], [1.0]), "frame 0"),
    ],
)
def test_inconsistent_tracks_are_refused(arrays, value):
    with pytest.raises(InputError, match=value):
        PitchTrack(*map(np.asarray, arrays))


def test_known_notes():
    assert hz_to_midi(440.0) == 69.0 and midi_to_hz(69) == 440.0
    assert midi_to_hz(60) == pytest.approx(261.6255653) and hz_to_midi(880.0) == 81.0
    assert np.array_equal(hz_to_midi(np.array([220.0, np.nan])), [57.0, np.nan], equal_nan=True)
    assert np.isnan(midi_to_hz(np.nan))
    assert type(hz_to_midi(440.0)) is type(midi_to_hz(69)) is float


@given(st.floats(-20, 140), st.sampled_from([0.0, -440.0, np.inf]))
def test_conversions_are_inverse_and_bad_frequencies_refused(midi, bad):
    assert hz_to_midi(midi_to_hz(midi)) == pytest.approx(midi, abs=1e-9)
    with pytest.raises(InputError, match=f"1 of 2 .*{bad}"):
        hz_to_midi(np.array([440.0, bad]))
