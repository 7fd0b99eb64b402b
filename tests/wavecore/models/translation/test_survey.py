"""A sound before it is translated: samples, length, level, pitch, excerpts, octave."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio import files
from wavecore.errors import InputError, UsageError
from wavecore.models.translation import survey
from wavecore.models.translation.survey import Source, best_octave, share_outside

RATE = 16_000


def _tone(seconds, frequency_hz=880.0, amplitude=0.1, rate=RATE):
    return (amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def survey_array(x, rate=RATE, min_samples=1):
    return survey.survey(Source.of_array(x, rate), sample_rate=RATE, min_samples=min_samples)


def test_a_tone_between_silences():
    found = survey_array(np.concatenate([np.zeros(RATE // 4, np.float32), _tone(0.5), np.zeros(RATE // 4, np.float32)]))
    assert (found.n_samples, found.sample_rate, found.excerpts) == (RATE, RATE, ((0, RATE),))
    assert found.level_db == pytest.approx(-23.0, abs=0.1)
    assert np.median(found.voiced_midi()) == pytest.approx(81.0, abs=0.15)
    assert 0.4 < found.tracks[0].voiced.mean() < 0.6


@pytest.mark.slow
def test_noise_has_a_level_and_no_pitch():
    found = survey_array(0.1 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32))
    assert found.level_db == pytest.approx(-20, abs=1) and len(found.voiced_midi()) < 10


def test_silence_and_shortness_are_errors():
    with pytest.raises(InputError, match="-70 dB"):
        survey_array(np.zeros(RATE, np.float32))
    with pytest.raises(InputError, match=r"0\.020 s.*0\.050 s"):
        survey_array(_tone(0.02), min_samples=800)


@pytest.mark.parametrize("rate", [8_000, RATE, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_and_the_samples_in_it_are_the_same_source(tmp_path, rate, channels):
    x = _tone(1.3, rate=rate)
    x = x if channels == 1 else np.stack([x, 0.5 * x], axis=1)
    files.write(tmp_path / "x.wav", x, rate, subtype="FLOAT")
    file, array = Source.of_file(tmp_path / "x.wav"), Source.of_array(x, rate)
    assert (file.sample_rate, file.n_samples) == (array.sample_rate, array.n_samples) == (rate, len(x))
    blocks = [np.concatenate(list(source.blocks(RATE))) for source in (file, array)]
    assert len(blocks[0]) == math.ceil(len(x) * RATE / rate) and np.array_equal(*blocks)


@pytest.mark.parametrize(
    ("x", "rate", "error"),
    [
        (np.zeros((2, 16_000)), RATE, InputError),
        (np.zeros(0), RATE, InputError),
        (np.zeros((2, 3, 4)), RATE, InputError),
        (np.zeros(9, np.int16), RATE, InputError),
        (np.full(9, np.nan), RATE, InputError),
        (np.zeros(9), 0, UsageError),
    ],
)
def test_samples_that_are_no_sound_are_refused(x, rate, error):
    with pytest.raises(error):
        Source.of_array(x, rate)


@settings(deadline=None)
@given(n_samples=st.integers(1, 100 * 10 * RATE))
def test_excerpts_are_few_and_lie_within(n_samples):
    excerpts = survey.choose_excerpts(n_samples, RATE)
    assert 1 <= len(excerpts) <= survey.MAX_EXCERPTS
    assert all(0 <= start < stop <= n_samples and stop - start <= 10 * RATE for start, stop in excerpts)
    if n_samples <= 60 * RATE:
        assert sum(stop - start for start, stop in excerpts) == n_samples
    else:
        assert excerpts[0][0] == 0 and excerpts[-1][1] == n_samples


@pytest.mark.slow
@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(0, 9), max_size=12),
    excerpts=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda p: tuple(sorted(p))), max_size=4),
)
def test_excerpts_are_the_same_for_every_blocking(sizes, excerpts):
    x = np.arange(sum(sizes), dtype=np.float32)
    blocks = np.split(x, np.cumsum(sizes)[:-1]) if sizes else []
    for found, (start, stop) in zip(survey.Excerpts(excerpts).read(blocks), excerpts, strict=True):
        assert np.array_equal(found, x[start:stop])


@given(distance=st.floats(-40, 40), low=st.floats(30, 80), width=st.floats(12, 40))
def test_some_octave_always_fits_a_range_of_an_octave(distance, low, width):
    midi = np.array([low + width / 2 + distance])
    shift = best_octave(midi, low, low + width)
    assert share_outside(midi, low, low + width, shift) == 0.0
    assert abs(shift) <= survey.MAX_OCTAVES


@pytest.mark.parametrize(
    ("midi", "low", "high", "shift"),
    [
        ([60.0, 64.0, 67.0], 40, 90, 0),
        ([84.0] * 9, 40, 84, -1),  # at the very end of the range
        ([41.0] * 9, 40, 84, 1),
        ([70.0, 72.0, 75.0, 79.0, 84.0], 40, 84, 0),  # most of it lies well
        ([60.0, 90.0], 58, 90, 0),  # nothing is gained
    ],
)
def test_melodies_move_into_the_range_and_off_its_ends(midi, low, high, shift):
    assert best_octave(np.array(midi), low, high) == shift
