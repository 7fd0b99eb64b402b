"""Phase and pitch of the fundamental, for sounds of known phase and pitch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio import fundamental
from wavecore.errors import InputError, UsageError

RATE = 16_000


def tone(f0_hz, n_samples, *, amplitudes=(1.0, 0.5, 0.7), start=0.0):
    """Return partials of a fundamental, constant or per sample, and its phase."""
    f0_hz = np.broadcast_to(np.asarray(f0_hz, float), (n_samples,))
    angle = start + 2 * np.pi * np.concatenate([[0], np.cumsum(f0_hz)[:-1]]) / RATE
    return sum(a * np.cos((k + 1) * angle + k) for k, a in enumerate(amplitudes)) / 3, angle


def distance(a, b):
    return np.abs(np.angle(np.exp(1j * (a - b))))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(f0_hz=st.floats(60, 1200), start=st.floats(0, 6.2), cents=st.floats(-50, 50))
def test_the_phase_is_that_of_the_lowest_partial(f0_hz, start, cents):
    x, angle = tone(f0_hz * 2 ** (cents / 1200), 6000, start=start)
    inner = slice(2 * RATE * 4 // 60, -2 * RATE * 4 // 60)
    measured = fundamental.phase(x, f0_hz, RATE)
    assert measured.shape == (6000,) and measured.dtype == np.float64
    assert distance(measured, angle)[inner].max() < 0.12


def test_silence_has_the_nominal_phase_and_pitch():
    phase = fundamental.phase(np.zeros(500), 100.0, RATE)
    np.testing.assert_allclose(phase, 2 * np.pi * 100 / RATE * np.arange(500))
    assert fundamental.track(np.zeros(1000), 61.5, hop_length=300, sample_rate=RATE).tolist() == [61.5] * 4


@pytest.mark.parametrize("midi", [36.0, 48.3, 69.0, 83.7, 96.0])
@pytest.mark.parametrize("off", [-0.6, 0.0, 0.4])
def test_a_steady_pitch_is_measured_to_the_cent(midi, off):
    x, _ = tone(440 * 2 ** ((midi + off - 69) / 12), 16_000)
    measured = fundamental.track(x, midi, hop_length=512, sample_rate=RATE)
    assert measured.shape == (32,) and measured.dtype == np.float32
    assert np.abs(measured[2:-3] - (midi + off)).max() < 0.01


def test_phase_and_pitch_of_a_vibrato():
    t = np.arange(32_000) / RATE
    midi = 69 + 0.3 * np.sin(2 * np.pi * 3 * t)
    x, angle = tone(440 * 2 ** ((midi - 69) / 12), 32_000)
    assert distance(fundamental.phase(x, 440, RATE), angle)[400:-400].max() < 0.1
    measured = fundamental.track(x, 69.0, hop_length=512, sample_rate=RATE)
    middles = midi[256::512][: len(measured)]
    assert np.abs(measured[2:-3] - middles[2 : len(measured) - 3]).max() < 0.06


def test_silence_around_a_sound_has_its_nearest_pitch():
    x, _ = tone(440 * 2 ** (0.5 / 12), 8_000)
    sound = np.concatenate([np.zeros(5_000), x, np.zeros(5_001)])
    measured = fundamental.track(sound, 69.0, hop_length=500, sample_rate=RATE)
    assert len(measured) == 37
    assert np.ptp(measured[:9]) < 1e-6 and np.ptp(measured[-8:]) < 1e-6
    assert measured == pytest.approx(np.full(37, 69.5), abs=0.2)  # at the very edges half of the window is empty


def test_a_track_stays_within_a_semitone():
    noise = np.random.default_rng(0).standard_normal(16_000)
    measured = fundamental.track(noise, 60.0, hop_length=512, sample_rate=RATE)
    assert np.abs(measured - 60).max() <= 1 + 1e-6 and measured.std() > 0


@pytest.mark.parametrize("f0_hz", [0.0, -3.0, 8_000.0, float("nan")])
def test_impossible_fundamentals(f0_hz):
    for use in (fundamental.phase, lambda x, *args: fundamental.offsets(x, x, *args, 4)):
        with pytest.raises(UsageError, match=f"{f0_hz} Hz"):
            use(np.ones(100), f0_hz, RATE)


def test_bad_sounds_and_hops():
    for x in (np.array([0.0, np.nan]), np.zeros((2, 50))):
        with pytest.raises(InputError):
            fundamental.track(x, 60.0, hop_length=10, sample_rate=RATE)
    with pytest.raises(UsageError, match="hop_length is 0"):
        fundamental.track(np.zeros(50), 60.0, hop_length=0, sample_rate=RATE)


@pytest.mark.parametrize("f0_hz", [98.0, 261.6, 1046.5])
@pytest.mark.parametrize("off", [1.0, 0.985, 1.015])
def test_offsets_of_partials(f0_hz, off):
    rng = np.random.default_rng(4)
    leads = rng.uniform(-np.pi, np.pi, 7)
    t = np.arange(8000) / 16_000
    x = sum(0.5 / k * np.cos(2 * np.pi * k * f0_hz * t + leads[k - 1]) for k in range(1, 8))
    phase = fundamental.phase(x, off * f0_hz, 16_000)
    measured = fundamental.offsets(x, phase, off * f0_hz, 16_000, 64)
    assert measured.shape == (8000, 64) and measured.dtype == np.float32
    expected = leads - np.arange(1, 8) * leads[0]
    assert distance(measured[2000:6000, :7], expected).max() < 0.05


def test_the_offset_of_a_partial_out_of_tune_grows():
    t = np.arange(16_000) / 16_000
    x = 0.4 * np.cos(2 * np.pi * 200 * t) + 0.2 * np.cos(2 * np.pi * 603 * t)
    measured = fundamental.offsets(x, fundamental.phase(x, 200, 16_000), 200, 16_000, 4)
    lead = np.unwrap(measured[2000:14_000, 2])
    assert (lead[-1] - lead[0]) / (2 * np.pi) == pytest.approx(3 * 12_000 / 16_000, abs=0.02)


def test_offsets_above_half_the_rate_are_zero():
    x = np.random.default_rng(0).standard_normal(3000)
    measured = fundamental.offsets(x, fundamental.phase(x, 1500, 16_000), 1500, 16_000, 8)
    assert measured[:, :5].any(axis=0).all() and not measured[:, 5:].any()
