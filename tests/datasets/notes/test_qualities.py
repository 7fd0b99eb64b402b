import numpy as np
import pytest

from wavecore.datasets.notes.qualities import measure
from wavecore.datasets.nsynth.note import QUALITIES
from wavecore.errors import InputError

RATE = 16_000
T = np.arange(4 * RATE) / RATE
HELD = T < 3


def names(x: np.ndarray, pitch: int = 60) -> set[str]:
    bits = measure(x, pitch=pitch, sample_rate=RATE)
    assert len(bits) == 10 and set(bits) <= {0, 1}
    return {name for name, bit in zip(QUALITIES, bits, strict=True) if bit}


def tone(pitch: int, slope: float, partials: int = 120) -> np.ndarray:
    """Return a steady tone whose n-th partial has amplitude n**-slope, with a fade-in of 50 ms."""
    f0 = 440 * 2 ** ((pitch - 69) / 12)
    count = min(partials, int(7_900 / f0))
    x = sum(n**-slope * np.sin(2 * np.pi * n * f0 * T + n * n) for n in range(1, count + 1))
    return 0.3 * x / np.abs(x).max() * np.minimum(1, T / 0.05)


def released(x: np.ndarray, fade_s: float = 0.05) -> np.ndarray:
    """Release a tone at 3 s."""
    return np.where(HELD, x, x * np.exp(-(T - 3) / fade_s))


@pytest.mark.slow
@pytest.mark.parametrize("pitch", [36, 60, 84])
def test_bright_and_dark(pitch):
    assert names(released(tone(pitch, 0.0)), pitch) == {"bright"}
    assert "dark" in names(released(tone(pitch, 0, partials=1)), pitch)
    assert not names(released(tone(pitch, 1.2)), pitch) & {"bright", "dark"}


def test_a_high_pitch_alone_is_not_bright():
    assert "bright" not in names(released(tone(96, 2.0)), 96)


@pytest.mark.parametrize(("lost_db", "fast"), [(0, False), (18, False), (22, True), (60, True)])
def test_fast_decay_is_a_loss_of_20_db_before_the_release(lost_db, fast):
    x = released(tone(60, 1.2) * 10 ** (-lost_db / 20 * T / 2.9))
    assert ("fast_decay" in names(x)) == fast


@pytest.mark.parametrize(("lost_db", "long"), [(0, True), (24, True), (28, False), (80, False)])
def test_long_release_is_a_loss_of_26_db_at_most_after_it(lost_db, long):
    x = np.where(HELD, tone(60, 1.2), tone(60, 1.2) * 10 ** (-lost_db / 20 * (T - 3) / 0.95))
    assert ("long_release" in names(x)) == long


def test_a_sound_that_ended_before_has_no_release():
    x = tone(60, 1.2) * np.where(T < 1, 1, 1e-3)
    assert "long_release" not in names(x) and "fast_decay" in names(x)


@pytest.mark.parametrize(("swell_db", "swells"), [(0, False), (4, False), (8, True)])
def test_a_swell_is_a_nonlinear_envelope(swell_db, swells):
    gain_db = -swell_db / 2 * (1 + np.cos(2 * np.pi * (T - 0.4) / 2))
    assert ("nonlinear_env" in names(released(tone(60, 1.2) * 10 ** (gain_db / 20)))) == swells


def test_an_attack_is_no_swell():
    assert "nonlinear_env" not in names(released(tone(60, 1.2) * np.minimum(1, T / 0.2)))


def test_a_stroke_is_percussive_only_at_the_start():
    rng = np.random.default_rng(0)
    hit = 0.5 * rng.standard_normal(len(T)) * np.exp(-T / 0.02)
    ring = tone(60, 1.2) * np.exp(-T)
    assert "percussive" in names(ring + hit)
    assert "percussive" not in names(ring)
    late = np.concatenate([np.zeros(1_600), (ring + hit)[:-1_600]])
    assert "percussive" not in names(late)
    # Below f0 = 61 Hz the harmonics cannot be resolved.
    assert "percussive" not in names(ring + hit, 30)


def test_a_tone_without_attack_is_not_percussive():
    f0 = 440 * 2 ** (-9 / 12)
    for slope in (1.0, 2.0):
        x = sum(n**-slope * np.sin(2 * np.pi * n * f0 * T) for n in range(1, 20))
        assert "percussive" not in names(0.3 * x)


def test_the_level_changes_nothing_and_silence_has_no_qualities():
    x = released(tone(60, 0.0))
    assert names(x) == names(0.01 * x)
    assert names(np.zeros(len(T))) == set()


def test_short_notes_are_refused():
    with pytest.raises(InputError, match="100 samples"):
        measure(np.zeros(100), pitch=60, sample_rate=RATE)
