"""Surveying a sound: length, level, pitch, excerpts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavecore.audio import files
from wavecore.errors import InputError
from wavecore.models.translation import survey

RATE = 16_000


def _tone(seconds, frequency_hz=880.0, amplitude=0.1, rate=RATE):
    return (amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def test_a_tone_between_silences(tmp_path):
    x = np.concatenate([np.zeros(RATE, np.float32), _tone(2.0), np.zeros(RATE, np.float32)])
    files.write(tmp_path / "x.wav", x, RATE, subtype="FLOAT")
    found = survey.survey(tmp_path / "x.wav", sample_rate=RATE, min_samples=800)
    assert (found.n_samples, found.sample_rate, found.excerpts) == (4 * RATE, RATE, ((0, 4 * RATE),))
    assert found.level_db == pytest.approx(-23.0, abs=0.1)
    assert np.median(found.voiced_midi()) == pytest.approx(81.0, abs=0.15)
    assert 0.4 < found.tracks[0].voiced.mean() < 0.6


def test_length_is_counted_at_the_model_s_rate(tmp_path):
    files.write(tmp_path / "x.wav", _tone(1.0, rate=44_100), 44_100)
    assert survey.survey(tmp_path / "x.wav", sample_rate=RATE, min_samples=1).n_samples == RATE


def test_noise_has_a_level_and_no_pitch(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    files.write(tmp_path / "x.wav", noise, RATE)
    found = survey.survey(tmp_path / "x.wav", sample_rate=RATE, min_samples=1)
    assert found.level_db == pytest.approx(-20, abs=1) and len(found.voiced_midi()) < 10


def test_silence_and_shortness_are_errors(tmp_path):
    files.write(tmp_path / "silent.wav", np.zeros(RATE, np.float32), RATE)
    with pytest.raises(InputError, match="is silent"):
        survey.survey(tmp_path / "silent.wav", sample_rate=RATE, min_samples=1)
    files.write(tmp_path / "short.wav", _tone(0.02), RATE)
    with pytest.raises(InputError, match=r"lasts 0.020 s; the model needs at least 0.050 s"):
        survey.survey(tmp_path / "short.wav", sample_rate=RATE, min_samples=800)


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


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(0, 9), max_size=12),
    excerpts=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda p: tuple(sorted(p))), max_size=4),
)
def test_excerpts_are_the_same_for_every_blocking(sizes, excerpts):
    x = np.arange(sum(sizes), dtype=np.float32)
    blocks = np.split(x, np.cumsum(sizes)[:-1]) if sizes else []
    for found, (start, stop) in zip(survey.read_excerpts(iter(blocks), excerpts), excerpts, strict=True):
        assert np.array_equal(found, x[start:stop])
