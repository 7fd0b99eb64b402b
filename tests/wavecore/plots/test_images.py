"""Images of sounds: rows are pitches, brightness is level, colour is frequency."""

import numpy as np
import pytest

from wavecore.errors import InputError, UsageError
from wavecore.plots import images


def tone(frequency_hz, rate=16000, seconds=1.0, amplitude=0.5):
    t = np.arange(int(rate * seconds)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_a_rainbowgram_is_brightest_at_the_note(rate):
    image = images.rainbow(tone(440.0, rate), sample_rate=rate)
    assert image.shape == (240, 63, 3) and image.dtype == np.float32
    assert image.min() >= 0.0 and image.max() <= 1.0
    rows = image.sum(axis=2)[:, 20:40].argmax(axis=0)
    assert np.abs(rows - 40 * np.log2(440 / 65.406)).max() <= 1


def test_a_steady_tone_has_one_colour_and_another_tone_another():
    colours = []
    for f0_hz in (440.0, 460.0):
        image = images.rainbow(tone(f0_hz), sample_rate=16000)
        colours.append(image[round(40 * np.log2(f0_hz / 65.406)), 20:40])
        assert np.ptp(colours[-1], axis=0).max() < 0.05
    assert np.abs(colours[0].mean(axis=0) - colours[1].mean(axis=0)).max() > 0.2


@pytest.mark.slow
def test_brightness_is_relative_to_the_maximum_over_70_db():
    quiet, loud = (images.rainbow(tone(440.0, amplitude=a), sample_rate=16000) for a in (0.001, 1.0))
    assert np.allclose(quiet, loud, atol=0.02)
    x = np.concatenate([tone(440.0, amplitude=1.0), tone(440.0, amplitude=1e-4, seconds=2.0)])
    image = images.rainbow(x, sample_rate=16000)
    assert image[:, 125:].max() == 0.0 and image[:, 10:50].max() > 0.7


def test_hues_are_a_cycle_of_equal_lightness():
    ring = images._ring().astype(np.float64)
    assert ring.shape == (256, 3) and ring.min() >= 0.0 and ring.max() <= 1.0
    steps = np.abs(np.diff(np.concatenate([ring, ring[:1]]), axis=0)).max(axis=1)
    assert steps.max() < 0.1  # no seam, also from the last to the first
    linear = np.where(ring <= 0.04045, ring / 12.92, ((ring + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert luminance.min() > 0.3 and luminance.max() < 0.6


@pytest.mark.parametrize(("rate", "octaves"), [(300, 1.07), (16000, 6.81), (48000, 7.27)])
def test_a_note_spectrum_ends_below_half_the_rate(rate, octaves):
    level = images.note_spectrum(tone(100.0, rate, seconds=2.0), sample_rate=rate)
    assert level.shape[0] == int(octaves * 36) and level.dtype == np.float32
    assert level.min() >= 0.0 and level.max() == 1.0
    middle = level[:, level.shape[1] // 2]
    assert abs(middle.argmax() - 36 * np.log2(100 / 65.406)) <= 1


@pytest.mark.parametrize("draw", [images.rainbow, images.note_spectrum])
def test_silence_one_sample_and_bad_inputs(draw):
    assert draw(np.zeros(5000, np.float32), sample_rate=16000).max() == 0.0
    assert draw(np.ones(1, np.float32), sample_rate=16000).shape[1] == 1
    with pytest.raises(InputError, match="index 1"):
        draw(np.array([0.0, np.inf]), sample_rate=16000)
    with pytest.raises(UsageError, match="_rate is 0"):
        draw(np.zeros(9, np.float32), sample_rate=0)
    with pytest.raises(UsageError, match="280 Hz"):
        images.note_spectrum(np.zeros(9, np.float32), sample_rate=280)
