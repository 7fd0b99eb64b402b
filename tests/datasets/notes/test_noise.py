import numpy as np
import pytest

from wavecore.datasets.notes.noise import PROMINENCE_DB, noisiness
from wavecore.errors import InputError

RATE = 16_000
T = 4 * RATE
HZ = np.fft.rfftfreq(T, 1 / RATE)

SHAPES = {
    "white": np.ones_like(HZ),
    "pink": 1 / np.sqrt(np.maximum(HZ, 10)),
    "brown": 1 / np.maximum(HZ, 10),
    "below 1 kHz": (HZ < 1_000).astype(float),
    "a narrow band": ((HZ > 900) & (HZ < 1_100)).astype(float),
    "above 4 kHz": (HZ > 4_000).astype(float),
}


def noise(shape: np.ndarray, seed: int) -> np.ndarray:
    white = np.random.default_rng(seed).standard_normal(T)
    x = np.fft.irfft(np.fft.rfft(white) * shape, T)
    return x / np.abs(x).max()


def tone(pitch: float, *, decay_s: float = 10.0, partials: int = 8) -> np.ndarray:
    t = np.arange(T) / RATE
    f0 = 440 * 2 ** ((pitch - 69) / 12)
    x = sum(np.sin(2 * np.pi * n * f0 * t) / n for n in range(1, partials + 1) if n * f0 < RATE / 2)
    return 0.5 * x * np.exp(-t / decay_s)


@pytest.mark.parametrize("name", SHAPES)
def test_noise_of_any_colour_is_noise(name):
    for seed in range(4):
        measured = noisiness(noise(SHAPES[name], seed), sample_rate=RATE)
        assert measured.is_noise and measured.prominence_db < 8.1, seed


def test_a_burst_of_noise_is_noise():
    burst = noise(SHAPES["white"], 0) * np.exp(-np.arange(T) / (0.05 * RATE))
    assert noisiness(burst, sample_rate=RATE).is_noise


@pytest.mark.parametrize("pitch", [21, 24, 36, 60, 84, 96, 108])
@pytest.mark.parametrize("decay_s", [10.0, 0.1])
def test_notes_of_all_pitches_are_not_noise(pitch, decay_s):
    measured = noisiness(tone(pitch, decay_s=decay_s), sample_rate=RATE)
    assert not measured.is_noise and measured.prominence_db > PROMINENCE_DB + 3


def test_a_note_in_noise_of_its_own_power_is_a_note():
    x = tone(60)
    for seed in range(3):
        hiss = noise(SHAPES["white"], seed)
        assert not noisiness(x + hiss * x.std() / hiss.std(), sample_rate=RATE).is_noise


def test_a_note_with_vibrato_is_a_note():
    t = np.arange(T) / RATE
    phase = 2 * np.pi * 440 * t + 440 * 2 ** (30 / 1200) / 440 * 8 * np.sin(2 * np.pi * 5 * t) / 5
    assert not noisiness(np.sin(phase), sample_rate=RATE).is_noise


def test_the_level_changes_nothing():
    for x in (noise(SHAPES["pink"], 1), tone(50)):
        loud, quiet = (noisiness(x * gain, sample_rate=RATE) for gain in (1.0, 1e-3))
        assert loud.prominence_db == pytest.approx(quiet.prominence_db) and loud.is_noise == quiet.is_noise


def test_flatness_is_1_for_white_noise_and_0_for_a_tone():
    assert noisiness(noise(SHAPES["white"], 0), sample_rate=RATE).flatness > 0.9
    assert noisiness(tone(69, partials=1), sample_rate=RATE).flatness < 1e-3


def test_silence_is_noise():
    assert noisiness(np.zeros(T), sample_rate=RATE) == (0.0, 1.0, True)


def test_short_sounds_are_refused():
    with pytest.raises(InputError, match="8191 samples at 16000 Hz"):
        noisiness(np.zeros(8_191), sample_rate=RATE)
